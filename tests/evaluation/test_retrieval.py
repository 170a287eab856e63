"""Retrieval metrics against trec_eval itself, and hand-made examples."""

import math

import numpy as np
import pytest
import pytrec_eval
from numpy.typing import NDArray

from acclimate.evaluation.ranking import document_order, rank_documents
from acclimate.evaluation.retrieval import METRICS, metrics_from_scores, retrieval_metrics

TREC_NAMES = {
    "ndcg@10": "ndcg_cut_10",
    "mrr": "recip_rank",
    "recall@1": "recall_1",
    "recall@5": "recall_5",
    "recall@10": "recall_10",
    "recall@100": "recall_100",
    "map@100": "map_cut_100",
}
TREC_MEASURES = {"ndcg_cut.10", "recip_rank", "recall.1,5,10,100", "map_cut.100"}
ALPHABET = ["a", "B", "é", "Z", "9", "10", "文", "_", "\U0001f600", "\uffff"]  # byte order is not alphabetical order

Vectors = NDArray[np.float32]


def grid_vectors(generator: np.random.Generator, count: int, dimension: int = 4) -> Vectors:
    """Small whole numbers: dot products are exact in float32, and full of ties."""
    return generator.integers(-2, 3, (count, dimension)).astype(np.float32)


def random_qrels(generator: np.random.Generator, documents: list[str]) -> dict[str, int]:
    chosen = generator.choice(documents, size=generator.integers(1, min(len(documents), 30) + 1), replace=False)
    grades = generator.integers(0, 4, len(chosen))
    grades[0] = generator.integers(1, 4)
    return {str(document): int(grade) for document, grade in zip(chosen, grades, strict=True)}


def random_ids(generator: np.random.Generator, count: int) -> list[str]:
    ids = {"".join(generator.choice(ALPHABET, size=4)) for _ in range(count)}
    return [str(one) for one in generator.permutation(sorted(ids))]


def test_1000_random_runs_with_heavy_ties_equal_trec_eval() -> None:
    generator = np.random.default_rng(7)
    run: dict[str, dict[str, float]] = {}
    qrels: dict[str, dict[str, int]] = {}
    for number in range(1000):
        ids = random_ids(generator, int(generator.integers(2, 200)))
        retrieved = ids[: int(generator.integers(1, len(ids) + 1))]  # relevant documents may be missing
        levels = generator.integers(1, 12)
        noise = generator.choice([0.0, 1e-12])  # below float32: trec_eval's wrapper sees a tie, and so must we
        scores = generator.integers(0, levels, len(retrieved)) / 3 + noise * generator.random(len(retrieved))
        run[f"q{number}"] = {document: float(score) for document, score in zip(retrieved, scores, strict=True)}
        qrels[f"q{number}"] = random_qrels(generator, ids)
    reference = pytrec_eval.RelevanceEvaluator(qrels, TREC_MEASURES).evaluate(run)
    ours = metrics_from_scores(run, qrels)
    assert list(ours.metrics) == list(METRICS)
    for name, trec_name in TREC_NAMES.items():
        expected = [reference[query][trec_name] for query in qrels]
        np.testing.assert_allclose(ours.per_query[name], expected, rtol=0, atol=1e-9, err_msg=name)
        assert ours.metrics[name] == pytest.approx(np.mean(expected), abs=1e-9)


def test_embeddings_are_ranked_as_trec_eval_ranks_their_full_run() -> None:
    generator = np.random.default_rng(8)
    for _ in range(10):
        ids = random_ids(generator, 150)
        queries, documents = grid_vectors(generator, 12), grid_vectors(generator, len(ids))
        qrels = {f"q{row}": random_qrels(generator, ids) for row in range(len(queries))}
        scores = queries @ documents.T
        run = {f"q{row}": dict(zip(ids, map(float, scores[row]), strict=True)) for row in range(len(queries))}
        reference = pytrec_eval.RelevanceEvaluator(qrels, TREC_MEASURES).evaluate(run)
        row_of = {document: row for row, document in enumerate(ids)}
        relevant = [{row_of[document]: grade for document, grade in qrels[query].items()} for query in qrels]
        ours = retrieval_metrics(rank_documents(queries, documents, relevant, document_order=document_order(ids)))
        for name, trec_name in TREC_NAMES.items():
            expected = [reference[query][trec_name] for query in qrels]
            np.testing.assert_allclose(ours.per_query[name], expected, rtol=0, atol=1e-9, err_msg=name)


def test_by_hand() -> None:
    # Ranks of the relevant documents: query 0 has grades 3 at rank 2 and 1 at rank 4; query 1 has one at rank 1.
    run = {"q0": {"a": 9, "b": 8, "c": 7, "d": 6}, "q1": {"a": 9, "b": 8, "c": 7, "d": 6}}
    scores = metrics_from_scores(run, {"q0": {"b": 3, "d": 1, "c": 0}, "q1": {"a": 1}})
    ndcg = (3 / math.log2(3) + 1 / math.log2(5)) / (3 + 1 / math.log2(3))
    assert scores.per_query["ndcg@10"] == pytest.approx([ndcg, 1])
    assert scores.metrics["mrr"] == pytest.approx(0.75)
    assert scores.metrics["recall@1"] == pytest.approx(0.5)
    assert scores.metrics["recall@5"] == 1
    assert scores.metrics["map@100"] == pytest.approx((0.5 + 1) / 2)  # (1/2 + 2/4) / 2, and 1
    assert scores.metrics["mean_rank"] == 1.5  # of the best relevant document
    assert scores.metrics["median_rank"] == 1.5


def test_mrr_at_10_is_cut_and_mrr_is_not() -> None:
    documents = np.arange(30, 0, -1, dtype=np.float32)[:, None]
    scores = retrieval_metrics(rank_documents(np.ones((2, 1), np.float32), documents, [{9: 1}, {10: 1}]))
    assert scores.per_query["mrr"] == pytest.approx([1 / 10, 1 / 11])
    assert scores.per_query["mrr@10"] == pytest.approx([1 / 10, 0])
    assert scores.metrics["mean_rank"] == 10.5


def test_equal_scores_put_the_later_id_in_bytes_first() -> None:
    ids = ["b", "é", "Z", "a"]  # by bytes: Z < a < b < é
    ranking = rank_documents(
        np.ones((1, 2), np.float32),
        np.ones((4, 2), np.float32),
        [{0: 1, 1: 1, 2: 1, 3: 1}],
        document_order=document_order(ids),
    )
    assert [ids[row] for row in ranking.top_rows[0]] == ["é", "b", "a", "Z"]
    assert dict(zip((ids[row] for row in ranking.rows), ranking.ranks, strict=True)) == {"é": 1, "b": 2, "a": 3, "Z": 4}


def test_a_query_missing_in_the_run_counts_as_zero() -> None:
    scores = metrics_from_scores({"q0": {"a": 1.0}}, {"q0": {"a": 1}, "q1": {"a": 1}})
    assert scores.metrics["mrr"] == 0.5
    assert scores.metrics["ndcg@10"] == 0.5
    assert math.isinf(scores.metrics["mean_rank"])  # nobody knows where it stands; leaving it out would flatter


def test_perfect_scores_are_one() -> None:
    identity = np.eye(12, dtype=np.float32)
    scores = retrieval_metrics(rank_documents(identity, identity, [{row: 1} for row in range(12)]))
    assert all(value == 1 for value in scores.metrics.values())
