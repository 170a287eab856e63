"""Is a difference real? Paired bootstrap intervals and two-sided randomization tests over items.

An item is what was sampled: a query, a pair, a text. Both methods see a metric as a function of items and weights. A
bootstrap resample weights the items by how often each was drawn. A randomization swaps before and after in each item
with probability 1/2, which changes nothing if the two models are alike: that is the null hypothesis (Fisher; Smucker,
Allan & Carterette 2007). The interval holds the 2.5th to 97.5th percentile; p = (b + 1) / (R + 1), b being how many of
R randomizations differ by as much as was seen.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from acclimate.core.errors import DataError
from acclimate.core.seeds import numpy_generator
from acclimate.evaluation.vectors import Floats

RESAMPLES = 10_000
BLOCK_VALUES = 1 << 18
"""Weights that exist at one time: 2 MiB, so that a processor cache holds them."""

Metric: TypeAlias = Callable[[Floats, Floats], Floats]
"""Items ``[N]`` or ``[N, K]`` and weights ``[B, N]`` -> one value ``[B]``, or several ``[B, M]``, a row of weights."""


class Comparison(TypedDict):
    """After minus before, its paired 95% interval, and the two-sided p."""

    value: float
    ci95: list[float]
    p: float


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Differences of M metrics: as seen ``[M]``, on resampled items and with items swapped ``[R, M]``."""

    seen: Floats
    resampled: Floats
    swapped: Floats

    def comparisons(self) -> list[Comparison]:
        """What the draws say about each of the M metrics."""
        low, high = np.percentile(self.resampled, [2.5, 97.5], axis=0)
        # A hair below what was seen: the same sum in another order must count as equal.
        extreme = np.abs(self.swapped) >= np.abs(self.seen) * (1 - 1e-9) - 1e-12
        p = (extreme.sum(axis=0) + 1) / (len(self.swapped) + 1)
        return [
            {"value": float(value), "ci95": [float(a), float(b)], "p": float(chance)}
            for value, a, b, chance in zip(self.seen, low, high, p, strict=True)
        ]


def draw(metric: Metric, before: ArrayLike, after: ArrayLike, *, seed: int, resamples: int = RESAMPLES) -> Draws:
    """Resamples and randomizes the difference of one or several metrics over the same items.

    Args:
        metric: see ``Metric``.
        before: items of one model ``[N]`` or ``[N, K]``.
        after: the same items of the other model, in the same order.
        seed: of resampling and swapping.
        resamples: how many of each.

    Raises:
        DataError: fewer than 2 items, or not as many before as after.
    """
    first, second = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if first.shape != second.shape or len(first) < 2:
        raise DataError(
            f"cannot compare {len(first)} items with {len(second)}",
            "score both models on the same 2 or more test items",
        )
    count = len(first)
    pool = np.concatenate([first, second])
    once = np.ones((1, count))
    resampled, swapped = [], []
    for weights in _resample_weights(count, resamples, numpy_generator(seed, "bootstrap")):
        resampled.append(metric(second, weights) - metric(first, weights))
    for keep in _coins(count, resamples, numpy_generator(seed, "randomization")):
        swapped.append(metric(pool, np.hstack([1 - keep, keep])) - metric(pool, np.hstack([keep, 1 - keep])))
    seen = metric(second, once) - metric(first, once)
    return Draws(seen.reshape(-1), _columns(resampled), _columns(swapped))


def pool(draws: Sequence[Draws]) -> Draws:
    """Draws of the unweighted mean of several tasks, each resampled on its own (give each task its own seed)."""
    return Draws(
        np.mean([one.seen for one in draws], axis=0),
        np.mean([one.resampled for one in draws], axis=0),
        np.mean([one.swapped for one in draws], axis=0),
    )


def paired_comparison(before: ArrayLike, after: ArrayLike, *, seed: int, resamples: int = RESAMPLES) -> Comparison:
    """Compares two means over the same items, ``[N]`` each."""
    return paired_metric_comparison(weighted_mean, before, after, seed=seed, resamples=resamples)


def paired_metric_comparison(
    metric: Metric, before: ArrayLike, after: ArrayLike, *, seed: int, resamples: int = RESAMPLES
) -> Comparison:
    """Compares a metric that need not be a mean, recomputed on every resample."""
    return draw(metric, before, after, seed=seed, resamples=resamples).comparisons()[0]


def stratified_comparison(
    tasks: Sequence[tuple[Metric, ArrayLike, ArrayLike]], *, seed: int, resamples: int = RESAMPLES
) -> Comparison:
    """Compares the unweighted mean of one metric a task: (metric, items before, items after) for each."""
    draws = [
        draw(metric, before, after, seed=seed + place, resamples=resamples)
        for place, (metric, before, after) in enumerate(tasks)
    ]
    return pool(draws).comparisons()[0]


def weighted_mean(items: Floats, weights: Floats) -> Floats:
    """Mean of items ``[N]`` or ``[N, M]`` under each row of weights ``[B, N]``."""
    total = weights.sum(axis=1)
    return np.asarray(weights @ items / (total if items.ndim == 1 else total[:, None]))


def weighted_median(items: Floats, weights: Floats) -> Floats:
    """Median of items ``[N]``, where item i stands for ``weights[b, i]`` equal items; whole-number weights."""
    order = np.argsort(items, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)
    total = reached[:, -1:]
    lower = (reached < np.floor((total + 1) / 2)).sum(axis=1)
    upper = (reached < np.floor((total + 2) / 2)).sum(axis=1)
    return np.asarray((items[order][lower] + items[order][upper]) / 2)


def _resample_weights(count: int, resamples: int, generator: np.random.Generator) -> Iterator[Floats]:
    for size in _block_sizes(count, resamples):
        drawn = generator.integers(0, count, (size, count)) + np.arange(0, size * count, count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)


def _coins(count: int, resamples: int, generator: np.random.Generator) -> Iterator[Floats]:
    for size in _block_sizes(count, resamples):
        yield generator.integers(0, 2, (size, count), dtype=np.int8).astype(np.float64)


def _block_sizes(count: int, resamples: int) -> Iterator[int]:
    size = max(1, BLOCK_VALUES // count)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def _columns(blocks: list[Floats]) -> Floats:
    joined = np.concatenate(blocks)
    return joined.reshape(len(joined), -1)
