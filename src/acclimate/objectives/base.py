"""What every objective promises: embeddings in, one loss for each row out."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from acclimate.core.errors import UsageError
from acclimate.core.nouns import Step
from acclimate.core.specs import Spec

if TYPE_CHECKING:
    from acclimate.model.heads import Head

_TEMPERATURE_BY_DISTANCE = 0.055  # 0.05 for a base like all-MiniLM-L6-v2, that holds general texts 0.9 apart
_COLDEST, _WARMEST = 0.01, 0.05
_LEAST_LOSS = 0.01


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of model and data before the first step.

    Attributes:
        dimension: D, of the embeddings.
        labels: of labeled texts, in the order of their numbers in ``Step.label``.
        scores: the lowest and the highest of scored pairs.
        binary: whether scores take these two values alone.
        widest_margin: between what a teacher says of two documents of one row.
    """

    dimension: int
    labels: tuple[str, ...] = ()
    scores: tuple[float, float] = (0.0, 1.0)
    binary: bool = False
    widest_margin: float = 1.0


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

    def head(self) -> "Head | None":
        """What tells labels from embeddings and was trained here, to be saved with the model."""
        return None

    def log_variance(self) -> nn.Parameter | None:
        """The scalar s by which it weighs itself, as ``exp(-s)``; None where its weight is given."""
        return None


class ObjectiveSpec(Spec):
    """The settings of an objective. ``weight`` multiplies its loss in the sum.

    ``task`` is the task of `data.tasks` whose rows it learns from; without one, it learns from those of TRAIN.

    ``weight: uncertainty`` is learned, from 1 on, so that losses of any scale come to count alike: see `Uncertain`.

    ``matryoshka``: numbers of leading dimensions whose vectors, scaled to length one, take the loss too, summed with
    that of the whole vectors (Kusupati et al. 2022): a search stack may cut the vectors there then.
    """

    task: str = ""
    weight: float | Literal["uncertainty"] = 1.0
    matryoshka: Annotated[tuple[PositiveInt, ...], Field(json_schema_extra={"uniqueItems": True})] = ()

    #: The rows that it can learn from: ``pairs``, ``scored`` or ``labeled``.
    rows: ClassVar[tuple[str, ...]] = ("pairs", "labeled")
    #: Whether it reads ``step.teacher``.
    taught: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """What its loss is called in ``metrics.jsonl``."""
        return f"{self.task}_{self.kind}" if self.task else self.kind

    @property
    def fixed_weight(self) -> float:
        """By what its loss is multiplied beside what it does itself."""
        return 1.0 if self.weight == "uncertainty" else self.weight

    @abstractmethod
    def build(self, facts: Facts) -> Objective:
        """The objective with these settings, without ``matryoshka`` and a learned weight.

        Raises:
            UsageError: a setting that cannot act on this model or data.
        """

    def at_all_sizes(self, facts: Facts) -> Objective:
        """The objective with these settings, ``matryoshka`` and a learned weight included.

        Raises:
            UsageError: as of `build`, and a size that is not smaller than the vectors.
        """
        sizes = sorted(set(self.matryoshka) - {facts.dimension}, reverse=True)
        if sizes and sizes[0] > facts.dimension:
            problem = f"objective {self.kind}: matryoshka={sizes[0]}, but the vectors have {facts.dimension} dimensions"
            raise UsageError(problem, "take smaller numbers")
        found = self.build(facts)
        if sizes:
            found = Matryoshka(found, (facts.dimension, *sizes))
        return Uncertain(found) if self.weight == "uncertainty" else found

    def decided(self, distance: float) -> "ObjectiveSpec":
        """The same with every ``auto`` decided, for a base that holds general texts ``distance`` apart on average."""
        return self


class Matryoshka(Objective):
    """The sum of a loss over vectors cut at several sizes and scaled to length one again (Kusupati et al. 2022).

    Args:
        objective: the loss.
        sizes: numbers of leading dimensions.
    """

    def __init__(self, objective: Objective, sizes: Sequence[int]) -> None:
        super().__init__()
        self.objective = objective
        self.columns, self.guided = objective.columns, objective.guided
        self.sizes = tuple(sizes)

    def forward(self, step: Step) -> Tensor:
        """See `Objective.forward`."""
        cut = (F.normalize(precise(step.unique)[:, :size], dim=-1) for size in self.sizes)
        losses = [self.objective(replace(step, unique=unique)) for unique in cut]
        return torch.stack(losses).sum(0)

    def head(self) -> "Head | None":
        """See `Objective.head`."""
        return self.objective.head()


