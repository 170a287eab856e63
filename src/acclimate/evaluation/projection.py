"""Two models' vectors of the same texts on one plane, and how much of their neighborhoods the plane keeps.

The plane is fitted on the vectors before. Those after are turned onto them first (orthogonal Procrustes, Schönemann
1966)::

    R = argmin || (A - mean A) R - (B - mean B) ||_F  over rotations and reflections,   R = U V'  of  A'B = U S V'

A turn of the whole space changes no distance and no neighbor, so what is left on the plane is what changed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from acclimate.core.errors import DataError
from acclimate.evaluation.vectors import Floats, Rows

NEIGHBORS = 10
"""How many of each text's nearest are looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Where texts lie before and after.

    Attributes:
        before, after: [N, 2] in the same coordinates.
        moved: [N] distance of each text's two vectors in all dimensions, once the space is turned back.
        explained: share of the spread of the vectors before that lies in the plane, from 0 to 1.
    """

    before: Floats
    after: Floats
    moved: Floats
    explained: float


def shared_plane(before: ArrayLike, after: ArrayLike) -> Plane:
    """The plane of the two directions in which the vectors before spread most (PCA), with those after on it.

    Args:
        before: [N, D].
        after: [N, E] of the same texts; the shorter ones are filled with zeros, which turns nothing.

    Raises:
        DataError: not as many vectors before as after, or fewer than 3.
    """
    first, second = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if len(first) != len(second) or len(first) < 3:
        raise DataError(f"{len(first)} vectors and {len(second)} make no map", "give 3 or more texts, in one order")
    width = max(2, first.shape[1], second.shape[1])
    first, second = (_centered(np.pad(v, ((0, 0), (0, width - v.shape[1])))) for v in (first, second))
    turned = second @ turn(second, first)
    spread, axes = np.linalg.eigh(first.T @ first)
    axes = axes[:, ::-1][:, :2]
    # An eigenvector's sign is the library's choice; its largest part is made positive.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(2)])
    return Plane(
        before=first @ axes,
        after=turned @ axes,
        moved=np.linalg.norm(turned - first, axis=1),
        explained=float(spread[-2:].sum() / max(spread.sum(), 1e-12)),
    )


def turn(vectors: Floats, onto: Floats) -> Floats:
    """The rotation or reflection [D, D] that brings centered vectors [N, D] nearest to others."""
    left, _, right = np.linalg.svd(vectors.T @ onto)
    return np.asarray(left @ right)


def neighbors_kept(vectors: ArrayLike, points: ArrayLike, k: int = NEIGHBORS) -> Floats:
    """Which share of each text's k nearest by its vector [N, D] are among its k nearest on the map [N, 2]; [N].

    By chance it would be k / (N - 1).
    """
    near = [_nearest(np.asarray(places, np.float64), k) for places in (vectors, points)]
    return np.asarray([len(np.intersect1d(a, b)) / len(a) for a, b in zip(*near, strict=True)])


def _nearest(places: Floats, k: int) -> Rows:
    squares = (places**2).sum(axis=1)
    distances = squares[:, None] + squares - 2 * places @ places.T
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1, kind="stable")[:, : min(k, len(places) - 1)]


def _centered(vectors: Floats) -> Floats:
    return np.asarray(vectors - vectors.mean(axis=0))
