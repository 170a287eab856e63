"""Mined negatives against plain loops over all documents, and what must never be one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.data.bm25 import Bm25
from acclimate.data.examples import Example, normalized
from acclimate.data.miners import MINERS, BaseMiner, Miner, Models
from acclimate.data.mining import Mined, Pool, mine, mined_texts, pool_of, suspect_lines, with_negatives


def row(number: int, query: str, *positives: str, **values: Any) -> Example:
    return Example(f"r{number}", number, query=query, positives=positives, **values)


def random_rows(count: int, seed: int = 0) -> list[Example]:
    """Rows that share queries, documents and ids, some with several right documents and wrong ones."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        right = [f"document {d}" for d in rng.choice(count, rng.integers(1, 3), replace=False)]
        wrong = tuple(f"Document  {d}" for d in rng.choice(count, rng.integers(0, 2)))
        doc_id = f"id {rng.integers(count // 3)}" if rng.random() < 0.3 else None
        query = f"query {rng.integers(count // 2)}" if rng.random() < 0.9 else f"DOCUMENT {rng.integers(count)}"
        rows.append(row(number, query, *right, negatives=wrong, doc_id=doc_id))
    return rows


class Matrix:
    """A judge and a ranking of given scores [Q, D]."""

    def __init__(self, scores: np.ndarray) -> None:
        self.scores = scores.astype(np.float32)

    def rank(self, queries: np.ndarray, depth: int) -> np.ndarray:
        return np.argsort(-self.scores[queries], axis=1, kind="stable")[:, :depth]

    def judge(self, queries: np.ndarray, documents: np.ndarray) -> np.ndarray:
        return self.scores[queries, documents]


def found(pool: Pool, matrix: Matrix, seed: int = 0, **values: Any) -> Mined:
    return mine(pool, BaseMiner(**values), matrix.rank, matrix.judge, seed, lambda done, total: None)


def matrix_of(pool: Pool, seed: int = 0) -> Matrix:
    return Matrix(np.random.default_rng(seed).uniform(-0.2, 1, (len(pool.queries), len(pool.documents))))


def known_right(examples: Sequence[Example], pool: Pool) -> list[set[int]]:
    """Documents that are no negatives of each query, by loops until nothing more is connected."""
    texts = [normalized(text) for text in pool.documents]
    right = []
    for query in map(normalized, pool.queries):
        known = {query} | {normalized(p) for e in examples if normalized(e.query) == query for p in e.positives}
        before = 0
        while len(known) != before:
            before = len(known)
            one = [e for e in examples if e.doc_id and len(e.positives) == 1]
            ids = {e.doc_id for e in one if normalized(e.positives[0]) in known}
            known |= {normalized(e.positives[0]) for e in one if e.doc_id in ids}
        right.append({number for number, text in enumerate(texts) if text in known})
    return right


def by_loops(examples: Sequence[Example], pool: Pool, scores: np.ndarray, miner: Miner) -> list[list[int]]:
    """The negatives of each row."""
    right = known_right(examples, pool)
    texts = [normalized(text) for text in pool.documents]
    result = []
    for number, example in enumerate(examples):
        q = int(pool.asked[number])
        free = [d for d in np.argsort(-scores[q], kind="stable").tolist() if d not in right[q]]
        least = min(scores[q][texts.index(normalized(p))] for p in example.positives)
        window = free[miner.range_min : miner.range_max]
        if miner.relative_margin != "none":
            window = [d for d in window if scores[q][d] <= least - abs(least) * miner.relative_margin]
        own = {normalized(text) for text in example.negatives}
        result.append([d for d in window if texts[d] not in own][: miner.per_query])
    return result


