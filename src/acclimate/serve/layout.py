"""A map: one plane on which the vectors of both models are seen, so that what moved on it has moved."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Points = NDArray[np.float64]

SIDE = 10_000  # the map reaches from 0 to this in both directions


@dataclass(frozen=True, slots=True)
class Layout:
    """A plane through the vectors of two models: the two directions in which both together spread most (PCA).

    Each model is seen from its own mean: a shift of all vectors together changes no neighbors and is left out.

    Attributes:
        axes: [D, 2], orthonormal.
        low: [2] and ``scale``: place of the square that holds all points of both models.
    """

    axes: NDArray[np.float64]
    low: NDArray[np.float64]
    scale: float

    @classmethod
    def of(cls, before: Vectors, after: Vectors) -> Self:
        """The plane of two sets of vectors [N, D], a function of these alone."""
        spread = np.zeros((before.shape[1], before.shape[1]))
        for vectors in (before, after):
            centered = vectors - vectors.mean(axis=0, dtype=np.float64)
            spread += centered.T @ centered
        axes = np.linalg.eigh(spread)[1][:, ::-1][:, :2]
        # An eigenvector's sign is the library's choice; its largest part is made positive.
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
        points = np.concatenate([_seen(vectors, vectors, axes) for vectors in (before, after)])
        low, high = points.min(axis=0), points.max(axis=0)
        return cls(axes, low, float((high - low).max()) or 1.0)

    def place(self, vectors: Vectors, among: Vectors) -> NDArray[np.int64]:
        """Where vectors [n, D] lie on the map [n, 2], as a model sees them whose documents are ``among`` [N, D]."""
        share = (_seen(vectors, among, self.axes) - self.low) / self.scale
        return np.clip(np.rint(SIDE * share), 0, SIDE).astype(np.int64)


def _seen(vectors: Vectors, among: Vectors, axes: Points) -> Points:
    seen: Points = (vectors - among.mean(axis=0, dtype=np.float64)) @ axes
    return seen
