"""How source examples are weighed by their likeness to the target: the settings of each way, and the table of them."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from acclimate.core.errors import UsageError
from acclimate.core.specs import Spec, Table
from acclimate.data.importance import density_ratio, kernel_mean_matching, mean_one, nearest_similarity, refuse_few

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.floating[Any]]
    Weights = NDArray[np.float64]

_MOST = 3000  # source examples whose pairs are compared: 72 MB, and seconds


class Weighting(Spec):
    """The settings of all ways."""

    #: Which setting makes the weights more even, as an instruction.
    evener: ClassVar[str]

    @abstractmethod
    def weigh(self, source: "Vectors", target: "Vectors") -> "Weights":
        """Weights of source vectors [N, D] by those of the target [M, D]: [N], 0 or more, whatever their mean.

        Raises:
            DataError: too few different vectors.
            UsageError: more or fewer vectors than it can act on.
        """


class DensityRatio(Weighting):
    """How much denser the target is, by a classifier: cut to ``least`` .. ``most``, then to the power ``alpha``."""

    kind: Literal["density_ratio"] = "density_ratio"
    alpha: Annotated[PositiveFloat, Field(le=1)] = 0.5
    least: Annotated[PositiveFloat, Field(le=1)] = 0.1
    most: Annotated[float, Field(ge=1)] = 10.0

    summary: ClassVar[str] = "how much denser the target is there, by a calibrated classifier"
    evener: ClassVar[str] = "lower data.weighting.alpha, or raise data.weighting.least"

    def weigh(self, source: "Vectors", target: "Vectors") -> "Weights":
        """See `Weighting.weigh`."""
        return np.asarray(np.clip(density_ratio(source, target), self.least, self.most) ** self.alpha)


class KernelMeanMatching(Weighting):
    """Weights up to ``bound`` that give the source the target's mean; ``ridge`` holds them near 1."""

    kind: Literal["kmm"] = "kmm"
    bound: Annotated[float, Field(ge=1)] = 1000.0
    ridge: NonNegativeFloat = 0.01

    summary: ClassVar[str] = "weights with which the source has the target's mean (kernel mean matching)"
    evener: ClassVar[str] = "raise data.weighting.ridge, or lower data.weighting.bound"

    def weigh(self, source: "Vectors", target: "Vectors") -> "Weights":
        """See `Weighting.weigh`."""
        if len(source) > _MOST:
            problem = (
                f"data.weighting=kmm compares all pairs, of {_MOST:,} source examples at most, not {len(source):,}"
            )
            raise UsageError(problem, "take density_ratio or nearest, or fewer of the source")
        return kernel_mean_matching(source, target, bound=self.bound, ridge=self.ridge)


class Nearest(Weighting):
    """By the mean cosine s with the ``k`` nearest target vectors: exp(sharpness (s - mean s) / deviation of s).

    The deviation takes the place of a scale: cosines of some encoders are all within 0.7 to 1.
    """

    kind: Literal["nearest"] = "nearest"
    k: PositiveInt = 10
    sharpness: PositiveFloat = 0.5

    summary: ClassVar[str] = "how near the nearest target texts are"
    evener: ClassVar[str] = "lower data.weighting.sharpness"

    def weigh(self, source: "Vectors", target: "Vectors") -> "Weights":
        """See `Weighting.weigh`."""
        if len(target) < self.k:
            remedy = f"take k={len(target)} or fewer, or give more of the target"
            raise UsageError(f"data.weighting.k={self.k} cannot act on {len(target)} target examples", remedy)
        near = nearest_similarity(source, target, self.k)
        return np.asarray(np.exp(self.sharpness * (near - near.mean()) / (near.std() or 1.0)))


WEIGHTINGS: Table[Weighting] = Table("weighting", DensityRatio, KernelMeanMatching, Nearest)


def weights_by_target(weighting: Weighting, source: "Vectors", target: "Vectors") -> "Weights":
    """Weights of source examples with a mean of 1.

    Args:
        weighting: which way.
        source: [N, D].
        target: [M, D], of the same encoder and role: between roles, a classifier learns the length of texts.

    Returns:
        [N], 0 or more.

    Raises:
        DataError: too few different vectors.
        UsageError: the weights leave too few examples, or there are more or fewer vectors than it can act on.
    """
    weights = mean_one(weighting.weigh(source, target))
    refuse_few(weights, f"data.weighting={weighting.kind}", weighting.evener)
    return weights