@pytest.mark.parametrize("margin", [0.05, 0.3, "none"])
@pytest.mark.parametrize(("low", "high"), [(0, 5), (3, 12), (5, 1000)])
@pytest.mark.parametrize("seed", range(3))
def test_negatives_are_those_of_the_loops(margin: Any, low: int, high: int, seed: int) -> None:
    examples = random_rows(40, seed)
    pool = pool_of(examples, ["one that no row names", "document 1"])
    matrix = matrix_of(pool, seed)
    matrix.scores[np.repeat(pool.asked, pool.positives.lengths), pool.positives.values] += 0.5
    settings = {"range_min": low, "range_max": high, "relative_margin": margin, "per_query": 2}
    mined = found(pool, matrix, **settings)
    expected = by_loops(examples, pool, matrix.scores, BaseMiner(**settings))
    assert [[d for d in of_row if d >= 0] for of_row in mined.negatives.tolist()] == expected
    assert any(expected)
    taken = mined.negatives >= 0
    assert (np.isnan(mined.scores) == ~taken).all()
    asked = np.broadcast_to(pool.asked[:, None], taken.shape)
    np.testing.assert_array_equal(mined.scores[taken], matrix.scores[asked[taken], mined.negatives[taken]])


@pytest.mark.parametrize("teaches", [True, False])
def test_a_judge_that_teaches_is_the_teacher_of_all_documents_of_a_row(teaches: bool) -> None:
    examples = random_rows(30)
    examples[0] = examples[0]._replace(
        positive_scores=(9.0,) * len(examples[0].positives), negative_scores=(1.0,) * len(examples[0].negatives)
    )
    pool = pool_of(examples)
    matrix = matrix_of(pool)
    mined = found(pool, matrix, range_min=0, per_query=2)
    arrays = {name: getattr(mined, name) for name in ("negatives", "scores", "positive_scores", "given_scores")}
    place = {normalized(text): number for number, text in enumerate(pool.documents)}
    for row, example in enumerate(with_negatives(examples, pool, arrays, teaches=teaches)):
        score = {text: matrix.scores[pool.asked[row], d] for text, d in place.items()}
        right = tuple(score[normalized(text)] for text in example.positives)
        wrong = tuple(score[normalized(text)] for text in example.negatives)
        if not teaches:  # the teacher that the row had says nothing of what was mined
            given = len(examples[row].negatives)
            right = examples[row].positive_scores
            wrong = (1.0,) * given + (np.nan,) * (len(wrong) - given) if row == 0 else ()
        np.testing.assert_array_equal(example.positive_scores, right)
        np.testing.assert_array_equal(example.negative_scores, wrong)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["top", "random"]))
def test_what_is_known_to_be_right_is_never_a_negative(seed: int, sampling: str) -> None:
    examples = random_rows(24, seed)
    pool = pool_of(examples)
    mined = found(
        pool, matrix_of(pool, seed), seed, range_min=0, range_max=24, relative_margin="none", sampling=sampling
    )
    right = known_right(examples, pool)
    for number, of_row in enumerate(mined.negatives.tolist()):
        assert not set(of_row) & right[int(pool.asked[number])]


def test_the_same_document_in_other_letters_or_by_its_id_is_no_negative() -> None:
    examples = [
        row(0, "Which cat?", "The  Cat", doc_id="a"),
        row(1, "which CAT?", "a lion", doc_id="b"),
        row(2, "what dog?", "the cat", doc_id="c"),
        row(3, "what fish?", "a lion, said otherwise", doc_id="b"),
        row(4, "else", "which cat?"),
    ]
    pool = pool_of(examples, ["THE CAT", "free"])
    mined = found(pool, Matrix(np.ones((len(pool.queries), len(pool.documents)))), range_min=0, relative_margin="none")
    texts = list(mined_texts(pool, mined.negatives))
    assert texts[0] == texts[1] == ["free"]
    assert set(texts[2]) == {"a lion", "a lion, said otherwise", "which cat?", "free"}


def test_a_row_is_not_given_what_it_has() -> None:
    examples = [row(0, "q", "right", negatives=("wrong", "worse")), row(1, "p", "other")]
    pool = pool_of(examples)
    mined = found(pool, Matrix(np.eye(2, 4)), range_min=0, relative_margin="none")
    more = with_negatives(examples, pool, {"negatives": mined.negatives}, teaches=False)
    assert [e.negatives for e in more] == [("wrong", "worse", "other"), ("right", "wrong", "worse")]
    assert [e._replace(negatives=()) for e in more] == [e._replace(negatives=()) for e in examples]


