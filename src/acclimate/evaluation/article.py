"""The source article's ``evaluate_embeddings``, with the metrics it meant."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from acclimate.core.errors import DataError
from acclimate.evaluation.geometry import geometry_metrics
from acclimate.evaluation.ranking import rank_documents
from acclimate.evaluation.retrieval import retrieval_metrics
from acclimate.evaluation.vectors import unit_rows

RelevantPairs: TypeAlias = Iterable[tuple[int, int]] | Mapping[int, int | Sequence[int]]


def evaluate_embeddings(
    query_embeddings: ArrayLike, document_embeddings: ArrayLike, relevant_pairs: RelevantPairs
) -> dict[str, float]:
    """Retrieval and geometry metrics of embeddings, by cosine over all documents.

    The article's sample returned the mean of the ranks and called it MRR. Here ``mrr`` is the mean of 1/rank, and the
    mean of the ranks is called ``mean_rank``; both take the best relevant document of each query. Among equal scores
    the later row stands first.

    Args:
        query_embeddings: ``[N, D]``, of any length: rows are normalized.
        document_embeddings: ``[M, D]``.
        relevant_pairs: (query row, document row) pairs, or query row -> document row or rows.

    Returns:
        Metrics by name: ndcg@10, mrr, mrr@10, recall@1, @5, @10, @100, map@100, mean_rank, median_rank, alignment,
        uniformity, effective_rank.

    Raises:
        DataError: shapes do not fit, an index does not exist, a query has no relevant document, or there are fewer than
            2 documents.
    """
    queries, documents = unit_rows(query_embeddings, "query_embeddings"), unit_rows(document_embeddings, "documents")
    pairs = relevant_pairs.items() if isinstance(relevant_pairs, Mapping) else relevant_pairs
    relevant: list[dict[int, int]] = [{} for _ in queries]
    for query, rows in pairs:
        if not 0 <= query < len(relevant):
            raise DataError(
                f"relevant_pairs names query {query}, but queries are 0 to {len(relevant) - 1}",
                "use row numbers of the query embeddings, counted from 0",
            )
        relevant[query].update((int(row), 1) for row in np.atleast_1d(rows))
    ranking = rank_documents(queries, documents, relevant)
    query_rows = np.repeat(np.arange(len(queries)), np.diff(ranking.starts))
    shape = geometry_metrics(queries, documents, (query_rows, ranking.rows))
    return {**retrieval_metrics(ranking).metrics, **{name: estimate.value for name, estimate in shape.items()}}
