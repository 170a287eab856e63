"""The shift of two sets of texts against closed forms and laws."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from acclimate.core.errors import DataError
from acclimate.evaluation.shift import piece_ratio, proxy_a_distance, vocabulary_overlap


def normals(count: int, dimension: int, seed: int, *, away: float = 0.0) -> np.ndarray:
    """Normal vectors around a point on the first axis."""
    drawn = np.random.default_rng(seed).standard_normal((count, dimension))
    drawn[:, 0] += away
    return drawn


def distance(source: np.ndarray, target: np.ndarray) -> float:
    return proxy_a_distance(source, target)["proxy_a_distance"]


@pytest.mark.parametrize("away", [0.0, 0.5, 1.0, 3.0])
def test_two_normal_clouds(away: float) -> None:
    """The best plane lies halfway and errs with Phi(-away / 2)."""
    found = proxy_a_distance(normals(3000, 6, 0), normals(2000, 6, 1, away=away))
    error = (1 - math.erf(away / 2 / math.sqrt(2))) / 2
    assert found["proxy_a_distance"] == pytest.approx(2 * (1 - 2 * error), abs=3 * found["standard_error"])
    assert found["standard_error"] < 0.03
    assert found["domain_accuracy"] == pytest.approx((found["proxy_a_distance"] + 2) / 4)


def test_clouds_that_do_not_touch() -> None:
    found = proxy_a_distance(normals(50, 3, 0), normals(80, 3, 1, away=50))
    assert found["proxy_a_distance"] == 2
    assert found["domain_accuracy"] == 1
    assert found["standard_error"] > 0.01


def test_the_very_same_vectors_in_another_order() -> None:
    vectors = normals(101, 20, 0).astype(np.float32)
    assert distance(vectors, vectors[::-1]) == 0


def test_noise_with_more_dimensions_than_vectors_is_no_shift() -> None:
    """A classifier that had seen the vectors would tell all of them apart."""
    found = [distance(normals(60, 384, 2 * seed), normals(60, 384, 2 * seed + 1)) for seed in range(20)]
    assert np.mean(found) == pytest.approx(0, abs=0.1)


def test_sizes_do_not_matter() -> None:
    """Saying "source" always would be right 19 times of 20."""
    found = proxy_a_distance(normals(3000, 6, 0), normals(150, 6, 1))
    assert found["domain_accuracy"] == pytest.approx(0.5, abs=0.75 * found["standard_error"])
    apart = distance(normals(3000, 6, 0), normals(150, 6, 1, away=1))
    assert apart == pytest.approx(distance(normals(3000, 6, 0), normals(3000, 6, 2, away=1)), abs=0.25)


@pytest.mark.parametrize(
    "change",
    [
        lambda vectors: vectors @ np.linalg.qr(np.random.default_rng(9).standard_normal((8, 8)))[0],
        lambda vectors: vectors * 0.01,
        lambda vectors: vectors + 5,
    ],
    ids=["rotated", "scaled", "moved"],
)
def test_what_changes_nothing(change: Callable[[np.ndarray], np.ndarray]) -> None:
    stretched = np.geomspace(1, 0.03, 8)
    source, target = normals(300, 8, 0) * stretched, normals(200, 8, 1, away=0.8) * stretched
    assert distance(change(source), change(target)) == pytest.approx(distance(source, target), abs=1e-9)


def test_which_is_which_does_not_matter() -> None:
    """Also where a fourth of the vectors are in both."""
    source, target = normals(300, 8, 0), normals(200, 8, 1, away=0.8)
    target[:50] = source[100:150]
    assert distance(target, source) == pytest.approx(distance(source, target), abs=1e-9)
    assert distance(source, target) > 0.2


def test_the_standard_error_is_how_much_it_varies() -> None:
    found = [
        proxy_a_distance(normals(150, 3, 2 * seed), normals(100, 3, 2 * seed + 1, away=1.5)) for seed in range(120)
    ]
    deviation = np.std([one["proxy_a_distance"] for one in found])
    assert np.mean([one["standard_error"] for one in found]) == pytest.approx(deviation, rel=0.2)


@pytest.mark.parametrize("count", [1, 9])
def test_too_few_vectors(count: int) -> None:
    few = np.repeat(normals(count, 4, 0), 30, axis=0)
    with pytest.raises(DataError, match=f"{count} different vectors of the target are too few"):
        proxy_a_distance(normals(100, 4, 1), few)


def test_vectors_that_are_none() -> None:
    with pytest.raises(DataError, match="NaN"):
        proxy_a_distance(normals(100, 4, 1), np.full((20, 4), np.nan))


def test_vocabulary_overlap_by_hand() -> None:
    found = vocabulary_overlap({"the": 900, "heart": 3}, {"the": 6, "heart": 1, "atrium": 2, "aorta": 1})
    assert found == {"known_words": 2 / 4, "known_occurrences": 7 / 10}


def test_pieces_by_hand() -> None:
    found = piece_ratio(([3, 5], [3, 5]), ([9, 6], [6, 4]))
    assert found == {"source": 1.0, "target": 1.5, "ratio": 1.5}


def test_texts_without_words() -> None:
    with pytest.raises(DataError, match="the texts of the target have no words"):
        vocabulary_overlap({"the": 1}, {})
    with pytest.raises(DataError, match="the texts of the source have no words"):
        piece_ratio(([2], [0]), ([2], [1]))
