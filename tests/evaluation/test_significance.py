"""Intervals that hold the truth as often as they say, and p values that are uniform when nothing changed."""

import numpy as np
import pytest
from scipy import stats

from acclimate.core.errors import DataError
from acclimate.evaluation.classification import weighted_classification
from acclimate.evaluation.significance import (
    draw,
    paired_comparison,
    paired_metric_comparison,
    pool,
    stratified_comparison,
    weighted_mean,
    weighted_median,
)
from acclimate.evaluation.similarity import weighted_spearman


def reciprocal_ranks(generator: np.random.Generator, count: int) -> np.ndarray:
    return 1 / generator.integers(1, 12, count)


def correlated(generator: np.random.Generator, count: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Predictions of two models and gold, both models with the same correlation to gold; items as ``[N, 2]``."""
    gold = generator.standard_normal(count)
    first, second = (strength * gold + generator.standard_normal(count) for _ in range(2))
    return np.column_stack([first, gold]), np.column_stack([second, gold])


def test_intervals_hold_the_true_difference_in_95_percent() -> None:
    generator = np.random.default_rng(0)
    truth, held, rounds = 0.05, 0, 1000
    for number in range(rounds):
        before = reciprocal_ranks(generator, 120)
        after = before + truth + 0.1 * (generator.exponential(1, 120) - 1)  # skewed
        low, high = paired_comparison(before, after, seed=number, resamples=800)["ci95"]
        held += low <= truth <= high
    assert 0.93 <= held / rounds <= 0.97


def test_p_is_uniform_when_nothing_changed() -> None:
    generator = np.random.default_rng(1)
    p = []
    for number in range(400):
        before, after = generator.standard_normal((2, 60)) + generator.standard_normal(60)
        p.append(paired_comparison(before, after, seed=number, resamples=400)["p"])
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_p_of_a_correlation_is_uniform_when_nothing_changed() -> None:
    generator = np.random.default_rng(2)
    p = []
    for number in range(300):
        before, after = correlated(generator, 50, 0.8)
        p.append(paired_metric_comparison(weighted_spearman, before, after, seed=number, resamples=300)["p"])
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_intervals_of_a_correlation_hold_zero_when_nothing_changed() -> None:
    generator = np.random.default_rng(3)
    held, rounds = 0, 400
    for number in range(rounds):
        before, after = correlated(generator, 150, 0.8)
        comparison = paired_metric_comparison(weighted_spearman, before, after, seed=number, resamples=400)
        held += comparison["ci95"][0] <= 0 <= comparison["ci95"][1]
    assert 0.92 <= held / rounds <= 0.98


def test_p_equals_the_exact_test_on_few_items() -> None:
    """Five differences of one sign: 2 of the 32 sign patterns are as extreme."""
    comparison = paired_comparison(np.zeros(5), np.arange(1, 6), seed=0, resamples=40_000)
    assert comparison["p"] == pytest.approx(2 / 32, abs=0.005)
    assert comparison["value"] == 3


def test_interval_equals_the_normal_one_on_many_items() -> None:
    generator = np.random.default_rng(4)
    difference = generator.standard_normal(2000)
    comparison = paired_comparison(np.zeros(2000), difference, seed=0)
    margin = 1.96 * difference.std() / np.sqrt(2000)
    assert comparison["ci95"] == pytest.approx([difference.mean() - margin, difference.mean() + margin], abs=0.003)


def test_the_same_seed_gives_the_same_numbers_and_no_change_gives_p_one() -> None:
    generator = np.random.default_rng(5)
    before, after = generator.random((2, 80))
    assert paired_comparison(before, after, seed=3) == paired_comparison(before, after, seed=3)
    assert paired_comparison(before, after, seed=3)["ci95"] != paired_comparison(before, after, seed=4)["ci95"]
    assert paired_comparison(before, before, seed=3) == {"value": 0.0, "ci95": [0.0, 0.0], "p": 1.0}


def test_swapping_the_models_swaps_the_signs() -> None:
    generator = np.random.default_rng(6)
    before, after = generator.random((2, 80))
    there, back = paired_comparison(before, after, seed=1), paired_comparison(after, before, seed=1)
    assert back["value"] == -there["value"]
    assert back["ci95"] == pytest.approx([-there["ci95"][1], -there["ci95"][0]])
    assert back["p"] == there["p"]


def test_pairing_sees_what_unpaired_items_hide() -> None:
    generator = np.random.default_rng(7)
    before = generator.random(100)  # spreads over one
    comparison = paired_comparison(before, before + 0.01 + 0.01 * generator.standard_normal(100), seed=0)
    assert comparison["ci95"][0] > 0
    assert comparison["p"] < 0.001


def test_a_general_score_is_the_mean_of_its_tasks() -> None:
    generator = np.random.default_rng(8)
    one_before, one_after = generator.random((2, 400))
    two_before, two_after = correlated(generator, 300, 1.0)
    tasks = [(weighted_mean, one_before, one_after), (weighted_spearman, two_before, two_after)]
    comparison = stratified_comparison(tasks, seed=0, resamples=3000)
    once = np.ones((1, 300))
    expected = one_after.mean() - one_before.mean()
    expected += (weighted_spearman(two_after, once) - weighted_spearman(two_before, once))[0]
    assert comparison["value"] == pytest.approx(expected / 2)
    # Tasks are independent: variances of the parts add up.
    widths = [np.ptp(paired_metric_comparison(*task, seed=9)["ci95"]) for task in tasks]
    assert np.ptp(comparison["ci95"]) == pytest.approx(np.hypot(*widths) / 2, rel=0.06)


def test_p_of_a_general_score_is_uniform_when_nothing_changed() -> None:
    generator = np.random.default_rng(9)
    p = []
    for number in range(300):
        means = generator.standard_normal((2, 40))
        tasks = [(weighted_mean, *means), (weighted_spearman, *correlated(generator, 40, 0.5))]
        p.append(stratified_comparison(tasks, seed=number * 10, resamples=300)["p"])
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_several_metrics_at_once_equal_one_at_a_time() -> None:
    generator = np.random.default_rng(10)
    before, after = generator.random((2, 60, 3))
    together = draw(weighted_mean, before, after, seed=2, resamples=500).comparisons()
    for column, comparison in enumerate(together):
        alone = paired_comparison(before[:, column], after[:, column], seed=2, resamples=500)
        assert comparison["value"] == pytest.approx(alone["value"])
        assert comparison["ci95"] == pytest.approx(alone["ci95"])
        assert comparison["p"] == alone["p"]


def test_weighted_median_counts_copies() -> None:
    generator = np.random.default_rng(11)
    values = generator.integers(1, 30, 25).astype(float)
    weights = generator.integers(0, 4, (200, 25))
    medians = weighted_median(values, weights.astype(float))
    assert medians.tolist() == [np.median(np.repeat(values, copies)) for copies in weights]


def test_macro_f1_is_recomputed_on_every_resample() -> None:
    generator = np.random.default_rng(12)
    gold = generator.integers(0, 3, 200).astype(float)
    wrong = generator.random(200) < 0.3
    before = np.column_stack([np.where(wrong, (gold + 1) % 3, gold), gold])
    accuracy, macro_f1 = draw(weighted_classification, before, np.column_stack([gold, gold]), seed=0).comparisons()
    assert accuracy["value"] == pytest.approx(wrong.mean())
    for comparison in (accuracy, macro_f1):
        assert 0 < comparison["ci95"][0] < comparison["value"] < comparison["ci95"][1]
        assert comparison["p"] < 0.001


def test_blocks_of_many_items_cover_every_resample() -> None:
    draws = draw(weighted_mean, np.zeros(70_000), np.ones(70_000), seed=0, resamples=7)  # three blocks
    assert draws.resampled.shape == draws.swapped.shape == (7, 1)
    np.testing.assert_allclose(draws.resampled, 1)
    assert pool([draws, draws]).seen == pytest.approx([1])


@pytest.mark.parametrize(("before", "after"), [([1.0], [2.0]), ([1.0, 2.0], [1.0, 2.0, 3.0])])
def test_what_cannot_be_compared_is_refused(before: list[float], after: list[float]) -> None:
    with pytest.raises(DataError, match="the same 2 or more test items"):
        paired_comparison(before, after, seed=0)
