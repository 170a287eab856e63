"""Triplet loss: the right document nearer than a wrong one, by a margin (Schroff, Kalenichenko & Philbin 2015).

With cosine distances d (0 to 2) of a query to its right document p and to a wrong one n::

    loss = max(0, d_p - d_n + margin)                       or, with a soft margin, log(1 + exp(d_p - d_n))

Wrong documents are those of the batch that are not known to be right: the nearest (``hard``), the nearest beyond the
right document, else the farthest (``semi_hard``), or only the row's own, each (``own``).
"""

from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor
from torch.nn import functional as F

from acclimate.core.nouns import Step
from acclimate.objectives.base import Facts, Objective, ObjectiveSpec, documents, known_answers, precise

Negatives = Literal["hard", "semi_hard", "own"]


class TripletSpec(ObjectiveSpec):
    """A margin between the cosine distances of right and wrong documents; ``soft`` has none."""

    kind: Literal["triplet"] = "triplet"
    margin: PositiveFloat | Literal["soft"] = 0.2
    negatives: Negatives = "semi_hard"

    summary: ClassVar[str] = (
        "right documents nearer than wrong ones by a margin (pairs, with or without hard negatives)"
    )

    def build(self, facts: Facts) -> Objective:
        """See `ObjectiveSpec.build`."""
        return Triplet(None if self.margin == "soft" else self.margin, self.negatives)


class Triplet(Objective):
    """Triplet loss; a row with several positives takes the mean of theirs, a row without a negative has loss 0.

    Args:
        margin: in cosine distance, None for a soft one.
        negatives: which of the wrong documents.
    """

    def __init__(self, margin: float | None, negatives: Negatives) -> None:
        super().__init__()
        self.margin, self.negatives = margin, negatives

    def forward(self, step: Step) -> Tensor:
        """The loss of each row [B]."""
        query, positives = step.index["query"][:, 0], step.index["positive"]  # [B], [B, P]
        unique = precise(step.unique)
        distance = 1 - unique[query] @ unique.T  # [B, D] x [D, U] -> [B, U]
        present = positives >= 0
        right = distance.gather(1, positives.clamp_min(0))  # [B, P]
        if self.negatives == "own":
            wrong, usable = self._own(step, distance)
        else:
            wrong, usable = self._of_batch(step, distance, right)
        gap = right[:, :, None] - wrong  # [B, P, N]
        loss = F.softplus(gap) if self.margin is None else (gap + self.margin).clamp_min(0)
        used = present[:, :, None] & usable
        return (loss * used).sum((1, 2)) / used.sum((1, 2)).clamp_min(1)

    def _own(self, step: Step, distance: Tensor) -> tuple[Tensor, Tensor]:
        """Distances of each row's own negatives, and which it has: both [B, 1, N]."""
        index = step.index.get("negative")
        if index is None:
            index = torch.full((len(distance), 1), -1, device=distance.device)
        there = index >= 0
        wrong = there & ~known_answers(step).gather(1, index.clamp_min(0))
        return distance.gather(1, index.clamp_min(0))[:, None], wrong[:, None]

    def _of_batch(self, step: Step, distance: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        """The distance of one wrong document for each right one, and whether there is any: both [B, P, 1]."""
        wrong = documents(step)[None, :] & ~known_answers(step)  # [B, U]
        far = distance.masked_fill(~wrong, torch.inf)
        nearest = far.min(dim=1).values[:, None].expand_as(right)
        if self.negatives == "semi_hard":
            beyond = far[:, None].expand(-1, right.shape[1], -1)
            beyond = beyond.masked_fill(beyond.detach() <= right.detach()[:, :, None], torch.inf).min(dim=2).values
            farthest = distance.masked_fill(~wrong, -torch.inf).max(dim=1).values[:, None]
            nearest = torch.where(beyond.isfinite(), beyond, farthest)
        usable = wrong.any(dim=1)[:, None].expand_as(right)
        return torch.where(usable, nearest, 0.0)[:, :, None], usable[:, :, None]
