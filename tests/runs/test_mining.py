"""Whole runs with mined negatives and with a guide: what trains, what the user is told, and what a resumed run sees."""

import json
from collections.abc import Callable
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

import acclimate
from acclimate.core.errors import AcclimateError, InterruptedRunError, UsageError
from acclimate.core.files import read_jsonl, sha256_file
from acclimate.data.examples import normalized
from acclimate.engine.inputs import Feed
from acclimate.engine.loop import Trainer
from acclimate.evaluation.vectors import unit_rows
from acclimate.runs.cross_encoder import load_cross_encoder
from acclimate.runs.mining import Mining, _Vectors
from acclimate.runs.stopping import Stop
from small import beir, jsonl, pairs
from tiny import make_tiny_model, tiny_tokenizer

BASE = ("data.mining=base", "data.mining.range_min=2", "data.mining.range_max=20", "data.mining.relative_margin=0.01")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("mining")
    rows = pairs(80)
    rows += [{**row, "query": rows[0]["query"]} for row in rows[40:43]]  # one query with several right documents
    return {
        "base": make_tiny_model(folder / "base"),
        "train": jsonl(folder / "train.jsonl", rows),
        "test": jsonl(folder / "test.jsonl", pairs(30, seed=7)),
        "general": jsonl(folder / "general.jsonl", pairs(20, seed=5)),
    }


def tuned(files: dict[str, Path], out: Path, *settings: str, **options: Any) -> acclimate.Run:
    given = {"base": files["base"], "test": files["test"], "general": files["general"], "keep": "anyway", **options}
    given = {"batch_size": 16, "epochs": 3, "method": "full", **given}
    return acclimate.fit(given.pop("train", files["train"]), settings=settings, out=out, **given)


