"""Where documents stand for each query: exact ranks at any depth and the top, without a sort and in bounded memory.

The score of a query and a document is their dot product, summed in float64 and rounded to float32. It depends on the
two vectors alone, not on blocks, threads or the matrix product at hand, so equal documents tie. Nearly every comparison
is settled by a float32 product, whose error is at most n u |q| |d| (Higham, Accuracy and Stability of Numerical
Algorithms, 2002, section 3.1: n dimensions, u = 2^-24, in any order of summing); what lies closer is scored in float64.
"""

import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from acclimate.core.errors import DataError
from acclimate.evaluation.vectors import Floats, Rows, Vectors, as_vectors

QUERIES_A_BLOCK = 256
DOCUMENTS_A_PRODUCT = 1024
PAIRS_A_BLOCK = 4096  # scored in float64 at one time
CROWD = 4  # times top_k candidates wait before those that fell behind are dropped


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Where each relevant document stands, and what stands at the top.

    Relevant documents of query ``q`` are entries ``starts[q]:starts[q + 1]`` of ``rows``, ``grades`` and ``ranks``.

    Attributes:
        starts: ``[N + 1]``.
        rows: document rows ``[R]``.
        grades: relevance grades above zero ``[R]``.
        ranks: ranks from 1 among all documents ``[R]``; infinite for a document that was not retrieved.
        top_rows: document rows from the first rank down ``[N, K]``.
        top_scores: their scores ``[N, K]``.
    """

    starts: Rows
    rows: Rows
    grades: Floats
    ranks: Floats
    top_rows: Rows
    top_scores: Vectors


def document_order(ids: Sequence[str]) -> Rows:
    """The rank ``[M]`` of each document id in the order of its UTF-8 bytes, as ``rank_documents`` takes it."""
    order = np.empty(len(ids), dtype=np.int64)
    # Strings compare by code point, which is the order of their UTF-8 bytes.
    order[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    return order


def rank_documents(
    query_embeddings: Vectors,
    document_embeddings: Vectors,
    relevant: Sequence[Mapping[int, int]],
    *,
    document_order: Rows | None = None,
    excluded: Sequence[Sequence[int]] = (),
    top_k: int = 100,
    block_bytes: int = 16 << 20,
) -> Ranking:
    """Ranks all documents for every query by dot product (cosine when rows have length one).

    Ranks are exact at any depth: they are counted, not read off a sorted list. A document counts as above another when
    it scores more, or scores the same and has the later id.

    Args:
        query_embeddings: ``[N, D]``.
        document_embeddings: ``[M, D]``; read once from first to last, so that a memory map serves.
        relevant: for each query, document row -> grade; grades of zero and below count as not relevant.
        document_order: ``[M]`` from ``document_order(ids)`` for the tie rule; by row number when there are no ids.
        excluded: for each query, document rows that are left out for it, none of them relevant; nothing by default.
        top_k: how many documents at the top are kept, fewer where a query has not so many.
        block_bytes: the most that one block of scores may occupy (one document for 256 queries at least).

    Raises:
        DataError: shapes do not fit, a query has no relevant document, or a row does not exist.
    """
    queries, documents = as_vectors(query_embeddings, "query_embeddings"), as_vectors(document_embeddings, "documents")
    if queries.shape[1] != documents.shape[1]:
        raise DataError(
            f"queries have {queries.shape[1]} dimensions, documents {documents.shape[1]}",
            "encode both with the same model",
        )
    starts, rows, grades = flatten(relevant, len(queries), len(documents))
    order = np.arange(len(documents)) if document_order is None else document_order
    scorer = _Scorer(queries, documents)
    above = _Above(scorer, order, starts, rows)
    left_out = [np.unique(np.asarray(some, dtype=np.int64)) for some in excluded]
    top = _Top(scorer, order, min(top_k, len(documents) - max(map(len, left_out), default=0)))
    height = min(QUERIES_A_BLOCK, len(queries))
    width = max(1, min(block_bytes // (4 * height), len(documents)))
    products = _products(queries, documents, height * width)
    for left in range(0, len(documents), width):
        for upper in range(0, len(queries), height):
            block = products(slice(upper, upper + height), slice(left, left + width))
            for query, row in enumerate(block, upper):
                if left_out:
                    first, last = np.searchsorted(left_out[query], (left, left + len(row)))
                    row[left_out[query][first:last] - left] = -np.inf
                limit = top.limit(query, row)
                columns = np.flatnonzero((row >= limit) & (row > -np.inf) if left_out else row >= limit)
                highest = row[columns]
                top.see(query, left + columns, highest)
                for entry in above.entries(query):
                    if above.low[entry] >= limit:  # so nothing else matters, and these are few
                        above.see(query, entry, highest, left + columns)
                    else:
                        above.see(query, entry, row, left + np.arange(len(row)))
    return Ranking(starts, rows, grades, above.count.astype(np.float64) + 1, *top.settle())


def _products(queries: Vectors, documents: Vectors, size: int) -> Callable[[slice, slice], Vectors]:
    """What multiplies some queries with some documents fastest; at most ``size`` products, valid until the next call.

    Which library it is decides nothing: scores and ranks are the same with any.
    """
    buffer = np.empty(size, dtype=np.float32)
    fill = _filler()

    def multiply(some: slice, block: slice) -> Vectors:
        left, right = queries[some], documents[block]
        products = buffer[: len(left) * len(right)].reshape(len(left), -1)
        fill(left, right, products)
        return products

    return multiply


def _filler() -> Callable[[Vectors, Vectors, Vectors], object]:
    """Writes products of [N, D] and [W, D] into [N, W]."""
    if "torch" in sys.modules:  # it takes longer to import than most rankings take
        from torch import from_numpy, mm

        from acclimate.core.products import fast_product, has_fast_products

        if has_fast_products():

            def fill(left: Vectors, right: Vectors, products: Vectors) -> None:
                # Few at a time: each call takes memory of its own, which stays in the processor's cache then.
                for start in range(0, len(right), DOCUMENTS_A_PRODUCT):
                    few = slice(start, start + DOCUMENTS_A_PRODUCT)
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", UserWarning)  # a memory map is read-only, and is only read
                        found = fast_product(from_numpy(left), from_numpy(right[few]))
                    products[:, few] = found.numpy()

            return fill

        def fill_by_torch(left: Vectors, right: Vectors, products: Vectors) -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                mm(from_numpy(left), from_numpy(right).T, out=from_numpy(products))

        return fill_by_torch  # a tenth faster than numpy's where torch has the maker's own library
    return lambda left, right, products: np.matmul(left, right.T, out=products)


def flatten(relevant: Sequence[Mapping[int, int]], queries: int, documents: int) -> tuple[Rows, Rows, Floats]:
    """Judgments as ``starts``, ``rows`` and ``grades`` of a ``Ranking``; see ``rank_documents`` for what is refused."""
    if len(relevant) != queries:
        raise DataError(f"{queries} queries but relevance for {len(relevant)}", "give one entry for every query")
    judged = [[(row, grade) for row, grade in of_query.items() if grade > 0] for of_query in relevant]
    for query, of_query in enumerate(judged):
        if not of_query:
            raise DataError(
                f"query {query} has no relevant document", "add its relevant document or leave the query out"
            )
    starts = np.cumsum([0, *map(len, judged)])
    flat = np.array([entry for of_query in judged for entry in of_query], dtype=np.int64).reshape(-1, 2)
    rows, grades = flat[:, 0], flat[:, 1].astype(np.float64)
    outside = np.flatnonzero((rows < 0) | (rows >= documents))
    if outside.size:
        query = int(np.searchsorted(starts, outside[0], side="right")) - 1
        raise DataError(
            f"query {query} names document {rows[outside[0]]}, but documents are 0 to {documents - 1}",
            "use row numbers of the document embeddings, counted from 0",
        )
    return starts, rows, grades


def count_above(scores: Vectors, order: Rows, score: float, place: int) -> int:
    """How many scores ``[M]`` stand above a document of this score and this place in the order of ids."""
    ties = np.flatnonzero(scores == score)
    return int(np.count_nonzero(scores > score) + np.count_nonzero(order[ties] > place))


class _Scorer:
    """Scores of single pairs, and how far a float32 product of any shape may be from them."""

    def __init__(self, queries: Vectors, documents: Vectors) -> None:
        self.documents = documents
        self.queries = queries.astype(np.float64)
        longest = math.sqrt(float(_squared_lengths(documents).max()))
        # Eight more roundings than the dot product has: of a score to float32, of a limit, of the lengths themselves.
        rounding = (queries.shape[1] + 8) * 2.0**-24
        self.slack = np.sqrt(_squared_lengths(queries).astype(np.float64)) * (longest * rounding / (1 - rounding))

    def __call__(self, query: int | Rows, rows: Rows) -> Vectors:
        """Scores ``[R]`` of documents ``rows`` ``[R]`` with one query, or with one query for each."""
        scores = np.empty(len(rows), dtype=np.float32)
        for start in range(0, len(rows), PAIRS_A_BLOCK):
            few = slice(start, start + PAIRS_A_BLOCK)
            left = self.queries[query] if isinstance(query, int) else self.queries[query[few]]
            # Not a matrix product: its order of summing depends on its shape.
            scores[few] = (left * self.documents[rows[few]]).sum(axis=1)
        return scores


class _Above:
    """Counts what stands above each relevant document."""

    def __init__(self, scorer: _Scorer, order: Rows, starts: Rows, rows: Rows) -> None:
        self._scorer, self._order, self._starts, self._rows = scorer, order, starts.tolist(), rows
        query = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        self._scores = scorer(query, rows)
        slack = scorer.slack[query]
        self.low = (self._scores - slack).astype(np.float32)
        self._high = (self._scores + slack).astype(np.float32)
        self.count = np.zeros(len(rows), dtype=np.int64)

    def entries(self, query: int) -> range:
        """The numbers of a query's relevant documents."""
        return range(self._starts[query], self._starts[query + 1])

    def see(self, query: int, entry: int, products: Vectors, rows: Rows) -> None:
        """Takes the products ``[W]`` of a query with documents ``rows`` ``[W]``, for one of its relevant documents."""
        surely = np.count_nonzero(products > self._high[entry])
        self.count[entry] += surely
        not_below = products >= self.low[entry]
        if np.count_nonzero(not_below) > surely:
            close = rows[not_below & (products <= self._high[entry])]
            scores = self._scorer(query, close)
            place = int(self._order[self._rows[entry]])
            self.count[entry] += count_above(scores, self._order[close], self._scores[entry], place)


