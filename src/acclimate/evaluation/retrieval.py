"""Retrieval metrics as trec_eval defines them.

Ties follow trec_eval: higher score first, among equal scores the document id that is greater as UTF-8 bytes. Scores are
compared in float32, as pytrec_eval does. nDCG has linear gain and the discount log2(rank + 1); recall divides by all
relevant documents; MRR is the mean of 1/rank of the best relevant document.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from acclimate.evaluation.ranking import Ranking, count_above, flatten
from acclimate.evaluation.vectors import Floats, Rows

NDCG_CUT, MRR_CUT, MAP_CUT = 10, 10, 100
RECALL_CUTS = (1, 5, 10, 100)
METRICS = (
    *("ndcg@10", "mrr", "mrr@10"),
    *(f"recall@{cut}" for cut in RECALL_CUTS),
    *("map@100", "mean_rank", "median_rank"),
)


@dataclass(frozen=True, slots=True, eq=False)
class RetrievalScores:
    """Metrics by name, and the value of every query ``[N]`` they are the mean (median for ``median_rank``) of."""

    metrics: dict[str, float]
    per_query: dict[str, Floats]


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
    starts, rows, grades = flatten(relevant, len(qrels), len(ids))
    order, ranks = np.arange(len(ids)), np.empty(len(rows))
    for place, query in enumerate(qrels):
        scores = np.full(len(ids), -np.inf, dtype=np.float32)
        for document, score in run.get(query, {}).items():
            scores[row_of[document]] = score
        mine = slice(starts[place], starts[place + 1])
        retrieved = np.isfinite(scores[rows[mine]])
        above = [count_above(scores, order, scores[row], row) for row in rows[mine]]
        ranks[mine] = np.where(retrieved, np.array(above) + 1.0, np.inf)
    nothing = np.empty((len(qrels), 0))
    return retrieval_metrics(Ranking(starts, rows, grades, ranks, nothing.astype(np.int64), nothing.astype(np.float32)))


def _discounted(grades: Floats, ranks: Floats | Rows, cut: int) -> Floats:
    return np.where(ranks <= cut, grades / np.log2(ranks + 1), 0.0)
