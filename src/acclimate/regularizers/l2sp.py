"""L2-SP (Li et al. 2018): weight decay towards the start instead of towards zero.

penalty = weight / 2 * sum_i (theta_i - theta0_i)^2
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from acclimate.core.nouns import ParamGroup, Step
from acclimate.regularizers.base import Regularizer, RegularizerSpec


class L2SPSpec(RegularizerSpec):
    """Pulls every opened weight towards where it started."""

    kind: Literal["l2sp"] = "l2sp"
    weight: NonNegativeFloat = 0.01

    summary: ClassVar[str] = "pulls the weights towards the base"

    def build(self) -> Regularizer:
        """See `RegularizerSpec.build`."""
        return L2SP(self.weight)


def l2sp_penalty(parameters: Sequence[Tensor], anchors: Sequence[Tensor]) -> Tensor:
    """Half of the summed squared distance between parameters and anchors, float32 scalar."""
    return torch.stack([(p - a).square().sum() for p, a in zip(parameters, anchors, strict=True)]).sum() / 2


class L2SP(Regularizer):
    """Holds a copy of the opened parameters as they were at the start."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight
        # Plain lists: registered parameters would be trained, checkpointed and counted a second time.
        self._parameters_at: list[tuple[nn.Parameter, Tensor]] = []

    def begin(self, groups: Sequence[ParamGroup]) -> None:
        """See `Regularizer.begin`."""
        opened = [p for group in groups for p in group.parameters.values()]
        self._parameters_at = [(p, p.detach().clone()) for p in opened]

    def forward(self, step: Step) -> Tensor:
        """See `Regularizer.forward`."""
        return self.weight * l2sp_penalty(*zip(*self._parameters_at, strict=True))
