"""Hard negatives: wrong documents that look right, found among all documents of the training rows.

Moreira et al., "NV-Retriever: Improving text embedding models with effective hard-negative mining" (2024): with the
score s of a judge, document d is a negative of query q with right document p only when::

    s(q, d) <= s(q, p) - |s(q, p)| * margin

With several right documents in a row, p is the one that scores least. What scores more and stands above the end of the
range is no negative but a suspect: perhaps it is right and nobody said so. Known right documents are neither, and take
no rank: all that any row names for the query, whatever has one id or one text with them, and the query's own text.
"""

import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from acclimate.core.seeds import numpy_generator
from acclimate.data.disk import DiskList
from acclimate.data.examples import Example, normalized, on_disk, texts_on_disk
from acclimate.data.keys import KeyNumbers, in_parts, keys_of, whole_numbers
from acclimate.data.miners import Judge, Miner, Rank
from acclimate.data.pairs import Ragged, sets_of_groups, starts_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RANKED, _JUDGED = 1024, 64  # queries at a time
_SUSPECTS = 10  # of one row that are listed
_SUSPICIOUS = 0.05  # margin of a suspect where negatives have none


@dataclass(frozen=True, slots=True)
class Pool:
    """The queries of training rows and all documents that may be wrong for them, by number.

    Attributes:
        queries: [Q] texts; those that differ in case and spaces alone are one, as it was written first.
        documents: [D] likewise.
        asked: [N] the query of each row.
        positives, given: [N] the right and the wrong documents of each row.
        same: [D] documents with one number are one document: they have one id.
        right: [Q] the numbers in ``same`` of what is no negative of a query, ascending.
    """

    queries: DiskList[str]
    documents: DiskList[str]
    asked: "NDArray[np.int64]"
    positives: Ragged
    given: Ragged
    same: "NDArray[np.int64]"
    right: Ragged


@dataclass(frozen=True, slots=True)
class Mined:
    """What was found.

    Attributes:
        negatives: [N, per_query] documents, -1 where a row has fewer.
        scores: [N, per_query] what the judge said of them, NaN there.
        positive_scores, given_scores: what it said of the documents that the rows have, in the order of the pool's.
        suspects: [S, 2] rows and documents, the most suspicious first; at most 10 a row.
        suspect_scores: [S, 2] of the suspect, and of the right document.
        suspected: how many there were in all.
    """

    negatives: "NDArray[np.int64]"
    scores: "NDArray[np.float32]"
    positive_scores: "NDArray[np.float32]"
    given_scores: "NDArray[np.float32]"
    suspects: "NDArray[np.int64]"
    suspect_scores: "NDArray[np.float32]"
    suspected: int


def pool_of(examples: Sequence[Example], others: Iterable[str] = ()) -> Pool:
    """The pool of training pairs, and of other documents that no row names."""
    rows = on_disk(examples)
    queries, documents = _Distinct(), _Distinct()
    asked = queries.numbers(rows.mapped(lambda e: e.query))
    positives = _listed(rows, lambda e: e.positives, documents)
    given = _listed(rows, lambda e: e.negatives, documents)
    documents.numbers(others)
    same = _same(rows, positives, len(documents.texts))
    width = int(same.max()) + 1
    answers = np.repeat(asked, positives.lengths) * width + same[positives.values]
    own = queries.find(documents.texts)  # a query's own text is no wrong answer to it
    own_answers = own[own >= 0] * width + same[own >= 0]
    right = sets_of_groups(np.concatenate([answers, own_answers]), width, np.arange(len(queries.texts)))
    return Pool(queries.texts, documents.texts, asked, positives, given, same, right)


