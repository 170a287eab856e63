"""The profile counts what was planted; nothing of the data is lost on the way out."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.data.check import fixed_rows, profile, write_quarantine
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
    assert result["lengths"]["positive"] == {
        "count": 20,
        "characters": {"p50": 10, "p95": 10, "max": 10},
        "tokens": {"p50": 3, "p95": 3, "max": 3},
        "truncated": 0.0,
    }


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
    assert found(rows)["labels"] == {"distinct": 2, "counts": {"a": 4, "b": 1}, "smallest": 1}
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


def test_fixed_rows_are_clean_and_keep_their_ids(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"question": "a", "answer": ["b", "c"], "neg": ["n"], "group": 7, "weight": 2, "other": 1},
        {"question": "A", "answer": ["b", "c"], "neg": ["n"], "group": 7, "weight": 2, "other": 1},
        {"question": " d ", "answer": "e"},
    ]
    data = read(jsonl(tmp_path / "t.jsonl", rows))
    fixed = fixed_rows(data)
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
    fixed = fixed_rows(data)
    again = read(fixed)
    assert again.rejected == []
    assert fixed_rows(again) == fixed
    by_id = {example.id: example for example in data.examples}
    for example in again.examples:
        original = by_id[example.id]
        assert (example.query, example.positives, example.negatives) == (
            original.query,
            original.positives,
            original.negatives,
        )
        assert (example.doc_id, example.weight) == (original.doc_id, original.weight)
    json.dumps(profile(data), allow_nan=False)
