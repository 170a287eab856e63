"""The map: a turn of the space moves nothing, what moves is named, and what the plane keeps is counted right."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from acclimate.core.errors import DataError
from acclimate.evaluation.projection import neighbors_kept, shared_plane, turn


def vectors(count: int = 60, width: int = 7, seed: int = 0) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(count, width)) * np.linspace(3, 0.5, width)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def rotation(width: int = 7, seed: int = 1) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]


@pytest.mark.parametrize("seed", range(4))
def test_a_turned_and_shifted_space_lies_where_it_lay(seed: int) -> None:
    before = vectors()
    plane = shared_plane(before, before @ rotation(seed=seed) + 0.3)
    np.testing.assert_allclose(plane.after, plane.before, atol=1e-12)
    np.testing.assert_allclose(plane.moved, 0, atol=1e-12)


def test_the_turn_is_the_one_that_scipy_finds() -> None:
    before, after = (v - v.mean(axis=0) for v in (vectors(), vectors(seed=5)))
    np.testing.assert_allclose(turn(after, before), orthogonal_procrustes(after, before)[0], atol=1e-10)
    plane = shared_plane(vectors(), vectors(seed=5))
    assert np.linalg.norm(plane.moved) == pytest.approx(np.linalg.norm(after @ turn(after, before) - before))


def test_the_plane_is_that_of_the_first_two_components() -> None:
    before = vectors()
    plane, reference = shared_plane(before, before), PCA(2).fit(before)
    np.testing.assert_allclose(np.abs(plane.before), np.abs(reference.transform(before)), atol=1e-10)
    assert plane.explained == pytest.approx(reference.explained_variance_ratio_.sum())


def test_what_moved_alone_moved_most() -> None:
    before = vectors()
    after = before.copy()
    after[17] = -after[17]
    plane = shared_plane(before, after @ rotation())
    assert plane.moved.argmax() == 17
    assert plane.moved[17] > 5 * np.delete(plane.moved, 17).max()


def test_vectors_of_fewer_dimensions_are_filled_with_zeros() -> None:
    before = np.pad(vectors(width=4), ((0, 0), (0, 3)))
    plane = shared_plane(before @ rotation(), before[:, :4])
    np.testing.assert_allclose(plane.moved, 0, atol=1e-12)


def test_two_texts_make_no_map() -> None:
    with pytest.raises(DataError, match="make no map"):
        shared_plane(vectors(2), vectors(2))


def test_neighbors_that_a_plane_keeps_are_those_that_sklearn_finds() -> None:
    before = vectors()
    points = shared_plane(before, before).before
    near = [
        NearestNeighbors(n_neighbors=5).fit(places).kneighbors(return_distance=False) for places in (before, points)
    ]
    expected = [len(set(a) & set(b)) / 5 for a, b in zip(*near, strict=True)]
    np.testing.assert_allclose(neighbors_kept(before, points, 5), expected)
    assert 0.1 < np.mean(expected) < 1


def test_a_plane_keeps_all_neighbors_of_what_lies_in_a_plane() -> None:
    flat = np.random.default_rng(3).normal(size=(40, 2)) @ rotation()[:2]
    np.testing.assert_array_equal(neighbors_kept(flat, shared_plane(flat, flat).before), 1.0)