@pytest.fixture(scope="module")
def renewed(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> acclimate.Run:
    return tuned(files, tmp_path_factory.mktemp("runs") / "run", *BASE, "data.mining.remine_every_epochs=1")


def test_the_user_sees_negatives_suspects_and_their_numbers(renewed: acclimate.Run, files: dict[str, Path]) -> None:
    data = renewed.path / "data"
    trained = [line["id"] for line in read_jsonl(data / "train.jsonl")]
    given = {f"train:{n}": row for n, row in enumerate(read_jsonl(files["train"]), start=1)}
    right: dict[str, set[str]] = {}
    for row in given.values():
        right.setdefault(normalized(row["query"]), set()).add(normalized(row["positive"]))
    lines = list(read_jsonl(data / "negatives.jsonl"))
    assert [line["id"] for line in lines] == trained
    known = {normalized(given[name]["positive"]) for name in trained}
    for line in lines:
        texts = [normalized(negative["text"]) for negative in line["negatives"]]
        assert len(set(texts)) == len(texts) <= 4
        assert set(texts) <= known
        assert not set(texts) & right[normalized(given[line["id"]]["query"])]
    counts = json.loads((data / "mining.json").read_text())
    assert counts["negatives"] == sum(len(line["negatives"]) for line in lines) > 20
    assert counts["rows_without"] == sum(not line["negatives"] for line in lines)
    suspects = list(read_jsonl(data / "false_negatives.jsonl"))
    assert counts["suspects"] >= len(suspects) > 0
    assert counts["rows_with_suspects"] == len({line["id"] for line in suspects})
    excess = [line["suspect_score"] - line["positive_score"] for line in suspects]
    assert all(one >= other - 3e-4 for one, other in pairwise(excess))  # scores are written with four digits
    base = acclimate.load(files["base"])
    for line in suspects[:5]:
        query, (positive, suspect) = (
            base.encode([line["query"]], "query"),
            base.encode([line["positive"], line["suspect"]]),
        )
        assert query @ suspect == pytest.approx(line["suspect_score"], abs=1e-3)
        assert query @ positive == pytest.approx(line["positive_score"], abs=1e-3)
    assert "Mined negatives" in (renewed.path / "report.html").read_text()


def after(steps: int) -> Callable[[Stop], str | None]:
    """Asks the run to stop after so many steps."""
    asked = count(1)
    return lambda self: "asked" if next(asked) >= steps else None


def test_a_stopped_run_ends_as_if_it_had_not_been(
    renewed: acclimate.Run, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mined: list[int] = []
    original = Mining._mined

    def counting(self: Mining, encode: Any, turn: int, progress: Any) -> Any:
        mined.append(turn)
        return original(self, encode, turn, progress)

    monkeypatch.setattr(Mining, "_mined", counting)
    settings = (*BASE, "data.mining.remine_every_epochs=1")
    steps = max(json.loads(line)["step"] for line in (renewed.path / "metrics.jsonl").read_text().splitlines())
    for step in (steps // 2, 1):  # within the second epoch, and at once after that
        monkeypatch.setattr(Stop, "reason", after(step))
        with pytest.raises(InterruptedRunError):
            tuned(files, tmp_path / "run", *settings)
    monkeypatch.setattr(Stop, "reason", lambda self: None)
    done = tuned(files, tmp_path / "run", *settings)
    assert mined == [0, 1, 2]
    weights = [sha256_file(run.path / "model" / "model.safetensors") for run in (done, renewed)]
    assert weights[0] == weights[1]


@pytest.mark.long
def test_negatives_change_what_is_learned_and_renewal_changes_it_again(
    renewed: acclimate.Run, files: dict[str, Path], tmp_path: Path
) -> None:
    plain, once = tuned(files, tmp_path / "plain"), tuned(files, tmp_path / "once", *BASE)
    losses = []
    for run in (plain, once, renewed):
        records = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
        losses.append([(r["epoch"], r["loss"]["infonce"]) for r in records if "loss" in r])
    assert losses[0][0][1] < losses[1][0][1]  # more candidates from the first step on
    for (epoch, kept), (_, anew) in zip(losses[1], losses[2], strict=True):
        assert (kept == anew) == (epoch == 0)


def test_words_name_negatives_among_documents_that_no_row_has(files: dict[str, Path], tmp_path: Path) -> None:
    rows = pairs(60)
    folder = beir(tmp_path / "beir", rows)
    with (folder / "corpus.jsonl").open("a") as file:
        file.writelines(f'{{"_id": "more{n}", "text": "{row["query"]} not"}}\n' for n, row in enumerate(rows))
    options = ("data.mining={kind: bm25, per_query: 90, range_min: 0, relative_margin: none}",)
    run = tuned(files, tmp_path / "run", *options, train=folder, epochs=1)
    found = [n["text"] for line in read_jsonl(run.path / "data" / "negatives.jsonl") for n in line["negatives"]]
    assert any(text.endswith(" not") for text in found)
    asked = {normalized(line["query"]) for line in read_jsonl(run.path / "data" / "dev.jsonl")}
    answers = {normalized(row["positive"]) for row in rows if normalized(row["query"]) in asked}
    assert len(answers) > 2
    assert not answers & set(map(normalized, found))  # dev judges by them


@pytest.mark.long
def test_a_cross_encoder_judges(files: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    model = BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), num_labels=1, **sizes))
    model.save_pretrained(tmp_path / "judge")
    tokenizer.save_pretrained(tmp_path / "judge")
    judge = f"data.mining={{kind: cross_encoder, model: {tmp_path / 'judge'}, range_min: 0, range_max: 10}}"
    unfiltered = "data.mining.relative_margin=none"
    run = tuned(files, tmp_path / "run", judge, unfiltered, epochs=1)
    rows = {f"train:{n}": row for n, row in enumerate(read_jsonl(files["train"]), start=1)}
    lines = list(read_jsonl(run.path / "data" / "negatives.jsonl"))
    pairs_of = [(rows[line["id"]]["query"], n["text"]) for line in lines for n in line["negatives"]]
    said = load_cross_encoder(str(tmp_path / "judge"), "cpu")(pairs_of)
    np.testing.assert_allclose(said, [n["score"] for line in lines for n in line["negatives"]], atol=1e-3)
    for line in lines:
        scores = [n["score"] for n in line["negatives"]]
        assert scores == sorted(scores, reverse=True)
    alone = ("objective=margin_mse", "regularizers=[]", "evaluation.patience=99")
    taught = tuned(files, tmp_path / "taught", judge, unfiltered, *alone, epochs=6, lr=5e-3)
    losses: dict[int, list[float]] = {}
    for record in read_jsonl(taught.path / "metrics.jsonl"):
        if "loss" in record:
            losses.setdefault(record["epoch"], []).append(record["loss"]["margin_mse"])
    assert np.mean(losses[5]) < 0.7 * np.mean(losses[0])  # what the cross-encoder says is learned


def test_another_encoder_judges_and_teaches(files: dict[str, Path], tmp_path: Path) -> None:
    teacher = make_tiny_model(tmp_path / "teacher", seed=5)
    judge = f"data.mining={{kind: encoder, model: {teacher}, range_min: 0, range_max: 10, relative_margin: none}}"
    alone = ("objective=margin_mse", "regularizers=[]", "evaluation.patience=99")
    run = tuned(files, tmp_path / "run", judge, *alone, epochs=4, lr=5e-3)
    rows = {f"train:{n}": row for n, row in enumerate(read_jsonl(files["train"]), start=1)}
    encoder = acclimate.load(teacher)
    for line in list(read_jsonl(run.path / "data" / "negatives.jsonl"))[::9]:
        query = encoder.encode([rows[line["id"]]["query"]], "query")[0]
        cosines = encoder.encode([negative["text"] for negative in line["negatives"]]) @ query
        np.testing.assert_allclose([negative["score"] for negative in line["negatives"]], cosines, atol=1e-3)
    losses = [r["loss"]["margin_mse"] for r in read_jsonl(run.path / "metrics.jsonl") if "loss" in r]
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4])  # what it says is learned


