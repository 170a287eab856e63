"""A-GEM (Chaudhry et al. 2019): a step that would undo what is to be kept loses that part.

With g the gradient of the objectives and r that of what is kept (the regularizers together)::

    g  if g . r >= 0,   else   g - (g . r / r . r) r

So what is kept is no part of the loss: as long as nothing runs against it, training is plain.
"""

from collections.abc import Collection, Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor

from acclimate.gradient_rules.base import Gradient, GradientRule, total, without_conflict


class AGem(GradientRule):
    """Steps never raise what the regularizers say, to first order and before Adam scales them."""

    kind: Literal["agem"] = "agem"

    summary: ClassVar[str] = "steps that would undo what regularizers keep lose that part"

    def check(self, objectives: int, guards: int) -> str:
        """See `GradientRule.check`."""
        return "" if guards else "needs a regularizer that says what is kept, such as distill"

    def combine(
        self, gradients: Mapping[str, Gradient], guards: Collection[str], generator: torch.Generator
    ) -> list[Tensor | None]:
        """See `GradientRule.combine`."""
        wanted = total([gradient for name, gradient in gradients.items() if name not in guards])
        return without_conflict(wanted, total([gradients[name] for name in guards]))
