"""Whole runs with an adaptation: what is told, what goes on to training, and what a stopped run sees."""

import importlib.util
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import acclimate
from acclimate.core.errors import InterruptedRunError, UsageError
from acclimate.core.files import sha256_file
from acclimate.runs import adaptation
from acclimate.runs.stopping import Stop
from small import jsonl, pairs
from tiny import make_tiny_model

KINDS = ("tsdae", "mlm")
TEXTS = ["the dog is under the table", "what bird near school", ""]
PLAIN = ("evaluation.merge=1", "regularizers=[]")
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adaptation")
    texts = [{"text": f"{row['positive']} in the law of the court"} for row in pairs(60, seed=9)]
    return {
        "base": make_tiny_model(folder / "base", prompts={"query": "query: ", "document": "text: "}),
        "train": jsonl(folder / "train.jsonl", pairs(80)),
        "test": jsonl(folder / "test.jsonl", pairs(30, seed=7)),
        "general": jsonl(folder / "general.jsonl", pairs(20, seed=5)),
        "texts": jsonl(folder / "texts.jsonl", texts),
    }


def tuned(files: dict[str, Path], out: Path, kind: str, *settings: str, **options: Any) -> acclimate.Run:
    given = {name: files[name] for name in ("base", "test", "general")}
    given |= {"keep": "anyway", "batch_size": 16, "epochs": 1, "method": "full"}
    adapting = f"adaptation={{kind: {kind}, steps: 30, lr: 0.001}}"
    return acclimate.fit(files["train"], settings=[adapting, *PLAIN, *settings], out=out, **(given | options))


@pytest.fixture(scope="module")
def done(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, acclimate.Run]:
    folder = tmp_path_factory.mktemp("runs")
    return {kind: tuned(files, folder / kind, kind) for kind in KINDS}


def weights_of(run: acclimate.Run) -> str:
    return sha256_file(run.path / "model" / "model.safetensors")


@every_kind
def test_the_run_says_what_came_of_it(kind: str, done: dict[str, acclimate.Run], files: dict[str, Path]) -> None:
    told = json.loads((done[kind].path / "data" / "adaptation.json").read_text())
    assert told == done[kind].scores["adaptation"]
    assert (told["kind"], told["steps"]) == (kind, 30)
    assert told["loss"]["last"] < told["loss"]["first"]
    assert told["texts"] > 80
    lines = (done[kind].path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["dev"] == told["dev"]["after"] != told["dev"]["before"]  # training goes on from there
    figures = acclimate.evaluate(files["base"], files["test"])["metrics"]
    assert done[kind].scores["test"]["before"]["ndcg@10"] == pytest.approx(figures["ndcg@10"], abs=1e-9)
    assert "Adaptation" in (done[kind].path / "report.html").read_text()


@every_kind
def test_only_an_encoder_is_left(kind: str, done: dict[str, acclimate.Run], files: dict[str, Path]) -> None:
    base, found = (acclimate.load(model).state_dict() for model in (files["base"], done[kind].path))
    assert {name: weight.shape for name, weight in found.items()} == {n: w.shape for n, w in base.items()}
    assert not (done[kind].path / "delta").exists()


@pytest.mark.skipif(importlib.util.find_spec("sentence_transformers") is None, reason="is optional")
@every_kind
def test_sentence_transformers_reads_it(kind: str, done: dict[str, acclimate.Run]) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(done[kind].path / "model"), device="cpu")
    found = model.encode(TEXTS[:2], prompt_name="query")
    np.testing.assert_allclose(found, done[kind].model.encode(TEXTS[:2], "query"), atol=1e-5)


@every_kind
def test_the_same_seed_gives_the_same_weights_and_another_one_others(
    kind: str, done: dict[str, acclimate.Run], files: dict[str, Path], tmp_path: Path
) -> None:
    assert weights_of(tuned(files, tmp_path / "again", kind)) == weights_of(done[kind])
    other = tuned(files, tmp_path / "other", kind, seed=7)
    assert other.scores["adaptation"]["loss"] != done[kind].scores["adaptation"]["loss"]


