"""Regression of cosines: each pair's cosine shall be its score (Reimers & Gurevych 2019).

With cosine c and a score y that the lowest and highest of the data carry to 0 and 1::

    loss = (c - y)^2
"""

from typing import ClassVar, Literal

from torch import Tensor

from acclimate.core.errors import UsageError
from acclimate.core.nouns import Step
from acclimate.objectives.base import Facts, Objective, ObjectiveSpec, cosine_of_pairs


class CosineSpec(ObjectiveSpec):
    """Makes the cosines of scored pairs their scores.

    Scores outside of [-1, 1] are carried to [0, 1] by the lowest and the highest of the training rows.
    """

    kind: Literal["cosine"] = "cosine"

    summary: ClassVar[str] = "makes cosines equal to the scores (scored pairs)"
    rows: ClassVar[tuple[str, ...]] = ("scored",)

    def build(self, facts: Facts) -> Objective:
        """See `ObjectiveSpec.build`."""
        low, high = facts.scores
        if low >= -1 and high <= 1:
            return Cosine(0.0, 1.0)
        if low == high:
            raise UsageError(f"objective cosine: all scores are {low:g}", "give pairs of other scores too")
        return Cosine(low, high)


class Cosine(Objective):
    """Squared error of cosines.

    Args:
        low: the score whose cosine is 0.
        high: the score whose cosine is 1.
    """

    columns = ("query", "positive", "score")

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, step: Step) -> Tensor:
        """The loss of each row [B]."""
        return (cosine_of_pairs(step) - (step.target - self.low) / (self.high - self.low)).square()
