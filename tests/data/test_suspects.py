"""A planted false negative is found, and what only looks like one is not."""

from typing import Any

import numpy as np
import pytest

from acclimate.data.mining import Pool, pool_of
from acclimate.data.readers import read, to_retrieval_set
from acclimate.data.suspects import Suspects, first_rows, label_suspects, mean_cosine, suspects, twins
from acclimate.evaluation.hubness import nearest_neighbors

_SIZE = 64
_PLAIN = 30  # rows whose documents have nothing in common


def axis(number: int) -> np.ndarray:
    return np.eye(_SIZE)[number]


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


class Space:
    """Rows, and the vector of each text."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.queries: dict[str, np.ndarray] = {}
        self.documents: dict[str, np.ndarray] = {}
        for number in range(_PLAIN):
            self.add(f"q{number}", unit(axis(number) + 0.5 * axis(number + 1)), f"d{number}", axis(number))

    def add(self, query: str, of_query: np.ndarray, positive: str, of_positive: np.ndarray, **more: Any) -> None:
        self.rows.append({"query": query, "positive": positive} | more)
        self.queries[query], self.documents[positive] = of_query, of_positive

    def looked_at(self, **options: Any) -> tuple[Pool, Suspects]:
        pool = pool_of(read(self.rows).examples)
        queries, documents = self.vectors(pool)
        return pool, suspects(pool, queries, documents, **options)

    def vectors(self, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
        queries = np.array([self.queries[text] for text in pool.queries], np.float32)
        return queries, np.array([self.documents[text] for text in pool.documents], np.float32)

    def flagged(self, **options: Any) -> list[tuple[str, str]]:
        pool, found = self.looked_at(**options)
        return [(self.rows[row]["query"], pool.documents[document]) for row, document in found.pairs.tolist()]


def planted() -> Space:
    """Query q0 lies nearer to a document that lies very near to its own."""
    space = Space()
    space.queries["q0"] = unit(axis(0) + axis(40))
    space.add("asks for another", axis(41), "paraphrase", unit(axis(0) + 0.4 * axis(40)))
    space.documents["paraphrase"] = unit(axis(0) + 0.4 * axis(40))
    return space


def test_nothing_is_wrong_with_documents_that_are_far_apart() -> None:
    _, found = Space().looked_at()
    assert len(found.pairs) == 0
    assert found.counts.sum() == 0
    assert len(found.weak) == 0


@pytest.mark.parametrize("block_bytes", [1, 4000, 1 << 20])
def test_a_planted_false_negative_is_found(block_bytes: int) -> None:
    space = planted()
    assert space.flagged(block_bytes=block_bytes) == [("q0", "paraphrase")]
    pool, found = space.looked_at(block_bytes=block_bytes)
    of_query, right = space.queries["q0"], space.documents["d0"]
    near = space.documents["paraphrase"]
    mean = mean_cosine(space.vectors(pool)[1])
    expected = [of_query @ near, of_query @ right, (near @ right - mean) / (1 - mean)]
    np.testing.assert_allclose(found.figures, [expected], atol=1e-6)


def test_a_document_that_is_nearer_to_the_query_and_far_from_its_own_is_a_negative() -> None:
    space = planted()
    space.documents["paraphrase"] = unit(axis(40) + 0.4 * axis(0))
    _, found = space.looked_at()
    assert space.queries["q0"] @ space.documents["paraphrase"] > found.score[0]
    assert len(found.pairs) == 0


def test_a_document_that_is_near_to_the_right_one_and_no_nearer_to_the_query_is_a_negative() -> None:
    space = planted()
    space.queries["q0"] = axis(0)
    assert space.flagged() == []


@pytest.mark.parametrize(
    "known",
    [
        {"query": "Q0", "positive": "paraphrase"},
        {"query": "another", "positive": "paraphrase", "doc_id": "x"},
    ],
    ids=["another row says so", "one id"],
)
def test_what_is_known_to_be_right_is_no_suspect(known: dict[str, Any]) -> None:
    space = planted()
    if "doc_id" in known:
        space.rows[0]["doc_id"] = "x"
    space.rows.append(known)
    space.queries |= {"Q0": space.queries["q0"], "another": axis(41)}
    assert space.flagged() == []


def test_the_nearest_of_several_right_documents_counts() -> None:
    space = planted()
    space.rows[0]["positive"] = ["d0", "best"]
    space.documents["best"] = space.queries["q0"]
    pool, found = space.looked_at()
    assert pool.documents[int(found.right[0])] == "best"
    assert len(found.pairs) == 0


def test_models_whose_cosines_are_all_high_have_the_same_suspects() -> None:
    """One direction that all vectors share lifts every cosine, and tells nothing."""
    space = planted()
    plain = space.flagged()
    for texts in (space.queries, space.documents):
        for text, vector in texts.items():
            texts[text] = unit(vector + 2 * axis(60))
    pool = pool_of(read(space.rows).examples)
    assert mean_cosine(space.vectors(pool)[1]) > 0.7
    assert space.flagged() == plain


def test_a_pair_that_is_farther_apart_than_most_is_weak() -> None:
    space = Space()
    away = unit(-axis(50) + 0.01 * sum(axis(number) for number in range(_PLAIN)))
    space.add("wrong", away, "of something else", axis(50))
    space.add("unsure", unit(0.1 * axis(51) + sum(axis(number) for number in range(9))), "right", axis(51))
    _, found = space.looked_at()
    assert found.weak.tolist() == [_PLAIN]
    assert found.farther[_PLAIN] == 1
    assert found.farther[_PLAIN + 1] == pytest.approx(9 / (_PLAIN + 1))
    assert found.farther[0] == 0


def test_a_share_of_few_documents_says_nothing() -> None:
    space = Space()
    space.rows = space.rows[:10]
    space.queries["q0"] = -axis(0)
    assert len(space.looked_at()[1].weak) == 0


def test_the_mean_cosine_is_that_of_all_pairs() -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 5)) + 0.5
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    assert mean_cosine(vectors.astype(np.float32)) == pytest.approx(cosines[np.triu_indices(30, 1)].mean(), abs=1e-6)


def twin_pairs(space: Space) -> list[set[str]]:
    pool = pool_of(read(space.rows).examples)
    documents = space.vectors(pool)[1]
    neighbors = nearest_neighbors(documents, 10)
    pairs, near = twins(pool, neighbors.rows, neighbors.cosines, mean_cosine(documents))
    assert (np.diff(near) <= 0).all()
    return [{pool.documents[i], pool.documents[j]} for i, j in pairs.tolist()]


def test_documents_that_say_the_same_are_named_once() -> None:
    space = Space()
    space.add("x", axis(0), "twin", unit(axis(3) + 0.1 * axis(50)))
    space.add("y", axis(0), "cousin", unit(axis(4) + 0.5 * axis(50)))
    assert twin_pairs(space) == [{"d3", "twin"}]


@pytest.mark.parametrize("way", ["one id", "one query"])
def test_documents_that_are_alike_on_purpose_are_no_finding(way: str) -> None:
    space = Space()
    space.add("x" if way == "one id" else "q3", axis(0), "twin", unit(axis(3) + 0.1 * axis(50)))
    if way == "one id":
        space.rows[3]["doc_id"] = space.rows[-1]["doc_id"] = "same"
    assert twin_pairs(space) == []


def test_two_documents_that_answer_nothing_are_no_finding() -> None:
    space = Space()
    space.rows[0]["negative"] = ["n1", "n2"]
    space.documents |= {"n1": axis(50), "n2": unit(axis(50) + 0.05 * axis(51))}
    assert twin_pairs(space) == []


def test_a_document_stands_where_it_is_right_first() -> None:
    rows = [
        {"query": "a", "positive": "x", "negative": ["y", "z"]},
        {"query": "b", "positive": "y", "negative": ["w"]},
        {"query": "c", "positive": "y", "negative": ["x"]},
    ]
    pool = pool_of(read(rows).examples, ["listed apart"])
    found = dict(zip(pool.documents, first_rows(pool).tolist(), strict=True))
    assert found == {"x": 0, "y": 1, "z": 0, "w": 1, "listed apart": -1}


def test_documents_stand_in_the_order_in_which_a_run_ranks_them() -> None:
    """So that a run finds their vectors, which are kept chunk by chunk."""
    rows = [
        {"query": "a", "positive": "x", "negative": ["y", "N"]},
        {"query": "b", "positive": "Y", "negative": ["w"]},
        {"query": "c", "positive": "y", "negative": ["x"]},
    ]
    data = read(rows)
    assert list(pool_of(data.examples).documents) == list(to_retrieval_set(data).documents.values())


def test_labels_that_all_neighbors_contradict() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 1, 2])
    neighbors = np.array(
        [
            [3, 4, 5, 6, 7],  # all say 1
            [3, 4, 5, 6, 2],  # nearly all, and one its own
            [3, 4, 5, 6, 8],  # four of five
            [0, 1, 2, 8, 8],  # 0 and 2
            [0, 1, 2, 5, 6],
            [3, 4, 6, 7, 0],
            [3, 4, 5, 7, 0],
            [3, 4, 5, 6, 0],
            [0, 1, 2, 3, 4],  # three of five say one other
        ]
    )
    found, others, shares = label_suspects(labels, neighbors)
    assert (found.tolist(), others.tolist(), shares.tolist()) == ([0, 2], [1, 1], [1.0, 0.8])
