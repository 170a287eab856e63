"""CoSENT against its formula as a double loop and against sentence-transformers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from acclimate.core.nouns import Step
from acclimate.objectives.cosent import CoSent
from training import unit_vectors


def make_step(unique: Tensor, scores: Tensor) -> Step:
    rows = len(scores)
    index = {"query": torch.arange(rows)[:, None], "positive": torch.arange(rows, rows * 2)[:, None]}
    return Step(unique, index, torch.zeros(rows, rows * 2, dtype=torch.bool), torch.ones(rows), scores)


def by_loops(unique: Tensor, scores: list[float], temperature: float) -> float:
    rows = len(scores)
    cosine = [float(unique[i].double() @ unique[rows + i].double()) for i in range(rows)]
    total = sum(
        math.exp((cosine[i] - cosine[j]) / temperature)
        for i in range(rows)
        for j in range(rows)
        if scores[i] < scores[j]
    )
    return math.log(1 + total)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.5, 1.0]), min_size=1, max_size=8), st.sampled_from([0.05, 0.5]))
def test_the_double_loop(scores: list[float], temperature: float) -> None:
    unique = unit_vectors(len(scores) * 2, 6)
    loss = CoSent(temperature)(make_step(unique, torch.tensor(scores)))
    expected = torch.full((len(scores),), by_loops(unique, scores, temperature))
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)


def test_two_pairs_by_hand() -> None:
    # Cosines 0.8 (score 0) and 0.6 (score 1): the wrong way round by 0.2.
    unique = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.8, 0.6], [0.6, 0.8]])
    loss = CoSent(0.1)(make_step(unique, torch.tensor([0.0, 1.0])))
    torch.testing.assert_close(loss, torch.full((2,), math.log(1 + math.exp(2.0))))


def test_equal_scores_teach_exactly_nothing() -> None:
    unique = unit_vectors(8, 6).requires_grad_()
    loss = CoSent(0.05)(make_step(unique, torch.full((4,), 0.3)))
    loss.mean().backward()
    assert loss.tolist() == [0.0] * 4
    assert unique.grad is not None
    assert unique.grad.abs().max() == 0.0


def test_value_and_gradient_are_those_of_sentence_transformers() -> None:
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    scores = torch.tensor([0.1, 0.9, 0.5, 0.5, 0.0, 1.0, 0.3])
    start = unit_vectors(14, 6)
    theirs_in, ours_in = start.clone().requires_grad_(), start.clone().requires_grad_()
    theirs = losses.CoSENTLoss(None, scale=20.0).compute_loss_from_embeddings([theirs_in[:7], theirs_in[7:]], scores)
    theirs.backward()
    ours = CoSent(0.05)(make_step(torch.nn.functional.normalize(ours_in, dim=1), scores)).mean()
    ours.backward()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours_in.grad, theirs_in.grad, rtol=1e-4, atol=1e-5)


def test_only_the_order_of_the_scores_matters() -> None:
    unique = unit_vectors(10, 6)
    scores = torch.tensor([0.1, 0.9, 0.5, 0.5, 0.0])
    assert torch.equal(CoSent(0.05)(make_step(unique, scores)), CoSent(0.05)(make_step(unique, scores * 5 - 2)))
