"""AnglE (Li & Li 2024): scored pairs ordered by their angle in the complex plane, where a cosine saturates.

The halves of a vector are the real and imaginary parts of D/2 complex numbers. With u = a + bi, v = c + di of length
one::

    angle = | sum( Re(u / v) + Im(u / v) ) | = | sum( a c + b d + b c - a d ) |

The loss is CoSENT's over these. The paper adds it to CoSENT and in-batch negatives; ``objectives`` can list several.
"""

from typing import ClassVar, Literal

from pydantic import PositiveFloat
from torch import Tensor

from acclimate.core.errors import UsageError
from acclimate.core.nouns import Step
from acclimate.objectives.base import Facts, Objective, ObjectiveSpec, gather, ordering_loss, precise


class AngleSpec(ObjectiveSpec):
    """Orders the angles of scored pairs like their scores."""

    kind: Literal["angle"] = "angle"
    temperature: PositiveFloat = 0.05

    summary: ClassVar[str] = "orders angles in the complex plane like the scores (scored pairs)"
    rows: ClassVar[tuple[str, ...]] = ("scored",)

    def build(self, facts: Facts) -> Objective:
        """See `ObjectiveSpec.build`."""
        odd = next((size for size in (facts.dimension, *self.matryoshka) if size % 2), None)
        if odd is not None:
            raise UsageError(f"objective angle halves the vectors, and {odd} dimensions are odd", "take cosent")
        return Angle(self.temperature)


def angles(first: Tensor, second: Tensor) -> Tensor:
    """Of matching rows of [B, D] and [B, D] of length one, [B]."""
    (a, b), (c, d) = (vectors.chunk(2, dim=1) for vectors in (first, second))
    found: Tensor = (a * c + b * d + b * c - a * d).sum(1).abs()
    return found


class Angle(Objective):
    """One loss for the whole batch: it does not decompose into rows, so each row carries the same value."""

    columns = ("query", "positive", "score")

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, step: Step) -> Tensor:
        """The batch's loss, repeated for each row [B]. Equal scores everywhere give 0."""
        first, second = (precise(gather(step, role)[0]) for role in ("query", "positive"))
        return ordering_loss(angles(first, second) / self.temperature, step.target).expand(len(first))
