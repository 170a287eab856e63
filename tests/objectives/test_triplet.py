"""Triplet loss against its definition in loops, and against sentence-transformers where both see the same triplets."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from acclimate.core.nouns import Step
from acclimate.objectives.triplet import Negatives, Triplet
from training import unit_vectors

ROWS = 6


def make_step(unique: Tensor, positives: list[list[int]], negatives: list[list[int]], right: list[list[int]]) -> Step:
    """Row i asks with input i; -1 fills what a row has not."""

    def padded(lists: list[list[int]]) -> Tensor:
        width = max(1, *map(len, lists))
        return torch.tensor([row + [-1] * (width - len(row)) for row in lists])

    relevant = torch.zeros(len(positives), len(unique), dtype=torch.bool)
    for row, known in enumerate(right):
        relevant[row, positives[row] + known] = True
    rows = len(positives)
    index = {"query": torch.arange(rows)[:, None], "positive": padded(positives), "negative": padded(negatives)}
    return Step(unique, index, relevant, torch.ones(rows), torch.full((rows,), math.nan))


def by_loops(step: Step, margin: float | None, negatives: Negatives) -> list[float]:
    unique = step.unique.double()
    distance = (1 - unique @ unique.T).tolist()
    listed = {role: [[p for p in row if p >= 0] for row in column.tolist()] for role, column in step.index.items()}
    documents = {d for role in ("positive", "negative") for row in listed[role] for d in row}
    result = []
    for row, (query,) in enumerate(step.index["query"].tolist()):
        known = {u for u in range(len(unique)) if step.relevant[row, u]} | {query}
        losses = []
        for positive in listed["positive"][row]:
            apart = distance[query][positive]
            wrong = [distance[query][d] for d in documents - known]
            match negatives:
                case "own":
                    wrong = [distance[query][d] for d in listed["negative"][row] if d not in known]
                case "hard":
                    wrong = [min(wrong)] if wrong else []
                case "semi_hard":
                    beyond = [d for d in wrong if d > apart]
                    wrong = [min(beyond) if beyond else max(wrong)] if wrong else []
            for far in wrong:
                gap = apart - far
                losses.append(math.log1p(math.exp(gap)) if margin is None else max(0.0, gap + margin))
        result.append(sum(losses) / len(losses) if losses else 0.0)
    return result


@pytest.mark.parametrize("negatives", ["hard", "semi_hard", "own"])
@pytest.mark.parametrize("margin", [0.3, None])
@pytest.mark.parametrize("seed", range(4))
def test_the_definition_in_loops(negatives: Negatives, margin: float | None, seed: int) -> None:
    positives = [[4, 5], [6], [7], [8]]
    wrong = [[9, 10], [11], [], [12, 6]]
    step = make_step(unit_vectors(13, 4, seed=seed), positives, wrong, [[6], [], [4], []])
    expected = torch.tensor(by_loops(step, margin, negatives))
    torch.testing.assert_close(Triplet(margin, negatives)(step), expected, rtol=1e-5, atol=1e-6)


def test_own_negatives_are_the_triplets_of_sentence_transformers() -> None:
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    start = unit_vectors(ROWS * 3, 5)
    metric = losses.TripletDistanceMetric.COSINE
    peer = losses.TripletLoss(None, distance_metric=metric, triplet_margin=0.4)
    theirs_in, ours_in = start.clone().requires_grad_(), start.clone().requires_grad_()
    theirs = peer.compute_loss_from_embeddings(list(theirs_in.chunk(3)), None)
    theirs.backward()
    columns = [[[ROWS * part + row] for row in range(ROWS)] for part in (1, 2)]
    step = make_step(F.normalize(ours_in, dim=1), *columns, [[] for _ in range(ROWS)])
    ours = Triplet(0.4, "own")(step).mean()
    ours.backward()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours_in.grad, theirs_in.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("negatives", ["hard", "semi_hard"])
def test_a_batch_in_which_all_is_right_teaches_nothing(negatives: Negatives) -> None:
    unique = unit_vectors(4, 5).requires_grad_()
    loss = Triplet(0.4, negatives)(make_step(unique, [[2], [3]], [[], []], [[3], [2]]))
    loss.sum().backward()
    assert loss.tolist() == [0.0, 0.0]
    assert torch.isfinite(unique.grad).all()
    assert unique.grad.abs().max() == 0
