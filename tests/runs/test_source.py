"""A source beside TRAIN: whose batches they are, what is left out, what rows count, and what goes on after a stop."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import acclimate
from acclimate.core.errors import DataError, InterruptedRunError, UsageError
from acclimate.core.files import read_jsonl
from acclimate.runs.show import Show
from acclimate.runs.stopping import Stop
from small import jsonl, pairs
from tiny import make_tiny_model


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("source")
    test = pairs(30, seed=7)
    scored = [{**row, "score": n % 3} for n, row in enumerate(pairs(40))]
    return {
        "base": make_tiny_model(folder / "base"),
        "train": jsonl(folder / "train.jsonl", pairs(60)),
        "test": jsonl(folder / "test.jsonl", test),
        "general": jsonl(folder / "general.jsonl", pairs(20, seed=5)),
        "source": jsonl(folder / "source.jsonl", [*pairs(130, seed=11, name="old"), test[3]]),
        "small": jsonl(folder / "small.jsonl", pairs(20, seed=13, name="old")),
        "scored": jsonl(folder / "scored.jsonl", scored),
        "labeled": jsonl(folder / "labeled.jsonl", [{"text": f"{n}", "label": str(n % 2)} for n in range(60)]),
    }


def tuned(files: dict[str, Path], out: Path, *settings: str, **options: Any) -> acclimate.Run:
    given = {"base": files["base"], "test": files["test"], "general": files["general"], "keep": "anyway", **options}
    given = {"batch_size": 12, "epochs": 3, "method": "full", "source": files["source"], **given}
    train = given.pop("train", files["train"])
    return acclimate.fit(train, settings=("evaluation.merge=1", "evaluation.patience=99", *settings), out=out, **given)


def steps_of(run: acclimate.Run) -> list[list[str]]:
    """The ids of the rows of each step."""
    return [record["rows"] for record in read_jsonl(run.path / "metrics.jsonl") if "loss" in record]


def of_source(run: acclimate.Run) -> list[bool]:
    """Whether each step is of the source; none is of both."""
    steps = [{name.startswith("source:") for name in rows} for rows in steps_of(run)]
    assert all(len(domains) == 1 for domains in steps)
    return [domains == {True} for domains in steps]


def data_of(run: acclimate.Run) -> dict[str, Any]:
    """The settings of the data as they were decided."""
    document: dict[str, Any] = yaml.safe_load((run.path / "resolved.yaml").read_text())["data"]
    return document


def test_each_way_mixes_the_batches_and_trains_on_all_of_train(files: dict[str, Path], tmp_path: Path) -> None:
    alone = sorted(map(sorted, steps_of(tuned(files, tmp_path / "alone", source=None))))
    own = len(alone)
    expected = {"proportional": 3 * 11, "alternating": own, "{kind: annealed, begin: 0.8}": 15}  # 15 (ln 5 / 0.8 - 1)
    for kind, count in expected.items():
        run = tuned(files, tmp_path / kind[:6], f"data.mixing={kind}")
        domains = of_source(run)
        assert (sum(domains), len(domains)) == (count, own + count)
        rest = [rows for rows, other in zip(steps_of(run), domains, strict=True) if not other]
        assert sorted(map(sorted, rest)) == alone
        seen = {name for rows, other in zip(steps_of(run), domains, strict=True) if other for name in rows}
        assert "source:source:131" not in seen  # what the test asks
        assert kind != "proportional" or len(seen) == 130


def test_what_auto_became_is_written_out(files: dict[str, Path], tmp_path: Path) -> None:
    larger = data_of(tuned(files, tmp_path / "larger", epochs=1))
    assert larger["mixing"] == {"kind": "alternating"}  # 11 batches beside 5


def test_a_resumed_run_goes_on_as_one_that_was_not_stopped(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (
        "data.mixing={kind: annealed, begin: 0.8}",
        "data.weighting=density_ratio",
        f"data.replay={files['small']}",
    )
    whole = tuned(files, tmp_path / "whole", *settings)
    asked = iter(range(100))
    monkeypatch.setattr(Stop, "reason", lambda self: "asked" if next(asked) == 13 else None)
    with pytest.raises(InterruptedRunError):
        tuned(files, tmp_path / "again", *settings)
    monkeypatch.setattr(Stop, "reason", lambda self: None)
    again = tuned(files, tmp_path / "again", *settings)
    assert steps_of(again) == steps_of(whole)
    weights = [(run.path / "model" / "model.safetensors").read_bytes() for run in (again, whole)]
    assert weights[0] == weights[1]


def test_another_source_is_another_run(files: dict[str, Path], tmp_path: Path) -> None:
    tuned(files, tmp_path / "run", epochs=1)
    with pytest.raises(UsageError, match="source"):
        tuned(files, tmp_path / "run", source=files["small"], epochs=1)


def test_what_is_left_out_and_what_it_costs_is_said(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    for said_by in ("say", "detail"):
        monkeypatch.setattr(Show, said_by, lambda self, text: lines.append(text))
    tuned(files, tmp_path / "run", "data.weighting=nearest")
    said = "\n".join(lines)
    assert "note: rows of source left out because they hold texts of test or dev: 1" in said
    assert "source: 130 rows, read 1.4 times on average; 15 steps beside 15 of TRAIN, 50% of the batches" in said
    assert "most alike: what" in said
    assert "mixing alternating: a batch of the source, a batch of TRAIN (the source is larger than TRAIN)" in said
    assert "weighting nearest" in said


def test_of_a_huge_source_a_random_choice_is_read(files: dict[str, Path], tmp_path: Path) -> None:
    rows = [{"query": f"question {n}", "positive": f"answer {n}"} for n in range(700)]
    large = jsonl(tmp_path / "large.jsonl", rows)
    run = tuned(files, tmp_path / "run", "data.mixing={kind: proportional, most: 0.1}", source=large, epochs=1)
    assert sum(of_source(run)) == 1  # a tenth of five batches
    seen = steps_of(run)[of_source(run).index(True)]
    assert sorted(int(name.rpartition(":")[2]) for name in seen)[-1] > 500  # 600 are read, not the first ones


def test_rows_count_by_likeness_times_what_the_file_says(files: dict[str, Path], tmp_path: Path) -> None:
    given = list(read_jsonl(files["source"]))
    doubled = jsonl(tmp_path / "doubled.jsonl", [{**row, "weight": 1 + n % 2} for n, row in enumerate(given)])
    found = []
    for source in (files["source"], doubled):
        run = tuned(files, tmp_path / source.stem, "data.weighting=density_ratio", source=source, epochs=1)
        found.append(list(read_jsonl(run.path / "data" / "source_weights.jsonl")))
    plain, twice = ([record["weight"] for record in records] for records in found)
    assert np.mean(plain) == pytest.approx(1)
    assert len(set(plain)) > 20
    assert [record["line"] for record in found[0]] == list(range(1, 131))
    assert twice == [weight * (1 + n % 2) for n, weight in enumerate(plain)]
    document = json.loads((tmp_path / "source" / "data" / "weighting.json").read_text())
    assert document["effective_sample_size"] == pytest.approx(sum(plain) ** 2 / np.square(plain).sum(), abs=0.1)
    assert document["most_alike"][0]["weight"] == pytest.approx(max(plain), abs=1e-3)
    assert document["least_alike"][0]["weight"] == pytest.approx(min(plain), abs=1e-3)


def test_the_loss_of_a_batch_is_the_mean_under_the_weights(files: dict[str, Path], tmp_path: Path) -> None:
    """By hand, of the first batch, before anything has been trained."""
    objective = "objective={kind: infonce, symmetric: false, temperature: 0.1}"
    settings = ("data.mixing=alternating", "data.weighting=nearest", "regularizers=[]", objective)
    run = tuned(files, tmp_path / "run", *settings, precision="fp32", epochs=1)
    first = next(record for record in read_jsonl(run.path / "metrics.jsonl") if "loss" in record)
    listed = {record["id"]: record["weight"] for record in read_jsonl(run.path / "data" / "source_weights.jsonl")}
    rows = {f"source:source:{n}": row for n, row in enumerate(read_jsonl(files["source"]), start=1)}
    encoder = acclimate.load(files["base"])
    encoder.normalize = True
    queries = encoder.encode([rows[name]["query"] for name in first["rows"]], "query")
    documents = encoder.encode([rows[name]["positive"] for name in first["rows"]], "document")
    logits = queries.astype(np.float64) @ documents.T / 0.1
    loss = np.log(np.exp(logits).sum(axis=1)) - np.diag(logits)
    weights = [listed[name] for name in first["rows"]]
    assert first["loss"]["infonce"] == pytest.approx(np.average(loss, weights=weights), rel=1e-4)
    assert first["loss"]["infonce"] != pytest.approx(loss.mean(), rel=1e-3)


def test_prompts_and_weights_are_what_a_file_could_say(files: dict[str, Path], tmp_path: Path) -> None:
    """The same model to the last bit from a file whose texts begin with the prompts, and that has the weights."""
    prompts = ("data.source_query_prompt='old: '", "data.source_document_prompt='text: '")
    plain = tuned(files, tmp_path / "plain", "data.weighting=nearest", epochs=1)
    told = tuned(files, tmp_path / "told", "data.weighting=nearest", *prompts, epochs=1)
    listed = [list(read_jsonl(run.path / "data" / "source_weights.jsonl")) for run in (plain, told)]
    assert listed[0] == listed[1]  # likeness is that of the texts without prompts
    rows = zip(read_jsonl(files["source"]), listed[0], strict=False)
    written = [
        {"query": f"old: {row['query']}", "positive": f"text: {row['positive']}", "weight": record["weight"]}
        for row, record in rows
    ]
    source = jsonl(tmp_path / "source.jsonl", written)
    same = tuned(files, tmp_path / "written", source=source, epochs=1)
    weights = [(run.path / "model" / "model.safetensors").read_bytes() for run in (plain, told, same)]
    assert weights[1] == weights[2] != weights[0]


def test_scored_pairs_train_beside_scored_pairs_and_count_the_same(files: dict[str, Path], tmp_path: Path) -> None:
    settings: dict[str, Any] = {"train": files["scored"], "test": None, "source": files["scored"], "epochs": 1}
    run = tuned(files, tmp_path / "run", "data.mixing=alternating", "data.dev_share=0.2", **settings)
    assert sum(of_source(run)) == len(of_source(run)) / 2
    with pytest.raises(UsageError, match=r"data\.weighting=nearest cannot act on scored pairs: their loss compares"):
        tuned(files, tmp_path / "weighed", "data.weighting=nearest", **settings)


MISTAKES = [
    (
        {"source": None},
        ("data.mixing=annealed",),
        r"data\.mixing=annealed cannot act without data\.source; name the file",
    ),
    ({"source": None}, ("data.weighting=kmm",), r"data\.weighting=kmm cannot act without data\.source; name the file"),
    (
        {"source": None},
        ("data.source_query_prompt=x",),
        r"prompt='x' cannot act without data\.source; name",
    ),
    ({}, ("training.optimizer=lbfgs",), r"data\.source cannot act with optimizer lbfgs"),
    ({"time_limit": "1h"}, ("data.mixing=annealed",), r"data\.mixing=annealed goes by training\.epochs, and"),
    ({}, ("data.mixing=aneal",), r"data\.mixing: unknown mixing 'aneal'; did you mean 'annealed'"),
    ({}, ("data.weighting.k=3",), r"'data\.weighting\.k': 'weighting' holds no settings|needs a kind|lacks"),
    ({}, ("data.weighting={kind: nearest, k: 999}",), r"data\.weighting\.k=999 cannot act on 54 target examples"),
    (
        {},
        ("data.weighting={kind: nearest, sharpness: 9}",),
        r"examples' worth of 130 .*; lower data\.weighting\.sharpness",
    ),
]


@pytest.mark.parametrize(("options", "settings", "line"), MISTAKES, ids=lambda value: str(value)[:40])
def test_what_cannot_act_is_one_line(
    files: dict[str, Path], tmp_path: Path, options: dict[str, Any], settings: tuple[str, ...], line: str
) -> None:
    with pytest.raises(UsageError, match=line) as caught:
        tuned(files, tmp_path / "run", *settings, **options)
    assert "\n" not in str(caught.value)


def test_rows_that_cannot_be_a_source(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="source has rows of kind scored, and the training data pairs"):
        tuned(files, tmp_path / "a", source=files["scored"])
    with pytest.raises(UsageError, match=r"data\.source is for pairs and scored pairs, .*; .* one of data\.tasks"):
        tuned(files, tmp_path / "b", train=files["labeled"], test=None)
    with pytest.raises(DataError, match="0 usable rows of source are too few"):
        tuned(files, tmp_path / "c", source=files["test"])
