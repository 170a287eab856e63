"""Source examples by how much they are like those of the target: the maths of it, vectors in, numbers out.

Three ways, each of them for vectors of a source S [N, D] and of a target T [M, D]:

- how much denser the target is at a source vector, w(x) = p_T(x) / p_S(x), by a classifier of the two;
- weights with which the mean of the source, in the space of an RBF kernel, is that of the target;
- how near the nearest target vectors are.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq, minimize

from acclimate.core.errors import UsageError
from acclimate.data.domain_classifier import judge_domains

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.floating[Any]]
    Weights = NDArray[np.float64]

LEAST_SHARE = 0.1
"""Of the examples, that the effective sample size must be."""
_BLOCK = 1024  # vectors of one side that are compared with all of the other at a time
_MEASURED = 2000  # vectors between which the median distance is taken


def density_ratio(source: "Vectors", target: "Vectors") -> "Weights":
    """How much denser the target is than the source, at each vector of the source.

    With d(x) the probability that x is from the target::

        w(x) = (N / M) d(x) / (1 - d(x))

    d is a logistic regression that has not seen x, calibrated by two numbers (Platt 1999) that do not depend on x
    either: one that has seen x is all too sure of it.

    Args:
        source: [N, D].
        target: [M, D].

    Returns:
        [N], above 0.

    Raises:
        DataError: fewer than 10 different vectors in one of the two.
    """
    from sklearn.linear_model import LogisticRegression

    judged, other = judge_domains(source, target)
    log_odds, fold = (
        np.concatenate([getattr(side, name) for side in (judged, other)]) for name in ("log_odds", "fold")
    )
    is_target = np.arange(len(fold)) >= len(source)
    ratio = np.empty(len(source))
    for held_out in np.unique(judged.fold):
        seen = fold != held_out
        # Platt's targets are near 0 and 1 but not there, so that sets that do not overlap have finite odds: each vector
        # counts for both classes, as two examples with weights.
        ones, zeros = np.count_nonzero(is_target[seen]), np.count_nonzero(~is_target[seen])
        belief = np.where(is_target[seen], (ones + 1) / (ones + 2), 1 / (zeros + 2))
        twice = np.tile(log_odds[seen], 2)[:, None]
        calibration = LogisticRegression(C=1e10, solver="newton-cholesky")
        calibration.fit(twice, np.repeat([1, 0], len(belief)), sample_weight=np.concatenate([belief, 1 - belief]))
        here = judged.fold == held_out
        ratio[here] = zeros / ones * np.exp(calibration.decision_function(judged.log_odds[here, None]))
    return ratio


def kernel_mean_matching(
    source: "Vectors", target: "Vectors", *, bound: float, ridge: float, slack: float | None = None
) -> "Weights":
    """Weights with which the source has the target's mean in the space of an RBF kernel k (Huang et al. 2006).

    They minimize, with K the kernel of the source, and kappa_i = N / M times the sum of k(s_i, t_j) over the target::

        1/2 b' K b - kappa' b  +  ridge / 2 ||b - 1||^2,    0 <= b <= bound,    |sum b - N| <= N slack

    The ridge is not in the paper. Without it many weights are equally good to all digits, and which of them one gets is
    up to the solver. The kernel is exp(-||x - y||^2 / (2 m)), m being the median of ||x - y||^2 between all vectors.

    Args:
        source: [N, D]; all pairs of them are held in memory.
        target: [M, D].
        bound: of one weight.
        ridge: 0 or more; the kernel of a vector with itself is 1.
        slack: the paper's (sqrt(N) - 1) / sqrt(N) by default.

    Returns:
        [N], 0 or more.
    """
    from sklearn.metrics.pairwise import rbf_kernel

    count = len(source)
    source, target = source.astype(np.float64), target.astype(np.float64)
    gamma = 1 / (2 * _median_distance(np.concatenate([source, target])))
    blocks = [target[start : start + _BLOCK] for start in range(0, len(target), _BLOCK)]
    kappa = count / len(target) * sum(rbf_kernel(source, block, gamma).sum(axis=1) for block in blocks) + ridge
    kernel = rbf_kernel(source, gamma=gamma)
    kernel[np.diag_indices(count)] += ridge
    weights = np.ones(count)

    def solved(price: float) -> "Weights":
        """The weights without the limits on their sum, each unit of it at a price."""
        nonlocal weights

        def loss(b: "Weights") -> tuple[float, "Weights"]:
            slope = kernel @ b
            return (b @ slope / 2 - (kappa - price) @ b) / count, (slope - kappa + price) / count

        options = {"maxiter": 10_000, "maxfun": 20_000, "ftol": 1e-15, "gtol": 1e-9}
        found = minimize(loss, weights, jac=True, method="L-BFGS-B", bounds=[(0, bound)] * count, options=options)
        weights = np.asarray(found.x)  # where the next one starts
        return weights

    free = solved(0.0)
    allowed = count * (1 - count**-0.5 if slack is None else slack)
    if abs(free.sum() - count) <= allowed:
        return free
    # The sum falls as its price rises: from the bound of all weights to nothing.
    edge = count + np.copysign(allowed, free.sum() - count)
    return solved(brentq(lambda price: solved(price).sum() - edge, -bound * kernel.sum(axis=1).max(), kappa.max()))


def nearest_similarity(source: "Vectors", target: "Vectors", k: int) -> "Weights":
    """The mean cosine of each source vector [N] with its ``k`` nearest target vectors; M must be ``k`` or more."""
    source, target = _unit(source), _unit(target)
    found = []
    for start in range(0, len(source), _BLOCK):
        cosines = source[start : start + _BLOCK] @ target.T  # [B, M]
        found.append(np.partition(cosines, len(target) - k, axis=1)[:, len(target) - k :].mean(axis=1))
    return np.concatenate(found)


def mean_one(weights: "Weights") -> "Weights":
    """The same weights [N] with a mean of 1, so that the rate of learning stays as it was."""
    return np.asarray(weights / weights.mean())


def effective_sample_size(weights: "Weights") -> float:
    """How many equal examples say as much: (sum w)^2 / sum w^2, from 1 to N (Kish 1965)."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def refuse_few(weights: "Weights", name: str, remedy: str) -> None:
    """Refuses weights [N] that leave next to nothing of the examples.

    Args:
        weights: of the examples.
        name: of what made them.
        remedy: what makes them more even.

    Raises:
        UsageError: the effective sample size is below a tenth of N.
    """
    effective = effective_sample_size(weights)
    if effective < LEAST_SHARE * len(weights):
        share = f"{effective / len(weights):.1%}, and {LEAST_SHARE:.0%} is the least"
        raise UsageError(f"{name} leaves {effective:.0f} examples' worth of {len(weights):,} ({share})", remedy)


def _median_distance(vectors: "Weights") -> float:
    from sklearn.metrics.pairwise import euclidean_distances

    some = vectors[:: -(-len(vectors) // _MEASURED)]
    squares = euclidean_distances(some, squared=True)[np.triu_indices(len(some), 1)]
    apart = squares[squares > 0]
    return float(np.median(apart)) if len(apart) else 1.0


def _unit(vectors: "Vectors") -> "Weights":
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), np.float64)
