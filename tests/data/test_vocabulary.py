"""Which words become tokens: those that save most, in a corpus made by hand."""

import pytest

from acclimate.data.examples import Example
from acclimate.data.vocabulary import ExtendVocabulary, Word, find_words, texts_with

#: A piece a letter, but for the words that the tokenizer knows.
KNOWN = {"the", "of"}
ROWS = [
    Example("0", 1, query="the ataxia", positives=("ataxia of ataxia",)),
    Example("1", 2, query="ataxia", positives=("the oculus",), negatives=("emphysema",)),
    Example("2", 3, query="the oculus", positives=("the", "emphysema")),
    Example("3", 4, text="the abc"),
    Example("4", 5, text="abc acb the"),
    Example("5", 6, text="acb uveitis the of"),
]


def found(**settings: int) -> list[Word]:
    chosen = ExtendVocabulary.model_validate({"least_rows": 2, **settings})
    pieces = lambda words: [[0] * (1 if word in KNOWN else len(word)) for word in words]  # noqa: E731
    return find_words(ROWS, str.split, pieces, chosen)


def test_words_that_save_most_come_first_and_a_row_counts_once() -> None:
    expected = [("emphysema", 2, 9), ("ataxia", 2, 6), ("oculus", 2, 6), ("abc", 2, 3), ("acb", 2, 3)]
    assert found() == [Word(*word) for word in expected]


def test_rows_and_pieces_outweigh_each_other_as_their_product_says() -> None:
    rows = [*ROWS, Example("6", 7, text="ataxia")]
    chosen = ExtendVocabulary(least_rows=2)
    words = find_words(rows, str.split, lambda words: [[0] * len(word) for word in words], chosen)
    assert [(word.text, word.rows * (word.pieces - 1)) for word in words[:2]] == [("emphysema", 16), ("ataxia", 15)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"least_rows": 3}, []),
        ({"least_rows": 1, "least_pieces": 7}, ["emphysema", "uveitis"]),
        ({"least_pieces": 4}, ["emphysema", "ataxia", "oculus"]),
        ({"most_words": 2}, ["emphysema", "ataxia"]),
    ],
    ids=str,
)
def test_limits(settings: dict[str, int], words: list[str]) -> None:
    assert [word.text for word in found(**settings)] == words


def test_texts_hold_each_word_often_enough_and_are_named_once() -> None:
    rows = [*ROWS, *ROWS]
    assert list(texts_with(rows, str.split, ["abc", "ataxia"], 2)) == [
        "the ataxia",
        "ataxia of ataxia",
        "the abc",
        "abc acb the",
    ]
    assert list(texts_with(rows, str.split, ["uveitis", "acb"], 1)) == ["abc acb the", "acb uveitis the of"]
