"""`fit --feedback`: what explore wrote changes what trains, and never what is tested."""

import json
from pathlib import Path
from typing import Any

import pytest

import acclimate
from acclimate.core.errors import DataError, UsageError
from acclimate.data.examples import Example
from acclimate.runs.feedback import with_feedback
from acclimate.runs.workspace import Workspace
from acclimate.serve.feedback import FeedbackLog
from small import jsonl, labeled, pairs

TEST = [Example("t", 1, "asked in the test", ("its answer",))]
TRAIN = [Example(str(row), row, f"query {row}", (f"document {row}",)) for row in range(20)]


def told(tmp_path: Path, *said: tuple[str, str, Any]) -> Path:
    log = FeedbackLog(tmp_path / "feedback.jsonl")
    for query, document, verdict in said:
        log.add(query, document, verdict)
    return log.path


def test_no_query_and_no_right_document_of_the_test_is_taught(tmp_path: Path) -> None:
    path = told(
        tmp_path,
        ("Asked in  the test", "document 3", "wrong"),
        ("a new query", "ITS answer", "right"),
        ("query 4", "its answer", "wrong"),
        ("query 4", "document 5", "wrong"),
        ("never heard of", "document 5", "wrong"),
    )
    rows, notes = with_feedback(TRAIN, path, [TEST])
    assert [row for row in rows if row.query != "query 4"] == [row for row in TRAIN if row.query != "query 4"]
    assert [row.negatives for row in rows if row.query == "query 4"] == [("document 5",)]
    assert notes == [
        "feedback of 5 pairs: 1 wrong documents for rows of TRAIN, 0 new rows",
        "feedback that does not act: 3 pairs name queries or right documents of test or dev; of 1 queries, which are "
        "not in TRAIN, no right document is named",
    ]


def test_a_pair_of_train_that_is_flagged_is_removed_and_told(tmp_path: Path) -> None:
    rows, notes = with_feedback(TRAIN, told(tmp_path, ("query 4", "document 4", "wrong")), [TEST])
    assert [row.id for row in rows] == [row.id for row in TRAIN if row.id != "4"]
    assert notes[0].endswith("1 pairs of TRAIN taken out, which it calls wrong")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (("asked in the test", "document 3", "wrong"), "1 pairs name queries or right documents of test"),
        (("unknown", "document 3", "wrong"), "of 1 queries, which are not in TRAIN"),
        (("query 3", "document 3", "right"), "TRAIN says the same already"),
    ],
)
def test_feedback_that_cannot_act_is_refused_with_the_reason(
    tmp_path: Path, said: tuple[str, str, Any], why: str
) -> None:
    with pytest.raises(DataError, match=why):
        with_feedback(TRAIN, told(tmp_path, said), [TEST])


def test_train_that_feedback_calls_wrong_throughout_is_refused(tmp_path: Path) -> None:
    path = told(tmp_path, *((row.query, row.positives[0], "wrong") for row in TRAIN))
    with pytest.raises(DataError, match="0 rows are left"):
        with_feedback(TRAIN, path, [TEST])


def test_fit_takes_it_and_a_run_belongs_to_its_feedback(tmp_path: Path, tiny_model: Path) -> None:
    rows = pairs(60)
    train = jsonl(tmp_path / "train.jsonl", rows)
    options: dict[str, Any] = {
        "base": tiny_model,
        "out": tmp_path / "run",
        "method": "full",
        "epochs": 1,
        "test": jsonl(tmp_path / "test.jsonl", pairs(12, seed=3, name="test")),
        "dev": jsonl(tmp_path / "dev.jsonl", pairs(12, seed=4, name="dev")),
        "general": jsonl(tmp_path / "general.jsonl", pairs(20, seed=7, name="general")),
        "settings": ["regularizers=[]"],
    }
    path = told(
        tmp_path,
        (rows[0]["query"], rows[0]["positive"], "wrong"),
        (rows[1]["query"], rows[5]["positive"], "wrong"),
        ("what a user typed", rows[2]["positive"], "right"),
    )
    run = acclimate.fit(train, feedback=path, **options)
    profile = json.loads((run.path / "data" / "profile.json").read_text())
    assert profile["splits"]["train"] == 60  # one taken out, one new
    ids = {json.loads(line)["id"] for line in (run.path / "data" / "train.jsonl").read_text().splitlines()}
    assert ids == {f"train:{line}" for line in range(2, 61)} | {"feedback:3"}
    records = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert {row for record in records for row in record.get("rows", ())} == ids
    with pytest.raises(UsageError, match="other feedback data"):
        acclimate.fit(train, **options)
    told(tmp_path, ("what a user typed", rows[3]["positive"], "right"))
    with pytest.raises(UsageError, match="other feedback data"):
        acclimate.fit(train, feedback=path, **options)


def test_a_run_that_begins_anew_keeps_what_users_said_of_the_last_one(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "run")
    workspace.path.mkdir()
    workspace.claim({"recipe": 1}, restart=False)
    log = FeedbackLog(workspace.path / "feedback.jsonl")
    log.add("query", "document", "wrong")
    said = log.path.read_bytes()
    workspace.claim({"recipe": 2}, restart=True)
    assert log.path.read_bytes() == said


def test_labeled_rows_take_none(tmp_path: Path, tiny_model: Path) -> None:
    path = told(tmp_path, ("query", "document", "wrong"))
    with pytest.raises(UsageError, match=r"--feedback says .* and the rows are labeled"):
        acclimate.fit(labeled(120), base=tiny_model, out=tmp_path / "run", feedback=path)


def test_the_log_keeps_whole_lines_whatever_stood_before(tmp_path: Path) -> None:
    path = tmp_path / "feedback.jsonl"
    path.write_text('{"query": "by hand", "negative": "a"}')  # an editor that ends no line
    log = FeedbackLog(path)
    log.add("q", "line\nbreak \u2028 \ud800", "wrong")
    log.add("q", "b", "right")
    lines = path.read_text(encoding="utf-8").split("\n")
    assert [json.loads(line)["query"] for line in lines[:3]] == ["by hand", "q", "q"]
    assert lines[3:] == [""]
    assert log.of("Q", {1: "B", 2: "a"}) == {"1": "right"}
