"""How well cosines order pairs of texts as people do: Spearman and Pearson correlation.

Every correlation here takes weights, because a bootstrap resample is nothing but whole-number weights of the items: ten
thousand resamples become a few matrix operations.
"""

import numpy as np
from numpy.typing import ArrayLike

from acclimate.core.errors import DataError
from acclimate.evaluation.vectors import Floats, unit_rows


def cosine_of_pairs(first: ArrayLike, second: ArrayLike) -> Floats:
    """Cosine of row i of one ``[N, D]`` matrix with row i of the other, ``[N]``."""
    x, y = unit_rows(first, "first"), unit_rows(second, "second")
    return np.asarray(np.einsum("nd,nd->n", x, y, dtype=np.float64))


def similarity_metrics(predicted: ArrayLike, gold: ArrayLike) -> dict[str, float]:
    """Spearman and Pearson correlation of predicted similarities with gold scores, ``[N]`` each.

    Equal values get the mean of their ranks. A model that gives every pair the same similarity orders nothing: both are
    0 then, where SciPy has NaN.

    Raises:
        DataError: fewer than 2 pairs, or all gold scores equal.
    """
    items = paired_items(predicted, gold)
    if len(items) < 2 or np.ptp(items[:, 1]) == 0:
        raise DataError("a correlation needs 2 pairs with different scores", "add pairs with other scores")
    once = np.ones((1, len(items)))
    return {"spearman": float(weighted_spearman(items, once)[0]), "pearson": float(weighted_pearson(items, once)[0])}


def paired_items(predicted: ArrayLike, gold: ArrayLike) -> Floats:
    """Predicted and gold values beside each other, ``[N, 2]``."""
    return np.column_stack([np.asarray(predicted, np.float64), np.asarray(gold, np.float64)])


def weighted_spearman(items: Floats, weights: Floats) -> Floats:
    """Spearman correlation of the two columns of items ``[N, 2]`` under each row of weights ``[B, N]``; ``[B]``."""
    first, second = (weighted_ranks(column, weights) for column in items.T)
    return _correlation(first, second, weights)


def weighted_pearson(items: Floats, weights: Floats) -> Floats:
    """Pearson correlation of the two columns of items ``[N, 2]`` under each row of weights ``[B, N]``; ``[B]``."""
    # Scaled first: tiny spreads on top of a large mean (cosines near 1) would drown in rounding.
    spread = items.std(axis=0)
    first, second = ((items - items.mean(axis=0)) / np.where(spread > 0, spread, 1.0)).T
    return _correlation(first[None, :], second[None, :], weights)


def weighted_ranks(values: Floats, weights: Floats) -> Floats:
    """Mean ranks, where item i stands for ``weights[b, i]`` equal items; ``[B, N]``."""
    order = np.argsort(values, kind="stable")
    sorted_values = values[order]
    new = np.concatenate([[True], sorted_values[1:] != sorted_values[:-1]])
    ties = np.add.reduceat(weights[:, order], np.flatnonzero(new), axis=1)  # weight of each distinct value
    rank_of_value = np.cumsum(ties, axis=1) - (ties - 1) / 2
    value_of_item = np.empty(len(values), dtype=np.int64)
    value_of_item[order] = np.cumsum(new) - 1
    return np.asarray(rank_of_value[:, value_of_item])


def _correlation(first: Floats, second: Floats, weights: Floats) -> Floats:
    total = weights.sum(axis=1, keepdims=True)
    x = first - (weights * first).sum(axis=1, keepdims=True) / total
    y = second - (weights * second).sum(axis=1, keepdims=True) / total
    covariance = (weights * x * y).sum(axis=1)
    scale = np.sqrt((weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1))
    return np.asarray(np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 1e-12))
