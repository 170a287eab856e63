"""Keeps the vectors of a prompt near real tokens, so that they can be read as words.

penalty = weight * mean_i min_v ||p_i - E_v||^2        p: [m, H] of the prompt, E: [V, H] of the vocabulary
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from acclimate.core.nouns import ParamGroup, Step
from acclimate.regularizers.base import Regularizer, RegularizerSpec, with_vocabulary


class NearestTokenSpec(RegularizerSpec):
    """Pulls each prompt vector towards the nearest row of the vocabulary."""

    kind: Literal["nearest_token"] = "nearest_token"
    weight: NonNegativeFloat = 0.1

    summary: ClassVar[str] = "pulls prompt vectors towards the nearest token embeddings"

    def build(self) -> Regularizer:
        """See `RegularizerSpec.build`."""
        return NearestToken(self.weight)


def nearest_penalty(rows: Tensor, table: Tensor, half_squares: Tensor) -> Tensor:
    """Mean squared distance of [m, H] to the nearest rows of [V, H], given half of the squared lengths [V], scalar.

    Which row is nearest has no gradient, so it is found without one, by a product of matrices.
    """
    with torch.no_grad():
        nearest = (half_squares - rows @ table.T).argmin(dim=1)  # [m, V] -> [m]
    return (rows - table[nearest]).square().sum(dim=1).mean()


class NearestToken(Regularizer):
    """Holds each table, and half of the squared lengths of its rows."""

    starts_at_zero: ClassVar[bool] = False  # it does where the prompt starts as tokens

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight
        # A plain list: registered, they would be trained and saved a second time.
        self._near: list[tuple[nn.Parameter, Tensor, Tensor]] = []

    def begin(self, groups: Sequence[ParamGroup]) -> None:
        """See `Regularizer.begin`."""
        found = with_vocabulary(groups, "nearest_token")
        self._near = [(p, table.detach(), table.detach().square().sum(dim=1) / 2) for p, table in found]

    def forward(self, step: Step) -> Tensor:
        """See `Regularizer.forward`."""
        return self.weight * torch.stack([nearest_penalty(*near) for near in self._near]).mean()
