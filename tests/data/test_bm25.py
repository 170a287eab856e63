"""BM25 against its formula as plain loops, and the words that it sees."""

import math

import numpy as np
import pytest

from acclimate.data.bm25 import Bm25, words_of

DOCUMENTS = [
    "a cat and a dog",
    "the cat, the CAT",
    "dogs are not a dog; a dog is",
    "",
    "骨折的治疗方法",
    "心脏病的治疗",
    "river bank",
    "river bank",
]
QUERIES = ["cat dog", "dog dog", "骨折 治疗", "nothing here", "the river"]


def by_loops(query: str, document: str, k1: float, b: float) -> float:
    """The module's formula, one word at a time."""
    texts = [words_of(text) for text in DOCUMENTS]
    mean = sum(map(len, texts)) / len(texts)
    mine = words_of(document)
    score = 0.0
    for word in words_of(query):
        having = sum(word in text for text in texts)
        times = mine.count(word)
        rarity = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        score += rarity * times * (k1 + 1) / (times + k1 * (1 - b + b * len(mine) / mean))
    return score


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (0.9, 0.4), (2.0, 0.0)])
def test_scores_are_the_formula(k1: float, b: float) -> None:
    expected = [[by_loops(query, document, k1, b) for document in DOCUMENTS] for query in QUERIES]
    np.testing.assert_allclose(Bm25(DOCUMENTS, k1, b).scores(QUERIES).toarray(), expected, atol=1e-12)


def test_the_top_is_the_sorted_scores_with_equal_ones_in_order() -> None:
    index = Bm25(DOCUMENTS)
    scores = index.scores(QUERIES).toarray()
    for depth in (1, 2, len(DOCUMENTS)):
        for row, found in enumerate(index.top(QUERIES, depth)):
            order = sorted(range(len(DOCUMENTS)), key=lambda d: (-scores[row, d], d))
            expected = [d for d in order if scores[row, d] > 0][:depth]
            assert found.tolist() == expected + [-1] * (depth - len(expected))


def test_chinese_is_found_without_spaces() -> None:
    assert words_of("骨折的治疗 in MRI扫描") == ["骨折", "折的", "的治", "治疗", "in", "mri", "扫描"]
    assert words_of("病, Ｃａｔ_x 1") == ["病", "cat", "x", "1"]
    assert Bm25(DOCUMENTS).top(["骨折怎么治疗"], 3).tolist() == [[4, 5, -1]]


def test_nothing_to_find_in_is_no_trouble() -> None:
    assert Bm25(["", "..."]).top(["word"], 2).tolist() == [[-1, -1]]
