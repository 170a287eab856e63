"""BM25 as a score to beat: the metrics of its own scores, with what shares no word at the end."""

import numpy as np

from acclimate.data.bm25 import Bm25
from acclimate.evaluation import RetrievalTask
from acclimate.evaluation.lexical import bm25_scores
from acclimate.evaluation.retrieval import metrics_from_scores

WORDS = ["pain", "skin", "blood", "heart", "bone", "muscle", "brain", "cell", "gene", "drug", "dose", "fever"]


def task(count: int = 90, excluded: bool = False) -> RetrievalTask:
    generator = np.random.default_rng(0)
    documents = [" ".join(generator.choice(WORDS, 6)) for _ in range(count)]
    queries = [" ".join(generator.choice(WORDS, 3)) for _ in range(count)]
    relevant = [{row: 1, (row + 7) % count: 2} for row in range(count)]
    left_out = [[(row + 1) % count, (row + 2) % count] for row in range(count)] if excluded else ()
    ids = [f"d{row:03}" for row in range(count)]
    return RetrievalTask("test", [f"q{row:03}" for row in range(count)], queries, ids, documents, relevant, left_out)


def test_ranks_are_those_of_its_scores() -> None:
    given = task()
    scores = Bm25(given.documents).scores(given.queries).toarray()
    run = {
        query: {given.document_ids[d]: float(scores[q, d]) for d in np.flatnonzero(scores[q])}
        for q, query in enumerate(given.query_ids)
    }
    qrels = {
        query: {given.document_ids[d]: grade for d, grade in given.relevant[q].items()}
        for q, query in enumerate(given.query_ids)
    }
    expected, found = metrics_from_scores(run, qrels), bm25_scores(given)
    for name in ("ndcg@10", "recall@10", "mrr@10"):
        np.testing.assert_allclose(found.per_query[name], expected.per_query[name], atol=1e-12)


def test_what_shares_no_word_is_last() -> None:
    given = RetrievalTask("test", ["q"], ["fever"], ["a", "z", "m"], ["fever", "bone", "fever skin"], [{1: 1}])
    assert bm25_scores(given).per_query["mean_rank"].tolist() == [3]


def test_what_is_left_out_for_a_query_stands_above_nothing() -> None:
    free, without = bm25_scores(task()).per_query["mean_rank"], bm25_scores(task(excluded=True)).per_query["mean_rank"]
    assert (without <= free).all()
    assert (without < free).any()
