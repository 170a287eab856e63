"""The softmax head against scikit-learn: at its optimum on fixed vectors it is logistic regression."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from acclimate.core.errors import UsageError
from acclimate.core.nouns import Step
from acclimate.objectives import Facts
from acclimate.objectives.softmax import SoftmaxHead, SoftmaxHeadSpec
from training import unit_vectors

LABELS = ("cat", "dog", "fish")


def make_step(vectors: torch.Tensor, labels: torch.Tensor) -> Step:
    rows = len(vectors)
    nothing = torch.zeros(rows, rows, dtype=torch.bool)
    index = {"query": torch.arange(rows)[:, None]}
    return Step(vectors, index, nothing, torch.ones(rows), torch.full((rows,), torch.nan), label=labels)


def test_at_the_start_every_label_is_as_likely() -> None:
    loss = SoftmaxHead(4, LABELS, 0.05)(make_step(unit_vectors(5, 4), torch.tensor([0, 1, 2, 0, 1])))
    torch.testing.assert_close(loss, torch.full((5,), float(np.log(3))))


def test_the_optimum_on_fixed_vectors_is_logistic_regression() -> None:
    vectors, labels = unit_vectors(60, 4, dtype=torch.float64), torch.arange(60) % 3
    vectors = F.normalize(vectors + 0.6 * unit_vectors(3, 4, seed=9, dtype=torch.float64)[labels], dim=1)
    strength = 2.0
    reference = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(vectors.numpy(), labels.numpy())
    objective = SoftmaxHead(4, LABELS, 0.5).double()
    optimizer = torch.optim.LBFGS(
        objective.parameters(), max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        decay = (objective.weight / 0.5).square().sum() / 2  # of the head's weights, as they are saved
        loss = strength * objective(make_step(vectors, labels)).sum() + decay
        loss.backward()
        return loss

    optimizer.step(closure)
    head = objective.head()
    np.testing.assert_allclose(head.weight, reference.coef_, atol=1e-4)
    assert head.predict(vectors.numpy()) == [LABELS[row] for row in reference.predict(vectors.numpy())]


def test_one_label_is_nothing_to_tell_apart() -> None:
    with pytest.raises(UsageError, match="fewer than 2; add another label"):
        SoftmaxHeadSpec().build(Facts(4, labels=("cat",)))
