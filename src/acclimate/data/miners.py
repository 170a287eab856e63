"""Who names hard negatives and who judges them: the settings of each way, and the table of them."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from acclimate.core.specs import Spec, Table
from acclimate.data.bm25 import K1, B, Bm25

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

    from acclimate.data.mining import Pool

_FLAT = 1e-6  # a standard deviation that is none

#: (numbers of queries [N], depth) -> numbers of documents [N, depth], best first, -1 where there are no more.
Rank = Callable[["NDArray[np.int64]", int], "NDArray[np.int64]"]
#: (numbers of queries [P], numbers of documents [P]) -> how well each two go together [P]; higher is better.
Judge = Callable[["NDArray[np.int64]", "NDArray[np.int64]"], "NDArray[np.float32]"]
#: numbers of queries [N] -> mean and standard deviation of what a judge says of each and all documents [N].
Spread = Callable[["NDArray[np.int64]"], tuple["NDArray[np.float32]", "NDArray[np.float32]"]]


@dataclass(frozen=True, slots=True)
class Models:
    """What models say of the texts of a pool. It is handed in: this room knows no model.

    Attributes:
        rank: all documents by the cosine of their vectors with a query's.
        judge: these cosines.
        spread: of these cosines.
        encoder: makes the judge that another encoder's cosines are, by its name.
        cross_encoder: makes the judge that a model is which reads both texts together, by its name.
    """

    rank: Rank
    judge: Judge
    spread: Spread
    encoder: Callable[[str], Judge]
    cross_encoder: Callable[[str], Judge]


class Miner(Spec):
    """The settings of all ways.

    Of the documents that are not known to be right, in the order of who names them, the first ``range_min`` are left
    out, and what comes after ``range_max`` is not looked at. A document is a negative only when its score is at least
    ``relative_margin`` of the right one's below it: 0.05 for at most 95% (NV-Retriever's TopK-PercPos); ``none`` takes
    whatever stands there. ``sampling: top`` takes the ``per_query`` that score most.
    """

    per_query: PositiveInt = 4
    range_min: NonNegativeInt = 10
    range_max: PositiveInt = 100
    relative_margin: Annotated[float, Field(ge=0, lt=1)] | Literal["none"] = 0.05
    sampling: Literal["top", "random"] = "top"

    @model_validator(mode="after")
    def _has_room(self) -> "Self":
        if self.range_max - self.range_min < self.per_query:
            raise ValueError("should have range_max at least per_query above range_min")
        return self

    @abstractmethod
    def tools(self, pool: "Pool", models: Models) -> tuple[Rank, Judge]:
        """Who names candidates, and who judges them."""

    #: Whether its judge knows more than the base, so that what it says of documents is worth learning.
    teaches: ClassVar[bool] = False

    @property
    def epochs_to_next(self) -> int | None:
        """How many epochs negatives serve before they are mined anew; None when they serve to the end."""
        return None


class BaseMiner(Miner):
    """The base's own vectors name and judge. ``remine_every_epochs`` asks the vectors as they have become."""

    kind: Literal["base"] = "base"
    remine_every_epochs: PositiveInt | Literal["never"] = "never"

    summary: ClassVar[str] = "what the base's own vectors hold near"

    def tools(self, pool: "Pool", models: Models) -> tuple[Rank, Judge]:
        """See `Miner.tools`."""
        return models.rank, models.judge

    @property
    def epochs_to_next(self) -> int | None:
        """See `Miner.epochs_to_next`."""
        return None if self.remine_every_epochs == "never" else self.remine_every_epochs


class Bm25Miner(Miner):
    """Documents that share words with the query, by BM25; the base judges, for scores of BM25 have no common scale."""

    kind: Literal["bm25"] = "bm25"
    k1: PositiveFloat = K1
    b: Annotated[NonNegativeFloat, Field(le=1)] = B

    summary: ClassVar[str] = "what shares words with the query (BM25), judged by the base"

    def tools(self, pool: "Pool", models: Models) -> tuple[Rank, Judge]:
        """See `Miner.tools`."""
        index = Bm25(pool.documents, self.k1, self.b)
        return lambda queries, depth: index.top(list(pool.queries.select(queries)), depth), models.judge


class CrossEncoderMiner(Miner):
    """The base names; a cross-encoder that reads query and document together judges: a folder or a hub id."""

    kind: Literal["cross_encoder"] = "cross_encoder"
    model: str

    summary: ClassVar[str] = "what the base's own vectors hold near, judged by a cross-encoder"
    teaches: ClassVar[bool] = True

    def tools(self, pool: "Pool", models: Models) -> tuple[Rank, Judge]:
        """See `Miner.tools`."""
        return models.rank, models.cross_encoder(self.model)


class EncoderMiner(Miner):
    """The base names; the cosines of another encoder judge, a larger one for instance: a folder or a hub id."""

    kind: Literal["encoder"] = "encoder"
    model: str

    summary: ClassVar[str] = "what the base's own vectors hold near, judged by another encoder"
    teaches: ClassVar[bool] = True

    def tools(self, pool: "Pool", models: Models) -> tuple[Rank, Judge]:
        """See `Miner.tools`."""
        return models.rank, models.encoder(self.model)


class EnsembleMiner(Miner):
    """The base names; its cosines and BM25 judge together, as a teacher for those who have no other one.

    Both are standardized by query, cosines over all documents and BM25 over those that share a word with it; what a
    document gets is the mean of the two.
    """

    kind: Literal["ensemble"] = "ensemble"
    k1: PositiveFloat = K1
    b: Annotated[NonNegativeFloat, Field(le=1)] = B

    summary: ClassVar[str] = (
        "what the base's own vectors hold near, judged by these and by shared words (BM25) together"
    )
    teaches: ClassVar[bool] = True

    def tools(self, pool: "Pool", models: Models) -> tuple[Rank, Judge]:
        """See `Miner.tools`."""
        index = Bm25(pool.documents, self.k1, self.b)

        def judge(queries: "NDArray[np.int64]", documents: "NDArray[np.int64]") -> "NDArray[np.float32]":
            asked, row = np.unique(queries, return_inverse=True)
            mean, deviation = models.spread(asked)
            by_base = (models.judge(queries, documents) - mean[row]) / np.maximum(deviation[row], _FLAT)
            by_words = standardized(index.scores(list(pool.queries.select(asked))), row, documents)
            return ((by_base + by_words) / 2).astype(np.float32)

        return models.rank, judge


def standardized(scores: Any, rows: "NDArray[np.int64]", columns: "NDArray[np.int64]") -> "NDArray[np.float64]":
    """Entries [P] of a sparse matrix, less the mean of those of their row, by their standard deviation.

    An entry that is absent counts as 0 and is in neither. Where all entries of a row are equal, it is 0.
    """
    count = np.maximum(np.diff(scores.indptr), 1)
    mean = np.asarray(scores.sum(axis=1)).ravel() / count
    square = np.asarray(scores.multiply(scores).sum(axis=1)).ravel() / count
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    found = np.asarray(scores[rows, columns]).ravel() - mean[rows]
    return np.where(deviation[rows] > _FLAT, found / np.maximum(deviation[rows], _FLAT), 0.0)


MINERS: Table[Miner] = Table("miner", BaseMiner, Bm25Miner, CrossEncoderMiner, EncoderMiner, EnsembleMiner)
