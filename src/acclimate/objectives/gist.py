"""GIST: a guide drops what it takes for right from the candidates (Solatorio 2024).

With similarities g of the guide, here the untuned encoder, and right document p of query i, candidate j is dropped when
``g(i, j) > g(i, p) - margin``, or with a relative margin when ``g(i, j) > g(i, p) - |g(i, p)| * margin``::

    loss[i, p] = log( e(i, p) + sum_{j in C(i, p)} e(i, j) ) - log e(i, p),   e(i, j) = exp(s_ij / temperature)

C(i, p) are the documents of the batch, its other queries (``contrast_queries``), and once more its other right
documents, as they compare with p instead of with i (``contrast_documents``; there the guide says g(p, j)). What is
known to be right, the query's own text and p itself are none of them whatever the guide says: no rounding decides it.
"""

from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from acclimate.core.nouns import GUIDE, Step
from acclimate.objectives.base import Facts, Objective, SoftmaxSpec, documents, known_answers, precise
from acclimate.objectives.infonce import softmax_loss, towards_queries

Margin = Literal["absolute", "relative"]


class GistSpec(SoftmaxSpec):
    """Softmax over what the untuned encoder does not take for right; ``symmetric`` adds the softmax over queries."""

    kind: Literal["gist"] = "gist"
    margin: NonNegativeFloat = 0.0
    margin_strategy: Margin = "absolute"
    contrast_queries: bool = True
    contrast_documents: bool = True
    symmetric: bool = False

    summary: ClassVar[str] = "softmax over the documents and queries that the base does not take for right (pairs)"

    def build(self, facts: Facts) -> Objective:
        """See `ObjectiveSpec.build`."""
        return Gist(self)


def suspects(guide: Tensor, right: Tensor, margin: float, strategy: Margin) -> Tensor:
    """Which candidates the guide takes for right.

    Args:
        guide: its similarities with the candidates [..., C].
        right: its similarity with the right document [..., 1].
        margin: how far below that a candidate may lie and still be dropped.
        strategy: whether the margin is a similarity or a share of the right document's.

    Returns:
        bool [..., C]
    """
    below = margin if strategy == "absolute" else margin * right.abs()  # the right one's may be negative
    return guide > right - below


class Gist(Objective):
    """InfoNCE without the candidates that the guide suspects."""

    guided = True

    def __init__(self, spec: GistSpec) -> None:
        super().__init__()
        self.spec = spec
        self.temperature = spec.fixed_temperature()

    def forward(self, step: Step) -> Tensor:
        """The loss of each row [B]. Rows without any negative have loss 0."""
        spec = self.spec
        query, positives = step.index["query"][:, 0], step.index["positive"]  # [B], [B, P]
        first = positives[:, 0]
        unique, guide = precise(step.unique), precise(step.frozen[GUIDE])
        logits, guided = unique[query] @ unique.T, guide[query] @ guide.T  # [B, U] both
        known = known_answers(step)
        right = guided.gather(1, positives.clamp_min(0))[..., None]  # [B, P, 1]
        wrong = documents(step)
        if spec.contrast_queries:
            wrong = wrong | _among(query, len(wrong))
        dropped = self._suspects(guided[:, None], right)  # [B, P, U]
        candidates = wrong & ~known[:, None] & ~dropped
        columns = [logits]
        if spec.contrast_documents:
            columns.append(unique[first] @ unique.T)
            others = _among(first, len(wrong)) & ~known
            dropped_others = self._suspects((guide[first] @ guide.T)[:, None], right)
            candidates = torch.cat([candidates, others[:, None] & ~dropped_others], dim=-1)
        loss = softmax_loss(torch.cat(columns, dim=1) / self.temperature, positives, candidates)
        if not spec.symmetric:
            return loss
        # From document p of row i, another row's query j is dropped when g(j, p) > g(i, p) - margin.
        wrong_for = ~known[:, first].T & ~self._suspects(guided[:, first].T, right[:, 0])  # [B, B]
        return (loss + towards_queries(logits / self.temperature, query, first, wrong_for)) / 2

    def _suspects(self, guide: Tensor, right: Tensor) -> Tensor:
        return suspects(guide, right, self.spec.margin, self.spec.margin_strategy)


def _among(inputs: Tensor, count: int) -> Tensor:
    """Bool [U]: which inputs of the batch are some of these."""
    found = torch.zeros(count, dtype=torch.bool, device=inputs.device)
    found[inputs] = True
    return found
