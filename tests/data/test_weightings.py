"""Weights of source examples against closed forms, an independent solver, and what they are for."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from acclimate.core.errors import DataError, UsageError
from acclimate.data.importance import (
    density_ratio,
    effective_sample_size,
    kernel_mean_matching,
    nearest_similarity,
)
from acclimate.data.weightings import WEIGHTINGS, weights_by_target

every_way = pytest.mark.parametrize("kind", list(WEIGHTINGS))


def normals(count: int, dimension: int, seed: int, *, away: float = 0.0) -> np.ndarray:
    """Normal vectors around a point on the first axis."""
    drawn = np.random.default_rng(seed).standard_normal((count, dimension))
    drawn[:, 0] += away
    return drawn


def weights(kind: str, source: np.ndarray, target: np.ndarray, **settings: Any) -> np.ndarray:
    return weights_by_target(WEIGHTINGS.parse({"kind": kind, **settings}), source, target)


@pytest.mark.parametrize(("away", "targets"), [(0.5, 20_000), (1.0, 20_000), (2.0, 20_000), (1.0, 10_000)])
def test_the_density_ratio_of_two_normal_distributions(away: float, targets: int) -> None:
    """log p_T(x) / p_S(x) = away x - away^2 / 2, however many there are of each."""
    source, target = normals(20_000, 1, 0), normals(targets, 1, 1, away=away)
    slope, intercept = np.polyfit(source[:, 0], np.log(density_ratio(source, target)), 1)
    assert slope == pytest.approx(away, rel=0.05)
    assert intercept == pytest.approx(-(away**2) / 2, abs=0.05)


def test_the_density_ratio_is_of_vectors_that_were_not_seen() -> None:
    """Noise in more dimensions than there are vectors: a classifier that had seen them would tell all of them apart."""
    log_ratio = np.log(density_ratio(normals(100, 300, 0), normals(100, 300, 1)))
    assert np.median(np.abs(log_ratio)) < 0.3


def test_sets_that_do_not_touch_have_finite_density_ratios() -> None:
    ratio = density_ratio(normals(100, 3, 0), normals(100, 3, 1, away=100))
    assert np.isfinite(ratio).all()
    assert ratio.max() < 0.1


def test_density_ratios_are_cut_before_the_power() -> None:
    source, target = normals(500, 1, 0), normals(500, 1, 1, away=2)
    found = weights("density_ratio", source, target, alpha=0.5, least=0.25, most=4)
    assert found.max() / found.min() == pytest.approx(16**0.5)
    ratio = density_ratio(source, target)
    inside = (ratio > 0.25) & (ratio < 4)
    proportion = found[inside] / ratio[inside] ** 0.5
    assert proportion == pytest.approx(np.full(inside.sum(), proportion[0]))


def test_kernel_means_of_the_same_vectors_match_as_they_are() -> None:
    source = normals(200, 5, 0)
    found = kernel_mean_matching(source, source[::-1], bound=1000, ridge=0.01)
    assert found == pytest.approx(np.ones(200), abs=1e-4)


BESIDE = normals(24, 2, 0), normals(40, 2, 1, away=1)
FAR = normals(24, 2, 0), normals(40, 2, 1, away=3)
WITHIN = normals(24, 2, 0) / np.linalg.norm(normals(24, 2, 0), axis=1, keepdims=True), normals(40, 2, 1) * 0.1


@pytest.mark.parametrize(
    ("sets", "bound", "slack", "total"),
    [
        (BESIDE, 1000.0, None, None),
        (BESIDE, 2.0, None, None),
        (BESIDE, 1000.0, 0.01, 23.76),
        (FAR, 1000.0, 0.02, 23.52),
        (WITHIN, 1000.0, 0.02, 24.48),
    ],
    ids=["free", "bounded", "sum at its least", "far", "sum at its most"],
)
def test_kernel_mean_matching_beside_another_solver(
    sets: tuple[np.ndarray, np.ndarray], bound: float, slack: float | None, total: float | None
) -> None:
    """The quadratic program of the paper by sequential least squares, with the limits on the sum as constraints."""
    source, target = sets
    ridge = 0.05
    both = np.concatenate([source, target])
    squares = np.square(both[:, None] - both).sum(axis=2)
    kernel = np.exp(-squares / (2 * np.median(squares[np.triu_indices(64, 1)])))
    inner, kappa = kernel[:24, :24], 24 / 40 * kernel[:24, 24:].sum(axis=1)
    allowed = 24 * ((np.sqrt(24) - 1) / np.sqrt(24) if slack is None else slack)

    def loss(b: np.ndarray) -> float:
        return float(b @ inner @ b / 2 - kappa @ b + ridge / 2 * np.square(b - 1).sum())

    limits = [{"type": "ineq", "fun": lambda b, sign=sign: allowed + sign * (24 - b.sum())} for sign in (1, -1)]
    options = {"maxiter": 2000, "ftol": 1e-14}
    other = minimize(
        loss, np.full(24, 0.7), method="SLSQP", bounds=[(0, bound)] * 24, constraints=limits, options=options
    )
    found = kernel_mean_matching(source, target, bound=bound, ridge=ridge, slack=slack)
    assert found.min() >= 0
    assert found.max() <= bound
    assert total is None or found.sum() == pytest.approx(total, abs=1e-4)
    assert loss(found) == pytest.approx(other.fun, rel=2e-8)
    assert found == pytest.approx(other.x, abs=2e-3)


def test_similarity_with_the_nearest_by_hand() -> None:
    target = np.array([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])
    found = nearest_similarity(np.array([[5.0, 0.0], [3.0, 4.0], [0.0, -1.0]]), target, 2)
    assert found == pytest.approx([0.5, 0.7, 0.0])


def test_nearest_is_a_monotone_map_of_the_similarity() -> None:
    source, target = normals(300, 4, 0), normals(200, 4, 1, away=2)
    near, found = nearest_similarity(source, target, 7), weights("nearest", source, target, k=7, sharpness=0.8)
    slope, _ = np.polyfit((near - near.mean()) / near.std(), np.log(found), 1)
    assert slope == pytest.approx(0.8)
    assert np.array_equal(np.argsort(near), np.argsort(found))
    assert weights("nearest", np.ones((5, 2)), target[:, :2]) == pytest.approx(np.ones(5))


@every_way
def test_weights_have_a_mean_of_one_and_belong_to_the_examples(kind: str) -> None:
    source, target = normals(120, 4, 0), normals(90, 4, 1, away=0.7)
    found = weights(kind, source, target)
    assert found.shape == (120,)
    assert found.min() >= 0
    assert found.mean() == pytest.approx(1)
    assert weights(kind, source.astype(np.float32), target.astype(np.float32)) == pytest.approx(found, abs=5e-3)


@pytest.mark.parametrize(
    ("settings", "left"),
    [({"kind": "density_ratio", "alpha": 1}, 0.15), ({"kind": "density_ratio"}, 0.6), ({"kind": "kmm"}, 0.1)],
    ids=["density_ratio", "tempered", "kmm"],
)
def test_the_weighted_mean_of_the_source_is_near_that_of_the_target(settings: dict[str, Any], left: float) -> None:
    source, target = normals(2000, 3, 0), normals(1000, 3, 1, away=1)
    found = weights(source=source, target=target, **settings)
    distance = np.linalg.norm(np.average(source, axis=0, weights=found) - target.mean(axis=0))
    assert distance < left * np.linalg.norm(source.mean(axis=0) - target.mean(axis=0))


@every_way
def test_what_is_right_in_the_target_is_learned_from_a_source_that_is_mostly_another_domain(kind: str) -> None:
    """In 60% of the source a label means the opposite of what it means in the rest, where the target lies."""
    rng = np.random.default_rng(0)

    def domain(count: int, center: float, sign: int) -> tuple[np.ndarray, np.ndarray]:
        vectors = rng.standard_normal((count, 4)) * 0.3
        vectors[:, 0] += 1
        vectors[:, 1] += center
        return vectors, np.sign(vectors[:, 2]) * sign

    (elsewhere, wrong), (here, right), (target, truth) = domain(600, -1, -1), domain(400, 1, 1), domain(400, 1, 1)
    source, labels = np.concatenate([elsewhere, here]), np.concatenate([wrong, right])

    def score(given: np.ndarray) -> float:
        model = LogisticRegression().fit(source[:, 2:3], labels, sample_weight=given)
        return float((model.predict(target[:, 2:3]) == truth).mean())

    assert score(np.ones(1000)) < 0.1
    assert score(weights(kind, source, target)) > 0.9


@pytest.mark.parametrize("settings", [{"kind": "density_ratio", "alpha": 1}, {"kind": "kmm"}], ids=lambda s: s["kind"])
def test_a_line_fitted_where_the_target_is(settings: dict[str, Any]) -> None:
    """y = x^3 - x rises where the source is, and falls where the target is."""
    source, target = normals(2000, 1, 0) * 0.5 + 0.6, normals(2000, 1, 1) * 0.5

    def error(given: np.ndarray) -> float:
        line = np.polyfit(source[:, 0], source[:, 0] ** 3 - source[:, 0], 1, w=np.sqrt(given))
        return float(np.square(np.polyval(line, target[:, 0]) - (target[:, 0] ** 3 - target[:, 0])).mean())

    assert error(weights(source=source, target=target, **settings)) < 0.3 * error(np.ones(2000))


def test_the_effective_sample_size_by_hand() -> None:
    assert effective_sample_size(np.full(7, 3.0)) == pytest.approx(7)
    assert effective_sample_size(np.array([0.0, 5.0, 0.0])) == pytest.approx(1)
    assert effective_sample_size(np.array([1.0, 1.0, 2.0])) == pytest.approx(16 / 6)


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"kind": "density_ratio", "alpha": 1, "least": 1e-6, "most": 1e6}, "lower data.weighting.alpha"),
        ({"kind": "kmm", "ridge": 0}, "raise data.weighting.ridge"),
        ({"kind": "nearest", "sharpness": 3}, "lower data.weighting.sharpness"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_weights_that_leave_next_to_nothing_are_refused(settings: dict[str, Any], remedy: str) -> None:
    with pytest.raises(UsageError, match="examples' worth of 400") as caught:
        weights(source=normals(400, 20, 0), target=normals(400, 20, 1, away=2.5), **settings)
    assert remedy in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_act_says_what_would() -> None:
    with pytest.raises(UsageError, match=r"3,000 source examples at most, not 3,001; take density_ratio or nearest"):
        weights("kmm", normals(3001, 2, 0), normals(10, 2, 1))
    with pytest.raises(UsageError, match=r"data.weighting.k=10 cannot act on 4 target examples; take k=4 or fewer"):
        weights("nearest", normals(30, 2, 0), normals(4, 2, 1))
    with pytest.raises(DataError, match="4 different vectors of the target are too few"):
        weights("density_ratio", normals(30, 2, 0), normals(4, 2, 1))


@every_way
def test_settings_survive_a_recipe_and_say_what_they_do(kind: str) -> None:
    spec = WEIGHTINGS.parse(kind)
    assert WEIGHTINGS.parse(spec.model_dump(mode="json")) == spec
    assert spec.summary
    assert spec.evener


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "density_ratio", "alpha": 0},
        {"kind": "density_ratio", "alpha": 1.5},
        {"kind": "density_ratio", "most": 0.5},
        {"kind": "kmm", "bound": 0.5},
        {"kind": "kmm", "alpha": 0.5},
        {"kind": "nearest", "k": 0},
    ],
)
def test_settings_that_mean_nothing(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WEIGHTINGS.parse(settings)
