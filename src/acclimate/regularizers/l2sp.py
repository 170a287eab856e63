"""L2-SP (Li et al. 2018): weight decay towards the start instead of towards zero.

penalty = weight / 2 * sum_i (theta_i - theta0_i)^2

Adam divides the gradient of a penalty by its size. Decoupled, as weight decay is in AdamW, the weights move back after
each step by ``lr * weight`` of their distance instead.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from acclimate.core.nouns import ParamGroup, Pull, Step
from acclimate.regularizers.base import Regularizer, RegularizerSpec


class L2SPSpec(RegularizerSpec):
    """Pulls every opened weight towards where it started."""

    kind: Literal["l2sp"] = "l2sp"
    weight: NonNegativeFloat = 0.01
    decoupled: bool = False

    summary: ClassVar[str] = "pulls the weights towards the base"

    @property
    def pulls_after_step(self) -> bool:
        """See `RegularizerSpec.pulls_after_step`."""
        return self.decoupled

    def build(self) -> Regularizer:
        """See `RegularizerSpec.build`."""
        return L2SP(self.weight, decoupled=self.decoupled)


def l2sp_penalty(parameters: Sequence[Tensor], anchors: Sequence[Tensor]) -> Tensor:
    """Half of the summed squared distance between parameters and anchors, float32 scalar."""
    return torch.stack([(p - a).square().sum() for p, a in zip(parameters, anchors, strict=True)]).sum() / 2


class L2SP(Regularizer):
    """Holds a copy of the opened parameters as they were at the start."""

    def __init__(self, weight: float, *, decoupled: bool = False) -> None:
        super().__init__()
        self.weight, self.decoupled = weight, decoupled
        # Plain dicts: registered parameters would be trained, checkpointed and counted a second time.
        self._parameters_at: dict[str, tuple[nn.Parameter, Tensor]] = {}

    def begin(self, groups: Sequence[ParamGroup]) -> None:
        """See `Regularizer.begin`."""
        opened = {name: p for group in groups for name, p in group.parameters.items()}
        self._parameters_at = {name: (p, p.detach().clone()) for name, p in opened.items()}

    def pulls(self) -> Mapping[str, Pull]:
        """See `Regularizer.pulls`."""
        if not (self.decoupled and self.weight):
            return {}
        return {name: Pull(anchor, self.weight) for name, (_, anchor) in self._parameters_at.items()}

    def forward(self, step: Step) -> Tensor:
        """See `Regularizer.forward`."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.decoupled):
            return self.weight * l2sp_penalty(*zip(*self._parameters_at.values(), strict=True))
