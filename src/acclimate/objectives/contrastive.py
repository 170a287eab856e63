"""Contrastive loss of pairs that belong together or not (Hadsell, Chopra & LeCun 2006).

With d = 1 - cosine of a pair, y = 1 where it belongs together and 0 where not::

    loss = ( y d^2 + (1 - y) max(0, margin - d)^2 ) / 2

``online`` leaves out what the batch has learned: right pairs that are nearer than every wrong one, and wrong pairs that
are farther than every right one; and there is no half.
"""

from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from acclimate.core.errors import UsageError
from acclimate.core.nouns import Step
from acclimate.objectives.base import Facts, Objective, ObjectiveSpec, cosine_of_pairs


class ContrastiveSpec(ObjectiveSpec):
    """Pulls pairs that belong together near, and pushes others apart up to a margin of cosine distance (0 to 2)."""

    kind: Literal["contrastive"] = "contrastive"
    margin: PositiveFloat = 0.5
    online: bool = False

    summary: ClassVar[str] = "right pairs near, wrong ones a margin apart (pairs scored 0 or 1)"
    rows: ClassVar[tuple[str, ...]] = ("scored",)

    def build(self, facts: Facts) -> Objective:
        """See `ObjectiveSpec.build`."""
        if not facts.binary:
            raise UsageError(
                "objective contrastive needs two scores, right and wrong, and the data has more or fewer", "take cosent"
            )
        return Contrastive(self.margin, sum(facts.scores) / 2, online=self.online)


class Contrastive(Objective):
    """Contrastive loss.

    Args:
        margin: cosine distance from which on a wrong pair is left alone.
        middle: scores above it are of pairs that belong together.
        online: only the pairs of a batch that are not in order yet.
    """

    columns = ("query", "positive", "score")

    def __init__(self, margin: float, middle: float, *, online: bool) -> None:
        super().__init__()
        self.margin, self.middle, self.online = margin, middle, online

    def forward(self, step: Step) -> Tensor:
        """The loss of each row [B]."""
        distance, right = 1 - cosine_of_pairs(step), step.target > self.middle
        loss = torch.where(right, distance, (self.margin - distance).clamp_min(0)).square()
        return loss * _out_of_order(distance.detach(), right) if self.online else loss / 2


def _out_of_order(distance: Tensor, right: Tensor) -> Tensor:
    """Right pairs beyond the nearest wrong one, wrong pairs within the farthest right one [B].

    Where a batch has pairs of one kind alone, those worse than their mean.
    """
    kinds = []
    for kind, other, sign in ((right, ~right, 1), (~right, right, -1)):
        bound = (sign * distance)[other].min() if other.any() else (sign * distance)[kind].mean()
        kinds.append(kind & (sign * distance > bound))
    return kinds[0] | kinds[1]
