"""Pairs and tests out of texts alone: queries that a text itself gives, kept when they lead back to it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.core.errors import UsageError
from acclimate.core.seeds import numpy_generator
from acclimate.data.bm25 import Bm25
from acclimate.data.disk import DiskList
from acclimate.data.examples import Dataset, Example, RetrievalSet, normalized, on_disk
from acclimate.data.judged import retrieval_set
from acclimate.data.keys import keys_of, numbered
from acclimate.data.query_makers import Made, QueryMaker, Text, Writer, rarities

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RANKED = 256  # queries at a time


@dataclass(frozen=True, slots=True)
class Asked:
    """A query that was made of a text.

    Attributes:
        id: the text's, with a number.
        place: of the text among all that are asked for.
        source: the text.
        made: the query, and what is left of the text.
    """

    id: str
    place: int
    source: Example
    made: Made

    def pair(self) -> Example:
        """The training pair. All pairs of one text name it as their document, so that none is wrong for another."""
        of = self.source
        return of._replace(
            id=self.id,
            query=self.made.query,
            positives=(self.made.document,),
            text="",
            title="",
            doc_id=of.doc_id or of.id,
        )


def distinct_texts(dataset: Dataset) -> DiskList[Example]:
    """The texts, each once: those that differ in case and spaces alone are one."""
    rows = on_disk(dataset.examples)
    return rows.select(numbered(keys_of(normalized(e.text) for e in rows))[1])


def some_of(texts: Sequence[Example], most: int, seed: int) -> DiskList[Example]:
    """The texts in their order, as many as that drawn at random where there are more."""
    rows = on_disk(texts)
    return rows.select(np.sort(numpy_generator(seed, "asked").permutation(len(rows))[:most]))


def ask(
    texts: Sequence[Example],
    maker: QueryMaker,
    rare: Mapping[str, float],
    seed: int,
    of_each: int,
    writer: Callable[[str], Writer],
) -> list[Asked]:
    """Queries of texts. What is drawn for a text depends on the seed and its id alone.

    Args:
        texts: what is asked for.
        maker: makes the queries.
        rare: what each word counts.
        seed: of what is drawn.
        of_each: queries of a text at most.
        writer: reads a model that writes queries, by the name of its folder.
    """
    found = []
    written = maker.written([e.text for e in texts], of_each, writer)
    for place, (example, queries) in enumerate(zip(texts, written, strict=True)):
        draw = numpy_generator(seed, "query", example.id)
        for number, made in enumerate(maker.make(Text(example, queries), rare, draw, of_each), start=1):
            found.append(Asked(f"{example.id}#{number}", place, example, made))
    return found


def each_count(texts: int, maker: QueryMaker) -> int:
    """How many queries of a text are made where so many are asked for."""
    return max(1, min(maker.queries_a_document, maker.most // max(1, texts)))


def no_writer(name: str) -> Writer:
    """For those who read no model.

    Raises:
        UsageError: always.
    """
    raise UsageError(f"a model would have to write the queries: {name}", "take data.synthetic=mixed")


def described(dataset: Dataset, maker: QueryMaker, seed: int) -> dict[str, Any]:
    """How many texts would give queries (``texts``), how many none (``without``), and ``queries`` by kind."""
    texts = distinct_texts(dataset)
    rows = some_of(texts, maker.most, seed)
    asked = ask(rows, maker, rarities(e.text for e in texts), seed, each_count(len(rows), maker), no_writer)
    giving = len({one.place for one in asked})
    counts = Counter(one.made.kind for one in asked)
    return {"texts": giving, "without": len(rows) - giving, "queries": dict(sorted(counts.items()))}


def ranks_by_vectors(
    queries: "NDArray[np.float32]",
    documents: "NDArray[np.float32]",
    corpus: "NDArray[np.float32]",
    own: "NDArray[np.int64]",
) -> "NDArray[np.int64]":
    """Where each query's document stands among it and all texts but the one that it was made of, from 1 [N].

    Args:
        queries: unit vectors [N, D].
        documents: of what is left of the text that each was made of [N, D].
        corpus: of all texts [M, D].
        own: the text of each query [N].
    """
    ranks = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), _RANKED):
        part = slice(start, start + _RANKED)
        scores = queries[part] @ corpus.T  # [n, M]
        right = (queries[part] * documents[part]).sum(axis=1)
        above = scores > right[:, None]
        above[np.arange(len(above)), own[part]] = False
        ranks[part] = 1 + above.sum(axis=1)
    return ranks


def ranks_by_words(
    queries: Sequence[str], documents: Sequence[str], corpus: Sequence[str], own: "NDArray[np.int64]"
) -> "NDArray[np.int64]":
    """The same by BM25; a document that shares no word with its query stands behind all texts."""
    index = Bm25([*corpus, *documents])
    ranks = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), _RANKED):
        some = np.arange(start, min(start + _RANKED, len(queries)))
        scores = index.scores(queries[start : start + _RANKED])
        for row, query in enumerate(some.tolist()):
            part = slice(scores.indptr[row], scores.indptr[row + 1])
            found, value = scores.indices[part], scores.data[part]
            right = value[found == len(corpus) + query].sum()
            above = (value > right) & (found < len(corpus)) & (found != own[query])
            ranks[query] = 1 + np.count_nonzero(above) if right else 1 + len(corpus)
    return ranks


def held_out_set(name: str, asked: Iterable[Asked], texts: Iterable[Example]) -> RetrievalSet:
    """A test that asks each text one query at most; ranked are all texts, each asked one as its query left it.

    Args:
        name: of the test.
        asked: one query of a text.
        texts: all that is ranked, those that are asked for among them.
    """
    queries = {one.source.id: one for one in asked}
    documents = {e.id: queries[e.id].made.document if e.id in queries else e.text for e in texts}
    relevant = {one.id: {text: 1} for text, one in queries.items()}
    return retrieval_set(name, {one.id: one.made.query for one in queries.values()}, documents, relevant)
