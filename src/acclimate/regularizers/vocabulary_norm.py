"""Keeps the vectors of a prompt as long as those of real tokens.

penalty = weight * mean_i (||p_i|| - mean_v ||E_v||)^2        p: [m, H] of the prompt, E: [V, H] of the vocabulary

An encoder has seen no token embedding that is much longer or shorter than those of its table.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from acclimate.core.nouns import ParamGroup, Step
from acclimate.regularizers.base import Regularizer, RegularizerSpec, with_vocabulary


class VocabularyNormSpec(RegularizerSpec):
    """Pulls the length of each prompt vector towards the mean length of the vocabulary's."""

    kind: Literal["vocabulary_norm"] = "vocabulary_norm"
    weight: NonNegativeFloat = 0.1

    summary: ClassVar[str] = "keeps prompt vectors as long as token embeddings"

    def build(self) -> Regularizer:
        """See `RegularizerSpec.build`."""
        return VocabularyNorm(self.weight)


def norm_penalty(rows: Tensor, norm: Tensor) -> Tensor:
    """Mean squared difference of the lengths of [m, H] from a length, scalar."""
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=1)
    return (lengths - norm).square().mean()


class VocabularyNorm(Regularizer):
    """Holds the mean length of each table."""

    starts_at_zero: ClassVar[bool] = False

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight
        self._norms: list[tuple[nn.Parameter, Tensor]] = []  # a plain list: registered, they would be trained twice

    def begin(self, groups: Sequence[ParamGroup]) -> None:
        """See `Regularizer.begin`."""
        found = with_vocabulary(groups, "vocabulary_norm")
        self._norms = [(p, torch.linalg.vector_norm(table.detach(), dim=1).mean()) for p, table in found]

    def forward(self, step: Step) -> Tensor:
        """See `Regularizer.forward`."""
        return self.weight * torch.stack([norm_penalty(p, norm) for p, norm in self._norms]).mean()
