"""Rows that a model's vectors cast doubt on: right documents that nobody labeled, wrong pairs, wrong labels.

How near two texts are is read against two at random, so that one threshold serves models whose cosines lie between 0
and 1 and models whose cosines lie between 0.7 and 1: nearness is (c - m) / (1 - m) for a cosine c, where m is the mean
cosine of all pairs of different documents; 0 is as near as any, 1 is the same.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from acclimate.data.mining import Pool

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = 0.8
"""Nearness to a right document from which another one is perhaps right too."""
TWIN = 0.95
"""Nearness from which two documents say the same."""
MARGIN = 0.05
"""How much nearer than its right document a query's suspect has to be, on the same scale."""
FARTHER = 0.5
"""Share of all other documents nearer to a query than its right one, from which that is no nearer than any."""
AGREE = 0.8
"""Share of a text's nearest neighbors with one label, from which another one of its own is doubtful."""
LEAST = 20
"""Documents to compare with, below which a share of them says little."""

_BLOCK_BYTES = 64 << 20  # of cosines at one time
_LISTED = 3  # suspects of one row


@dataclass(frozen=True, slots=True, eq=False)
class Suspects:
    """What the vectors say of each row.

    Attributes:
        right: [N] the document of the row's right ones that is nearest to its query.
        score: [N] its cosine with the query.
        farther: [N] share of the documents that are not known to be right and are nearer; NaN where there are fewer
            than `LEAST`.
        counts: [N] documents that are perhaps right too.
        pairs: [S, 2] rows and some of these documents, the likeliest first; at most 3 a row.
        figures: [S, 3] cosine of the query with the suspect, with the right one, and nearness of the two.
        given: [G, 2] rows and all of these documents that they have as negatives.
    """

    right: "NDArray[np.int64]"
    score: "NDArray[np.float32]"
    farther: "NDArray[np.float64]"
    counts: "NDArray[np.int64]"
    pairs: "NDArray[np.int64]"
    figures: "NDArray[np.float32]"
    given: "NDArray[np.int64]"

    @property
    def weak(self) -> "NDArray[np.int64]":
        """The rows whose right document is no nearer to the query than half of all others, the farthest first."""
        rows = np.flatnonzero(self.farther >= FARTHER)
        return rows[np.argsort(-self.farther[rows], kind="stable")]


