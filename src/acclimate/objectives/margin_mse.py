"""Margin-MSE: a teacher's margins, not its scores, become those of the cosines (Hofstaetter et al. 2020).

With cosines s and scores t of a teacher, of a right document p and a wrong one n of the same row::

    loss = ((s_p - s_n) - (t_p - t_n) / scale)^2
"""

from typing import ClassVar, Literal

from pydantic import PositiveFloat
from torch import Tensor

from acclimate.core.nouns import Step
from acclimate.objectives.base import Facts, Objective, ObjectiveSpec, taught_documents


class MarginMSESpec(ObjectiveSpec):
    """Makes differences of cosines those of a teacher's scores.

    ``scale`` is the teacher's margin that is to be 1 in cosines; ``auto`` is the widest of the training rows.
    """

    kind: Literal["margin_mse"] = "margin_mse"
    scale: PositiveFloat | Literal["auto"] = "auto"

    summary: ClassVar[str] = "gives right and wrong documents the margins that a teacher gives them (scored negatives)"
    taught: ClassVar[bool] = True
    rows: ClassVar[tuple[str, ...]] = ("pairs",)

    def build(self, facts: Facts) -> Objective:
        """See `ObjectiveSpec.build`."""
        return MarginMSE(facts.widest_margin if self.scale == "auto" else self.scale)


class MarginMSE(Objective):
    """Squared error of margins, the mean over the right and wrong documents of a row; 0 where the teacher says none.

    Args:
        scale: the teacher's margin that is 1 in cosines.
    """

    columns = ("query", "positive", "negative")

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, step: Step) -> Tensor:
        """The loss of each row [B]."""
        right, right_said, has_right = taught_documents(step, "positive")  # [B, P] all three
        wrong, wrong_said, has_wrong = taught_documents(step, "negative")  # [B, N] all three
        margin = right[:, :, None] - wrong[:, None]  # [B, P, N]
        wanted = (right_said[:, :, None] - wrong_said[:, None]) / self.scale
        used = has_right[:, :, None] & has_wrong[:, None]
        return ((margin - wanted).square() * used).sum((1, 2)) / used.sum((1, 2)).clamp_min(1)