def after(steps: int) -> Callable[[Stop], str | None]:
    """Asks the run to stop after so many steps, those of the adaptation among them."""
    asked = count(1)
    return lambda self: "asked" if next(asked) >= steps else None


@every_kind
@pytest.mark.parametrize("steps", [11, 32])
def test_a_stopped_run_ends_as_if_it_had_not_been(
    kind: str,
    steps: int,
    done: dict[str, acclimate.Run],
    files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Stop, "reason", after(steps))
    with pytest.raises(InterruptedRunError, match="of the adaptation" if steps == 11 else "stopped and saved"):
        tuned(files, tmp_path / "run", kind)
    taken: list[int] = []
    original = adaptation._Work.go_on
    monkeypatch.setattr(adaptation._Work, "go_on", lambda self, *given: (taken.append(1), original(self, *given))[1])
    monkeypatch.setattr(Stop, "reason", lambda self: None)
    again = tuned(files, tmp_path / "run", kind)
    assert len(taken) == (19 if steps == 11 else 0)
    assert weights_of(again) == weights_of(done[kind])
    same = ("losses", "dev", "steps", "texts")
    assert [again.scores["adaptation"][n] for n in same] == [done[kind].scores["adaptation"][n] for n in same]


def test_texts_of_a_file_are_read_and_decide_the_run(files: dict[str, Path], tmp_path: Path) -> None:
    of_file = f"adaptation.texts={files['texts']}"
    run = tuned(files, tmp_path / "run", "tsdae", of_file)
    assert run.scores["adaptation"]["texts"] == 60
    jsonl(files["texts"], [{"text": f"other {row['positive']}"} for row in pairs(60, seed=9)])
    with pytest.raises(UsageError, match="holds a run with other texts of adaptation"):
        tuned(files, tmp_path / "run", "tsdae", of_file)


def test_hardly_any_of_the_tuned_weights_is_nearly_the_base_where_all_train(
    files: dict[str, Path], tmp_path: Path
) -> None:
    """Averaged with what the adaptation has left, the gate's limit might be out of reach for every share."""
    base = acclimate.load(files["base"]).encode(TEXTS)
    tiny = "evaluation.merge=0.000001"  # in the place of 1
    run = tuned(files, tmp_path / "full", "mlm", tiny)
    assert abs(run.model.encode(TEXTS) - base).max() < 1e-3
    lora = tuned(files, tmp_path / "lora", "mlm", tiny, method="lora")
    assert abs(lora.model.encode(TEXTS) - base).max() > 1e-2


def test_it_ends_with_half_of_the_time(files: dict[str, Path], tmp_path: Path) -> None:
    run = tuned(files, tmp_path / "run", "mlm", "adaptation.steps=100000", time_limit=1.0)
    told = run.scores["adaptation"]
    assert told["steps"] < 100000
    assert 0.4 < told["seconds"] < 0.9
    assert run.scores["cost"]["train_seconds"] < 0.9


def test_what_cannot_act_is_one_line(files: dict[str, Path], tmp_path: Path) -> None:
    mpnet = make_tiny_model(tmp_path / "mpnet", "mpnet")
    with pytest.raises(UsageError, match="tsdae needs a decoder, and a model of type mpnet has none; take kind mlm"):
        tuned(files, tmp_path / "decoder", "tsdae", base=mpnet)
    ids = jsonl(tmp_path / "ids.jsonl", [{"query": f"a{n % 9}", "positive": f"b{n % 7}"} for n in range(60)])
    with pytest.raises(UsageError, match="adaptation mlm is for transformers, and the base is a table; leave it out"):
        acclimate.fit(ids, base="items:8", settings=["adaptation=mlm"], out=tmp_path / "ids")
