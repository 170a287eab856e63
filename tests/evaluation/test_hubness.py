import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from acclimate.core.errors import DataError
from acclimate.evaluation.hubness import nearest_neighbors, skewness


def star(leaves: int) -> np.ndarray:
    """A center that is nearer to each leaf than any other leaf is, and the leaves, the first of which is nearest."""
    vectors = np.eye(leaves + 1)
    vectors[1:, 0] = 1.0
    vectors[1, 0] = 1.1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("leaves", [3, 10, 60])
def test_a_star_has_one_hub_of_a_known_skewness(leaves: int) -> None:
    counts = nearest_neighbors(star(leaves), 1).occurrences()
    assert counts.tolist() == [leaves, 1] + [0] * (leaves - 1)
    # n = leaves + 1 vectors and a mean of 1: the deviations are n - 2, once 0, and n - 2 times -1.
    n = leaves + 1
    third, second = ((n - 2) ** 3 - (n - 2)) / n, ((n - 2) ** 2 + (n - 2)) / n
    assert skewness(counts) == pytest.approx(third / second**1.5, rel=1e-12)
    assert skewness(counts) == pytest.approx(stats.skew(counts), rel=1e-12)


def test_on_a_ring_everybody_is_as_much_a_neighbor() -> None:
    angles = 2 * math.pi * np.arange(24) / 24
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    counts = nearest_neighbors(ring, 2).occurrences()
    assert counts.tolist() == [2] * 24
    assert skewness(counts) == 0


@given(st.lists(st.integers(0, 50), min_size=3, max_size=40).filter(lambda values: len(set(values)) > 1))
def test_the_skewness_is_that_of_scipy(values: list[int]) -> None:
    assert skewness(np.array(values)) == pytest.approx(stats.skew(values), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("block_bytes", [1, 2000, 1 << 20])
def test_neighbors_are_exact_in_blocks_of_any_size(block_bytes: int) -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 7))
    found = nearest_neighbors(vectors, 5, block_bytes=block_bytes)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    np.testing.assert_array_equal(found.rows, np.argsort(-cosines, axis=1)[:, :5])
    np.testing.assert_allclose(found.cosines, -np.sort(-cosines, axis=1)[:, :5], atol=1e-6)
    assert found.occurrences().mean() == 5


def test_of_equal_vectors_the_earlier_ones_count() -> None:
    vectors = np.repeat(np.eye(2), 3, axis=0)
    assert nearest_neighbors(vectors, 2).rows.tolist() == [[1, 2], [0, 2], [0, 1], [4, 5], [3, 5], [3, 4]]


def test_too_few_vectors() -> None:
    with pytest.raises(DataError, match="give 11 distinct texts"):
        nearest_neighbors(np.eye(10), 10)
