"""A map: one plane on which the vectors of both models are seen, so that what moved on it has moved."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]

SIDE = 10_000  # the map reaches from 0 to this in both directions


@dataclass(frozen=True, slots=True)
class Layout:
    """A plane through the vectors of two models: the two directions in which both together spread most (PCA).

    Each model is seen from its own mean: a shift of all vectors together changes no neighbors and is left out.

    Attributes:
        axes: [D, 2], orthonormal.
        low: [2] and ``scale``: place of the square that holds all points of both models.
    """

    axes: Floats
    low: Floats
    scale: float

    @classmethod
    def of(cls, before: Vectors, after: Vectors) -> Self:
        """The plane of two sets of vectors [N, D], a function of these alone."""
        means = [mean_of(vectors) for vectors in (before, after)]
        spread = np.zeros((before.shape[1], before.shape[1]))
        for vectors, mean in zip((before, after), means, strict=True):
            centered = vectors - mean
            spread += centered.T @ centered
        axes = np.linalg.eigh(spread)[1][:, ::-1][:, :2]
        # An eigenvector's sign is the library's choice; its largest part is made positive.
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
        points = np.concatenate([(before - means[0]) @ axes, (after - means[1]) @ axes])
        low, high = points.min(axis=0), points.max(axis=0)
        return cls(axes, low, float((high - low).max()) or 1.0)

    def place(self, vectors: Vectors, mean: Floats) -> NDArray[np.int64]:
        """Where vectors [n, D] of a model lie on the map [n, 2]; ``mean`` [D] is that of its documents."""
        share = ((vectors - mean) @ self.axes - self.low) / self.scale
        return np.clip(np.rint(SIDE * share), 0, SIDE).astype(np.int64)


def mean_of(vectors: Vectors) -> Floats:
    """The mean of vectors [N, D], from which they are seen [D]."""
    mean: Floats = vectors.mean(axis=0, dtype=np.float64)
    return mean
