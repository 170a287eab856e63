"""Embeddings that do not tell which domain a text is of (domain-adversarial training, Ganin et al. 2016).

With d a classifier of two layers and v the embedding of a text, [D]::

    penalty = mean_source log(1 + exp(d(v))) / 2  +  mean_target log(1 + exp(-d(v))) / 2

for queries and for documents, each with a classifier of its own, and the mean of both: one for all would learn which
are longer. The classifiers descend on it. What reaches the encoder is multiplied by -strength on its way down, so that
the encoder ascends. From ``starts_at`` on, with p the share done of what is left of the training::

    strength = weight * (2 / (1 + exp(-10 p)) - 1)

What it says of how near the domains have come is worth little: a classifier that is weak errs too. The run asks fresh
ones, before and after.
"""

import math
from collections.abc import Collection, Sequence
from typing import Annotated, Any, ClassVar, Literal, cast

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup, Step
from acclimate.regularizers.base import Regularizer, RegularizerSpec

_KINDS = ("queries", "documents")
_HIDDEN = 128
_STEEPNESS = 10.0


class DomainAdversarialSpec(RegularizerSpec):
    """Draws source and target together: a classifier tries to tell them apart, the encoder to make it err.

    ``weight`` is how strongly at the end of training. A step takes ``texts_a_step`` queries and as many documents of
    each domain beside its batch, from the share ``starts_at`` of the training on. No label of them is read.
    """

    kind: Literal["domain_adversarial"] = "domain_adversarial"
    weight: NonNegativeFloat = 0.2
    texts_a_step: PositiveInt = 8
    starts_at: Annotated[float, Field(ge=0, lt=1)] = 0.1

    summary: ClassVar[str] = "draws the vectors of source and target together"

    @property
    def compares_domains(self) -> bool:
        """See `RegularizerSpec.compares_domains`."""
        return self.weight > 0

    def build(self) -> Regularizer:
        """See `RegularizerSpec.build`."""
        return DomainAdversarial(self)


class _Reverse(torch.autograd.Function):
    """The identity, whose gradient is multiplied by -strength."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return vectors.view_as(vectors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * -ctx.strength, None


def reverse_gradient(vectors: Tensor, strength: float) -> Tensor:
    """The same vectors; what comes back through them is multiplied by -strength."""
    return cast(Tensor, _Reverse.apply(vectors, strength))  # type: ignore[no-untyped-call]


def strength_at(progress: float, starts_at: float) -> float:
    """How strongly the gradient is reversed, as a share of the weight: from 0 where it starts to 0.9999 at the end."""
    done = (progress - starts_at) / (1 - starts_at)
    return 2 / (1 + math.exp(-_STEEPNESS * done)) - 1 if done > 0 else 0.0


def domain_loss(classifier: nn.Module, source: Tensor, target: Tensor, strength: float) -> Tensor:
    """Cross entropy of a classifier of unit vectors [N, D] and [M, D], both sides counting the same, scalar."""
    scale = math.sqrt(source.shape[1])  # the numbers of a unit vector are of this size, and layers expect 1
    logits = classifier(reverse_gradient(torch.cat([source, target]), strength) * scale)[:, 0]  # [N + M]
    of_source, of_target = logits.split_with_sizes([len(source), len(target)])
    return (F.softplus(of_source).mean() + F.softplus(-of_target).mean()) / 2


class DomainAdversarial(Regularizer):
    """Reads the streams ``source_queries``, ``target_queries``, ``source_documents`` and ``target_documents``."""

    starts_at_zero: ClassVar[bool] = False

    def __init__(self, spec: DomainAdversarialSpec) -> None:
        super().__init__()
        self.weight, self.starts_at = spec.weight, spec.starts_at
        names = [name for kind in _KINDS for name in _sides(kind)]
        # Without weight no text is asked for: texts beside the batch change its padding, and so its last digits.
        self.streams = dict.fromkeys(names, spec.texts_a_step) if spec.weight else {}
        self.classifiers = nn.ModuleDict()

    def prepare(self, dimension: int, streams: Collection[str]) -> None:
        """See `Regularizer.prepare`: a classifier for queries, and one for documents, where both domains have them."""
        for kind in _KINDS:
            if self.streams and all(name in streams for name in _sides(kind)):
                layers = nn.Linear(dimension, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, 1)
                self.classifiers[kind] = nn.Sequential(*layers)
        if self.streams and not self.classifiers:
            problem = "regularizer domain_adversarial compares queries with queries and documents with documents"
            raise UsageError(f"{problem}, and source and target have neither in common", "give rows of one kind")

    def begin(self, groups: Sequence[ParamGroup]) -> None:
        """See `Regularizer.begin`. Nothing is measured from the start."""

    def forward(self, step: Step) -> Tensor:
        """See `Regularizer.forward`."""
        if not self.streams or step.progress < self.starts_at:
            return step.unique.new_zeros((), dtype=torch.float32)
        strength = self.weight * strength_at(step.progress, self.starts_at)
        losses = []
        for kind, classifier in self.classifiers.items():
            source, target = (step.streams[name].float() for name in _sides(kind))
            losses.append(domain_loss(classifier, source, target, strength))
        return torch.stack(losses).mean()


def _sides(kind: str) -> tuple[str, str]:
    """The streams of both domains."""
    return f"source_{kind}", f"target_{kind}"
