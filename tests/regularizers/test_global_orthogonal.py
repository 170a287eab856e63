"""Global orthogonal regularization against sentence-transformers and in its limits."""

import pytest
import torch

from acclimate.core.nouns import Step
from acclimate.regularizers.global_orthogonal import GlobalOrthogonal, spread_penalty
from training import unit_vectors


def test_value_and_gradient_are_those_of_sentence_transformers() -> None:
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    start = unit_vectors(12, 3)
    theirs_in, ours_in = start.clone().requires_grad_(), start.clone().requires_grad_()
    terms = losses.GlobalOrthogonalRegularizationLoss(None, aggregation="mean").compute_loss_from_embeddings(
        [theirs_in[:5], theirs_in[5:]]
    )
    theirs = sum(terms.values())
    theirs.backward()
    index = {"query": torch.arange(5)[:, None], "positive": torch.arange(5, 12)[:, None]}
    unit = torch.nn.functional.normalize(ours_in, dim=1)
    ours = GlobalOrthogonal(1.0)(Step(unit, index, torch.zeros(5, 12), torch.ones(5), torch.zeros(5)))
    ours.backward()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(ours_in.grad, theirs_in.grad, rtol=1e-4, atol=1e-6)


def test_equal_texts_cost_most_and_orthogonal_ones_nothing() -> None:
    assert spread_penalty(torch.eye(4)).item() == 0.0
    assert spread_penalty(torch.eye(4)[:1].expand(3, 4)).item() == pytest.approx(1 + 1 - 1 / 4)
    assert spread_penalty(torch.eye(4)[:1]).item() == 0.0