def suspects(
    pool: Pool,
    queries: "NDArray[np.float32]",
    documents: "NDArray[np.float32]",
    *,
    block_bytes: int = _BLOCK_BYTES,
) -> Suspects:
    """Looks at each row's query and right document among all documents, exactly, block by block.

    A document is a suspect when it is nearer to the query than the row's nearest right document by `MARGIN`, lies
    within `NEAR` of that document, and no row says that it is right for the query.

    Args:
        pool: the texts by number.
        queries: [Q, D] unit vectors.
        documents: [M, D] likewise.
        block_bytes: the most that one block of cosines may occupy (those of one row at least).
    """
    rows, count = len(pool.asked), len(documents)
    mean = mean_cosine(documents)
    margin = MARGIN * (1 - mean)
    known = _KnownRight(pool)
    right, score = np.empty(rows, np.int64), np.empty(rows, np.float32)
    farther, counts = np.full(rows, np.nan), np.zeros(rows, np.int64)
    pairs: list[NDArray[np.int64]] = []
    given: list[tuple[int, int]] = []
    figures: list[NDArray[np.float32]] = []
    height = max(1, block_bytes // (12 * count))  # two blocks of float32, and what is asked of them
    for start in range(0, rows, height):
        part = np.arange(start, min(start + height, rows))
        scores = queries[pool.asked[part]] @ documents.T  # [B, D] x [D, M] -> [B, M]
        free = np.ones(scores.shape, np.bool_)
        for place, row in enumerate(part.tolist()):
            answers = pool.positives[row]
            right[row] = answers[np.argmax(scores[place, answers])]
            score[row] = scores[place, right[row]]
            free[place, known.of(row)] = False
        others = free.sum(axis=1)
        nearer = (free & (scores > score[part, None])).sum(axis=1)
        farther[part] = np.where(others >= LEAST, nearer / np.maximum(others, 1), np.nan)
        nearness = (documents[right[part]] @ documents.T - mean) / (1 - mean)  # [B, M]
        perhaps = free & (scores >= score[part, None] + margin) & (nearness >= NEAR)
        counts[part] = perhaps.sum(axis=1)
        for place in np.flatnonzero(counts[part]).tolist():
            row, found = int(part[place]), np.flatnonzero(perhaps[place])
            some = found[np.argsort(-nearness[place, found], kind="stable")[:_LISTED]]
            pairs.append(np.stack([np.full(len(some), row), some], axis=1))
            given += [(row, document) for document in np.intersect1d(found, pool.given[row]).tolist()]
            said = (scores[place, some], np.full(len(some), score[row]), nearness[place, some])
            figures.append(np.stack(said, axis=1))
    listed = np.concatenate([np.empty((0, 2), np.int64), *pairs])
    told = np.concatenate([np.empty((0, 3), np.float32), *figures])
    order = np.argsort(-told[:, 2], kind="stable")
    of_rows = np.array(given, np.int64).reshape(-1, 2)
    return Suspects(right, score, farther, counts, listed[order], told[order], of_rows)


def twins(
    pool: Pool, neighbors: "NDArray[np.int64]", cosines: "NDArray[np.float32]", mean: float
) -> "tuple[NDArray[np.int64], NDArray[np.float64]]":
    """Pairs of documents that say the same, at least one of them right in some row, and that nothing connects.

    Documents of one id, and right documents of one query, are alike on purpose.

    Args:
        pool: the texts by number.
        neighbors: [M, k] the nearest other documents of each.
        cosines: [M, k] how near they are.
        mean: cosine of two documents at random.

    Returns:
        [T, 2] pairs i < j, the nearest first, and their nearness [T].
    """
    nearness = (cosines.astype(np.float64) - mean) / (1 - mean)
    one, place = np.nonzero(nearness >= TWIN)
    ends = np.sort(np.stack([one, neighbors[one, place]], axis=1), axis=1)
    pairs, first = np.unique(ends, axis=0, return_index=True)
    near = nearness[one, place][first]
    answers = np.zeros(len(neighbors), np.bool_)
    answers[pool.positives.values] = True
    asked_by = _queries_by_document(pool)
    kept = np.array(
        [
            bool(answers[i] or answers[j])
            and pool.same[i] != pool.same[j]
            and asked_by.get(int(pool.same[i]), set()).isdisjoint(asked_by.get(int(pool.same[j]), set()))
            for i, j in pairs.tolist()
        ],
        np.bool_,
    )
    pairs, near = pairs[kept], near[kept]
    order = np.argsort(-near, kind="stable")
    return pairs[order], near[order]


def label_suspects(
    labels: "NDArray[np.int64]", neighbors: "NDArray[np.int64]"
) -> "tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]":
    """Texts none of whose nearest neighbors has their label, while nearly all have one other.

    A stricter form of editing by nearest neighbors (Wilson, "Asymptotic properties of nearest neighbor rules using
    edited data", 1972), which drops what the most of them contradict.

    Args:
        labels: [N] number of each text's label.
        neighbors: [N, k] the nearest other texts of each.

    Returns:
        [S] the texts, those whose neighbors agree most first, the label of these, and the share that has it.
    """
    said = np.sort(labels[neighbors], axis=1)
    runs = (said[:, :, None] == said[:, None, :]).sum(axis=2)  # [N, k]: how many have the label of each neighbor
    place = runs.argmax(axis=1)
    share = runs.max(axis=1) / said.shape[1]
    other = said[np.arange(len(said)), place]
    found = np.flatnonzero(~(said == labels[:, None]).any(axis=1) & (share >= AGREE))
    found = found[np.argsort(-share[found], kind="stable")]
    return found, other[found], share[found]


def mean_cosine(vectors: "NDArray[np.float32]") -> float:
    """The mean over all pairs of different rows [N, D] of length one, without looking at any pair."""
    count = len(vectors)
    total = vectors.sum(axis=0, dtype=np.float64)
    return float((total @ total - count) / (count * (count - 1))) if count > 1 else 0.0


def first_rows(pool: Pool) -> "NDArray[np.int64]":
    """The first row that names each document, as right before as wrong [M]; -1 where none does."""
    found = np.full(len(pool.documents), -1, np.int64)
    for documents in (pool.given, pool.positives):  # the later one is written over the earlier one
        rows = np.repeat(np.arange(len(documents)), documents.lengths)
        values, first = np.unique(documents.values, return_index=True)
        found[values] = rows[first]
    return found


class _KnownRight:
    """The documents that any row says are right for a row's query, and what has one id with them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._order = np.argsort(pool.same, kind="stable")
        self._starts = np.searchsorted(pool.same[self._order], np.arange(int(pool.same.max()) + 2))

    def of(self, row: int) -> "NDArray[np.int64]":
        right = self._pool.right[int(self._pool.asked[row])].tolist()
        return np.concatenate([self._order[self._starts[n] : self._starts[n + 1]] for n in right])


def _queries_by_document(pool: Pool) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    owners = np.repeat(np.arange(len(pool.right)), pool.right.lengths)
    for query, document in zip(owners.tolist(), pool.right.values.tolist(), strict=True):
        found.setdefault(document, set()).add(query)
    return found
