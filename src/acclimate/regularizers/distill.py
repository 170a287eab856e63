"""Distillation from the untuned encoder on general texts (learning without forgetting, Li & Hoiem 2016).

With vectors u of the encoder in training and v of the frozen base, both [G, D] and L2-normalized::

    vectors:   mean_i (1 - u_i . v_i) / mean_{i != j} (1 - v_i . v_j)
    relations: mean_i KL( softmax_j(v_i . v_j / temperature) || softmax_j(u_i . u_j / temperature) ),  j != i
    margins:   mean_{i, j, k} ( (u_i . u_j - u_i . u_k) - (v_i . v_j - v_i . v_k) )^2 / the square of that divisor

The divisor of the first says how far apart the base holds different texts: 0.9 for all-MiniLM-L6-v2, 0.2 for
multilingual-e5-small, whose cosines all lie between 0.7 and 1. One weight then keeps both alike. Less than 0.1 counts
as 0.1.

In stages the teacher is the previous stage: with N of them, v of stage k = 0 .. N - 1 is what the encoder said when the
stage began, and the weight is 1 - k / N of the whole.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import Tensor
from torch.nn import functional as F

from acclimate.core.nouns import ParamGroup, Step
from acclimate.regularizers.base import Regularizer, RegularizerSpec, stage_of

if TYPE_CHECKING:
    from typing import Self

_LEAST_APART = 0.1  # below it, what bf16 rounds off would count as movement


class DistillSpec(RegularizerSpec):
    """Keeps what the base says of general texts: its vectors, or only their relations, or differences of these.

    With several ``stages``, equal parts of the training, each begins with the encoder as it is then for its teacher,
    at a weight that falls from stage to stage: 1, 2/3, 1/3 of it in three. With ``fading`` the weight falls evenly to
    0 at the end of training, whatever the stages.
    """

    kind: Literal["distill"] = "distill"
    weight: NonNegativeFloat = 4.5
    keep: Literal["vectors", "relations", "margins"] = "vectors"
    temperature: PositiveFloat = 0.05
    texts_a_step: PositiveInt = 32
    stages: PositiveInt = 1
    fading: bool = False

    summary: ClassVar[str] = "keeps the base's vectors of general texts"

    @model_validator(mode="after")
    def _has_pairs(self) -> "Self":
        least = {"vectors": 1, "relations": 2, "margins": 3}[self.keep]
        if self.texts_a_step < least:
            raise ValueError(f"should have texts_a_step of at least {least} to keep {self.keep}")
        return self

    def build(self) -> Regularizer:
        """See `RegularizerSpec.build`."""
        return Distill(self)


def vector_penalty(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean cosine distance of matching rows of [G, D] and [G, D], in mean distances of the teacher's rows, scalar."""
    moved = (1 - (student * teacher).sum(1)).mean()
    return moved / mean_distance(teacher).clamp_min(_LEAST_APART) if len(teacher) > 1 else moved


def mean_distance(vectors: Tensor) -> Tensor:
    """Mean cosine distance of two different rows of normalized [G, D], G > 1, scalar."""
    count = len(vectors)
    return 1 - (vectors.sum(0).square().sum() - vectors.square().sum()) / (count * (count - 1))


def relation_penalty(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Mean divergence of each text's similarities to the others, teacher [G, D'] against student [G, D], scalar."""
    own = torch.eye(len(student), dtype=torch.bool, device=student.device)
    log_p, log_q = (F.log_softmax((x @ x.T / temperature).masked_fill(own, -1e4), dim=1) for x in (student, teacher))
    return F.kl_div(log_p, log_q, log_target=True, reduction="batchmean")


def margin_penalty(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of the margins of [G, D] and [G, D'], G > 2, in mean distances of the teacher's rows.

    Margins of i are differences of its similarities to two others j and k. For each i the mean over all j and k is
    twice the variance over j of what changed, so that no triple is formed.
    """
    count = len(student)
    own = torch.eye(count, dtype=torch.bool, device=student.device)
    changed = (student @ student.T - teacher @ teacher.T)[~own].view(count, count - 1)
    apart = mean_distance(teacher).clamp_min(_LEAST_APART)
    return 2 * changed.var(dim=1, correction=0).mean() / apart.square()


class Distill(Regularizer):
    """Reads the stream ``general`` and what the base said of it."""

    asks_teacher: ClassVar[bool] = True

    def __init__(self, spec: DistillSpec) -> None:
        super().__init__()
        self.spec = spec
        # Without weight no text is asked for: texts beside the batch change its padding, and so its last digits.
        self.streams = {"general": spec.texts_a_step} if spec.weight else {}
        self.stages = spec.stages

    def begin(self, groups: Sequence[ParamGroup]) -> None:
        """Nothing to take: the engine brings the base's vectors."""

    def forward(self, step: Step) -> Tensor:
        """See `Regularizer.forward`."""
        if not self.streams:
            return step.unique.new_zeros(())
        student, teacher = step.streams["general"].float(), step.frozen["general"].float()
        match self.spec.keep:
            case "vectors":
                penalty = vector_penalty(student, teacher)
            case "relations":
                penalty = relation_penalty(student, teacher, self.spec.temperature)
            case "margins":
                penalty = margin_penalty(student, teacher)
        stages = self.spec.stages
        left = 1 - (step.progress if self.spec.fading else stage_of(step.progress, stages) / stages)
        return self.spec.weight * left * penalty