class Uncertain(Objective):
    """A loss that is weighed by how uncertain it is (Kendall, Gal & Cipolla 2018): ``exp(-s) L + s`` with s learned.

    s is 0 at the start, so that training begins as with weight 1, and comes to rest at ``log L``: what is left then is
    ``1 + log L``, whose gradient does not depend on the scale of the loss. It may be negative. This is twice the form
    of the paper for a squared error, with s the logarithm of the variance. It takes a rate of its own and no weight
    decay, which would draw every weight to 1. Beside a loss of a fixed weight it counts more the smaller it becomes.

    A loss below 0.01 counts as 0.01 here. One that reaches 0, as those with a margin do, would send s to minus
    infinity; so the weight comes to 100 at most.

    Args:
        objective: the loss.
    """

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective
        self.columns, self.guided = objective.columns, objective.guided
        self.s = nn.Parameter(torch.zeros(()))

    def forward(self, step: Step) -> Tensor:
        """See `Objective.forward`."""
        loss: Tensor = self.objective(step)
        missing = (_LEAST_LOSS - weighted_mean(loss.detach(), step.weight)).clamp_min(0)
        s = self.s.to(loss.dtype)
        return (-s).exp() * (loss + missing) + s

    def head(self) -> "Head | None":
        """See `Objective.head`."""
        return self.objective.head()

    def log_variance(self) -> nn.Parameter:
        """See `Objective.log_variance`."""
        return self.s


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


def weighted_mean(loss: Tensor, weight: Tensor) -> Tensor:
    """Mean of [B] under weights [B] that need not sum to one; 0 when no row has any."""
    return (loss * weight).sum() / weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)


def precise(vectors: Tensor) -> Tensor:
    """In float32 at least: bf16 cannot tell a cosine of .98 from .981. float64 stays, for exact gradient checks."""
    return vectors.to(torch.promote_types(vectors.dtype, torch.float32))


def cosine_of_pairs(step: Step) -> Tensor:
    """Cosines of each row's query and its first positive [B], in float32 at least."""
    first, _ = gather(step, "query")
    second, _ = gather(step, "positive")
    return (precise(first) * precise(second)).sum(1)


def taught_documents(step: Step, role: str) -> tuple[Tensor, Tensor, Tensor]:
    """Of a row's documents of a role: cosines with its query, what the teacher says, and whether it does; all [B, K].

    Where it says nothing its score is 0.
    """
    query, index = step.index["query"][:, 0], step.index.get(role)
    said = step.teacher.get(role)
    if index is None or said is None:
        none = step.unique.new_zeros(len(query), 0, dtype=torch.float32)
        return none, none, none.bool()
    unique = precise(step.unique)
    cosines = (unique[query][:, None] * unique[index.clamp_min(0)]).sum(2)  # [B, 1, D] x [B, K, D] -> [B, K]
    there = (index >= 0) & ~said.isnan()
    return cosines, said.nan_to_num().to(cosines.dtype), there


def documents(step: Step) -> Tensor:
    """Bool [U]: which inputs of the batch are documents."""
    is_document = torch.zeros(len(step.unique), dtype=torch.bool, device=step.unique.device)
    for role in ("positive", "negative"):
        index = step.index.get(role)
        if index is not None:
            is_document[index[index >= 0]] = True
    return is_document


def known_answers(step: Step) -> Tensor:
    """Bool [B, U]: what is no negative of a row: its right answers, and its query's own text."""
    return step.relevant.scatter(1, step.index["query"][:, :1], value=True)


def ordering_loss(values: Tensor, scores: Tensor) -> Tensor:
    """``log(1 + sum over pairs with scores_i < scores_j of exp(values_i - values_j))`` of [B] and [B], scalar."""
    difference = values[:, None] - values[None, :]  # [B, B]
    ordered = scores[:, None] < scores[None, :]
    terms = difference.masked_fill(~ordered, float("-inf")).flatten()
    return torch.logsumexp(torch.cat([terms.new_zeros(1), terms]), dim=0)


def gather(step: Step, role: str) -> tuple[Tensor, Tensor]:
    """The embeddings of a role's first column [B, D], and which rows have one [B]."""
    index = step.index[role][:, 0]
    return step.unique[index.clamp_min(0)], index >= 0


def logsumexp_masked(logits: Tensor, allowed: Tensor) -> Tensor:
    """Log of the summed exponentials over the allowed entries of the last axis; float32."""
    return torch.logsumexp(logits.masked_fill(~allowed, float("-inf")), dim=-1)