class _Top:
    """Keeps the documents that may still be among the first ``count`` of each query."""

    def __init__(self, scorer: _Scorer, order: Rows, count: int) -> None:
        self._scorer, self._order, self._count = scorer, order, count
        queries = len(scorer.queries)
        self._limit = np.full(queries, -np.inf, dtype=np.float32)
        self._rows: list[list[Rows]] = [[] for _ in range(queries)]
        self._scores: list[list[Vectors]] = [[] for _ in range(queries)]
        self._waiting = [0] * queries

    def limit(self, query: int, row: Vectors) -> np.float32:
        """What scores less in products ``[W]`` like these is out."""
        if not self._rows[query]:
            self._raise_limit(query, row)
        limit: np.float32 = self._limit[query]
        return limit

    def see(self, query: int, rows: Rows, products: Vectors) -> None:
        """Takes documents ``[C]`` whose products with a query ``[C]`` are not below its limit."""
        if not rows.size:
            return
        self._rows[query].append(rows)
        self._scores[query].append(products)
        self._waiting[query] += rows.size
        if self._waiting[query] > CROWD * self._count:
            self._drop(query)

    def settle(self) -> tuple[Rows, Vectors]:
        """Rows and scores ``[N, K]`` from the first rank down."""
        rows = np.empty((len(self._rows), self._count), dtype=np.int64)
        scores = np.empty(rows.shape, dtype=np.float32)
        for query in range(len(rows)):
            rows[query], scores[query] = self._first(query, self._candidates(query)[0])
        return rows, scores

    def _raise_limit(self, query: int, scores: Vectors) -> None:
        """What scores less than the last of the first ``count``, by more than the error of both, is out."""
        if len(scores) > self._count:
            last = np.partition(scores, len(scores) - self._count)[len(scores) - self._count]
            self._limit[query] = max(self._limit[query], last - 2 * self._scorer.slack[query])

    def _candidates(self, query: int) -> tuple[Rows, Vectors]:
        """Those that wait and, now that all of them are known, may still be among the first."""
        rows, scores = np.concatenate(self._rows[query]), np.concatenate(self._scores[query])
        self._raise_limit(query, scores)
        kept = scores >= self._limit[query]
        return rows[kept], scores[kept]

    def _drop(self, query: int) -> None:
        rows, scores = self._candidates(query)
        if len(rows) > CROWD * self._count:  # more documents within the error than are asked for
            rows, scores = self._first(query, rows)
        self._rows[query], self._scores[query], self._waiting[query] = [rows], [scores], len(rows)

    def _first(self, query: int, rows: Rows) -> tuple[Rows, Vectors]:
        scores = self._scorer(query, rows)
        first = np.lexsort((-self._order[rows], -scores))[: self._count]
        return rows[first], scores[first]


def _squared_lengths(vectors: Vectors) -> Vectors:
    return np.asarray(np.einsum("nd,nd->n", vectors, vectors), np.float32)
