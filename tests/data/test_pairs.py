"""The pair table: numbers for texts, and what is known to be right for each query."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.data.batches import assemble
from acclimate.data.examples import Example, Kind
from acclimate.data.pairs import PairTable, TextNumbers, pair_table

PLAIN = {"query": "", "document": ""}


def row(number: int, query: str, *positives: str, **rest: object) -> Example:
    return Example(f"r{number}", number, query, positives, **rest)  # type: ignore[arg-type]


def table_of(rows: Sequence[Example], kind: Kind = Kind.PAIRS) -> tuple[PairTable, TextNumbers]:
    numbers = TextNumbers(PLAIN)
    return pair_table(rows, kind, numbers), numbers


def is_right(table: PairTable, numbers: TextNumbers, place: int, document: str) -> bool:
    """Whether a text counts as a right answer to the query of a row."""
    return int(table.document_key[numbers.number(document, "document")]) in table.relevant[place]


def test_a_text_has_one_number_a_prompt() -> None:
    same = TextNumbers(PLAIN)
    assert same.number("a", "query") == same.number("a", "document") == 0
    apart = TextNumbers({"query": "query: ", "document": "passage: "})
    assert (apart.number("a", "query"), apart.number("a", "document"), apart.number("a", "query")) == (0, 1, 0)
    assert (apart.texts, apart.roles) == (["a", "a"], ["query", "document"])


def test_rows_keep_their_texts_weights_and_scores() -> None:
    rows = [row(0, "a", "x", negatives=("n", "m"), weight=0.5), row(1, "b", "y", "z")]
    table, numbers = table_of(rows)
    texts = numbers.texts
    assert [texts[q] for q in table.query] == ["a", "b"]
    assert [[texts[p] for p in right] for right in table.positives] == [["x"], ["y", "z"]]
    assert [[texts[n] for n in wrong] for wrong in table.negatives] == [["n", "m"], []]
    assert table.weight.tolist() == [0.5, 1.0]
    assert np.isnan(table.target).all()
    assert (table.ids, len(table)) == (["r0", "r1"], 2)


def test_scored_pairs_carry_their_scores() -> None:
    table, _ = table_of([row(0, "a", "x", score=0.25), row(1, "b", "y", score=1.0)], Kind.SCORED)
    assert table.target.tolist() == [0.25, 1.0]


def test_all_rows_of_one_query_know_each_others_documents() -> None:
    table, numbers = table_of([row(0, "a", "x"), row(1, "b", "y"), row(2, "a", "z")])
    assert [[is_right(table, numbers, place, d) for d in "xyz"] for place in range(3)] == [
        [True, False, True],
        [False, True, False],
        [True, False, True],
    ]


def test_a_document_of_two_texts_is_one_by_its_id() -> None:
    rows = [row(0, "a", "long text", doc_id="d"), row(1, "b", "short text", doc_id="d"), row(2, "c", "other")]
    table, numbers = table_of(rows)
    assert is_right(table, numbers, 0, "short text")
    assert is_right(table, numbers, 1, "long text")
    assert not is_right(table, numbers, 2, "long text")


@pytest.mark.parametrize("turned", [False, True])
def test_a_negative_that_is_a_document_elsewhere_has_its_key_in_any_order(turned: bool) -> None:
    rows = [
        row(0, "c", "z", negatives=("one",)),
        row(1, "a", "one", doc_id="d"),
        row(2, "b", "two", doc_id="d"),
    ]
    table, numbers = table_of(rows[::-1] if turned else rows)
    place = table.ids.index("r2")
    assert is_right(table, numbers, place, "one")


def test_an_id_is_not_mistaken_for_a_text() -> None:
    table, numbers = table_of([row(0, "a", "x", doc_id="12"), row(1, "b", "y", negatives=("12",))])
    assert not is_right(table, numbers, 0, "12")


def test_case_and_spaces_make_no_other_text() -> None:
    table, numbers = table_of([row(0, "Heart  Attack", "Infarction"), row(1, "heart attack", "MI"), row(2, "b", "mi ")])
    assert is_right(table, numbers, 0, "MI")
    assert is_right(table, numbers, 1, "mi ")
    assert is_right(table, numbers, 2, "MI")
    assert not is_right(table, numbers, 2, "Infarction")


def test_a_text_that_no_row_has_as_document_is_right_for_nobody() -> None:
    table, numbers = table_of([row(0, "a", "x"), row(1, "b", "a")])
    assert table.document_key[numbers.number("b", "query")] == -1
    assert is_right(table, numbers, 1, "a")
    assert not is_right(table, numbers, 0, "b")


@pytest.mark.parametrize("prompts", [PLAIN, {"query": "query: ", "document": "passage: "}])
def test_a_querys_own_text_is_no_wrong_answer_to_it(prompts: dict[str, str]) -> None:
    numbers = TextNumbers(prompts)
    table = pair_table([row(0, "a", "b"), row(1, "b", "c", negatives=("A ",)), row(2, "d", "e")], Kind.PAIRS, numbers)
    assert [[is_right(table, numbers, place, d) for d in ("b", "c", "A ", "e")] for place in range(3)] == [
        [True, False, True, False],
        [True, True, False, False],
        [False, False, False, True],
    ]


names = st.sampled_from(["a", "b", "c", "d", "e"])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(names, names, st.lists(names, max_size=2)), min_size=1, max_size=8), st.booleans())
def test_relevance_is_what_the_rows_say(rows: list[tuple[str, str, list[str]]], with_ids: bool) -> None:
    """By brute force: a document is right for a query if a row says so of it or of its id."""
    doc_id = {"a": "1", "b": "1", "c": "2", "d": "3", "e": "3"} if with_ids else {name: name for name in "abcde"}
    examples = [
        row(n, f"q{q}", p, negatives=tuple(w), doc_id=doc_id[p] if with_ids else None)
        for n, (q, p, w) in enumerate(rows)
    ]
    table, numbers = table_of(examples)
    seen_as_document = {p for _, p, _ in rows}
    for place, (query, _, _) in enumerate(rows):
        right_ids = {doc_id[p] for q, p, _ in rows if q == query}
        for text in seen_as_document:
            assert is_right(table, numbers, place, text) == (doc_id[text] in right_ids)


def labeled(*rows: tuple[str, str]) -> list[Example]:
    return [Example(f"r{n}", n, text=text, label=label) for n, (text, label) in enumerate(rows)]


def test_labeled_texts_are_pairs_of_one_label() -> None:
    rows = labeled(("a", "x"), ("b", "y"), ("c", "x"), ("d", "y"), ("e", "x"), ("alone", "z"))
    table, numbers = table_of(rows, Kind.LABELED)
    texts = numbers.texts
    rows_of = zip(table.query, table.positives, strict=True)
    pairs = {texts[q]: {texts[p] for p in right} - {texts[q]} for q, right in rows_of}
    assert pairs == {"a": {"c", "e"}, "b": {"d"}, "c": {"a", "e"}, "d": {"b"}, "e": {"a", "c"}}
    assert "r5" not in table.ids
    for place, query in enumerate(table.query):
        own = "ace" if texts[query] in "ace" else "bd"
        assert {t for t in "abcde" if is_right(table, numbers, place, t)} == set(own)


def test_a_text_given_twice_under_one_label_is_no_answer_to_itself() -> None:
    table, _ = table_of(labeled(("a", "x"), ("a", "x"), ("b", "x")), Kind.LABELED)
    assert [table.answers(place) for place in range(3)] == [1, 1, 1]
    batch = assemble(table, np.arange(3), 0, 0, positives=5, negatives=0)
    assert batch.columns["positive"].shape == (3, 1)
    assert (batch.columns["positive"] != batch.columns["query"]).all()


def test_labeled_rows_share_the_texts_of_their_label() -> None:
    rows = [Example(f"r{n}", n, text=f"text {n}", label="ab"[n % 2]) for n in range(2_000)]
    table, _ = table_of(rows, Kind.LABELED)
    assert len({id(texts) for texts in table.positives}) == 2  # an array a row would grow with the square of the rows
    assert {table.answers(place) for place in range(len(table))} == {999}
