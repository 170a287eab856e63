"""``fit --track``: the run is the same run, and what a tracker shows is what ``metrics.jsonl`` says."""

import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from small import CommandLine, jsonl, pairs


def test_a_tracked_run_is_the_same_run(
    acclimate: CommandLine, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    train, general = jsonl(tmp_path / "train.jsonl", pairs(60)), jsonl(tmp_path / "general.jsonl", pairs(20, seed=7))
    options = ["--base", tiny_model, "--general", general, "--epochs", 1, "--batch-size", 16, "--keep", "anyway"]
    command = ["fit", train, *options, "--method", "full", "--precision", "fp32", "--set", "regularizers=[]", "--json"]
    for name, tracked in (("plain", []), ("tracked", ["--track", "tensorboard, mlflow", "--track", "tensorboard"])):
        result = acclimate(*command, "--out", tmp_path / name, *tracked)
        assert result.status in (0, 3), result.err
        assert "left out, the run goes on" not in result.err
        scores = json.loads(result.out)
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("plain", "tracked")]
    assert weights[0] == weights[1]
    lines = [json.loads(line) for line in (tmp_path / "tracked" / "metrics.jsonl").read_text().splitlines()]
    events = EventAccumulator(str(tmp_path / "tracked" / "trackers" / "tensorboard"))
    events.Reload()
    shown = {event.step: event.value for event in events.Scalars("grad_norm")}
    assert shown == pytest.approx({line["step"]: line["grad_norm"] for line in lines if "loss" in line}, rel=1e-6)
    assert len(shown) > 1
    (gain,) = events.Scalars("scores/test/delta/ndcg@10/value")
    assert gain.value == pytest.approx(scores["test"]["delta"]["ndcg@10"]["value"], rel=1e-6)
    assert (tmp_path / "mlruns").is_dir()
    # The same command on the finished run, with a tracker or without, is the same run: none of them is part of it.
    assert json.loads(acclimate(*command, "--out", tmp_path / "tracked").out) == scores
    acclimate(*command, "--out", tmp_path / "plain", "--track", "tensorboard")
    later = EventAccumulator(str(tmp_path / "plain" / "trackers" / "tensorboard"))
    later.Reload()
    assert {event.step: event.value for event in later.Scalars("grad_norm")} == shown


def test_an_unknown_tracker_is_told_before_anything_is_read(acclimate: CommandLine, tmp_path: Path) -> None:
    result = acclimate("fit", tmp_path / "none.jsonl", "--track", "mlflw", "--out", tmp_path / "run")
    assert (result.status, result.out) == (2, "")
    assert result.err.strip() == "--track 'mlflw' is unknown; did you mean 'mlflow'?"
    assert not (tmp_path / "run").exists()
