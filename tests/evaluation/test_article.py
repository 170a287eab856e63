"""``evaluate_embeddings`` with the article's arguments."""

import numpy as np
import pytest

from acclimate.core.errors import DataError
from acclimate.evaluation import evaluate_embeddings
from acclimate.evaluation.retrieval import METRICS


def test_mrr_is_not_the_mean_rank() -> None:
    documents = np.eye(4)
    queries = np.array([[1.0, 0, 0, 0], [0.9, 0.8, 0.7, 0.6]])
    metrics = evaluate_embeddings(queries, documents, [(0, 0), (1, 2)])  # ranks 1 and 3
    assert metrics["mrr"] == pytest.approx((1 + 1 / 3) / 2)
    assert metrics["mean_rank"] == 2
    assert metrics["median_rank"] == 2
    assert metrics["recall@1"] == 0.5
    assert metrics["uniformity"] == pytest.approx(-4)
    assert list(metrics) == [*METRICS, "alignment", "uniformity", "effective_rank"]


def test_lengths_of_vectors_do_not_matter() -> None:
    generator = np.random.default_rng(0)
    queries, documents = generator.standard_normal((20, 6)), generator.standard_normal((30, 6))
    pairs = [(row, row) for row in range(20)]
    scaled = documents * generator.uniform(0.1, 10, (30, 1))
    assert evaluate_embeddings(queries, scaled, pairs) == pytest.approx(evaluate_embeddings(queries, documents, pairs))


def test_pairs_come_in_several_forms() -> None:
    generator = np.random.default_rng(1)
    queries, documents = generator.standard_normal((2, 6)), generator.standard_normal((9, 6))
    several = evaluate_embeddings(queries, documents, [(0, 3), (0, 5), (1, 2)])
    assert evaluate_embeddings(queries, documents, {0: [3, 5], 1: 2}) == several
    assert evaluate_embeddings(queries, documents, np.array([[0, 3], [0, 5], [1, 2]])) == several  # type: ignore[arg-type]


def test_a_collapsed_model_is_not_flattered() -> None:
    """All vectors equal: with the article's unstable sort the result was a matter of luck."""
    same = np.ones((50, 4))
    metrics = evaluate_embeddings(same, same, [(row, row) for row in range(50)])
    assert metrics["mean_rank"] == 25.5
    assert metrics["recall@1"] == pytest.approx(1 / 50)


def test_a_query_without_a_relevant_document_is_an_error_with_a_remedy() -> None:
    with pytest.raises(DataError, match="query 1 has no relevant document; add its relevant document or leave"):
        evaluate_embeddings(np.eye(2), np.eye(2), [(0, 0)])


@pytest.mark.parametrize("pair", [(2, 0), (-1, 0), (0, 2), (0, -1)])
def test_rows_that_do_not_exist_are_named(pair: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="counted from 0"):
        evaluate_embeddings(np.eye(2), np.eye(2), [(0, 0), (1, 1), pair])
