"""PCGrad (Yu et al. 2020): loss terms whose gradients conflict give way to each other.

Each term's gradient loses, for the others in random order, what runs against their own; the step takes the sum. The
others' gradients are the original ones: projected on already projected ones, the result would depend on who came first.
"""

from collections.abc import Collection, Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor

from acclimate.gradient_rules.base import Gradient, GradientRule, total, without_conflict


class PCGrad(GradientRule):
    """Projects every loss term's gradient off those that it conflicts with."""

    kind: Literal["pcgrad"] = "pcgrad"

    summary: ClassVar[str] = "loss terms whose gradients conflict give way to each other"

    def check(self, objectives: int, guards: int) -> str:
        """See `GradientRule.check`."""
        return "" if objectives + guards > 1 else "needs two loss terms"

    def combine(
        self, gradients: Mapping[str, Gradient], guards: Collection[str], generator: torch.Generator
    ) -> list[Tensor | None]:
        """See `GradientRule.combine`."""
        given = list(gradients.values())
        projected = []
        for place, gradient in enumerate(given):
            found = list(gradient)
            for other in torch.randperm(len(given), generator=generator).tolist():
                if other != place:
                    found = without_conflict(found, given[other])
            projected.append(found)
        return total(projected)
