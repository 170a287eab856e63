"""Whole runs against a second domain: what is reported, what is refused, and what a weight of 0 leaves as it is."""

import json
from pathlib import Path
from typing import Any

import pytest

import acclimate
from acclimate.core.errors import InterruptedRunError, UsageError
from acclimate.core.files import sha256_file
from acclimate.runs.stopping import Stop
from small import jsonl, pairs
from tiny import make_tiny_model

ADVERSARIAL = "regularizers=[{kind: domain_adversarial, weight: 1.0}]"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adversarial")
    return {
        "base": make_tiny_model(folder / "base"),
        "train": jsonl(folder / "train.jsonl", pairs(96)),
        "source": jsonl(folder / "source.jsonl", pairs(96, seed=3, name="law court notice")),
        "test": jsonl(folder / "test.jsonl", pairs(30, seed=7)),
        "general": jsonl(folder / "general.jsonl", pairs(20, seed=5)),
    }


def tuned(files: dict[str, Path], out: Path, *settings: str, **options: Any) -> acclimate.Run:
    given = {name: files[name] for name in ("base", "test", "general")}
    settings = (f"data.source={files['source']}", "evaluation.merge=1", *settings)
    given |= {"keep": "anyway", "batch_size": 16, "epochs": 4, "lr": 1e-3, "method": "full"}
    return acclimate.fit(files["train"], settings=settings, out=out, **(given | options))


@pytest.fixture(scope="module")
def done(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> acclimate.Run:
    return tuned(files, tmp_path_factory.mktemp("runs") / "run", ADVERSARIAL)


def test_the_run_says_how_well_fresh_classifiers_tell_the_domains_apart(done: acclimate.Run) -> None:
    domains = done.scores["domains"]
    assert set(domains["before"]) == set(domains["after"]) == {"queries", "documents"}
    for side in (*domains["before"].values(), *domains["after"].values()):
        assert side["proxy_a_distance"] == pytest.approx(2 * (2 * side["domain_accuracy"] - 1))
    assert domains["before"]["documents"]["domain_accuracy"] > 0.9
    assert domains["after"] != domains["before"]
    assert json.loads((done.path / "scores.json").read_text())["domains"] == domains


def test_the_classifiers_train_and_are_no_part_of_the_model(done: acclimate.Run, files: dict[str, Path]) -> None:
    records = [json.loads(line) for line in (done.path / "metrics.jsonl").read_text().splitlines()]
    steps = [record for record in records if "loss" in record]
    terms = [record["loss"]["domain_adversarial"] for record in steps]
    assert terms[0] == 0  # before it starts
    assert all(term > 0 for record, term in zip(steps, terms, strict=True) if record["progress"] >= 0.1)
    assert steps[-1]["lr"]["heads"] > steps[-1]["lr"]["encoder"]
    sizes = [sum(p.numel() for p in acclimate.load(model).parameters()) for model in (done.path, files["base"])]
    assert sizes[0] == sizes[1]


def test_it_is_told_where_people_look(
    files: dict[str, Path], tmp_path: Path, done: acclimate.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    from acclimate.runs.show import Show

    Show().verdict(done.scores)
    assert "documents of source and target told apart: " in capsys.readouterr().out


def test_a_stopped_run_ends_as_if_it_had_not_been(
    done: acclimate.Run, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = iter(range(1000))
    monkeypatch.setattr(Stop, "reason", lambda self: "asked" if next(asked) >= 7 else None)
    with pytest.raises(InterruptedRunError):
        tuned(files, tmp_path / "run", ADVERSARIAL)
    monkeypatch.setattr(Stop, "reason", lambda self: None)
    again = tuned(files, tmp_path / "run", ADVERSARIAL)
    assert sha256_file(again.path / "model" / "model.safetensors") == sha256_file(
        done.path / "model" / "model.safetensors"
    )
    assert again.scores["domains"] == done.scores["domains"]


def test_a_weight_of_0_is_the_run_without_it(files: dict[str, Path], tmp_path: Path) -> None:
    without = "regularizers=[]"
    zero = "regularizers=[{kind: domain_adversarial, weight: 0}]"
    runs = [tuned(files, tmp_path / f"{n}", given) for n, given in enumerate((without, zero))]
    hashes = [sha256_file(run.path / "model" / "model.safetensors") for run in runs]
    assert hashes[0] == hashes[1]
    assert "domains" not in runs[1].scores


def test_a_delta_holds_what_the_method_changed_and_no_classifier(files: dict[str, Path], tmp_path: Path) -> None:
    run = tuned(files, tmp_path / "run", ADVERSARIAL, method="lora", epochs=1)
    (encoder,) = acclimate.load_deltas(files["base"], {"one": run.path / "delta"}).values()
    texts = ["dog is under the table", "the law of the court"]
    assert abs(encoder.encode(texts) - run.model.encode(texts)).max() < 1e-5


def test_what_cannot_act_is_one_line(files: dict[str, Path], tmp_path: Path) -> None:
    alone = "tells a source from the target, and the run has no source; name rows of another domain"
    with pytest.raises(UsageError, match=alone):
        tuned(files, tmp_path / "alone", "data.source=none", ADVERSARIAL)
    with pytest.raises(UsageError, match="prompts of the source tell them apart; leave out"):
        tuned(files, tmp_path / "tagged", "data.source_query_prompt=law", ADVERSARIAL)
