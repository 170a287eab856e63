"""Global orthogonal regularization (Zhang et al. 2017): embeddings of a batch spread as random directions would.

With cosines c of different texts of one role, in D dimensions::

    penalty = mean(c)^2 + max(0, mean(c^2) - 1/D)              the mean over the roles that texts occur in
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from acclimate.core.nouns import ParamGroup, Step
from acclimate.regularizers.base import Regularizer, RegularizerSpec


class GlobalOrthogonalSpec(RegularizerSpec):
    """Spreads queries among queries and documents among documents."""

    kind: Literal["global_orthogonal"] = "global_orthogonal"
    weight: NonNegativeFloat = 1.0

    summary: ClassVar[str] = "spreads the embeddings of a batch as random directions would be"

    def build(self) -> Regularizer:
        """See `RegularizerSpec.build`."""
        return GlobalOrthogonal(self.weight)


def spread_penalty(vectors: Tensor) -> Tensor:
    """The penalty of the rows of normalized [N, D] among each other, scalar; 0 of a single row."""
    count, dimension = vectors.shape
    others = max(1, count * (count - 1))
    cosines = vectors @ vectors.T
    cosines = cosines - torch.diag(cosines.diagonal())
    mean, square = cosines.sum() / others, cosines.square().sum() / others
    return mean.square() + (square - 1 / dimension).clamp_min(0)


class GlobalOrthogonal(Regularizer):
    """`spread_penalty` of each role's distinct texts."""

    starts_at_zero: ClassVar[bool] = False

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def begin(self, groups: Sequence[ParamGroup]) -> None:
        """See `Regularizer.begin`. Nothing is measured from the start."""

    def forward(self, step: Step) -> Tensor:
        """See `Regularizer.forward`."""
        columns = [torch.unique(index[index >= 0]) for index in step.index.values()]
        penalties = [spread_penalty(step.unique[rows].float()) for rows in columns if len(rows)]
        return self.weight * torch.stack(penalties).mean()
