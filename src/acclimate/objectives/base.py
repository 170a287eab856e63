"""What every objective promises: embeddings in, one loss for each row out."""

from abc import abstractmethod
from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn

from acclimate.core.nouns import Step
from acclimate.core.specs import Spec

_TEMPERATURE_BY_DISTANCE = 0.055  # 0.05 for a base like all-MiniLM-L6-v2, that holds general texts 0.9 apart
_COLDEST, _WARMEST = 0.01, 0.05


class Objective(nn.Module):
    """A loss over the embeddings of a batch. It never sees the model.

    Attributes:
        columns: the roles that it needs.
        guided: whether it reads ``step.frozen[GUIDE]``, what the untuned encoder says of every input of the batch.
    """

    columns: tuple[str, ...] = ("query", "positive")
    guided: bool = False

    @abstractmethod
    def forward(self, step: Step) -> Tensor:
        """The loss of each row, float32 [B]."""


class ObjectiveSpec(Spec):
    """The settings of an objective. ``weight`` multiplies its loss in the sum."""

    weight: float = 1.0

    @abstractmethod
    def build(self) -> Objective:
        """The objective with these settings."""

    def decided(self, distance: float) -> "ObjectiveSpec":
        """The same with every ``auto`` decided, for a base that holds general texts ``distance`` apart on average."""
        return self


class SoftmaxSpec(ObjectiveSpec):
    """The settings of a loss that divides cosines by a temperature.

    ``auto`` is a temperature in proportion to the distances of the base's own vectors. A base whose cosines all lie
    between 0.7 and 1 was trained with a low temperature; under a high one it first has to spread its whole space,
    and pays for that in what it knew.
    """

    temperature: PositiveFloat | Literal["auto"] = "auto"

    def decided(self, distance: float) -> "ObjectiveSpec":
        """See `ObjectiveSpec.decided`."""
        return self.model_copy(update={"temperature": self.fixed_temperature(distance)})

    def fixed_temperature(self, distance: float = 1.0) -> float:
        """The given temperature, or what ``auto`` is for a base with this distance (cosine, 0 to 2)."""
        if self.temperature != "auto":
            return self.temperature
        return round(min(_WARMEST, max(_COLDEST, _TEMPERATURE_BY_DISTANCE * distance)), 3)


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
