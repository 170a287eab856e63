"""Correlations against SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from acclimate.core.errors import DataError
from acclimate.evaluation.similarity import (
    cosine_of_pairs,
    paired_items,
    similarity_metrics,
    weighted_pearson,
    weighted_ranks,
    weighted_spearman,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 4)), min_size=2, max_size=40))
def test_equals_scipy_with_ties(pairs: list[tuple[int, int]]) -> None:
    predicted, gold = np.array(pairs, float).T
    if np.ptp(predicted) == 0 or np.ptp(gold) == 0:
        return
    ours = similarity_metrics(predicted / 7, gold)
    assert ours["spearman"] == pytest.approx(stats.spearmanr(predicted, gold).statistic, abs=1e-12)
    assert ours["pearson"] == pytest.approx(stats.pearsonr(predicted, gold).statistic, abs=1e-12)


def test_a_weight_is_a_number_of_copies() -> None:
    generator = np.random.default_rng(0)
    predicted, gold = generator.integers(0, 6, (2, 50)).astype(float)
    weights = generator.integers(0, 4, (20, 50))
    items = paired_items(predicted, gold)
    spearman = weighted_spearman(items, weights.astype(float))
    pearson = weighted_pearson(items, weights.astype(float))
    for row, copies in enumerate(weights):
        repeated = np.repeat(items, copies, axis=0)
        assert spearman[row] == pytest.approx(stats.spearmanr(*repeated.T).statistic, abs=1e-12)
        assert pearson[row] == pytest.approx(stats.pearsonr(*repeated.T).statistic, abs=1e-12)


def test_mean_ranks() -> None:
    ranks = weighted_ranks(np.array([5.0, 1, 5, 3]), np.ones((1, 4)))
    np.testing.assert_array_equal(ranks, [[3.5, 1, 3.5, 2]])


def test_cosines_close_to_one_keep_their_order() -> None:
    """Some models place all cosines within a thousandth."""
    generator = np.random.default_rng(1)
    gold = generator.random(300)
    predicted = 0.999 + 1e-6 * gold
    ours = similarity_metrics(predicted, gold)
    assert ours["spearman"] == pytest.approx(1)
    assert ours["pearson"] == pytest.approx(1)


def test_a_collapsed_model_scores_zero() -> None:
    assert similarity_metrics([0.9, 0.9, 0.9], [1, 2, 3]) == {"spearman": 0.0, "pearson": 0.0}


@pytest.mark.parametrize(("predicted", "gold"), [([0.1, 0.2], [3, 3]), ([0.1], [3])])
def test_gold_scores_must_differ(predicted: list[float], gold: list[float]) -> None:
    with pytest.raises(DataError, match="different scores; add"):
        similarity_metrics(predicted, gold)


def test_cosine_of_pairs() -> None:
    cosines = cosine_of_pairs([[2, 0], [1, 1], [0, 0]], [[1, 0], [-3, -3], [1, 0]])
    assert cosines == pytest.approx([1, -1, 0])  # a zero vector is similar to nothing
