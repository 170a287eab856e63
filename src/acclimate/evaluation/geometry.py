"""How vectors lie on the sphere: alignment, uniformity (Wang & Isola 2020), effective rank (RankMe, 2023).

Lower is better for alignment and uniformity; neither says much alone, since a collapsed model is perfectly aligned. All
functions scale rows to length one. Each metric also comes as values per item whose mean is the metric (infinitesimal
jackknife, Efron 1982: value + n times the derivative by the item's weight), so that one paired comparison serves all.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from acclimate.core.errors import DataError
from acclimate.core.seeds import numpy_generator
from acclimate.evaluation.vectors import Floats, Rows, Vectors, as_vectors

METRICS = ("alignment", "uniformity", "effective_rank")
SAMPLE = 4096
BLOCK = 512


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A metric, its standard error from sampling (0 when every vector was used), and the values it is the mean of."""

    value: float
    standard_error: float
    items: Floats


def alignment(first: ArrayLike, second: ArrayLike, *, alpha: float = 2.0) -> float:
    """Mean of the distance to the power ``alpha`` between the two vectors of a positive pair.

    Args:
        first: ``[P, D]``.
        second: ``[P, D]``, row i makes a pair with row i of ``first``.
        alpha: 2 gives 2 - 2 cos.

    Raises:
        DataError: no pair, or shapes differ.
    """
    return float(_pair_distances(first, second, alpha).mean())


def uniformity(vectors: ArrayLike, *, t: float = 2.0, sample: int = SAMPLE) -> float:
    """Log of the mean of exp(-t * squared distance) over all pairs i < j; see ``estimate_uniformity``."""
    return estimate_uniformity(vectors, t=t, sample=sample).value


def effective_rank(vectors: ArrayLike, *, sample: int = SAMPLE) -> float:
    """Exponential of the entropy of the singular values, between 1 and D; see ``estimate_effective_rank``."""
    return estimate_effective_rank(vectors, sample=sample).value


def estimate_uniformity(vectors: ArrayLike, *, t: float = 2.0, sample: int = SAMPLE) -> Estimate:
    """Uniformity, exact up to ``sample`` vectors; above, over all pairs of a sample that depends on the count alone.

    The number of vectors is part of the meaning: -4 is the limit for many dimensions and vectors, not a floor.

    Args:
        vectors: ``[N, D]`` of distinct inputs: repeats would dominate the mean.
        t: how fast closeness falls with squared distance.
        sample: the most vectors that are used.

    Raises:
        DataError: fewer than 2 vectors.
    """
    chosen, total = _sample(vectors, sample)
    count = len(chosen)
    closeness = np.empty(count)
    for start in range(0, count, BLOCK):
        cosines = chosen[start : start + BLOCK] @ chosen.T
        kernel = np.exp(-2.0 * t * np.maximum(1.0 - cosines, 0.0))
        kernel[np.arange(len(kernel)), np.arange(start, start + len(kernel))] = 0.0  # no vector with itself
        closeness[start : start + BLOCK] = kernel.sum(axis=1)
    value = math.log(closeness.sum() / (count * (count - 1)))
    items = value + 2.0 * (closeness / closeness.mean() - 1.0)
    return _estimate(value, items, total)


def estimate_effective_rank(vectors: ArrayLike, *, sample: int = SAMPLE) -> Estimate:
    """RankMe: exp of the entropy of p = singular values (not squared) over their sum, not centered.

    Args:
        vectors: ``[N, D]``; with N near D or below, N itself is the limit.
        sample: the most vectors that are used.

    Raises:
        DataError: fewer than 2 vectors.
    """
    chosen, total = _sample(vectors, sample)
    left, singular, _ = np.linalg.svd(chosen, full_matrices=False)
    if not singular.any():
        raise DataError("all vectors are zero", "check the model: its training may have diverged")
    share = singular / singular.sum()
    log_share = np.log(share + 1e-7)  # RankMe's epsilon
    entropy = -float(share @ log_share)
    value = math.exp(entropy)
    # d entropy / d weight of item i, through d singular_k / d weight_i = left_ik^2 * singular_k / 2.
    slopes = -(left**2) @ (share * (log_share + entropy)) / 2.0
    items = value + value * len(chosen) * (slopes - slopes.mean())
    return _estimate(value, items, total)


def geometry_metrics(
    query_embeddings: ArrayLike,
    document_embeddings: ArrayLike,
    pairs: tuple[Rows, Rows],
    *,
    sample: int = SAMPLE,
) -> dict[str, Estimate]:
    """Alignment of the positive pairs; uniformity and effective rank of the documents alone.

    Queries and documents are not mixed: the gap between the two kinds would hide what happens inside each.

    Args:
        query_embeddings: ``[N, D]``.
        document_embeddings: ``[M, D]``, one row for every distinct document.
        pairs: query rows and document rows ``[P]`` of the positive pairs; every query has at least one.
        sample: the most documents that are used.

    Returns:
        Estimates by metric name. The items of ``alignment`` are queries (pairs of one query depend on each other),
        those of the others are the sampled documents.

    Raises:
        DataError: fewer than 2 documents.
    """
    return {
        "alignment": _alignment_by_query(query_embeddings, document_embeddings, pairs),
        "uniformity": estimate_uniformity(document_embeddings, sample=sample),
        "effective_rank": estimate_effective_rank(document_embeddings, sample=sample),
    }


def _alignment_by_query(
    query_embeddings: ArrayLike, document_embeddings: ArrayLike, pairs: tuple[Rows, Rows]
) -> Estimate:
    queries = as_vectors(query_embeddings, "query_embeddings")
    documents = as_vectors(document_embeddings, "document_embeddings")
    query_rows, document_rows = pairs
    blocks = [slice(start, start + BLOCK) for start in range(0, len(query_rows), BLOCK)]
    distances = np.concatenate(
        [_pair_distances(queries[query_rows[block]], documents[document_rows[block]], 2.0) for block in blocks]
    )
    value = float(distances.mean())
    # Derivative of a ratio, sum of distances over number of pairs, by the weight of a query.
    surplus = np.bincount(query_rows, weights=distances - value, minlength=len(queries))
    return Estimate(value, 0.0, value + surplus * len(queries) / len(distances))


def _pair_distances(first: ArrayLike, second: ArrayLike, alpha: float) -> Floats:
    x, y = _unit(as_vectors(first, "first")), _unit(as_vectors(second, "second"))
    if x.shape != y.shape:
        raise DataError(f"the pairs have shapes {x.shape} and {y.shape}", "give one row on each side for every pair")
    return np.asarray(np.linalg.norm(x - y, axis=1) ** alpha)


def _unit(vectors: Vectors) -> Floats:
    wide = vectors.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / np.where(lengths > 0, lengths, 1.0)


def _sample(vectors: ArrayLike, sample: int) -> tuple[Floats, int]:
    """At most ``sample`` rows, scaled to length one, and how many there were."""
    matrix = as_vectors(vectors, "embeddings")
    count = len(matrix)
    if count < 2:
        raise DataError("geometry of fewer than 2 vectors is not defined", "give at least 2 distinct documents")
    if count > sample:
        # Depends on the count alone: the same documents are compared before and after.
        matrix = matrix[numpy_generator(0, "geometry", count).choice(count, sample, replace=False)]
    return _unit(matrix), count


def _estimate(value: float, items: Floats, total: int) -> Estimate:
    unseen = 1.0 - len(items) / total
    return Estimate(value, float(items.std(ddof=1) * math.sqrt(unseen / len(items))), items)
