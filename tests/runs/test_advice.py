"""``method: auto`` in whole runs: decided by the rules, told, the same when a run is taken up, and tried by a pilot."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import acclimate
from acclimate.adaptations import ADAPTATIONS
from acclimate.advisor import RULES, advise
from acclimate.core.errors import InterruptedRunError, UsageError
from acclimate.methods.full import Full
from acclimate.methods.lora import LoRA
from acclimate.methods.residual import ResidualAdapter
from acclimate.recipe.read import read_recipe
from acclimate.runs import advising
from acclimate.runs.planning import Request, load_base, plan_for, read_inputs
from acclimate.runs.show import Show
from acclimate.runs.stopping import Stop
from small import CommandLine, beir, jsonl, pairs, scored
from tiny import make_tiny_model


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("advice")
    return {
        "base": make_tiny_model(folder / "base"),
        "few": jsonl(folder / "few.jsonl", pairs(100)),
        "more": jsonl(folder / "more.jsonl", pairs(320)),
        "scored": jsonl(folder / "scored.jsonl", scored(100)),
        "dev": jsonl(folder / "dev.jsonl", pairs(60, seed=9, name="dev")),
        "test": beir(folder / "test", pairs(60, seed=7, name="test")),
        "general": jsonl(folder / "general.jsonl", pairs(20, seed=5)),
    }


def options(files: dict[str, Path], **changed: Any) -> dict[str, Any]:
    given = {name: files[name] for name in ("base", "dev", "test", "general")}
    return {name: value for name, value in {**given, "batch_size": 16, "epochs": 1, **changed}.items() if value}


@pytest.mark.parametrize(
    ("train", "settings", "rule", "method"),
    [
        ("few", (), "otherwise", "full"),
        ("scored", (), "scored_or_labeled", "full"),
        ("few", ("serving=shared_base",), "shared_base", "adapter"),
        ("more", ("serving=fixed_index",), "fixed_index", "residual"),
        ("few", ("training.optimizer=lbfgs",), "line_search", "prompt"),
        ("few", ("regularizers=[{kind: ewc, keep_importance: true}]",), "own_weights", "full"),
        ("few", ("vocabulary=extend",), "own_weights", "full"),
    ],
)
def test_auto_is_what_the_rule_takes(
    files: dict[str, Path], train: str, settings: tuple[str, ...], rule: str, method: str
) -> None:
    given = {"base": files["base"], **{f"data.{part}": files[part] for part in ("dev", "test", "general")}}
    if train == "scored":
        given |= {"data.dev": "split", "data.test": "split"}
    recipe = read_recipe(None, settings, {key: str(value) for key, value in given.items()})
    base, prepared = read_inputs(Request(files[train], recipe, Path(), ""), Show(quiet=True))
    encoder = load_base(recipe, base)
    advice = advise(advising.situation_of(recipe, base, prepared, encoder))
    assert advice.rule == rule
    plan = plan_for(recipe, base, prepared, encoder, None, advice)
    assert plan.decided.method.kind == method
    assert plan.reasons[1] == f"rule {rule}: {advice.reason} ({advice.evidence})"


def test_a_base_on_which_a_method_finds_nothing_to_change_says_so(files: dict[str, Path], tmp_path: Path) -> None:
    given = {"base": make_tiny_model(tmp_path / "base", "gpt2"), "data.general": files["general"]}
    recipe = read_recipe(None, (), {key: str(value) for key, value in given.items()})
    base, _ = read_inputs(Request(files["few"], recipe, Path(), ""), Show(quiet=True))
    assert "have no linear layers" in advising.refusal(recipe, base, LoRA())
    assert advising.refusal(recipe, base, Full()) == ""


def test_a_plan_names_the_rule(files: dict[str, Path]) -> None:
    plan = acclimate.plan(files["few"], **options(files))
    assert plan["method"] == plan["recipe"]["method"]["kind"] == plan["advice"]["method"]["kind"] == "full"
    assert plan["advice"]["rule"] == "otherwise"
    assert plan["headroom"]["worth_tuning"] is True
    assert not any("to gain:" in warning for warning in plan["warnings"])
    found = acclimate.evaluate(files["base"], files["test"])["metrics"]
    assert plan["headroom"]["ndcg"] == pytest.approx(found["ndcg@10"], abs=1e-6)


def test_a_method_that_is_given_needs_no_advice(files: dict[str, Path]) -> None:
    plan = acclimate.plan(files["few"], **options(files, method="full"))
    assert plan["advice"] is None
    assert not any(reason.startswith("rule") for reason in plan["reasons"])


def test_people_read_the_rule_and_what_was_passed_over(files: dict[str, Path], acclimate_: CommandLine) -> None:
    asked = [word for name in ("base", "dev", "test", "general") for word in (f"--{name}", files[name])]
    said = acclimate_("plan", files["more"], *asked, "--epochs", 1)
    told = " ".join(said.out.split())  # lines are broken where the terminal ends
    assert "rule otherwise: 320 pairs" in told
    assert "not many: 320 pairs, fewer than 100,000" in told


def other_rules(patch: pytest.MonkeyPatch) -> None:
    """As a later version may have them."""
    other = replace(RULES[-1], name="other", takes=lambda situation: ResidualAdapter())
    patch.setattr("acclimate.advisor.advice.RULES", (other,))


@pytest.fixture
def stopped(files: dict[str, Path], tmp_path: Path) -> Path:
    """A run by auto that was stopped after its first step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stop, "reason", lambda self: "SIGINT")
        with pytest.raises(InterruptedRunError):
            acclimate.fit(files["few"], **options(files), out=tmp_path / "run")
    return tmp_path / "run"


