"""A training is followed line by line, whatever state its file is in, and nothing is written."""

import json
from pathlib import Path

from acclimate.serve.live import followed
from fake_run import metrics


def lines(records: list) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_reading_on_gives_each_record_once(tmp_path: Path) -> None:
    path, given = tmp_path / "metrics.jsonl", metrics(60)
    seen, position = [], 0
    for end in (0, 7, 8, 30, len(given)):
        path.write_text(lines(given[:end]))
        found = followed(path, position)
        seen += found["records"]
        position = found["next"]
        assert not found["again"]
    assert [record["step"] for record in seen] == [record["step"] for record in given]
    losses = [record["loss"]["total"] for record in given if "loss" in record]
    assert [record["loss"] for record in seen if "loss" in record] == losses
    assert [record["dev"] for record in seen if "dev" in record] == [r["dev"] for r in given if "dev" in r]
    assert sum("skipped" in record for record in seen) == 1


def test_a_line_that_is_half_written_waits(tmp_path: Path) -> None:
    path, given = tmp_path / "metrics.jsonl", metrics(60)
    whole = lines(given[:3])
    path.write_text(whole + lines(given[3:4])[:40])
    found = followed(path, 0)
    assert (len(found["records"]), found["next"]) == (3, len(whole))
    path.write_text(lines(given[:4]))
    assert [r["step"] for r in followed(path, found["next"])["records"]] == [given[3]["step"]]


def test_a_resumed_run_that_cut_the_file_is_told_anew(tmp_path: Path) -> None:
    path, given = tmp_path / "metrics.jsonl", metrics(60)
    path.write_text(lines(given))
    position = followed(path, 0)["next"]
    path.write_text(lines(given[:4]))
    found = followed(path, position)
    assert found["again"]
    assert len(found["records"]) == 4


def test_without_a_file_there_is_nothing_yet(tmp_path: Path) -> None:
    assert followed(tmp_path / "metrics.jsonl", 0) == {"records": [], "next": 0, "again": False, "size": 0}
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": null}\nnot json\n[1]\n{"step": 2, "loss": {"total": 0.5}}\n')
    assert [(r["step"], r["loss"]) for r in followed(path, 0)["records"]] == [(1, None), (2, 0.5)]
