"""InfoNCE with in-batch negatives (van den Oord et al. 2018; for text: Henderson et al. 2017).

For query i with right document p and candidates C(i)::

    loss[i, p] = log( sum_{j in C(i)} exp(s_ij / temperature) ) - s_ip / temperature

Candidates are the documents of the batch, positives and hard negatives, less every document that is known to be
right for the query (it is an answer, not a negative) and less the query's own text. Where it is known with what chance
c_j a batch has document j (tables of items), exp(s_ij / temperature) is divided by it: the sum is then that over all
documents on average (Bengio, Senecal 2008), and what is popular is not pushed away for being seen more often.

With ``hardness`` h > 0, the logit of each negative grows by h times its cosine, without a gradient of its own: near
negatives weigh more (Lan et al. 2025, LLaVE: 9; Schechter Vera et al. 2025, EmbeddingGemma: 5).
"""

from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from acclimate.core.nouns import Step
from acclimate.objectives.base import (
    Facts,
    Objective,
    SoftmaxSpec,
    documents,
    known_answers,
    logsumexp_masked,
    precise,
)


class InfoNCESpec(SoftmaxSpec):
    """In-batch softmax over documents; ``symmetric`` adds the softmax over queries.

    ``hardness`` weighs near negatives more.
    """

    kind: Literal["infonce"] = "infonce"
    symmetric: bool = True
    hardness: NonNegativeFloat = 0.0

    summary: ClassVar[str] = "softmax over the documents of the batch (pairs, with or without hard negatives)"

    def build(self, facts: Facts) -> Objective:
        """See `ObjectiveSpec.build`."""
        return InfoNCE(self.fixed_temperature(), symmetric=self.symmetric, hardness=self.hardness)


class InfoNCE(Objective):
    """InfoNCE with several positives, ragged hard negatives and masked false negatives.

    A row with several positives takes the mean of their losses, each with the others out of the candidates
    (the mean stands outside of the logarithm: L_out of Khosla et al. 2020).
    """

    def __init__(self, temperature: float, *, symmetric: bool, hardness: float = 0.0) -> None:
        super().__init__()
        self.temperature = temperature
        self.symmetric = symmetric
        self.hardness = hardness

    def forward(self, step: Step) -> Tensor:
        """The loss of each row [B]. Rows without any negative have loss 0."""
        query, positives = step.index["query"][:, 0], step.index["positive"]  # [B], [B, P]
        columns = documents(step).nonzero()[:, 0]  # [C]: queries are nobody's candidates
        place = torch.full_like(step.relevant[0], -1, dtype=torch.long)  # [U] -> column
        place[columns] = torch.arange(len(columns), device=columns.device)
        right = torch.where(positives < 0, -1, place[positives.clamp_min(0)])  # [B, P]
        unique = precise(step.unique)
        cosines = unique.index_select(0, query) @ unique.index_select(0, columns).T  # [B, D] x [D, C] -> [B, C]
        wrong = ~known_answers(step)[:, columns]
        logits = cosines / self.temperature
        if self.hardness:
            logits = logits + self.hardness * cosines.detach() * wrong
        log_chance = None if step.log_chance is None else step.log_chance[columns]
        loss = softmax_loss(logits, right, wrong[:, None], log_chance)
        if not self.symmetric:
            return loss
        first = right[:, 0]
        return (loss + towards_queries(logits, query, first, wrong[:, first].T)) / 2


def towards_queries(logits: Tensor, query: Tensor, positive: Tensor, wrong: Tensor) -> Tensor:
    """The loss of each row's first positive as it looks for its query among the batch's queries [B].

    Args:
        logits: of the rows' queries and the documents [B, C].
        query: the input that is the row's query [B].
        positive: the column that is its first positive [B].
        wrong: whether the document of row i is wrong for the query of row j [B, B].
    """
    reverse = logits[:, positive].T  # [B, B]: document of row i, query of row j
    same = query[None, :] == query[:, None]
    repeated = same.tril(-1).any(dim=1)  # a query that several rows ask counts once, as a document does
    own = torch.eye(len(query), dtype=torch.bool, device=query.device)
    return logsumexp_masked(reverse, (wrong & ~same & ~repeated) | own) - reverse.diagonal()


def softmax_loss(logits: Tensor, positives: Tensor, candidates: Tensor, log_chance: Tensor | None = None) -> Tensor:
    """Mean over a row's positives of the cross entropy against the row's candidates [B].

    Args:
        logits: [B, C], of documents or of all inputs, and perhaps of others behind them.
        positives: which columns are right [B, P], -1 where a row has fewer.
        candidates: which are wrong, the same for all positives of a row [B, 1, C] or not [B, P, C].
        log_chance: logarithm of the chance that a batch has each candidate [C], where it counts.
    """
    present = positives >= 0  # [B, P]
    right = logits.gather(1, positives.clamp_min(0))  # [B, P]
    counted = logits if log_chance is None else logits - log_chance
    others = logsumexp_masked(counted[:, None], candidates).expand_as(right)  # [B, P]; -inf without negatives
    loss = torch.logaddexp(right, others) - right
    return (loss * present).sum(1) / present.sum(1)
