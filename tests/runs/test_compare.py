"""Several methods side by side: the figures are those of the runs, the front is the front, a second call resumes."""

import json
from pathlib import Path
from typing import Any

import pytest

import acclimate
from acclimate.core.errors import UsageError
from acclimate.report.comparison import comparison_markdown, comparison_table
from acclimate.runs.compare import compare_methods
from small import CommandLine, jsonl, pairs
from tiny import make_tiny_model


def scores(after: float, general: float, seconds: float, low: float = 0.0, p: float = 0.01) -> dict[str, Any]:
    """What a run says of itself."""
    delta = {"value": after - 0.5, "ci95": [low, low + 0.1], "p": p}
    cost = {
        "train_seconds": seconds,
        "steps": 7,
        "trainable_parameters": 10,
        "total_parameters": 100,
        "delta_bytes": 40,
    }
    return {
        "primary_metric": "ndcg@10",
        "test": {"before": {"ndcg@10": 0.5}, "after": {"ndcg@10": after}, "delta": {"ndcg@10": delta}},
        "general": {"before": {"score": 0.4}, "after": {"score": general}, "delta": {"score": delta}},
        "cost": {**cost, "peak_memory_bytes": 10**9},
        "gate": {"verdict": "gained", "passed": True, "reasons": []},
    }


def compared(tmp_path: Path, found: dict[tuple[str, int], dict[str, Any]]) -> dict[str, Any]:
    def fit(method: str, seed: int, folder: Path) -> dict[str, Any]:
        folder.mkdir(parents=True)
        (folder / "latency.json").write_text(json.dumps({"latency_ms_p50": 1.5}))
        return found[method, seed]

    methods, seeds = (list(dict.fromkeys(names)) for names in zip(*found, strict=True))
    return compare_methods(methods, seeds, tmp_path / "out", fit)


def test_a_row_is_on_the_front_unless_another_is_as_good_in_all_and_better_in_one(tmp_path: Path) -> None:
    document = compared(
        tmp_path,
        {
            ("full", 1): scores(0.8, 0.40, 100),
            ("lora", 1): scores(0.7, 0.40, 50),  # quicker
            ("adapter", 1): scores(0.7, 0.40, 60),  # as good as lora, and slower
            ("bitfit", 1): scores(0.6, 0.41, 90),  # forgets less
            ("unfreeze", 1): scores(0.8, 0.40, 100),  # the same as full
        },
    )
    front = {row["method"]: row["pareto"] for row in document["rows"]}
    assert front == {"full": True, "lora": True, "adapter": False, "bitfit": True, "unfreeze": True}


def test_several_seeds_are_means_with_their_spread(tmp_path: Path) -> None:
    runs = {("full", 1): scores(0.6, 0.4, 10, low=0.02, p=0.01), ("full", 2): scores(0.8, 0.5, 20, low=0.04, p=0.2)}
    (row,) = compared(tmp_path, runs)["rows"]
    assert row["test"]["after"]["ndcg@10"] == pytest.approx(0.7)
    assert row["test"]["delta"]["ndcg@10"]["ci95"] == pytest.approx([0.03, 0.13])
    assert row["test"]["delta"]["ndcg@10"]["p"] == 0.2
    assert row["spread"]["test"] == pytest.approx([0.1, 0.3])
    assert row["cost"]["train_seconds"] == 15
    assert row["seeds"] == [1, 2]


def test_the_table_is_sorted_and_written_beside_the_runs(tmp_path: Path) -> None:
    document = compared(tmp_path, {("full", 1): scores(0.6, 0.4, 10), ("lora", 1): scores(0.7, 0.4, 20)})
    head, rows = comparison_table(document)
    assert [row[0] for row in rows] == ["lora", "full"]
    assert dict(zip(head, rows[0], strict=True))["change"] == "+0.2000"
    assert (tmp_path / "out" / "compare.md").read_text() == comparison_markdown(document)
    assert json.loads((tmp_path / "out" / "compare.json").read_text()) == document
    page = (tmp_path / "out" / "compare.html").read_text()
    assert page.index('<th scope="row">lora</th>') < page.index('<th scope="row">full</th>')
    assert page.count('class="ring"') == 4  # both rows are on the front, in both planes
    assert "<script" not in page


def test_equal_time_is_said_where_steps_are_not_equal(tmp_path: Path) -> None:
    document = compared(tmp_path, {("full", 1): scores(0.6, 0.4, 10)})
    assert "splits and steps for all" in comparison_markdown(document)
    limited = document | {"time_limit_seconds": 90.0}
    assert "splits and at most 90 seconds of training for all" in comparison_markdown(limited)


@pytest.mark.parametrize(
    ("methods", "problem"),
    [(["ful"], "did you mean 'full'"), (["full", "full"], "named twice"), ([], "no method to compare")],
)
def test_methods_that_cannot_be_compared_are_told_before_anything_runs(
    methods: list[str], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=problem):
        compare_methods(methods, [1], tmp_path / "out", lambda *_: pytest.fail("it ran"))
    assert not (tmp_path / "out").exists()


def test_real_methods_are_compared_and_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_line = CommandLine(monkeypatch, capsys)
    base = make_tiny_model(tmp_path / "base")
    train, general = jsonl(tmp_path / "train.jsonl", pairs(60)), jsonl(tmp_path / "general.jsonl", pairs(20, seed=5))
    command = ["compare", train, "--methods", "last_layers,adapter", "--base", base, "--general", general]
    command += ["--epochs", 1, "--out", tmp_path / "out", "--seeds", 2]
    result = command_line(*command, "--json")
    assert result.status == 0, result.err
    document = json.loads(result.out)
    assert [row["method"] for row in document["rows"]] == ["last_layers", "adapter"]
    for row in document["rows"]:
        runs = [json.loads((tmp_path / "out" / f"{row['method']}-{s}" / "scores.json").read_text()) for s in (42, 43)]
        assert row["test"]["after"]["ndcg@10"] == pytest.approx(sum(r["test"]["after"]["ndcg@10"] for r in runs) / 2)
        assert row["cost"]["latency_ms_p50"] > 0
        assert all(run["method"] == row["method"] for run in runs)
    timed = command_line(
        *command[:-6], "--time-limit", "2s", "--set", "evaluation.patience=9", "--out", tmp_path / "timed", "--json"
    )
    assert timed.status == 0, timed.err
    for row in json.loads(timed.out)["rows"]:
        assert 2.0 <= row["cost"]["train_seconds"] < 4.0
        assert row["cost"]["steps"] > 1  # one epoch is a single step
    again = command_line(*command)
    assert again.status == 0
    assert "is finished" in again.out
    assert "adapter" in again.out
    assert acclimate.compare(train, ["adapter"], base=base, general=general, epochs=1, out=tmp_path / "out")["rows"]
