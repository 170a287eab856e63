"""What every objective promises: embeddings in, one loss for each row out."""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from acclimate.core.nouns import Step
from acclimate.core.specs import Spec


class Objective(nn.Module):
    """A loss over the embeddings of a batch. It never sees the model.

    Attributes:
        columns: the roles that it needs.
    """

    columns: tuple[str, ...] = ("query", "positive")

    @abstractmethod
    def forward(self, step: Step) -> Tensor:
        """The loss of each row, float32 [B]."""


class ObjectiveSpec(Spec):
    """The settings of an objective. ``weight`` multiplies its loss in the sum."""

    weight: float = 1.0

    @abstractmethod
    def build(self) -> Objective:
        """The objective with these settings."""


def precise(vectors: Tensor) -> Tensor:
    """In float32 at least: bf16 cannot tell a cosine of .98 from .981. float64 stays, for exact gradient checks."""
    return vectors.to(torch.promote_types(vectors.dtype, torch.float32))


def gather(step: Step, role: str) -> tuple[Tensor, Tensor]:
    """The embeddings of a role's first column [B, D], and which rows have one [B]."""
    index = step.index[role][:, 0]
    return step.unique[index.clamp_min(0)], index >= 0


def logsumexp_masked(logits: Tensor, allowed: Tensor) -> Tensor:
    """Log of the summed exponentials over the allowed entries of the last axis; float32."""
    return torch.logsumexp(logits.masked_fill(~allowed, float("-inf")), dim=-1)
