"""What users say of pairs: how it is read, and what becomes of training rows."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acclimate.core.errors import DataError
from acclimate.data.examples import Example, Kind
from acclimate.data.feedback import Said, applied, read_feedback
from acclimate.data.pairs import TextNumbers, pair_table
from training import make_rig, pairs

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(*rows: dict[str, Any]) -> Path:
        path = tmp_path / "feedback.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return written


def said(path: Path) -> list[tuple[str, str, bool]]:
    return [(one.query, one.document, one.right) for one in read_feedback(path)]


def test_what_is_said_last_of_a_pair_counts(write: Write) -> None:
    path = write(
        {"query": "q", "negative": "a"},
        {"query": "q", "positive": "b"},
        {"query": " Q ", "positive": "A"},
        {"query": "other", "negative": "a"},
        {"query": "q", "withdrawn": "b"},
    )
    assert said(path) == [(" Q ", "A", True), ("other", "a", False)]


def test_names_lists_and_formats_of_training_data_are_understood(tmp_path: Path, write: Write) -> None:
    path = write({"question": "q", "pos": ["a", "b"], "neg": ["c"], "rank": 3, "positive": None})
    with pytest.raises(DataError, match="no column holds the query"):
        read_feedback(write({"text": "q", "label": "c"}))
    path = write({"question": "q", "pos": ["a", "b"], "neg": ["c"], "rank": 3})
    expected = [("q", "a", True), ("q", "b", True), ("q", "c", False)]
    assert said(path) == expected
    table = tmp_path / "feedback.csv"
    table.write_text("anchor,passage,negative_1\nq,a,c\nq,b,\n")
    assert sorted(said(table)) == sorted(expected)


@pytest.mark.parametrize(
    "row", [{"query": "q"}, {"query": "", "negative": "a"}, {"negative": "a"}, {"query": "q", "negative": 7}]
)
def test_a_row_that_says_nothing_is_named_by_its_line(write: Write, row: dict[str, Any]) -> None:
    path = write({"query": "q", "negative": "a"}, row)
    with pytest.raises(DataError, match=r"feedback\.jsonl:2: "):
        read_feedback(path)


ROWS = (
    Example("1", 1, "q", ("right", "bad"), ("old",)),
    Example("2", 2, "Q ", ("Bad",)),
    Example("3", 3, "r", ("else",)),
)


def test_wrong_documents_become_negatives_of_every_row_of_their_query() -> None:
    found = applied(ROWS, [Said(1, "q", "new", False), Said(2, "q", "OLD", False), Said(3, "r", "x", False)])
    assert [row.negatives for row in found.rows] == [("old", "new"), ("new", "OLD"), ("x",)]
    assert [row.positives for row in found.rows] == [row.positives for row in ROWS]
    assert (found.negatives, found.removed, found.added, found.idle) == (4, 0, 0, 0)


def test_a_pair_of_the_file_that_is_wrong_goes() -> None:
    found = applied(ROWS, [Said(1, "q", "bad", False)])
    assert [(row.id, row.positives, row.negatives) for row in found.rows] == [
        ("1", ("right",), ("old", "bad")),
        ("3", ("else",), ()),
    ]
    assert (found.removed, found.negatives) == (2, 1)


def test_right_documents_that_no_row_has_make_a_row_with_the_wrong_ones() -> None:
    given = [
        Said(4, "new", "a", True),
        Said(5, "new", "b", False),
        Said(6, "q", "RIGHT", True),
        Said(7, "q", "more", True),
    ]
    found = applied(ROWS, given)
    assert list(found.rows)[:3] == list(ROWS)
    assert [(row.id, row.query, row.positives, row.negatives) for row in list(found.rows)[3:]] == [
        ("feedback:4", "new", ("a",), ("b",)),
        ("feedback:6", "q", ("more",), ()),
    ]
    assert (found.added, found.removed, found.negatives, found.idle) == (2, 0, 0, 0)


def test_a_negative_of_the_file_that_is_right_is_none_any_longer() -> None:
    found = applied(ROWS, [Said(1, "q", "Old", True)])
    assert next(iter(found.rows)).negatives == ()
    assert list(found.rows)[3].positives == ("Old",)


def test_of_a_query_that_has_wrong_documents_alone_no_row_is_made() -> None:
    found = applied(ROWS, [Said(1, "unknown", "a", False), Said(2, "r", "else", False)])
    assert [row.id for row in found.rows] == ["1", "2"]
    assert (found.idle, found.removed, found.added) == (2, 1, 0)


def test_what_a_teacher_said_stays_beside_its_documents() -> None:
    row = Example("1", 1, "q", ("a", "b"), ("c", "d"), positive_scores=(9.0, 8.0), negative_scores=(2.0, 1.0))
    given = [Said(1, "q", "a", False), Said(2, "q", "c", True)]
    (changed, new) = applied([row], given).rows
    assert (changed.positives, changed.positive_scores) == (("b",), (8.0,))
    assert (changed.negatives, changed.negative_scores[:1]) == (("d", "a"), (1.0,))
    assert math.isnan(changed.negative_scores[1])
    assert (new.positives, new.positive_scores) == (("c",), ())


def test_a_flagged_document_stands_in_the_batch_of_its_query_as_a_negative(tmp_path: Path) -> None:
    rows = pairs(12)
    found = applied(rows, [Said(1, rows[5].query.upper(), "the document that users call wrong", False)])
    numbers = TextNumbers({"query": "", "document": ""})
    pair_table(found.rows, Kind.PAIRS, numbers)  # in the order in which the feed numbers them
    flagged = list(numbers.texts).index("the document that users call wrong")
    feed = make_rig(tmp_path, examples=list(found.rows)).trainer.feed
    seen = []
    for _, (_, _, (batch,)) in zip(range(feed.steps_until(1)), feed.steps(0), strict=False):
        for place, row in enumerate(batch.rows):
            column = batch.columns.get("negative", np.full((len(batch.rows), 1), -1))[place]
            seen += [(int(row), int(batch.unique[index])) for index in column[column >= 0]]
    assert seen == [(5, flagged)]
