"""Retrieval metrics against trec_eval itself, hand-made examples, and laws that any ranking obeys."""

import math
import tracemalloc

import numpy as np
import pytest
import pytrec_eval
from numpy.typing import NDArray

from acclimate.core.errors import DataError
from acclimate.evaluation.retrieval import (
    METRICS,
    Ranking,
    document_order,
    metrics_from_scores,
    rank_documents,
    retrieval_metrics,
)

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


@pytest.mark.parametrize("block_bytes", [1, 4 * 90 * 3, 1 << 30])
def test_blocks_do_not_change_anything(block_bytes: int) -> None:
    generator = np.random.default_rng(3)
    queries, documents = grid_vectors(generator, 40), grid_vectors(generator, 90)
    relevant = [{int(row): 1 for row in generator.choice(90, 3, replace=False)} for _ in range(40)]
    expected = rank_documents(queries, documents, relevant)
    got = rank_documents(queries, documents, relevant, block_bytes=block_bytes)
    for name in Ranking.__slots__:
        np.testing.assert_array_equal(getattr(got, name), getattr(expected, name), err_msg=name)


def test_the_order_of_documents_does_not_matter() -> None:
    generator = np.random.default_rng(4)
    queries, documents = grid_vectors(generator, 30), grid_vectors(generator, 80)
    ids = random_ids(generator, 80)
    documents = documents[: len(ids)]
    relevant = [{int(row): 2 for row in generator.choice(len(ids), 4, replace=False)} for _ in range(30)]
    shuffled = generator.permutation(len(ids))  # new row -> old row
    new_row = np.argsort(shuffled)
    first = rank_documents(queries, documents, relevant, document_order=document_order(ids))
    second = rank_documents(
        queries,
        documents[shuffled],
        [{int(new_row[row]): grade for row, grade in of_query.items()} for of_query in relevant],
        document_order=document_order([ids[row] for row in shuffled]),
    )
    np.testing.assert_array_equal(first.ranks, second.ranks)
    np.testing.assert_array_equal(first.top_rows, shuffled[second.top_rows])


def test_ranks_and_top_agree_with_a_full_sort() -> None:
    generator = np.random.default_rng(5)
    queries = generator.standard_normal((50, 16), dtype=np.float32)
    documents = generator.standard_normal((300, 16), dtype=np.float32)
    relevant = [{int(row): 1 for row in generator.choice(300, 5, replace=False)} for _ in range(50)]
    ranking = rank_documents(queries, documents, relevant, top_k=20)
    order = np.argsort(-(queries.astype(np.float64) @ documents.T.astype(np.float64)), axis=1)
    np.testing.assert_array_equal(ranking.top_rows, order[:, :20])
    place = np.argsort(order, axis=1) + 1
    expected = [place[query, row] for query, of_query in enumerate(relevant) for row in of_query]
    np.testing.assert_array_equal(ranking.ranks, expected)


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_equal_documents_tie_whatever_the_matrix_product_rounds(block_bytes: int) -> None:
    generator = np.random.default_rng(6)
    documents = generator.standard_normal((1001, 383), dtype=np.float32)
    copies = generator.permutation(1001)
    documents[copies[:500]] = documents[copies[500:1000]]
    queries = generator.standard_normal((7, 383), dtype=np.float32)
    relevant = [dict.fromkeys(range(1001), 1)] * 7
    ranks = rank_documents(queries, documents, relevant, block_bytes=block_bytes).ranks.reshape(7, 1001)
    # The later row stands directly before its copy, with nothing between.
    distance = ranks[:, copies[:500]] - ranks[:, copies[500:1000]]
    np.testing.assert_array_equal(distance, np.broadcast_to(np.sign(copies[500:1000] - copies[:500]), (7, 500)))


def test_memory_stays_bounded() -> None:
    generator = np.random.default_rng(9)
    queries = generator.standard_normal((2000, 8), dtype=np.float32)
    documents = generator.standard_normal((5000, 8), dtype=np.float32)
    tracemalloc.start()
    rank_documents(queries, documents, [{0: 1}] * 2000, top_k=10, block_bytes=1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 << 20  # all scores would be 40 MB


def test_perfect_scores_are_one() -> None:
    identity = np.eye(12, dtype=np.float32)
    scores = retrieval_metrics(rank_documents(identity, identity, [{row: 1} for row in range(12)]))
    assert all(value == 1 for value in scores.metrics.values())


def test_what_cannot_be_scored_is_refused_with_a_remedy() -> None:
    two = np.eye(2, dtype=np.float32)
    with pytest.raises(DataError, match="query 1 has no relevant document; add"):
        rank_documents(two, two, [{0: 1}, {}])
    with pytest.raises(DataError, match="query 1 has no relevant document"):
        rank_documents(two, two, [{0: 1}, {1: 0}])
    with pytest.raises(DataError, match="query 1 names document 2, but documents are 0 to 1"):
        rank_documents(two, two, [{0: 1}, {2: 1}])
    with pytest.raises(DataError, match="2 queries but relevance for 1"):
        rank_documents(two, two, [{0: 1}])
    with pytest.raises(DataError, match="2 dimensions, documents 3"):
        rank_documents(two, np.eye(3, dtype=np.float32), [{0: 1}, {1: 1}])
    with pytest.raises(DataError, match="NaN or infinity in row 1"):
        rank_documents(two, np.array([[0, 1], [np.nan, 0]], np.float32), [{0: 1}, {1: 1}])
