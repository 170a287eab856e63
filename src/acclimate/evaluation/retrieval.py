"""Retrieval metrics as trec_eval defines them, over all documents and in bounded memory.

Ties follow trec_eval: higher score first, among equal scores the document id that is greater as UTF-8 bytes. Scores are
compared in float32, as pytrec_eval does. nDCG has linear gain and the discount log2(rank + 1); recall divides by all
relevant documents; MRR is the mean of 1/rank of the best relevant document.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from acclimate.core.errors import DataError
from acclimate.evaluation.vectors import Floats, Rows, Vectors, as_vectors

NDCG_CUT, MRR_CUT, MAP_CUT = 10, 10, 100
RECALL_CUTS = (1, 5, 10, 100)
METRICS = (
    *("ndcg@10", "mrr", "mrr@10"),
    *(f"recall@{cut}" for cut in RECALL_CUTS),
    *("map@100", "mean_rank", "median_rank"),
)


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


@dataclass(frozen=True, slots=True, eq=False)
class RetrievalScores:
    """Metrics by name, and the value of every query ``[N]`` they are the mean (median for ``median_rank``) of."""

    metrics: dict[str, float]
    per_query: dict[str, Floats]


def document_order(ids: Sequence[str]) -> Rows:
    """The rank ``[M]`` of each document id in the order of its UTF-8 bytes, as ``rank_documents`` takes it."""
    order = np.empty(len(ids), dtype=np.int64)
    order[sorted(range(len(ids)), key=lambda row: ids[row].encode())] = np.arange(len(ids))
    return order


def rank_documents(
    query_embeddings: Vectors,
    document_embeddings: Vectors,
    relevant: Sequence[Mapping[int, int]],
    *,
    document_order: Rows | None = None,
    top_k: int = 100,
    block_bytes: int = 64 << 20,
) -> Ranking:
    """Ranks all documents for every query by dot product (cosine when rows have length one).

    The scores of a block of queries against all documents exist at one time, never those of all queries. Ranks are
    exact at any depth: they are counted, not read off a sorted list.

    Args:
        query_embeddings: ``[N, D]``.
        document_embeddings: ``[M, D]``.
        relevant: for each query, document row -> grade; grades of zero and below count as not relevant.
        document_order: ``[M]`` from ``document_order(ids)`` for the tie rule; by row number when there are no ids.
        top_k: how many documents at the top are kept.
        block_bytes: the most that one block of scores may occupy (one query's scores at least).

    Raises:
        DataError: shapes do not fit, a query has no relevant document, or a row does not exist.
    """
    queries, documents = as_vectors(query_embeddings, "query_embeddings"), as_vectors(document_embeddings, "documents")
    if queries.shape[1] != documents.shape[1]:
        raise DataError(
            f"queries have {queries.shape[1]} dimensions, documents {documents.shape[1]}",
            "encode both with the same model",
        )
    starts, rows, grades = _flatten(relevant, len(queries), len(documents))
    order = np.arange(len(documents)) if document_order is None else document_order
    ranks = np.empty(len(rows))
    top_rows = np.empty((len(queries), min(top_k, len(documents))), dtype=np.int64)
    top_scores = np.empty(top_rows.shape, dtype=np.float32)
    for query, scores in _score_rows(queries, documents, block_bytes):
        mine = slice(starts[query], starts[query + 1])
        ranks[mine] = _ranks(scores, order, rows[mine])
        top_rows[query] = _top(scores, order, top_rows.shape[1])
        top_scores[query] = scores[top_rows[query]]
    return Ranking(starts, rows, grades, ranks, top_rows, top_scores)


def retrieval_metrics(ranking: Ranking) -> RetrievalScores:
    """Every retrieval metric, per query and over all queries, in float64."""
    starts, grades, ranks = ranking.starts, ranking.grades, ranking.ranks
    relevant_counts = np.diff(starts)
    count = len(relevant_counts)
    query = np.repeat(np.arange(count), relevant_counts)
    place = np.arange(1, len(ranks) + 1) - starts[query]  # 1 for the first relevant document of each query

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(query, weights=values, minlength=count), np.float64)

    best = np.minimum.reduceat(ranks, starts[:-1])
    ideal = grades[np.lexsort((-grades, query))]
    by_rank = ranks[np.lexsort((ranks, query))]
    per_query = {
        "ndcg@10": total(_discounted(grades, ranks, NDCG_CUT)) / total(_discounted(ideal, place, NDCG_CUT)),
        "mrr": 1 / best,
        "mrr@10": np.where(best <= MRR_CUT, 1 / best, 0.0),
        **{f"recall@{cut}": total((ranks <= cut).astype(np.float64)) / relevant_counts for cut in RECALL_CUTS},
        "map@100": total(np.where(by_rank <= MAP_CUT, place / by_rank, 0.0)) / relevant_counts,
        "mean_rank": best,
        "median_rank": best,
    }
    metrics = {name: float(per_query[name].mean()) for name in METRICS}
    metrics["median_rank"] = float(np.median(best))
    return RetrievalScores(metrics, per_query)


def metrics_from_scores(
    run: Mapping[str, Mapping[str, float]], qrels: Mapping[str, Mapping[str, int]]
) -> RetrievalScores:
    """The same metrics for a run as trec_eval takes it: query id -> document id -> score.

    Every query of ``qrels`` counts (trec_eval's ``-c``): one that is missing in the run scores zero. A relevant
    document that is missing has an infinite rank. Queries without judgments are left out.

    Raises:
        DataError: a query of ``qrels`` has no relevant document.
    """
    ids = sorted(
        {document for lists in (run, qrels) for scored in lists.values() for document in scored}, key=str.encode
    )
    row_of = {document: row for row, document in enumerate(ids)}
    relevant = [{row_of[document]: grade for document, grade in qrels[query].items()} for query in qrels]
    starts, rows, grades = _flatten(relevant, len(qrels), len(ids))
    ranks = np.empty(len(rows))
    for place, query in enumerate(qrels):
        scores = np.full(len(ids), -np.inf, dtype=np.float32)
        for document, score in run.get(query, {}).items():
            scores[row_of[document]] = score
        mine = slice(starts[place], starts[place + 1])
        retrieved = np.isfinite(scores[rows[mine]])
        ranks[mine] = np.where(retrieved, _ranks(scores, np.arange(len(ids)), rows[mine]), np.inf)
    nothing = np.empty((len(qrels), 0))
    return retrieval_metrics(Ranking(starts, rows, grades, ranks, nothing.astype(np.int64), nothing.astype(np.float32)))


def _discounted(grades: Floats, ranks: Floats | Rows, cut: int) -> Floats:
    return np.where(ranks <= cut, grades / np.log2(ranks + 1), 0.0)


def _flatten(relevant: Sequence[Mapping[int, int]], queries: int, documents: int) -> tuple[Rows, Rows, Floats]:
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


def _score_rows(queries: Vectors, documents: Vectors, block_bytes: int) -> Iterator[tuple[int, Vectors]]:
    """Yields each query's scores ``[M]``; the array is reused by the next block."""
    size = max(1, block_bytes // (4 * len(documents)))
    buffer = np.empty((min(size, len(queries)), len(documents)), dtype=np.float32)
    copies, originals = _copies(documents)
    for start in range(0, len(queries), size):
        block = queries[start : start + size]
        scores = np.matmul(block, documents.T, out=buffer[: len(block)])
        # BLAS may round equal rows differently at the edges of its tiles; equal documents must tie.
        scores[:, copies] = scores[:, originals]
        for offset, row in enumerate(scores):
            yield start + offset, row


def _copies(documents: Vectors) -> tuple[Rows, Rows]:
    """Rows that repeat an earlier row bit by bit, and the first row each repeats."""
    first: dict[bytes, int] = {}
    digests = (blake2b(row.tobytes(), digest_size=16).digest() for row in documents)
    originals = np.fromiter((first.setdefault(digest, row) for row, digest in enumerate(digests)), np.int64)
    copies = np.flatnonzero(originals != np.arange(len(documents)))
    return copies, originals[copies]


def _ranks(scores: Vectors, order: Rows, rows: Rows) -> Floats:
    """Ranks from 1: everything that scores more, and everything equal with a later document id, stands above."""
    ranks = np.empty(len(rows))
    for place, row in enumerate(rows):
        ties = np.flatnonzero(scores == scores[row])
        ranks[place] = 1 + np.count_nonzero(scores > scores[row]) + np.count_nonzero(order[ties] > order[row])
    return ranks


def _top(scores: Vectors, order: Rows, count: int) -> Rows:
    threshold = np.partition(scores, len(scores) - count)[len(scores) - count]
    candidates = np.flatnonzero(scores >= threshold)  # more than `count` when the last place is tied
    return candidates[np.lexsort((-order[candidates], -scores[candidates]))][:count]