def test_suspects_score_more_than_the_margin_allows_the_worst_first() -> None:
    examples = [row(0, "q0", "d0"), row(1, "q1", "d1"), row(2, "q2", "d2")]
    scores = np.array([[0.80, 0.77, 0.75], [0.90, 0.50, 0.10], [-0.22, -0.20, -0.20]])
    pool = pool_of(examples)
    mined = found(pool, Matrix(scores), range_min=0)
    lines = list(suspect_lines(examples, pool, mined))
    assert [(line["id"], line["suspect"]) for line in lines] == [("r1", "d0"), ("r2", "d1"), ("r0", "d1")]
    assert lines[0] == {
        "id": "r1",
        "query": "q1",
        "positive": "d1",
        "suspect": "d0",
        "positive_score": 0.5,
        "suspect_score": 0.9,
    }
    assert mined.suspected == 3
    # 0.95 of 0.8 is 0.76; of -0.2, it is -0.21.
    assert [[d for d in of_row if d >= 0] for of_row in mined.negatives.tolist()] == [[2], [2], [0]]


def test_a_random_choice_is_a_function_of_the_seed_and_stays_within_the_range() -> None:
    pool = pool_of(random_rows(60))
    matrix = matrix_of(pool)
    options = {"range_min": 5, "range_max": 25, "relative_margin": "none"}
    every = found(pool, matrix, **options, per_query=20)
    some = [found(pool, matrix, seed, **options, sampling="random").negatives for seed in (1, 1, 2)]
    np.testing.assert_array_equal(some[0], some[1])
    assert (some[0] != some[2]).mean() > 0.5
    for one, all_of_it in zip(some[0], every.negatives, strict=True):
        assert len(set(one.tolist())) == 4
        assert set(one.tolist()) <= set(all_of_it.tolist())


def test_each_way_has_its_own_ranking_and_judge() -> None:
    pool = pool_of([row(0, "cat", "dog"), row(1, "dog", "a cat and a cat")])
    rank, judge, other, large = (Matrix(np.eye(1)).judge for _ in range(4))
    models = Models(
        rank,
        judge,
        lambda queries: (queries, queries),
        lambda name: {"named": large}[name],
        lambda name: {"named": other}[name],
    )
    named = [{"kind": kind, "model": "named"} for kind in ("cross_encoder", "encoder")]
    specs = [MINERS.parse(s) for s in ("base", "bm25", *named)]
    assert specs[0].tools(pool, models) == (rank, judge)
    by_words, judged = specs[1].tools(pool, models)
    assert by_words(np.array([1, 0]), 2).tolist() == [[0, -1], [1, -1]]
    assert judged == judge
    assert specs[2].tools(pool, models) == (rank, other)
    assert specs[3].tools(pool, models) == (rank, large)


def test_an_ensemble_is_the_mean_of_both_standardized_by_query() -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{number}" for number in rng.integers(0, 30, length)) for length in (3, 8) for _ in range(40)]
    rows = [row(n, query, text) for n, (query, text) in enumerate(zip(texts[:40], texts[40:], strict=True))]
    pool = pool_of([*rows, row(40, "words of no document", "another"), row(41, "another", "w1 and more")])
    matrix = matrix_of(pool)
    cosines = matrix.scores
    models = Models(
        matrix.rank,
        matrix.judge,
        lambda queries: (cosines[queries].mean(axis=1), cosines[queries].std(axis=1)),
        lambda name: matrix.judge,
        lambda name: matrix.judge,
    )
    rank, judge = MINERS.parse("ensemble").tools(pool, models)
    assert rank == matrix.rank
    words = Bm25(pool.documents).scores(list(pool.queries)).toarray()
    queries, documents = (part.ravel() for part in np.indices(cosines.shape))
    order = rng.permutation(len(queries))
    found = judge(queries[order], documents[order])
    for number, (query, document) in enumerate(zip(queries[order], documents[order], strict=True)):
        shared = words[query][words[query] > 0]
        by_words = (words[query, document] - shared.mean()) / shared.std() if len(shared) > 1 else 0.0
        by_base = (cosines[query, document] - cosines[query].mean()) / cosines[query].std()
        assert found[number] == pytest.approx((by_words + by_base) / 2, abs=1e-3)
