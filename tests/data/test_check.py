"""The profile counts what was planted; nothing of the data is lost on the way out."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from acclimate.data.check import profile, write_quarantine
from acclimate.data.cleaning import Doubtful, cleaned
from acclimate.data.examples import normalized
from acclimate.data.leakage import leakage
from acclimate.data.readers import read
from acclimate.data.scripts import script_shares

from .shapes import jsonl


def found(rows: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    result = profile(read(rows), **options)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    return result


def lines(result: dict[str, Any], kind: str) -> list[int]:
    return [place["line"] for problem in result["problems"] if problem["kind"] == kind for place in problem["places"]]


def test_lengths_and_truncation() -> None:
    rows = [{"query": "q " * i, "positive": "p" * 10} for i in range(1, 21)]
    result = found(rows, token_lengths=lambda texts: [len(text.split()) + 2 for text in texts], max_length=12)
    assert result["lengths"]["query"]["tokens"] == {"p50": 13, "p95": 22, "max": 22}
    assert result["lengths"]["query"]["truncated"] == 0.5
    assert [place["line"] for place in result["lengths"]["query"]["longest"]] == [20, 19, 18, 17, 16]
    assert [place["tokens"] for place in result["lengths"]["query"]["longest"]] == [22, 21, 20, 19, 18]
    assert lines(result, "truncated_query") == list(range(20, 10, -1))
    positive = result["lengths"]["positive"]
    assert positive["count"] == 20
    assert positive["characters"] == {"p50": 10, "p95": 10, "max": 10}
    assert positive["tokens"] == {"p50": 3, "p95": 3, "max": 3}
    assert positive["truncated"] == 0.0
    assert lines(result, "truncated_positive") == []


def test_a_row_of_several_long_texts_is_one_row() -> None:
    rows = [{"query": "q", "positive": ["one two three four", "one two three four five", "one"]}]
    result = found(rows, token_lengths=lambda texts: [len(text.split()) for text in texts], max_length=3)
    assert [problem["rows"] for problem in result["problems"]] == [1]
    assert result["lengths"]["positive"]["truncated"] == pytest.approx(2 / 3)


def test_planted_problems() -> None:
    rows = [
        {"query": "first question", "positive": "its answer"},
        {"query": "second question here", "positive": "another reply"},
        {"query": "First  Question", "positive": "its answer"},
        {"query": "first question", "positive": "something else entirely"},
        {"query": "echo", "positive": "Echo"},
        {"query": "torn", "positive": "right thing", "negative": "Right thing"},
        {"query": "mojibake", "positive": "caf\ufffd"},
        {"query": "long near duplicates", "positive": "The quick brown fox jumps over the lazy dog every day"},
        {"query": "unrelated words", "positive": "the quick brown fox jumps over the lazy dogs every day!"},
    ]
    result = found(rows)
    assert lines(result, "duplicate") == [3]
    assert lines(result, "same_query") == [1, 3, 4]
    assert lines(result, "query_is_positive") == [5]
    assert lines(result, "negative_is_positive") == [6]
    assert lines(result, "damaged") == [7]
    assert lines(result, "near_duplicate") == [8, 9]
    assert result["near_duplicates"] == {"pairs": 1, "rows": 2}
    assert {row["line"] for row in result["worst"]} == {1, 3, 4, 5, 6, 7, 8, 9}
    assert result["worst"][0]["line"] == 3
    assert result["queries"] == {"distinct": 7}


def test_synonyms_of_one_document_are_no_finding() -> None:
    rows = [
        {"query": "abnormality of the left kidney", "positive": "x", "doc_id": "1"},
        {"query": "abnormality of the left kidneys", "positive": "y", "doc_id": "1"},
    ]
    assert found(rows)["near_duplicates"]["pairs"] == 0


@pytest.mark.parametrize(
    "rows",
    [
        [{"text": "same words", "label": "a"}, {"text": "Same words", "label": "b"}, {"text": "x", "label": "a"}],
        [{"text1": "same", "text2": "words", "score": s} for s in (0.1, 0.9)]
        + [{"text1": "x", "text2": "y", "score": 1}],
    ],
)
def test_contradictions(rows: list[dict[str, Any]]) -> None:
    assert lines(found(rows), "contradiction") == [1, 2]


def test_labels_and_scores() -> None:
    rows = [{"text": f"text number {i}", "label": "a" if i else "b"} for i in range(5)]
    labels = found(rows)["labels"]
    effective = labels.pop("effective")
    assert labels == {"distinct": 2, "counts": {"a": 4, "b": 1}, "largest": 4, "smallest": 1, "single": 1}
    assert effective == pytest.approx(0.8**-0.8 * 0.2**-0.2, abs=0.005)
    assert lines(found(rows), "single_label") == [1]
    even = [{"text": f"text number {i}", "label": i % 3} for i in range(9)]
    assert found(even)["labels"]["effective"] == 3
    assert lines(found(even), "single_label") == []
    scored = [{"text1": f"a{i}", "text2": f"b{i}", "score": i / 4} for i in range(5)]
    assert found(scored)["scores"] == {"min": 0.0, "p50": 0.5, "max": 1.0, "distinct": 5}


def test_scripts() -> None:
    assert script_shares(["abcd", "漢字", "ёж", "12 .,!"]) == {"latin": 0.5, "cyrillic": 0.25, "han": 0.25}
    assert script_shares(["ありがとう", "안녕"]) == {"kana": 0.7143, "hangul": 0.2857}
    assert script_shares(["123"]) == {}


def test_rejected_rows_are_counted_and_written(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"query": "a", "positive": "b"}\n{"query": "", "positive": "b"}\n' * 3
        + '{"que\n'
        + '{"query": "a", "positive": "b"}\n'
    )
    data = read(path)
    result = profile(data)
    assert result["rows"] == {"total": 8, "kept": 4, "rejected": 4}
    assert result["rejected"]["reasons"]["query is empty"] == 3
    assert result["rejected"]["first"][0] == {"file": str(path), "line": 2, "column": 2, "reason": "query is empty"}
    write_quarantine(tmp_path / "out" / "quarantine.jsonl", data.rejected)
    written = [json.loads(line) for line in (tmp_path / "out" / "quarantine.jsonl").read_text().splitlines()]
    assert [row["line"] for row in written] == [2, 4, 6, 7]
    assert set(written[0]) == {"file", "line", "column", "reason", "raw"}
    assert written[3]["raw"] == '{"que'


def test_what_matters_most_comes_first_and_says_what_helps() -> None:
    rows = [
        {"query": "one", "positive": "first answer"},
        {"query": "one", "positive": "first answer"},
        {"query": "echo", "positive": "Echo"},
        {"query": "torn", "positive": "caf\ufffd"},
    ]
    problems = found(rows)["problems"]
    assert [problem["kind"] for problem in problems] == ["query_is_positive", "damaged", "duplicate"]
    assert all(problem["remedy"] for problem in problems)


def test_the_cleaned_copy_has_nothing_that_is_certainly_wrong() -> None:
    rows: list[dict[str, Any]] = [
        {"query": "a", "positive": "answer a", "negative": ["wrong", "Answer A"]},
        {"query": "A", "positive": "answer a", "negative": ["wrong"]},
        {"query": "echo", "positive": "Echo", "negative": ["x"]},
        {"query": "two", "positive": ["Two", "a right one"], "negative": ["y"]},
    ]
    left = cleaned(read(rows).examples)
    assert [(row["query"], row["positive"], row["negative"]) for row in left.rows] == [
        ("a", "answer a", ["wrong"]),
        ("two", "a right one", ["y"]),
    ]
    assert left.removed == {"query_is_positive": 1, "duplicate": 1}
    assert left.taken_out == {"negative_is_positive": 1, "query_is_positive": 1}
    again = found(list(left.rows))
    assert again["problems"] == []


def test_texts_with_two_labels_are_not_in_the_cleaned_copy() -> None:
    rows = [{"text": "same", "label": "a"}, {"text": "Same", "label": "b"}, {"text": "other", "label": "a"}]
    left = cleaned(read(rows).examples)
    assert [row["text"] for row in left.rows] == ["other"]
    assert left.removed == {"contradiction": 2}


def test_what_a_teacher_says_is_in_the_cleaned_copy() -> None:
    rows: list[dict[str, Any]] = [
        {"query": "a", "pos": ["p", "a"], "neg": ["n", "P", "m"], "pos_scores": [9, 8], "neg_scores": [1, 2, 3]},
        {"query": "b", "pos": ["r"], "neg": [], "pos_scores": [7], "neg_scores": []},
    ]
    again = read([dict(row) for row in cleaned(read(rows).examples).rows]).examples
    assert [(e.positives, e.positive_scores, e.negatives, e.negative_scores) for e in again] == [
        (("p",), (9,), ("n", "m"), (1, 3)),
        (("r",), (7,), (), ()),
    ]


TEST_ROWS = [
    {"query": "asked in the test", "positive": "The quick brown fox jumps over the lazy dog every day"},
    {"query": "another one", "positive": "nothing of it is known"},
]


def leaky() -> list[dict[str, Any]]:
    return [
        {"query": "Asked in  the test", "positive": "something"},
        {"query": "fine", "positive": "nothing of this", "negative": ["nothing of it is known", "kept"]},
        {"query": "near", "positive": "The quick brown fox jumps over the lazy dogs every day!"},
        {"query": "clean", "positive": "not asked for"},
    ]


def test_planted_leaks_are_told_with_lines_on_both_sides(tmp_path: Path) -> None:
    data, scored = (read(jsonl(tmp_path / f"{n}.jsonl", rows)) for n, rows in (("d", leaky()), ("t", TEST_ROWS)))
    told = leakage(data, scored, "test", tmp_path / "t.jsonl")
    assert (told.document["rows"], told.document["negatives"], told.document["near_rows"]) == (1, 1, 1)
    places = [(row["line"], row["role"], row["what"], row["there"]["line"]) for row in told.document["exact"]]
    assert places == [(1, "query", "query", 1), (2, "negative", "document", 2)]
    (near,) = told.document["near"]
    assert (near["line"], near["role"], near["there"]["line"]) == (3, "positive", 1)
    assert near["there_text"] == TEST_ROWS[0]["positive"]
    problems = {problem.kind: problem.rows.tolist() for problem in told.problems()}
    assert problems == {"leak": [0, 1], "near_leak": [2]}
    left = cleaned(data.examples, told.exact)
    assert [row["query"] for row in left.rows] == ["fine", "near", "clean"]
    assert left.rows[0]["negative"] == ["kept"]
    assert (left.removed, left.taken_out) == ({"leak": 1}, {"leak": 1})
    doubtful = Doubtful({leak.train_id for leak in told.near})
    assert cleaned(data.examples, told.exact, doubtful).removed == {"leak": 1, "doubtful": 1}
    assert len(data.examples) == 4
    assert data.examples[1].negatives == ("nothing of it is known", "kept")


def test_a_row_near_to_a_text_that_another_row_repeats_is_near_to_the_test(tmp_path: Path) -> None:
    rows = [{"query": "x", "positive": TEST_ROWS[0]["positive"]}, leaky()[2]]
    told = leakage(read(rows), read(TEST_ROWS), "test", tmp_path)
    assert [leak.row for leak in told.exact] == [0]
    assert [leak.row for leak in told.near] == [1]


def test_no_leak_in_data_of_its_own(tmp_path: Path) -> None:
    told = leakage(read(leaky()[3:]), read(TEST_ROWS), "dev", tmp_path)
    assert (told.exact, told.near) == ([], [])
    assert [len(problem.rows) for problem in told.problems()] == [0, 0]


def test_fixed_rows_are_clean_and_keep_their_ids(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"question": "a", "answer": ["b", "c"], "neg": ["n"], "group": 7, "weight": 2, "other": 1},
        {"question": "A", "answer": ["b", "c"], "neg": ["n"], "group": 7, "weight": 2, "other": 1},
        {"question": " d ", "answer": "e"},
    ]
    data = read(jsonl(tmp_path / "t.jsonl", rows))
    fixed = cleaned(data.examples).rows
    assert fixed == [
        {"id": "t:1", "query": "a", "positive": ["b", "c"], "negative": ["n"], "group": "7", "weight": 2.0},
        {"id": "t:3", "query": "d", "positive": "e"},
    ]


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20).filter(str.strip)


POSITIVES = WORDS | st.lists(WORDS, min_size=1, max_size=3, unique=True)
OPTIONAL = {"negative": WORDS, "doc_id": WORDS, "weight": st.floats(0, 9)}
ROWS = st.lists(
    st.fixed_dictionaries({"query": WORDS, "positive": POSITIVES}, optional=OPTIONAL), min_size=1, max_size=6
)


@settings(max_examples=80, deadline=None)
@given(ROWS)
def test_fixed_rows_read_back(rows: list[dict[str, Any]]) -> None:
    data = read(rows)
    fixed = cleaned(data.examples).rows
    assume(fixed)  # each query may be its own answer
    again = read(fixed)
    assert again.rejected == []
    assert cleaned(again.examples).rows == fixed
    by_id = {example.id: example for example in data.examples}
    for example in again.examples:
        original = by_id[example.id]
        own = {normalized(original.query)} if len(original.positives) > 1 else set()
        right = tuple(text for text in original.positives if normalized(text) not in own)
        known = set(map(normalized, right))
        wrong = tuple(text for text in original.negatives if normalized(text) not in known)
        assert (example.query, example.positives, example.negatives) == (original.query, right, wrong)
        assert (example.doc_id, example.weight) == (original.doc_id, original.weight)
    json.dumps(profile(data), allow_nan=False)
