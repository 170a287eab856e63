"""Distillation of a ranking: a teacher's softmax over the documents of a row becomes that of the cosines.

With cosines s and scores t of a teacher over the right and wrong documents j of a row (Hinton, Vinyals & Dean 2015)::

    loss = sum_j p_j (log p_j - log q_j),   p = softmax(t / teacher_temperature),   q = softmax(s / temperature)
"""

from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from acclimate.core.nouns import Step
from acclimate.objectives.base import Facts, Objective, SoftmaxSpec, taught_documents


class KLSpec(SoftmaxSpec):
    """Ranks the documents of a row as a teacher does, and as surely.

    ``teacher_temperature`` divides its scores: 1 for the logits of a cross-encoder, 0.05 or so for cosines.
    """

    kind: Literal["kl"] = "kl"
    teacher_temperature: PositiveFloat = 1.0

    summary: ClassVar[str] = "ranks right and wrong documents as a teacher does (scored negatives)"
    taught: ClassVar[bool] = True
    rows: ClassVar[tuple[str, ...]] = ("pairs",)

    def build(self, facts: Facts) -> Objective:
        """See `ObjectiveSpec.build`."""
        return KL(self.fixed_temperature(), self.teacher_temperature)


class KL(Objective):
    """Kullback-Leibler divergence over a row's own documents; 0 where the teacher scored fewer than two.

    Args:
        temperature: divides cosines.
        teacher_temperature: divides the teacher's scores.
    """

    columns = ("query", "positive", "negative")

    def __init__(self, temperature: float, teacher_temperature: float) -> None:
        super().__init__()
        self.temperature, self.teacher_temperature = temperature, teacher_temperature

    def forward(self, step: Step) -> Tensor:
        """The loss of each row [B]."""
        parts = zip(*(taught_documents(step, role) for role in ("positive", "negative")), strict=True)
        cosines, said, there = (torch.cat(columns, dim=1) for columns in parts)  # [B, P + N] all three
        # A finite stand-in for -inf: what is absent has no weight, and 0 * -inf would be no number.
        log_q = torch.log_softmax((cosines / self.temperature).masked_fill(~there, -1e4), dim=1)
        log_p = torch.log_softmax((said / self.teacher_temperature).masked_fill(~there, -1e4), dim=1)
        return (log_p.exp() * (log_p - log_q) * there).sum(1)
