"""Losses of scored pairs against sentence-transformers, or by hand where those two differ on purpose."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from acclimate.core.errors import UsageError
from acclimate.core.nouns import Step
from acclimate.objectives import OBJECTIVES, Facts, Objective
from acclimate.objectives.angle import angles
from training import unit_vectors

ROWS = 7
GRADED = torch.tensor([0.1, 0.9, 0.5, 0.5, 0.0, 1.0, 0.3])
BINARY = torch.tensor([0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0])


def make_step(unique: Tensor, scores: Tensor) -> Step:
    rows = len(scores)
    index = {"query": torch.arange(rows)[:, None], "positive": torch.arange(rows, rows * 2)[:, None]}
    return Step(unique, index, torch.zeros(rows, rows * 2, dtype=torch.bool), torch.ones(rows), scores)


def built(kind: str, facts: Facts | None = None, **settings: Any) -> Objective:
    return OBJECTIVES.parse({"kind": kind, **settings}).build(facts or Facts(6, binary=True))


def both(ours: Objective, theirs: Callable[..., Tensor], scores: Tensor) -> tuple[tuple[Tensor, ...], ...]:
    """Value and gradient of both, before normalization: their cosine normalizes, so ours is given unit vectors."""
    start = unit_vectors(ROWS * 2, 6, seed=2)
    results = []
    for loss_of in (
        lambda x: ours(make_step(F.normalize(x, dim=1), scores)).mean(),
        lambda x: theirs([x[:ROWS], x[ROWS:]], scores),
    ):
        inputs = start.clone().requires_grad_()
        value = loss_of(inputs)
        value.backward()
        results.append((value.detach(), inputs.grad))
    return tuple(results)


@pytest.mark.parametrize(
    ("kind", "settings", "name", "theirs", "scores", "rows"),
    [
        ("angle", {}, "AnglELoss", {"scale": 20.0}, GRADED, 1),
        ("cosine", {}, "CosineSimilarityLoss", {}, GRADED, 1),
        ("contrastive", {"margin": 0.9}, "ContrastiveLoss", {"margin": 0.9}, BINARY, 1),
        # Theirs is the sum over the batch, so that a larger one trains faster; ours is the mean.
        ("contrastive", {"margin": 0.9, "online": True}, "OnlineContrastiveLoss", {"margin": 0.9}, BINARY, ROWS),
    ],
)
def test_value_and_gradient_are_those_of_sentence_transformers(
    kind: str, settings: dict[str, Any], name: str, theirs: dict[str, Any], scores: Tensor, rows: int
) -> None:
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    peer = getattr(losses, name)(None, **theirs)
    mine, yours = both(built(kind, **settings), partial(peer.compute_loss_from_embeddings), scores)
    assert mine[0] > 0
    for ours, reference in zip(mine, yours, strict=True):
        torch.testing.assert_close(ours * rows, reference, rtol=1e-5, atol=1e-6)


def test_angles_are_those_of_complex_numbers() -> None:
    first, second = unit_vectors(4, 6, seed=1), unit_vectors(4, 6, seed=2)
    u, v = (torch.complex(*vectors.chunk(2, dim=1)) for vectors in (first, second))
    quotient = u * v.conj()  # over |v|^2 summed, which is 1
    torch.testing.assert_close(angles(first, second), (quotient.real + quotient.imag).sum(1).abs())


def test_angle_refuses_odd_dimensions() -> None:
    with pytest.raises(UsageError, match="7 dimensions are odd; take cosent"):
        built("angle", Facts(7))
    with pytest.raises(UsageError, match="3 dimensions are odd"):
        built("angle", Facts(8), matryoshka=(3,))


@pytest.mark.parametrize(("scores", "expected"), [((0.0, 1.0), 0.25), ((-1.0, 1.0), 0.25), ((0.0, 5.0), 0.04)])
def test_scores_of_another_scale_are_carried_to_cosines(scores: tuple[float, float], expected: float) -> None:
    same = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    target = {1.0: 0.5, 5.0: 4.0}[scores[1]]
    loss = built("cosine", Facts(2, scores=scores))(make_step(same, torch.full((2,), target)))
    torch.testing.assert_close(loss, torch.full((2,), expected))


def test_cosine_needs_scores_that_differ() -> None:
    with pytest.raises(UsageError, match="all scores are 4; give pairs of other scores"):
        built("cosine", Facts(2, scores=(4.0, 4.0)))


def test_contrastive_needs_right_and_wrong_pairs() -> None:
    with pytest.raises(UsageError, match="needs two scores, right and wrong"):
        built("contrastive", Facts(2, binary=False))


def test_online_leaves_alone_what_is_in_order() -> None:
    unique = F.normalize(torch.tensor([[1.0, 0.0]] * 4 + [[1.0, 0.1], [1.0, 0.2], [0.3, 1.0], [0.0, 1.0]]), dim=1)
    loss = built("contrastive", margin=2.0, online=True)(make_step(unique, torch.tensor([1.0, 1.0, 0.0, 0.0])))
    assert loss.tolist() == [0.0] * 4  # every right pair is nearer than every wrong one
    assert (built("contrastive", margin=2.0)(make_step(unique, torch.tensor([1.0, 1.0, 0.0, 0.0]))) > 0).all()
