"""Hubs: vectors that are among the nearest neighbors of many others (Radovanovic, Nanopoulos & Ivanovic, JMLR 2010).

N_k(x) is how many of the other vectors have x among their k nearest. Its mean is k, whatever the vectors are; its
skewness says how unevenly neighbors are shared out: 0 is evenly, and the more it is above, the more a few vectors come
up for everything while others come up for nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acclimate.core.errors import DataError
from acclimate.evaluation.vectors import Floats, Rows, Vectors, unit_rows

K = 10
BLOCK_BYTES = 64 << 20  # of cosines at one time


@dataclass(frozen=True, slots=True, eq=False)
class Neighbors:
    """The nearest neighbors of each vector among the others, the nearest first.

    Attributes:
        rows: ``[N, k]``.
        cosines: ``[N, k]``.
    """

    rows: Rows
    cosines: Vectors

    def occurrences(self) -> Rows:
        """N_k of each vector ``[N]``."""
        return np.bincount(self.rows.ravel(), minlength=len(self.rows))


def nearest_neighbors(embeddings: ArrayLike, k: int = K, *, block_bytes: int = BLOCK_BYTES) -> Neighbors:
    """Exact nearest neighbors by cosine, block by block. Of vectors that are equally near, the earlier one counts.

    Args:
        embeddings: ``[N, D]`` of distinct inputs.
        k: how many; below N.
        block_bytes: the most that one block of cosines may occupy (those of one vector at least).

    Raises:
        DataError: not more than k vectors.
    """
    vectors = unit_rows(embeddings)
    count = len(vectors)
    if count <= k:
        raise DataError(f"{count} vectors have no {k} neighbors each", f"give {k + 1} distinct texts or more")
    rows, cosines = np.empty((count, k), np.int64), np.empty((count, k), np.float32)
    height = max(1, block_bytes // (4 * count))
    for start in range(0, count, height):
        block = vectors[start : start + height] @ vectors.T  # [B, D] x [D, N] -> [B, N]
        block[np.arange(len(block)), np.arange(start, start + len(block))] = -np.inf
        for row, of_row in enumerate(block, start):
            least = np.partition(of_row, count - k)[count - k]
            near = np.flatnonzero(of_row >= least)
            first = near[np.argsort(-of_row[near], kind="stable")[:k]]
            rows[row], cosines[row] = first, of_row[first]
    return Neighbors(rows, cosines)


def skewness(values: NDArray[np.int64] | Floats) -> float:
    """The third standardized moment E[(x - mean)^3] / std^3, of the values themselves; 0 where all are equal."""
    centered = np.asarray(values, np.float64) - np.mean(values)
    variance = float(np.mean(centered**2))
    return float(np.mean(centered**3)) / variance**1.5 if variance > 0 else 0.0
