"""``plan`` decides what ``fit`` decides, says what it costs, and leaves nothing behind."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import acclimate
from acclimate.core.errors import InterruptedRunError, UsageError
from acclimate.model.encoder import Encoder
from acclimate.recipe.read import read_recipe
from acclimate.runs.planning import Request, read_inputs
from acclimate.runs.rehearsal import Rehearsal
from acclimate.runs.show import Show
from acclimate.runs.stages import Stages
from acclimate.runs.stopping import Stop
from small import CommandLine, beir, jsonl, labeled, pairs, scored
from tiny import make_tiny_model

MINING = ("data.mining=base", "data.mining.range_min=2", "data.mining.range_max=20", "data.mining.relative_margin=0.01")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("plan")
    return {
        "base": make_tiny_model(folder / "base"),
        "train": jsonl(folder / "train.jsonl", pairs(200)),
        "dev": jsonl(folder / "dev.jsonl", pairs(40, seed=9, name="dev")),
        "test": beir(folder / "test", pairs(60, seed=7, name="test")),
        "general": jsonl(folder / "general.jsonl", pairs(20, seed=5)),
        "source": jsonl(folder / "source.jsonl", pairs(220, seed=11, name="old")),
        "scored": jsonl(folder / "scored.jsonl", scored(200)),
        "labeled": jsonl(folder / "labeled.jsonl", labeled(200)),
        "texts": jsonl(folder / "texts.jsonl", [{"text": row["positive"]} for row in pairs(120, seed=3)]),
    }


def options(files: dict[str, Path], **changed: Any) -> dict[str, Any]:
    """What plan and fit are asked alike."""
    given = {"base": files["base"], "dev": files["dev"], "test": files["test"], "general": files["general"]}
    return {name: value for name, value in {**given, "batch_size": 16, **changed}.items() if value is not None}


@pytest.mark.parametrize("method", ["full", "unfreeze", "last_layers", "residual"])
def test_a_method_is_planned_as_it_is_fitted(files: dict[str, Path], tmp_path: Path, method: str) -> None:
    settings = ["method.shares=[0.5, 0.5]"] if method == "unfreeze" else []
    asked = options(files, method=method, epochs=2, settings=settings)
    plan = acclimate.plan(files["train"], **asked)
    run = acclimate.fit(files["train"], out=tmp_path / "run", keep="anyway", **asked)
    resolved = yaml.safe_load((run.path / "resolved.yaml").read_text())
    assert json.loads(json.dumps(plan["recipe"])) == resolved
    cost, found = plan["cost"], run.scores["cost"]
    assert cost["trainable_parameters"] == found["trainable_parameters"]
    assert cost["total_parameters"] == found["total_parameters"]
    assert cost["model_bytes"] == pytest.approx(found["model_bytes"], rel=0.02)  # but for the figures in its card
    assert cost["steps"] == pytest.approx(found["steps"], abs=1)
    assert cost["total_seconds"] == pytest.approx(sum(cost["seconds"].values()), abs=0.5)


@pytest.mark.parametrize(
    ("train", "changed"),
    [
        ("scored", {"dev": None, "test": None}),
        ("labeled", {"dev": None, "test": None}),
        ("texts", {}),
        ("train", {"settings": [*MINING]}),
        ("train", {"settings": ["adaptation={kind: mlm, steps: 40}"]}),
        ("train", {"settings": ["vocabulary={kind: extend, least_rows: 2, least_pieces: 2}"]}),
        ("train", {"method": "prompt", "batch_size": None, "settings": ["training.optimizer=lbfgs"]}),
        ("train", {"settings": ["objective=gist"]}),
        ("train", {"settings": ["regularizers=[ewc]"]}),
    ],
)
def test_every_way_of_running_has_a_cost(files: dict[str, Path], train: str, changed: dict[str, Any]) -> None:
    plan = acclimate.plan(files[train], **options(files, epochs=1, **changed))
    assert plan["cost"]["total_seconds"] >= plan["cost"]["train_seconds"] > 0
    assert min(plan["cost"]["seconds"].values()) > 0


@pytest.mark.parametrize("method", ["adapter", "embedding_table", "lora", "prompt"])
def test_other_methods_have_a_cost_too(files: dict[str, Path], method: str) -> None:
    cost = acclimate.plan(files["train"], **options(files, method=method, epochs=1))["cost"]
    assert 0 < cost["trainable_parameters"] <= cost["total_parameters"]
    assert cost["steps"] == pytest.approx(12, abs=1)


def test_with_a_source_the_shift_is_told(files: dict[str, Path]) -> None:
    plan = acclimate.plan(files["train"], **options(files, source=files["source"], epochs=1))
    checked = acclimate.check(files["train"], against=files["source"], base=files["base"])["shift"]
    assert plan["shift"] == {kind: checked[kind] for kind in ("queries", "documents")}
    assert plan["rows"]["source"] == 220


def test_a_rehearsal_counts_the_tokens_that_a_run_encodes(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = [*MINING, "evaluation.patience=99", "evaluation.evaluations=2"]
    found: dict[str, int] = {}
    stages = ["read"]
    encode, stage = Encoder.encode, Show.stage

    def encoded(self: Encoder, texts: Sequence[str], role: str | None = None, **named: Any) -> np.ndarray:
        found[stages[-1]] = found.get(stages[-1], 0) + sum(map(len, self.tokenize(texts, role)))
        return encode(self, texts, role, **named)

    def noted(self: Show, name: str, text: str) -> None:
        stages.append(name)
        stage(self, name, text)

    monkeypatch.setattr(Encoder, "encode", encoded)
    monkeypatch.setattr(Show, "stage", noted)
    for told in ("_time", "_explain"):  # of the result, which a rehearsal has none of
        monkeypatch.setattr(Stages, told, lambda *_: None)
    asked = options(files, epochs=4, settings=[*settings, "regularizers=[]"], no_cache=True)
    acclimate.fit(files["train"], out=tmp_path / "run", **asked)
    expected = dict(found)
    monkeypatch.undo()
    given = {"base": files["base"], **{f"data.{part}": files[part] for part in ("dev", "test", "general")}}
    given |= {"training.batch_size": 16, "training.epochs": 4, "training.cache": False}
    recipe = read_recipe(None, asked["settings"], {key: str(value) for key, value in given.items()})
    request = Request(files["train"], recipe, tmp_path / "rehearsal", "")
    rehearsal = Rehearsal(request, *read_inputs(request, Show(quiet=True)), 0.0)
    rehearsal.cost()
    counted = {name: stage.tokens["fp32"] for name, stage in rehearsal.clock.stages.items()}
    for name in ("before", "merge", "after", "train"):
        assert counted[name] == expected[name] > 0
    assert counted["mine"] == pytest.approx(expected["mine"] / 200 * 48, rel=0.1)  # of the rows that are rehearsed


def test_a_time_limit_bounds_the_training(files: dict[str, Path]) -> None:
    plan = acclimate.plan(files["train"], **options(files, epochs=500, time_limit="2s"))
    assert plan["cost"]["train_seconds"] == 2


def test_nothing_is_left_behind(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acclimate_: CommandLine
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    said = acclimate_("plan", files["train"], "--base", files["base"], "--general", files["general"], "--json")
    assert said.status == 0
    assert json.loads(said.out)["method"] == "full"
    assert "about" in said.err
    assert "by stage" in said.err
    assert not [*(tmp_path / "here").iterdir(), *(tmp_path / "temporary").iterdir()]


def test_one_that_is_stopped_says_so_and_leaves_nothing(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(Stop, "reason", lambda self: "SIGINT")
    with pytest.raises(InterruptedRunError, match="before the cost was known"):
        acclimate.plan(files["train"], **options(files, epochs=1))
    assert not list(tmp_path.iterdir())


def test_what_decides_nothing_is_refused(files: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="keep decides nothing"):
        acclimate.plan(files["train"], keep="anyway")


@pytest.fixture
def acclimate_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line in this process."""
    return CommandLine(monkeypatch, capsys)
