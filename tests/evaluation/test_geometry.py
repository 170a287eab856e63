"""Geometry against closed forms and laws."""

import math

import numpy as np
import pytest

from acclimate.core.errors import DataError
from acclimate.evaluation.geometry import (
    alignment,
    effective_rank,
    estimate_effective_rank,
    estimate_uniformity,
    geometry_metrics,
    uniformity,
)


def simplex(dimension: int) -> np.ndarray:
    """d + 1 points at equal distances on the sphere in d dimensions."""
    corners = np.eye(dimension + 1) - 1 / (dimension + 1)
    basis = np.linalg.svd(corners)[2][:dimension]
    return corners @ basis.T


def rotation(dimension: int, generator: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(generator.standard_normal((dimension, dimension)))[0]


def test_identical_vectors() -> None:
    same = np.tile(np.array([[0.3, -2.0, 1.1]]), (50, 1))
    assert alignment(same, same) == pytest.approx(0, abs=1e-9)
    assert uniformity(same) == pytest.approx(0, abs=1e-9)
    assert effective_rank(same) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("dimension", [2, 10, 384])
def test_orthonormal_basis(dimension: int) -> None:
    basis = np.eye(dimension)
    assert uniformity(basis) == pytest.approx(-4, abs=1e-9)
    assert uniformity(basis, t=3) == pytest.approx(-6, abs=1e-9)
    assert alignment(basis, np.roll(basis, 1, axis=0)) == pytest.approx(2, abs=1e-9)
    assert alignment(basis, np.roll(basis, 1, axis=0), alpha=1) == pytest.approx(math.sqrt(2), abs=1e-9)
    assert effective_rank(basis) == pytest.approx(dimension, rel=1e-4)


def test_simplex_goes_below_minus_four() -> None:
    assert uniformity(simplex(64)) == pytest.approx(-4 * (1 + 1 / 64), abs=1e-6)  # -4.0625


def test_uniform_sphere_and_isotropic_gaussian() -> None:
    generator = np.random.default_rng(0)
    assert uniformity(generator.standard_normal((3000, 384))) == pytest.approx(-4 + 8 / 384, abs=2e-3)
    assert effective_rank(generator.standard_normal((20_000, 64)), sample=20_000) == pytest.approx(63.97, abs=0.02)


def test_alignment_is_two_minus_two_cosines_whatever_the_lengths() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.standard_normal((2, 40, 8))
    cosines = (x * y).sum(axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    assert alignment(5 * x, 0.1 * y) == pytest.approx(np.mean(2 - 2 * cosines), abs=1e-6)


def test_uniformity_is_the_log_of_the_mean_over_pairs_without_the_diagonal() -> None:
    generator = np.random.default_rng(2)
    x = generator.standard_normal((700, 5))  # more than one block
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    squared = ((x[:, None, :] - x[None, :, :]) ** 2).sum(axis=2)
    first, second = np.triu_indices(len(x), k=1)
    assert uniformity(x) == pytest.approx(np.log(np.exp(-2 * squared[first, second]).mean()), abs=1e-6)


def test_rotation_scale_and_order_change_nothing() -> None:
    generator = np.random.default_rng(3)
    x = generator.standard_normal((200, 16)) * np.linspace(0.2, 3, 16)
    moved = 7 * (x @ rotation(16, generator))[generator.permutation(200)]
    assert uniformity(moved) == pytest.approx(uniformity(x), abs=1e-6)
    assert effective_rank(moved) == pytest.approx(effective_rank(x), rel=1e-5)


def test_effective_rank_does_not_square_singular_values() -> None:
    # Rows of length one: 3 of one axis, 1 of the other; singular values sqrt(3) and 1.
    rows = np.array([[1.0, 0], [1, 0], [1, 0], [0, 1]])
    share = np.array([math.sqrt(3), 1]) / (math.sqrt(3) + 1)
    assert effective_rank(rows) == pytest.approx(math.exp(-(share * np.log(share)).sum()), abs=1e-5)


def test_a_sample_states_its_error() -> None:
    generator = np.random.default_rng(4)
    x = generator.standard_normal((6000, 12)) + np.linspace(0, 1, 12)
    exact = estimate_uniformity(x, sample=6000)
    assert exact.standard_error == 0
    misses = []
    for part in range(30):  # shuffling draws another sample
        sampled = estimate_uniformity(x[np.random.default_rng(part).permutation(6000)], sample=1000)
        misses.append((sampled.value - exact.value) / sampled.standard_error)
    assert 0.6 < np.std(misses) < 1.4
    assert abs(np.mean(misses)) < 0.7


@pytest.mark.parametrize("estimate", [estimate_uniformity, estimate_effective_rank])
def test_items_are_the_influence_of_each_vector(estimate) -> None:  # type: ignore[no-untyped-def]
    """Their mean is the metric; raising one vector's weight moves the metric by (item - metric) / n."""
    generator = np.random.default_rng(5)
    x = generator.standard_normal((300, 6)) * np.array([3, 2, 1, 1, 0.5, 0.2])
    copies = 40  # of all vectors, so that one more copy of one is a small weight
    many = np.tile(x, (copies, 1))
    base = estimate(x, sample=10**6)
    assert base.items.mean() == pytest.approx(base.value, abs=1e-9)
    if estimate is estimate_uniformity:  # pairs of copies would need their diagonal taken out: compare leave-one-out
        left_out = np.array([estimate(np.delete(x, row, axis=0)).value for row in range(20)])
        jackknife = 300 * base.value - 299 * left_out
        np.testing.assert_allclose(base.items[:20], jackknife, atol=0.05)
        return
    # The same x tiled has the same shares, hence the same rank.
    whole = estimate(many, sample=10**6).value
    for row in range(5):
        moved = estimate(np.vstack([many, x[row]]), sample=10**6).value
        slope = (moved - whole) * 300 * copies
        assert slope == pytest.approx(base.items[row] - base.value, abs=0.02)


def test_metrics_of_a_task_and_their_items() -> None:
    generator = np.random.default_rng(6)
    queries, documents = generator.standard_normal((3, 8)), generator.standard_normal((20, 8))
    pairs = np.array([0, 0, 1, 2, 2, 2]), np.array([4, 5, 0, 1, 2, 3])
    shape = geometry_metrics(queries, documents, pairs)
    assert shape["alignment"].value == pytest.approx(alignment(queries[pairs[0]], documents[pairs[1]]))
    assert shape["alignment"].items.shape == (3,)
    assert shape["alignment"].items.mean() == pytest.approx(shape["alignment"].value)
    assert shape["uniformity"].value == pytest.approx(uniformity(documents))
    assert shape["effective_rank"].value == pytest.approx(effective_rank(documents))


def test_too_few_or_unfit_vectors() -> None:
    with pytest.raises(DataError, match="fewer than 2 vectors"):
        uniformity(np.ones((1, 3)))
    with pytest.raises(DataError, match="fewer than 2 vectors"):
        effective_rank(np.ones((1, 3)))
    with pytest.raises(DataError, match="one row on each side"):
        alignment(np.ones((2, 3)), np.ones((3, 3)))
    with pytest.raises(DataError, match="one vector a row"):
        uniformity(np.ones(3))
