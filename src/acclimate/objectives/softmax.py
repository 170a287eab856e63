"""Classification by a linear head on the embeddings, trained with them.

With weights W [C, D] and b [C], both 0 at the start, and the embedding u of a text with label y::

    logits = (W u + b) / temperature            loss = log( sum_c exp(logits_c) ) - logits_y

The temperature is there because embeddings have length one: the weights of the head would have to grow long first.
"""

from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn
from torch.nn import functional as F

from acclimate.core.errors import UsageError
from acclimate.core.nouns import Step
from acclimate.model.heads import Head
from acclimate.objectives.base import Facts, Objective, ObjectiveSpec, gather, precise


class SoftmaxHeadSpec(ObjectiveSpec):
    """A head tells the label; it is saved in ``model/heads`` and predicts by ``acclimate.load(...).predict(texts)``."""

    kind: Literal["softmax"] = "softmax"
    temperature: PositiveFloat = 0.05

    summary: ClassVar[str] = "a head tells the label, and is saved with the model (labeled texts)"
    rows: ClassVar[tuple[str, ...]] = ("labeled",)

    def build(self, facts: Facts) -> Objective:
        """See `ObjectiveSpec.build`."""
        if len(facts.labels) < 2:
            raise UsageError("objective softmax tells labels apart, and the data has fewer than 2", "add another label")
        return SoftmaxHead(facts.dimension, facts.labels, self.temperature)


class SoftmaxHead(Objective):
    """Cross entropy of a linear head.

    Args:
        dimension: D.
        labels: names, in the order of their numbers.
        temperature: divides the logits.
    """

    columns = ("query", "label")

    def __init__(self, dimension: int, labels: tuple[str, ...], temperature: float) -> None:
        super().__init__()
        self.labels, self.temperature = labels, temperature
        self.weight = nn.Parameter(torch.zeros(len(labels), dimension))
        self.bias = nn.Parameter(torch.zeros(len(labels)))

    def forward(self, step: Step) -> Tensor:
        """The loss of each row [B]."""
        assert step.label is not None
        vectors = precise(gather(step, "query")[0])  # [B, D], or fewer dimensions of a vector that is cut
        weight, bias = (p.to(vectors.dtype) for p in (self.weight[:, : vectors.shape[1]], self.bias))
        return F.cross_entropy(F.linear(vectors, weight, bias) / self.temperature, step.label, reduction="none")

    def head(self) -> Head:
        """See `Objective.head`."""
        weight, bias = ((p.detach().cpu() / self.temperature).numpy() for p in (self.weight, self.bias))
        return Head(self.labels, weight, bias)