def mine(pool: Pool, miner: Miner, rank: Rank, judge: Judge, seed: int, progress: Callable[[int, int], None]) -> Mined:
    """Negatives and suspects of each row.

    Args:
        pool: the texts by number.
        miner: the settings.
        rank: names candidates.
        judge: says how well they fit.
        seed: of what is drawn.
        progress: told (queries done, queries in all).
    """
    rows = len(pool.asked)
    negatives = np.full((rows, miner.per_query), -1, dtype=np.int64)
    scores = np.full(negatives.shape, np.nan, dtype=np.float32)
    of_right, of_given = (np.empty(len(documents.values), np.float32) for documents in (pool.positives, pool.given))
    suspects = _Suspects()
    rows_of = np.argsort(pool.asked, kind="stable")
    bounds = np.searchsorted(pool.asked[rows_of], np.arange(len(pool.queries) + 1))
    done = 0
    for queries, found in _candidates(pool, miner, rank):
        here = rows_of[bounds[queries[0]] : bounds[queries[-1] + 1]]
        places, counts = _judge_own(pool, pool.positives, judge, here, of_right)
        least = np.minimum.reduceat(of_right[places], np.cumsum(counts) - counts)
        _judge_own(pool, pool.given, judge, here, of_given)
        some = _judged(queries, found, judge)
        for row, right in zip(here.tolist(), least.tolist(), strict=True):
            documents, ranks, said = some[int(pool.asked[row] - queries[0])]
            high = said > right - abs(right) * _margin(miner)
            suspects.add(row, documents[high], said[high], right)
            kept = ranks >= miner.range_min
            if miner.relative_margin != "none":
                kept &= ~high
            kept &= ~np.isin(documents, pool.given[row])
            chosen = _chosen(np.flatnonzero(kept), miner, seed, row)
            negatives[row, : len(chosen)], scores[row, : len(chosen)] = documents[chosen], said[chosen]
        done += len(queries)
        progress(done, len(pool.queries))
    return Mined(negatives, scores, of_right, of_given, *suspects.sorted())


def with_negatives(
    examples: Sequence[Example], pool: Pool, found: Mapping[str, "NDArray[Any]"], *, teaches: bool
) -> Sequence[Example]:
    """The rows with mined negatives behind those that they were given.

    Args:
        examples: the rows of the pool.
        pool: the texts by number.
        found: the arrays of `Mined` by name.
        teaches: what the judge says of all documents is the rows' teacher. Otherwise another one, where there is any,
            says nothing of what was mined.
    """
    texts = mined_texts(pool, found["negatives"])
    rows = zip(examples, texts, range(len(pool.asked)), strict=True)
    if not teaches:
        return on_disk(_longer(e, more, e.positive_scores, e.negative_scores) for e, more, _ in rows)
    right, given = (
        Ragged(found[scores], documents.starts, documents.which)
        for scores, documents in (("positive_scores", pool.positives), ("given_scores", pool.given))
    )
    mined = found["scores"]
    return on_disk(
        _longer(e, more, right[row].tolist(), [*given[row].tolist(), *mined[row, : len(more)].tolist()])
        for e, more, row in rows
    )


def _longer(example: Example, more: Sequence[str], right: Sequence[float], wrong: Sequence[float]) -> Example:
    """The row with more negatives, of which the last are not scored where fewer scores than negatives are given."""
    negatives = (*example.negatives, *more)
    unsaid = (math.nan,) * (len(negatives) - len(wrong)) if right else ()
    return example._replace(negatives=negatives, positive_scores=tuple(right), negative_scores=(*wrong, *unsaid))


def mined_texts(pool: Pool, negatives: "NDArray[np.int64]") -> Iterator[list[str]]:
    """The texts of each row of documents [N, K], -1 where there are fewer."""
    return ([pool.documents[d] for d in row if d >= 0] for row in negatives.tolist())


def suspect_lines(examples: Sequence[Example], pool: Pool, mined: Mined) -> Iterator[dict[str, Any]]:
    """A document for each suspect: the row, its texts and what the judge said."""
    for (row, document), (score, right) in zip(mined.suspects.tolist(), mined.suspect_scores.tolist(), strict=True):
        example = examples[row]
        yield {
            "id": example.id,
            "query": example.query,
            "positive": example.positives[0] if len(example.positives) == 1 else list(example.positives),
            "suspect": pool.documents[document],
            "positive_score": round(right, 4),
            "suspect_score": round(score, 4),
        }


class _Distinct:
    """Numbers texts in order of appearance; those that differ in case and spaces alone are one."""

    def __init__(self) -> None:
        self.texts: DiskList[str] = texts_on_disk()
        self._known = KeyNumbers()

    def numbers(self, texts: Iterable[str]) -> "NDArray[np.int64]":
        found = array("q")
        for part in in_parts(texts):
            numbers, first = self._known.add(keys_of(map(normalized, part)))
            self.texts.extend(part[place] for place in first)
            found.frombytes(numbers.tobytes())
        return whole_numbers(found)

    def find(self, texts: Iterable[str]) -> "NDArray[np.int64]":
        """The numbers of texts, -1 of those that are not there."""
        return self._known.find(keys_of(map(normalized, texts)))


def _listed(rows: DiskList[Example], texts_of: Callable[[Example], tuple[str, ...]], documents: _Distinct) -> Ragged:
    counts = np.fromiter((len(texts_of(e)) for e in rows), np.int64, len(rows))
    values = documents.numbers(text for e in rows for text in texts_of(e))
    return Ragged(values, starts_of(counts), np.arange(len(rows)))