def test_a_run_that_is_taken_up_goes_on_with_what_was_decided(
    files: dict[str, Path], tmp_path: Path, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = acclimate.fit(files["few"], **options(files), out=tmp_path / "whole")
    other_rules(monkeypatch)
    assert acclimate.plan(files["few"], **options(files))["method"] == "residual"
    resumed = acclimate.fit(files["few"], **options(files), out=stopped)
    assert resumed.scores["method"] == "full"
    assert resumed.scores["test"] == whole.scores["test"]
    assert yaml.safe_load((stopped / "resolved.yaml").read_text())["method"]["kind"] == "full"
    texts = ["what dog near school", "the river"]
    np.testing.assert_array_equal(resumed.model.encode(texts), whole.model.encode(texts))


def test_one_that_begins_anew_decides_anew(
    files: dict[str, Path], stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_rules(monkeypatch)
    assert acclimate.fit(files["few"], **options(files), out=stopped, restart=True).scores["method"] == "residual"


def test_what_was_resolved_is_a_recipe_of_the_same_run(files: dict[str, Path], tmp_path: Path) -> None:
    asked = options(files, settings=["serving=fixed_index"])
    run = acclimate.fit(files["few"], **asked, out=tmp_path / "one")
    again = acclimate.fit(files["few"], recipe=run.path / "resolved.yaml", out=tmp_path / "two")
    assert again.scores["test"] == run.scores["test"]


def test_a_time_limit_shapes_the_run_and_a_faster_machine_later_does_not(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = options(files, time_limit="60s")
    monkeypatch.setattr(advising, "seconds_a_row", lambda *given: 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(Stop, "reason", lambda self: "SIGINT")
        with pytest.raises(InterruptedRunError):
            acclimate.fit(files["more"], **asked, out=tmp_path / "run")
    decided = json.loads((tmp_path / "run" / "data" / "fingerprint.json").read_text())["advice"]
    assert decided["rule"] == "short"
    assert "60 s leave room for 0.19 epochs of full tuning" in decided["reason"]
    monkeypatch.setattr(advising, "seconds_a_row", lambda *given: pytest.fail("a run that is taken up times nothing"))
    assert acclimate.fit(files["more"], **asked, out=tmp_path / "run").scores["method"] == "residual"


def test_a_step_is_timed_and_the_base_stays_as_it_is(files: dict[str, Path]) -> None:
    given = {"base": files["base"], "training.time_limit": "10m", "data.mining": "base"}
    recipe = read_recipe(None, (), {key: str(value) for key, value in given.items()})
    base, prepared = read_inputs(Request(files["more"], recipe, Path(), ""), Show(quiet=True))
    encoder = load_base(recipe, base)
    situation = advising.situation_of(recipe, base, prepared, encoder)
    assert 0 < situation.epoch_seconds < 600 == situation.limit_seconds  # 256 short texts, two blocks of width 32
    assert advise(situation).rule == "otherwise"
    assert all(p.grad is None for p in encoder.parameters())
    adapting = recipe.model_copy(update={"adaptation": ADAPTATIONS.parse("mlm")})
    assert advising.situation_of(adapting, base, prepared, encoder).limit_seconds == 300


def test_without_a_time_limit_nothing_is_timed(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advising, "seconds_a_row", lambda *given: pytest.fail("the result would be the machine's"))
    recipe = read_recipe(None, (), {"base": str(files["base"])})
    base, prepared = read_inputs(Request(files["more"], recipe, Path(), ""), Show(quiet=True))
    assert advising.situation_of(recipe, base, prepared, load_base(recipe, base)).epoch_seconds == 0


def test_a_base_with_nothing_to_gain_is_told(files: dict[str, Path], tmp_path: Path) -> None:
    # Every query is its own document's text: whatever the base, it finds it first.
    same = [{"query": row["positive"], "positive": row["positive"]} for row in pairs(60, seed=7, name="test")]
    easy = beir(tmp_path / "easy", same)
    plan = acclimate.plan(files["more"], **options(files, test=easy))
    assert plan["headroom"]["worth_tuning"] is False
    assert any("nothing to gain" in warning for warning in plan["warnings"])


def test_fit_tells_it_too_and_trains_all_the_same(
    files: dict[str, Path], tmp_path: Path, acclimate_: CommandLine
) -> None:
    same = [{"query": row["positive"], "positive": row["positive"]} for row in pairs(60, seed=7, name="test")]
    easy = beir(tmp_path / "easy", same)
    asked = ["--base", files["base"], "--dev", files["dev"], "--general", files["general"], "--epochs", 1]
    said = acclimate_("fit", files["few"], "--test", easy, *asked, "--out", tmp_path / "run", "--method", "residual")
    assert "warning: nothing to gain: the base answers all" in " ".join(said.out.split())
    assert said.status == 3
    assert json.loads((tmp_path / "run" / "scores.json").read_text())["gate"]["verdict"] == "no_gain"


# -- the pilot -----------------------------------------------------------------------------------------------------


def test_a_pilot_compares_on_dev_and_leaves_nothing_behind(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    plan = acclimate.plan(files["more"], **options(files, epochs=15, lr=3e-3), pilot=True)
    assert not list(tmp_path.iterdir())
    rows, takes = plan["pilot"], plan["pilot_takes"]
    assert [row["name"] for row in rows] == ["full", "lora", "residual"]
    assert rows[0]["against_first"] is None
    dev = acclimate.evaluate(files["base"], files["dev"])["metrics"]["ndcg@10"]
    for row in rows:
        assert row["steps"] == 30  # a tenth of 15 epochs of 20
        assert row["seconds"] > 0
        assert row["metric"] == "ndcg@10"
        assert row["before"] == pytest.approx(dev, abs=0.02)  # dev is scored in the precision of the training
        assert row["gain"]["value"] == pytest.approx(row["after"] - row["before"])
        assert row["gain"]["ci95"][0] <= row["gain"]["value"] <= row["gain"]["ci95"][1]
    assert max(row["gain"]["value"] for row in rows) > 0
    ahead = [row for row in rows[1:] if row["against_first"]["ci95"][0] > 0]
    best = max(ahead, key=lambda row: row["against_first"]["value"]) if ahead else rows[0]
    assert takes["method"] == best["method"]
    assert takes["options"].startswith(f"--method {best['name']}")
    assert plan["method"] == "full"


@pytest.mark.long
def test_a_pilot_tries_the_method_that_was_given_first(files: dict[str, Path], acclimate_: CommandLine) -> None:
    asked = [word for name in ("base", "dev", "test", "general") for word in (f"--{name}", files[name])]
    settings = ["--method", "residual", "--set", "method.side=query", "--set", "training.batch_size=16"]
    said = acclimate_("plan", files["more"], *asked, *settings, "--epochs", 1, "--pilot", "--json")
    document = json.loads(said.out)
    assert [row["name"] for row in document["pilot"]] == ["residual", "full", "residual_2"]
    assert {row["steps"] for row in document["pilot"]} == {20}  # a tenth of 20 would move nothing
    assert "--method residual --set method.side=query: no other is ahead of residual" in " ".join(said.err.split())


@pytest.mark.long
def test_a_method_that_cannot_act_is_told_and_not_tried(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(method: str) -> None:
        raise UsageError(f"method {method} needs the peft library", "pip install 'acclimate[peft]'")

    monkeypatch.setattr("acclimate.methods.peft_layers.peft_library", missing)
    rows = acclimate.plan(files["more"], **options(files), pilot=True)["pilot"]
    assert ["refused" in row for row in rows] == [False, True, False]
    assert "needs the peft library" in rows[1]["refused"]


def test_a_pilot_that_is_stopped_leaves_nothing(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    asked = []

    def reason(stop: Stop) -> str | None:
        asked.append(stop)
        return "SIGINT" if len(asked) > 25 else None  # after the rehearsal, within the second method

    monkeypatch.setattr(Stop, "reason", reason)
    with pytest.raises(InterruptedRunError, match="before the pilot was over"):
        acclimate.plan(files["more"], **options(files), pilot=True)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def acclimate_(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line in this process."""
    return CommandLine(monkeypatch, capsys)
