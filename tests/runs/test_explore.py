"""What `explore` finds of a run, and that looking changes nothing."""

import hashlib
import json
import shutil
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import acclimate
from acclimate.core.errors import ResourceError, UsageError
from acclimate.model.encoder import Encoder
from acclimate.runs import explore
from acclimate.runs.explore import _listen, space_of, state_of
from acclimate.runs.explored import corpus_of
from acclimate.runs.show import Show
from acclimate.serve.space import BASE, TUNED, Space
from small import beir, jsonl, labeled, pairs, scored, start


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[str, Path]:
    """A run on pairs with a test of its own, on pairs that are cut, on scored pairs and on labeled texts."""
    place = tmp_path_factory.mktemp("explore")
    data: dict[str, list[dict[str, Any]]] = {
        "given": pairs(60),
        "cut": pairs(80),
        "scored": scored(120),
        "labeled": labeled(120),
    }
    beside = {"given": {"test": beir(place / "test", pairs(24, seed=3, name="test"))}}
    general = jsonl(place / "general.jsonl", pairs(30, seed=7, name="general"))
    for name, rows in data.items():
        acclimate.fit(
            jsonl(place / f"{name}.jsonl", rows),
            base=tiny_model,
            method="full",
            out=place / name,
            epochs=1,
            general=general,
            settings=["regularizers=[]"],
            **beside.get(name, {}),
        )
    return {name: place / name for name in data}


def opened(run: Path, test: Path | None = None) -> Space:
    state, recipe = state_of(run)
    return space_of(run, recipe, corpus_of(run, recipe.data, test), Show(quiet=True), state)


@pytest.mark.parametrize("name", ["given", "cut"])
def test_ranks_are_those_that_the_run_was_scored_by(runs: dict[str, Path], name: str) -> None:
    space = opened(runs[name])
    told = [json.loads(line) for line in (runs[name] / "data" / "queries.jsonl").read_text().splitlines()]
    assert [q.text for q in space.corpus.questions if q.origin == "test"] == [q["query"] for q in told]
    assert len(space.corpus.texts) == (24 if name == "given" else 80)
    assert space.corpus.notes == ()
    for query in told:
        found = space.neighbors(query["query"], 3)
        for side in ("before", "after"):
            best = min(found["documents"][str(row)][f"rank_{side}"] for row in found["right"])
            assert best == query[f"rank_{side}"]
            ids = [found["documents"][str(row)]["id"] for row in found[side]]
            assert ids == [hit["id"] for hit in query[f"top_{side}"]]


def test_questions_that_trained_are_those_of_train(runs: dict[str, Path]) -> None:
    space = opened(runs["cut"])
    trained = {json.loads(line)["line"] for line in (runs["cut"] / "data" / "train.jsonl").read_text().splitlines()}
    rows = pairs(80)
    questions = [q for q in space.corpus.questions if q.origin == "train"]
    assert {q.text for q in questions} == {rows[line - 1]["query"] for line in trained}
    right = {row["query"]: row["positive"].strip() for row in rows}
    assert all([space.corpus.texts[row] for row in q.relevant] == [right[q.text]] for q in questions)


def test_shares_between_are_models_whose_weights_lie_between(runs: dict[str, Path], tmp_path: Path) -> None:
    space = opened(runs["cut"])
    assert space.shares == (0, 0.25, 0.5, 0.75, 1)
    tuned = runs["cut"] / ("rejected" if (runs["cut"] / "rejected").is_dir() else "model")
    base = json.loads((runs["cut"] / "scores.json").read_text())["base"]
    acclimate.merge(tuned, base, alpha=0.25, out=tmp_path / "merged")
    merged = acclimate.load(tmp_path / "merged")
    for share in (0.75, 0.25):  # one after the other: only one of them is in memory
        _ = space.documents(share)
    expected = merged.encode(space.corpus.texts, "document")
    assert np.abs(space.documents(0.25) - expected).max() < 1e-5
    assert np.abs(space.documents(0.75) - expected).max() > 1e-4
    assert np.abs(space.encode(["a query"], "query", 0.25) - merged.encode(["a query"], "query")).max() < 1e-5


@pytest.mark.parametrize(("name", "judged"), [("scored", False), ("labeled", False), ("given", True)])
def test_every_kind_of_run_can_be_looked_at(runs: dict[str, Path], name: str, judged: bool) -> None:
    space = opened(runs[name])
    assert space.corpus.judged is judged
    assert (space.corpus.labels is not None) == (name == "labeled")
    assert len(space.neighbors("a dog under the table", 5)["after"]) == 5
    assert len(space.neighbors(0, 5)["before"]) == 5
    assert space.layout is not None


