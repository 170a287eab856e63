"""Drift of a table: in closed form, and classes of counts that leave no row out."""

import numpy as np
import pytest

from acclimate.evaluation.drift import drift_by_count, row_drift


def test_the_drift_of_a_row_is_its_change_over_its_length() -> None:
    before = np.array([[3, 4], [1, 0], [0, 2], [0, 0], [0, 0]], np.float32)
    after = np.array([[3, 4], [2, 0], [1, 2], [0, 0], [0, 1]], np.float32)
    np.testing.assert_allclose(row_drift(before, after), [0, 1, 0.5, 0, 1])


def test_a_scaled_table_drifts_as_much() -> None:
    before, after = np.random.default_rng(0).normal(size=(2, 9000, 3)).astype(np.float32)
    np.testing.assert_allclose(row_drift(8 * before, 8 * after), row_drift(before, after), rtol=1e-6)


def test_each_row_is_in_one_class_and_the_means_make_up_the_mean() -> None:
    generator = np.random.default_rng(0)
    drift, counts = generator.random(500), generator.integers(0, 200, 500)
    classes = drift_by_count(drift, counts)
    assert [found["seen"] for found in classes] == ["0", "1", "2-3", "4-10", "11-100", "101-"]
    sizes = [found["tokens"] for found in classes]
    assert sum(sizes) == 500
    assert sizes[1] == np.count_nonzero(counts == 1)
    assert sizes[3] == np.count_nonzero((counts >= 4) & (counts <= 10))
    assert np.dot(sizes, [found["mean"] for found in classes]) / 500 == pytest.approx(drift.mean())


def test_a_class_without_rows_is_left_out() -> None:
    assert [found["seen"] for found in drift_by_count(np.zeros(3), np.array([0, 0, 7]))] == ["0", "4-10"]
