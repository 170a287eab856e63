"""Replay: batches of earlier data among the others, what is left out of it, and what it keeps."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import acclimate
from acclimate.core.errors import DataError, InterruptedRunError, UsageError
from acclimate.core.files import read_jsonl
from acclimate.runs.stopping import Stop
from small import jsonl, pairs
from tiny import make_tiny_model


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("replay")
    test = pairs(30, seed=7)
    return {
        "base": make_tiny_model(folder / "base"),
        "train": jsonl(folder / "train.jsonl", pairs(60)),
        "test": jsonl(folder / "test.jsonl", test),
        "general": jsonl(folder / "general.jsonl", pairs(20, seed=5)),
        "old": jsonl(folder / "old.jsonl", [*pairs(25, seed=11), test[3]]),
        "scored": jsonl(folder / "scored.jsonl", [{**row, "score": n % 2} for n, row in enumerate(pairs(20))]),
    }


def tuned(files: dict[str, Path], out: Path, *settings: str, **options: Any) -> acclimate.Run:
    given = {"base": files["base"], "test": files["test"], "general": files["general"], "keep": "anyway", **options}
    given = {"batch_size": 12, "epochs": 3, "method": "full", **given}
    return acclimate.fit(
        files["train"], settings=("evaluation.merge=1", "evaluation.patience=99", *settings), out=out, **given
    )


def steps_of(run: acclimate.Run) -> list[list[str]]:
    """The ids of the rows of each step."""
    return [record["rows"] for record in read_jsonl(run.path / "metrics.jsonl") if "loss" in record]


def test_a_share_of_the_batches_are_of_earlier_data_alone(files: dict[str, Path], tmp_path: Path) -> None:
    run = tuned(files, tmp_path / "run", f"data.replay={files['old']}", "data.replay_share=0.4")
    steps = steps_of(run)
    old = [all(name.startswith("replay:") for name in rows) for rows in steps]
    assert [any(name.startswith("replay:") for name in rows) for rows in steps] == old  # no batch is of both
    assert np.mean(old) == pytest.approx(0.4, abs=0.05)
    seen = [name for rows, replayed in zip(steps, old, strict=True) for name in rows if replayed]
    assert len(set(seen)) == 25  # all of them come round, and what the test asks is none of them
    others = [name for rows, replayed in zip(steps, old, strict=True) for name in rows if not replayed]
    counts = [others.count(name) for name in set(others)]
    assert set(counts) == {3}  # each row of TRAIN once an epoch, as without replay
    assert "old.jsonl:26" not in {name.removeprefix("replay:") for name in seen}


def test_the_rows_of_train_come_in_the_same_batches_as_without(files: dict[str, Path], tmp_path: Path) -> None:
    plain = tuned(files, tmp_path / "plain")
    replayed = tuned(files, tmp_path / "replayed", f"data.replay={files['old']}")
    rest = [rows for rows in steps_of(replayed) if not rows[0].startswith("replay:")]
    assert sorted(map(sorted, rest)) == sorted(map(sorted, steps_of(plain)))


def test_a_resumed_run_replays_the_same(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (f"data.replay={files['old']}", "data.replay_share=0.3")
    whole = tuned(files, tmp_path / "whole", *settings)
    asked = iter(range(100))
    monkeypatch.setattr(Stop, "reason", lambda self: "asked" if next(asked) == 4 else None)
    with pytest.raises(InterruptedRunError):
        tuned(files, tmp_path / "again", *settings)
    monkeypatch.setattr(Stop, "reason", lambda self: None)
    again = tuned(files, tmp_path / "again", *settings)
    assert steps_of(again) == steps_of(whole)
    assert (again.path / "model" / "model.safetensors").read_bytes() == (
        whole.path / "model" / "model.safetensors"
    ).read_bytes()


def test_other_data_to_replay_is_another_run(files: dict[str, Path], tmp_path: Path) -> None:
    tuned(files, tmp_path / "run", f"data.replay={files['old']}")
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["data"]["replay"] != "none"
    with pytest.raises(UsageError, match="replay"):
        tuned(files, tmp_path / "run")


def test_what_cannot_be_replayed_is_one_line(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="replay has rows of kind scored, and the training data pairs"):
        tuned(files, tmp_path / "a", f"data.replay={files['scored']}")
    with pytest.raises(UsageError, match=r"data\.replay cannot act with optimizer lbfgs"):
        tuned(files, tmp_path / "b", f"data.replay={files['old']}", "training.optimizer=lbfgs", batch_size=60)
    with pytest.raises(UsageError, match=r"data\.replay_share=0\.3 cannot act without data\.replay; name the file"):
        tuned(files, tmp_path / "d", "data.replay_share=0.3")
    with pytest.raises(DataError, match="0 usable rows of replay are too few"):
        tuned(files, tmp_path / "c", f"data.replay={files['test']}")
