"""What every metric asks of its vectors: a finite matrix, and rows of length one."""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acclimate.core.errors import DataError

Vectors: TypeAlias = NDArray[np.float32]
Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]


def as_vectors(embeddings: ArrayLike, name: str) -> Vectors:
    """The embeddings as float32 ``[N, D]``.

    Args:
        embeddings: anything NumPy reads as a matrix ``[N, D]``.
        name: what the matrix is called in an error.

    Raises:
        DataError: not a matrix, or NaN or infinity in it.
    """
    vectors = np.asarray(embeddings, dtype=np.float32)
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise DataError(f"{name} has shape {vectors.shape}", "give one vector a row: [count, dimension]")
    # A sum of squares is NaN or infinite when any entry is; it needs no mask of the size of the matrix.
    for row in np.flatnonzero(~np.isfinite(np.einsum("nd,nd->n", vectors, vectors))):
        if not np.isfinite(vectors[row]).all():
            raise DataError(
                f"{name} holds NaN or infinity in row {row}", "check the model: its training may have diverged"
            )
    return vectors


def unit_rows(embeddings: ArrayLike, name: str = "embeddings") -> Vectors:
    """Rows scaled to length one, float32 ``[N, D]``. A zero row stays zero: it is similar to nothing."""
    vectors = as_vectors(embeddings, name)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, np.where(lengths > 0, lengths, 1.0), dtype=np.float32)