def _same(rows: DiskList[Example], positives: Ragged, documents: int) -> "NDArray[np.int64]":
    """A number for each document, the same for those that are connected by ids [D]."""
    named = np.fromiter((e.doc_id is not None and len(e.positives) == 1 for e in rows), np.bool_, len(rows))
    names = KeyNumbers().add(keys_of(str(e.doc_id) for e, has in zip(rows, named, strict=True) if has))[0]
    texts = positives.values[positives.starts[:-1][named]]
    nodes = documents + int(names.max(initial=-1)) + 1
    graph = coo_matrix((np.ones(len(names), np.bool_), (texts, documents + names)), shape=(nodes, nodes))
    labels = connected_components(graph, directed=False)[1]
    return np.asarray(labels[:documents], np.int64)


def _margin(miner: Miner) -> float:
    return _SUSPICIOUS if miner.relative_margin == "none" else miner.relative_margin


def _candidates(pool: Pool, miner: Miner, rank: Rank) -> "Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]":
    """Some queries, and the documents within the range that are not known to be right [N, K], -1 elsewhere."""
    width = int(pool.same.max()) + 1
    texts_of = np.bincount(pool.same, minlength=width)
    in_the_way = np.add.reduceat(texts_of[pool.right.values], pool.right.starts[:-1])  # [Q]
    known = np.repeat(np.arange(len(pool.queries)), pool.right.lengths) * width + pool.right.values  # ascending
    for start in range(0, len(pool.queries), _RANKED):
        queries = np.arange(start, min(start + _RANKED, len(pool.queries)))
        depth = min(miner.range_max + int(in_the_way[queries].max()), len(pool.documents))
        found = rank(queries, depth)
        packed = queries[:, None] * width + pool.same[found]
        place = np.minimum(np.searchsorted(known, packed), len(known) - 1)
        free = (found >= 0) & (known[place] != packed)
        ranked = np.where(free & (np.cumsum(free, axis=1) <= miner.range_max), found, -1)
        for few in range(0, len(queries), _JUDGED):
            part = slice(few, few + _JUDGED)
            yield queries[part], ranked[part]


def _judged(
    queries: "NDArray[np.int64]", found: "NDArray[np.int64]", judge: Judge
) -> "list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]":
    """Candidates of each query, their ranks from 0 and scores, the highest score first."""
    owner, place = np.nonzero(found >= 0)
    documents = found[owner, place]
    ranks = (np.cumsum(found >= 0, axis=1) - 1)[owner, place]
    scores = judge(queries[owner], documents) if len(owner) else np.empty(0, np.float32)
    order = np.lexsort((ranks, -scores, owner))
    cuts = np.searchsorted(owner, np.arange(1, len(queries)))
    return list(zip(*(np.split(column[order], cuts) for column in (documents, ranks, scores)), strict=True))


def _judge_own(
    pool: Pool, documents: Ragged, judge: Judge, rows: "NDArray[np.int64]", scores: "NDArray[np.float32]"
) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Writes what the judge says of the rows' own documents; where that is [T], and how many each row has [R]."""
    places, counts = documents.joined(rows)
    if len(places):
        scores[places] = judge(np.repeat(pool.asked[rows], counts), documents.values[places])
    return places, counts


def _chosen(places: "NDArray[np.int64]", miner: Miner, seed: int, row: int) -> "NDArray[np.int64]":
    """Some of the places, which stand in the order of their scores."""
    if miner.sampling == "top" or len(places) <= miner.per_query:
        return places[: miner.per_query]
    return np.sort(numpy_generator(seed, "mining", row).choice(places, miner.per_query, replace=False))


class _Suspects:
    """The documents of each row that look too right."""

    def __init__(self) -> None:
        self._pairs, self._scores, self._count = array("q"), array("f"), 0

    def add(self, row: int, documents: "NDArray[np.int64]", scores: "NDArray[np.float32]", right: float) -> None:
        self._count += len(documents)
        for document, score in zip(documents[:_SUSPECTS].tolist(), scores[:_SUSPECTS].tolist(), strict=True):
            self._pairs.extend((row, document))
            self._scores.extend((score, right))

    def sorted(self) -> "tuple[NDArray[np.int64], NDArray[np.float32], int]":
        pairs, scores = np.array(self._pairs).reshape(-1, 2), np.array(self._scores).reshape(-1, 2)
        order = np.argsort(scores[:, 1] - scores[:, 0], kind="stable")
        return pairs[order], scores[order], self._count
