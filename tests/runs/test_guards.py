"""What keeps a model from forgetting, in whole runs: stages of a teacher, and importance from one run to the next."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import acclimate
from acclimate.core.errors import InterruptedRunError, UsageError
from acclimate.core.files import read_jsonl
from acclimate.evaluation.probe import guard_texts
from acclimate.runs.stopping import Stop
from small import jsonl, pairs
from tiny import make_tiny_model


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("guards")
    return {
        "base": make_tiny_model(folder / "base"),
        "first": jsonl(folder / "first.jsonl", pairs(40, seed=1)),
        "second": jsonl(folder / "second.jsonl", pairs(40, seed=2)),
        "test": jsonl(folder / "test.jsonl", pairs(20, seed=7)),
        "general": jsonl(folder / "general.jsonl", pairs(20, seed=5)),
    }


def tuned(files: dict[str, Path], train: str, out: Path, penalty: dict[str, Any], **options: Any) -> acclimate.Run:
    given = {"base": files["base"], "test": files["test"], "general": files["general"], "keep": "anyway"}
    given |= {"batch_size": 12, "epochs": 3, "lr": 3e-3, "precision": "fp32", "recipe": out.with_suffix(".yaml")}
    words = ", ".join(f"{name}: {value}" for name, value in penalty.items())
    out.with_suffix(".yaml").write_text(f"regularizers: [{{{words}}}]\n", encoding="utf-8")
    settings = ("evaluation.merge=1", "evaluation.patience=99")
    return acclimate.fit(files[train], out=out, settings=settings, **(given | options))


def model_of(run: acclimate.Run) -> bytes:
    return (run.path / "model" / "model.safetensors").read_bytes()


def test_a_run_that_is_stopped_in_its_second_stage_ends_with_the_same_weights(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    penalty = {"kind": "distill", "stages": 2, "texts_a_step": 8}
    whole = tuned(files, "first", tmp_path / "whole", penalty)
    records = [record for record in read_jsonl(whole.path / "metrics.jsonl") if "loss" in record]
    half = -(-len(records) // 2)
    assert [record["step"] for record in records if "new_teacher" in record] == [half]
    assert records[half]["loss"]["distill"] == pytest.approx(0.0, abs=5e-6)
    assert records[half]["loss"]["distill"] < 0.01 * records[half - 1]["loss"]["distill"]
    asked = iter(range(1000))
    monkeypatch.setattr(Stop, "reason", lambda self: "asked" if next(asked) == half + 1 else None)
    with pytest.raises(InterruptedRunError, match=f"at step {half + 2} of {len(records)}"):
        tuned(files, "first", tmp_path / "again", penalty)
    monkeypatch.setattr(Stop, "reason", lambda self: None)
    again = tuned(files, "first", tmp_path / "again", penalty)
    assert model_of(again) == model_of(whole)


def test_a_second_run_holds_what_mattered_to_both(files: dict[str, Path], tmp_path: Path) -> None:
    keeps = {"kind": "ewc", "texts": 64, "samples": 1, "keep_importance": "true"}
    first = tuned(files, "first", tmp_path / "first", keeps)
    left = {"first": load_file(first.path / "importance.safetensors")}
    base = {"base": first.path}
    for name, more in (("alone", {}), ("none", {"decay": 0.0}), ("half", {"decay": 0.5})):
        goes_on = {"previous": first.path, **more} if more else {}
        run = tuned(files, "second", tmp_path / name, keeps | goes_on, **base)
        left[name] = load_file(run.path / "importance.safetensors")
    assert (tmp_path / "none" / "model" / "model.safetensors").read_bytes() == (
        tmp_path / "alone" / "model" / "model.safetensors"
    ).read_bytes()
    assert left["first"].keys() == left["alone"].keys() == left["half"].keys()
    for name, own in left["alone"].items():
        assert torch.equal(left["none"][name], own)
        assert torch.equal(left["half"][name], 0.5 * left["first"][name] + own)
    assert any(not torch.equal(left["first"][name], own) for name, own in left["alone"].items())  # the model moved
    with safe_open(tmp_path / "half" / "importance.safetensors", "pt") as file:
        about = file.metadata()
    assert {name: about[name] for name in ("importance", "texts", "samples", "candidates", "decay", "runs")} == {
        "importance": "outputs", "texts": "64", "samples": "1", "candidates": "32", "decay": "0.5", "runs": "2",
    }  # fmt: skip
    assert (about["temperature"], about["base"], about["method"]) == ("0.05", str(first.path), "full")
    assert (about["drawn_from"], about["drawn_from_texts"]) == ("general", str(len(guard_texts())))
    assert len(about["drawn_from_sha256"]) == len(about["base_fingerprint"]) == 64

    with pytest.raises(UsageError, match="weighs other parameters than this method opens"):
        tuned(files, "second", tmp_path / "other", keeps | {"previous": first.path}, method="last_layers")
    plain = tuned(files, "first", tmp_path / "first", {"kind": "ewc", "texts": 64}, restart=True)
    assert not (plain.path / "importance.safetensors").exists()