def test_how_far_cosines_spread_is_that_of_all_documents() -> None:
    rng = np.random.default_rng(0)
    queries, documents = (unit_rows(rng.normal(size=(count, 8))).astype(np.float32) for count in (20, 300))
    mean, deviation = _Vectors(queries, documents).spread(np.array([3, 0, 19]))
    cosines = queries[[3, 0, 19]] @ documents.T
    np.testing.assert_allclose(mean, cosines.mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(deviation, cosines.std(axis=1), atol=1e-5)


def test_what_cannot_act_is_one_line(files: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"found no negative among \d+ documents; lower data.mining.range_min"):
        tuned(files, tmp_path / "none", "data.mining={kind: base, range_min: 500, range_max: 600}")
    with pytest.raises(UsageError, match=r"data\.mining\.model='nowhere' cannot be read"):
        tuned(files, tmp_path / "nowhere", "data.mining={kind: cross_encoder, model: nowhere}")
    with pytest.raises(AcclimateError, match="nowhere") as raised:
        tuned(files, tmp_path / "nowhere", "data.mining={kind: encoder, model: ./nowhere}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("method", ["full", "prompt"])
def test_the_guide_is_the_untuned_base_whatever_the_method_makes_of_it(
    method: str, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds: list[Feed] = []
    guides: list[np.ndarray] = []
    train = Trainer.train

    def looking(self: Trainer) -> Any:
        feeds.append(self.feed)
        guides.append(np.array(self.feed.guide))
        return train(self)

    monkeypatch.setattr(Trainer, "train", looking)
    run = tuned(files, tmp_path / "run", "objective=gist", method=method, epochs=1)
    assert run.scores["gate"]["verdict"] != "diverged"
    base, table = acclimate.load(files["base"]), feeds[0].table
    rows = {f"train:{n}": row for n, row in enumerate(read_jsonl(files["train"]), start=1)}
    given = [rows[name] for name in table.ids]
    queries, documents = ([row[role] for row in given] for role in ("query", "positive"))
    np.testing.assert_allclose(guides[0][table.query], base.encode(queries, "query"), atol=1e-6)
    np.testing.assert_allclose(guides[0][table.positives.values], base.encode(documents, "document"), atol=1e-6)
