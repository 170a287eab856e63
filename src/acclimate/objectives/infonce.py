"""InfoNCE with in-batch negatives (van den Oord et al. 2018; for text: Henderson et al. 2017).

For query i with right document p and candidates C(i)::

    loss[i, p] = log( sum_{j in C(i)} exp(s_ij / temperature) ) - s_ip / temperature

Candidates are the documents of the batch, positives and hard negatives, less every document that is known to be
right for the query (it is an answer, not a negative) and less the query's own text. Where it is known with what chance
c_j a batch has document j (tables of items), exp(s_ij / temperature) is divided by it: the sum is then that over all
documents on average (Bengio, Senecal 2008), and what is popular is not pushed away for being seen more often.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from acclimate.core.nouns import Step
from acclimate.objectives.base import Objective, SoftmaxSpec, logsumexp_masked, precise


class InfoNCESpec(SoftmaxSpec):
    """In-batch softmax over documents; ``symmetric`` adds the softmax over queries."""

    kind: Literal["infonce"] = "infonce"
    symmetric: bool = True

    summary: ClassVar[str] = "softmax over the documents of the batch (pairs, with or without hard negatives)"

    def build(self) -> Objective:
        """See `ObjectiveSpec.build`."""
        return InfoNCE(self.fixed_temperature(), symmetric=self.symmetric)


class InfoNCE(Objective):
    """InfoNCE with several positives, ragged hard negatives and masked false negatives.

    A row with several positives takes the mean of their losses, each with the others out of the candidates
    (the mean stands outside of the logarithm: L_out of Khosla et al. 2020).
    """

    def __init__(self, temperature: float, *, symmetric: bool) -> None:
        super().__init__()
        self.temperature = temperature
        self.symmetric = symmetric

    def forward(self, step: Step) -> Tensor:
        """The loss of each row [B]. Rows without any negative have loss 0."""
        query, positives = step.index["query"][:, 0], step.index["positive"]  # [B], [B, P]
        unique = precise(step.unique)
        logits = unique[query] @ unique.T / self.temperature  # [B, D] x [D, U] -> [B, U]
        known = step.relevant.scatter(1, query[:, None], value=True)  # a text is no negative of itself
        candidates = _documents(step)[None, :] & ~known  # [B, U]
        loss = _softmax_loss(logits, positives, candidates, step.log_chance)
        if not self.symmetric:
            return loss
        return (loss + _towards_queries(logits, query, positives[:, 0], known)) / 2


def _towards_queries(logits: Tensor, query: Tensor, positive: Tensor, known: Tensor) -> Tensor:
    """The loss of each row's first positive as it looks for its query among the batch's queries [B]."""
    reverse = logits[:, positive].T  # [B, B]: document of row i, query of row j
    same = query[None, :] == query[:, None]
    repeated = same.tril(-1).any(dim=1)  # a query that several rows ask counts once, as a document does
    wrong = ~known[:, positive].T & ~same & ~repeated
    own = torch.eye(len(query), dtype=torch.bool, device=query.device)
    return logsumexp_masked(reverse, wrong | own) - reverse.diagonal()


def _documents(step: Step) -> Tensor:
    """Bool [U]: which inputs of the batch are documents."""
    is_document = torch.zeros(len(step.unique), dtype=torch.bool, device=step.unique.device)
    for role in ("positive", "negative"):
        index = step.index.get(role)
        if index is not None:
            is_document[index[index >= 0]] = True
    return is_document


def _softmax_loss(logits: Tensor, positives: Tensor, candidates: Tensor, log_chance: Tensor | None = None) -> Tensor:
    """Mean over a row's positives of the cross entropy against the row's candidates."""
    present = positives >= 0  # [B, P]
    right = logits.gather(1, positives.clamp_min(0))  # [B, P]
    counted = logits if log_chance is None else logits - log_chance
    others = logsumexp_masked(counted, candidates)[:, None].expand_as(right)  # [B, P]; -inf without negatives
    loss = torch.logaddexp(right, others) - right
    return (loss * present).sum(1) / present.sum(1)