def test_looking_changes_nothing_and_the_second_time_encodes_nothing(
    runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def content() -> dict[str, tuple[str, int]]:
        files = sorted(path for path in runs["given"].rglob("*") if path.is_file())
        return {str(p): (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns) for p in files}

    before = content()
    first = opened(runs["given"])
    monkeypatch.setattr(Encoder, "encode", lambda *_, **__: pytest.fail("texts are encoded again"))
    second = opened(runs["given"])
    for share in (BASE, TUNED):
        assert np.array_equal(first.documents(share), second.documents(share))
    assert content() == before


def moved(run: Path, to: Path, **paths: Path) -> Any:
    """The corpus of a copy of a run whose recipe names other places."""
    shutil.copytree(run, to)
    recipe = yaml.safe_load((to / "recipe.yaml").read_text())
    recipe["data"] |= {name: str(path) for name, path in paths.items()}
    (to / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return corpus_of(to, state_of(to)[1].data)


def test_data_that_is_gone_is_told_and_what_the_run_names_is_shown(runs: dict[str, Path], tmp_path: Path) -> None:
    corpus = moved(runs["given"], tmp_path / "run", test=tmp_path / "gone")
    assert [note for note in corpus.notes if "TEST cannot be read again" in note]
    assert [note for note in corpus.notes if "--test FOLDER names all" in note]
    told = [json.loads(line) for line in (tmp_path / "run" / "data" / "queries.jsonl").read_text().splitlines()]
    named = {hit["text"] for q in told for part in ("relevant", "top_before", "top_after") for hit in q[part]}
    assert set(corpus.texts) == named
    assert all(len(q.relevant) == 1 for q in corpus.questions)


def test_data_that_has_changed_is_told(runs: dict[str, Path], tmp_path: Path) -> None:
    data = jsonl(tmp_path / "cut.jsonl", [*pairs(80), {"query": "one more", "positive": "document"}])
    assert "TRAIN has changed since the run" in moved(runs["cut"], tmp_path / "run", train=data).notes


def test_other_data_can_be_looked_at(runs: dict[str, Path], tmp_path: Path) -> None:
    space = opened(runs["cut"], beir(tmp_path / "other", pairs(9, seed=5, name="other")))
    assert len(space.corpus.texts) == len(space.corpus.questions) == 9
    texts = jsonl(tmp_path / "texts.jsonl", [{"text": f"a text {row}"} for row in range(7)])
    assert len(opened(runs["cut"], texts).corpus.texts) == 7


def test_what_is_no_run_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    for folder in (tmp_path, tiny_model, tmp_path / "nothing"):
        with pytest.raises(UsageError, match="holds no run of fit"):
            state_of(folder)


def test_a_port_that_is_taken_is_told_and_the_default_gives_way() -> None:
    first = _listen(None)
    try:
        port = first.getsockname()[1]
        assert first.getsockname()[0] == "127.0.0.1"
        with pytest.raises(ResourceError, match=f"cannot listen on port {port}: .*; give another --port"):
            _listen(port)
    finally:
        first.close()


@pytest.fixture
def served(runs: dict[str, Path]) -> Iterator[str]:
    process = start("explore", runs["given"], "--no-open", "--json")
    try:
        assert process.stdout is not None
        lines = ""
        while "}" not in lines:
            lines += process.stdout.readline()
        yield json.loads(lines)["address"]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_run_is_waited_for_and_shown_when_it_is_finished(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore, "_LOOK_EVERY", 0.02)
    run = tmp_path / "run"
    shutil.copytree(runs["given"], run)
    scores = (run / "scores.json").rename(tmp_path / "scores.json")
    state, recipe = state_of(run)
    assert "verdict" not in state.about
    waiting = threading.Thread(target=explore._prepare, args=(run, recipe, None, state, Show(quiet=True)))
    waiting.start()
    time.sleep(0.1)
    assert (state.phase, state.space) == ("waiting", None)
    scores.rename(run / "scores.json")
    waiting.join(60)
    assert (state.phase, state.problem) == ("ready", "")
    assert state.space is not None
    assert state.about["verdict"] == json.loads((run / "scores.json").read_text())["gate"]["verdict"]


def test_a_model_that_cannot_be_read_is_told_on_the_page(runs: dict[str, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs["given"], run)
    for folder in (run / "model", run / "rejected"):
        for weights in folder.glob("*.safetensors"):
            weights.write_bytes(weights.read_bytes()[:1000])
    state, recipe = state_of(run)
    explore._prepare(run, recipe, None, state, Show(quiet=True))
    assert state.phase == "failed"
    assert "the weights cannot be read" in state.problem


@pytest.mark.long
def test_the_verb_serves_the_page(served: str) -> None:
    with urllib.request.urlopen(served) as answer:
        assert b"acclimate-token" in answer.read()
    with urllib.request.urlopen(f"{served}api/state") as answer:
        assert json.loads(answer.read())["run"] == "given"
