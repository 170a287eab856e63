"""A linear classifier that says which of two sets a vector is from, asked about vectors that it has not seen.

The vectors are cut into folds, and each fold is judged by a classifier that learned from the others. Seen vectors would
be told apart in any case, by being known.

The classifier is a logistic regression, both sets counting the same. Vectors are centered, and divided by one number so
that the mean square of their coordinates is 1. No coordinate of an embedding means anything by itself; scaled one by
one, they would make the result depend on a rotation of all vectors.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from acclimate.core.errors import DataError
from acclimate.core.seeds import numpy_generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
LEAST = 10
"""Different vectors of either set: with fewer, what the classifier says is chance."""
_STRENGTH = 0.01  # inverse of the L2 penalty; with 384 dimensions and 50 to 2,000 vectors a side, 1 errs by far more


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What the classifier says of vectors that it has not seen.

    Attributes:
        log_odds: [N] above 0 for the target, where both sets were of one size.
        fold: [N] which fold each was in; equal vectors, and of both sets, are in one.
    """

    log_odds: "NDArray[np.float64]"
    fold: "NDArray[np.int64]"


def judge_domains(source: "NDArray[np.floating]", target: "NDArray[np.floating]") -> tuple[Judged, Judged]:
    """Judges the vectors of two sets, [N, D] and [M, D]. The folds depend on counts and on which are equal.

    Raises:
        DataError: fewer than ``LEAST`` different vectors in a set.
    """
    from sklearn.linear_model import LogisticRegression  # half a second that only this should pay

    source_fold, target_fold = _folds(source, target)
    fold = np.concatenate([source_fold, target_fold])
    vectors = np.concatenate([source, target]).astype(np.float64)
    is_target = np.arange(len(vectors)) >= len(source)
    log_odds = np.empty(len(vectors))
    for held_out in np.unique(fold):
        left_out = fold == held_out
        center = vectors[~left_out].mean(axis=0)
        scale = np.sqrt(np.square(vectors[~left_out] - center).mean()) or 1.0
        classifier = LogisticRegression(C=_STRENGTH, class_weight="balanced", solver="newton-cholesky")
        classifier.fit((vectors[~left_out] - center) / scale, is_target[~left_out])
        log_odds[left_out] = classifier.decision_function((vectors[left_out] - center) / scale)
    cut = len(source)
    return Judged(log_odds[:cut], source_fold), Judged(log_odds[cut:], target_fold)


def _folds(
    source: "NDArray[np.floating]", target: "NDArray[np.floating]"
) -> tuple["NDArray[np.int64]", "NDArray[np.int64]"]:
    one, other = _drawn(source), _drawn(target)
    # Neither set decides for both, so that it does not matter which is which.
    shared = {row: (one[row] + other[row]) % FOLDS for row in one.keys() & other.keys()}
    folds = [
        np.array([shared.get(key, drawn[key]) for key in map(_key, vectors)], np.int64)
        for vectors, drawn in ((source, one), (target, other))
    ]
    for name, drawn, fold in zip(("source", "target"), (one, other), folds, strict=True):
        if len(drawn) < LEAST or len(np.unique(fold)) < 2:
            problem = f"{len(drawn)} different vectors of the {name} are too few to tell two sets apart by"
            raise DataError(problem, f"give {LEAST} or more, a hundred if you can")
    return folds[0], folds[1]


def _drawn(vectors: "NDArray[np.floating]") -> dict[bytes, int]:
    """A fold for each different vector."""
    distinct = dict.fromkeys(map(_key, vectors))
    order = numpy_generator(0, "domain folds", len(distinct)).permutation(len(distinct)) % FOLDS
    return dict(zip(distinct, order.tolist(), strict=True))


def _key(vector: "NDArray[np.floating]") -> bytes:
    return vector.tobytes()
