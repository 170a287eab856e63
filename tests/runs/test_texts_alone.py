"""Whole runs on texts alone: what trains, what is held out, what the user is told and finds."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

import acclimate
from acclimate.core.errors import DataError, UsageError
from acclimate.core.files import read_jsonl, sha256_file
from acclimate.data.examples import normalized
from small import jsonl, pairs, sentences
from tiny import make_tiny_model

TEXTS = [
    f"{text} while the {place} of the other {subject} is open {row}"
    for row, (subject, text, place) in enumerate(sentences()[:70])
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("texts")
    asked = [{"query": f"which {n} is it", "positive": text} for n, text in enumerate(TEXTS[:10])]
    return {
        "base": make_tiny_model(folder / "base"),
        "texts": jsonl(folder / "texts.jsonl", [{"id": f"t{n}", "text": text} for n, text in enumerate(TEXTS)]),
        "test": jsonl(folder / "test.jsonl", [*asked, {"query": TEXTS[10], "positive": "something else"}]),
        "general": jsonl(folder / "general.jsonl", pairs(20, seed=5)),
        "pairs": jsonl(folder / "pairs.jsonl", pairs(30)),
    }


def tuned(files: dict[str, Path], out: Path, *settings: str, train: str = "texts", **options: Any) -> acclimate.Run:
    given = {"base": files["base"], "general": files["general"], "keep": "anyway", "batch_size": 16, "epochs": 1}
    return acclimate.fit(files[train], settings=settings, out=out, **{**given, "method": "full", **options})


@pytest.fixture(scope="module")
def run(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> acclimate.Run:
    return tuned(files, tmp_path_factory.mktemp("runs") / "run")


def lines_of(run: acclimate.Run, part: str) -> list[dict[str, Any]]:
    return [line for line in read_jsonl(run.path / "data" / "synthetic.jsonl") if line["part"] == part]


def test_a_run_on_texts_alone_ends_with_a_model(run: acclimate.Run) -> None:
    assert acclimate.load(run.path).encode(["a dog"]).shape == (1, 32)
    reasons = json.loads((run.path / "scores.json").read_text())["gate"]["reasons"]
    assert "queries made of the texts themselves" in reasons[-1]
    recipe = yaml.safe_load((run.path / "resolved.yaml").read_text())
    assert recipe["data"]["synthetic"]["kind"] == "mixed"
    assert yaml.safe_load((run.path / "recipe.yaml").read_text())["data"]["synthetic"] == "auto"


def test_no_text_that_is_held_out_trains(run: acclimate.Run) -> None:
    source = {part: {line["line"] for line in lines_of(run, part)} for part in ("train", "dev", "test")}
    assert all(not source[one] & source[other] for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")))
    assert sum(map(len, source.values())) == 70
    trained = {line["id"] for line in read_jsonl(run.path / "data" / "train.jsonl")}
    assert trained <= {line["id"] for line in lines_of(run, "train") if line["kept"]}
    for part in ("dev", "test"):
        asked = [line["query"] for line in read_jsonl(run.path / "data" / f"{part}.jsonl")]
        assert asked == [line["query"] for line in lines_of(run, part)]
        assert all(count == 1 for count in Counter(line["line"] for line in lines_of(run, part)).values())
    rows = {name for record in read_jsonl(run.path / "metrics.jsonl") if "loss" in record for name in record["rows"]}
    assert rows
    assert rows <= trained


def test_the_user_finds_every_query_and_where_it_led(run: acclimate.Run) -> None:
    lines = lines_of(run, "train")
    assert {line["kind"] for line in lines} <= {"span", "keyphrase"}  # texts of one sentence without a title
    assert {line["kept"] for line in lines} == {True, False}
    assert all(line["kept"] == (line["rank"] <= 20) for line in lines)
    for line in lines:
        text = TEXTS[line["line"] - 1]
        assert line["id"].startswith(f"t{line['line'] - 1}#")
        assert normalized(line["query"]) != normalized(line["document"])
        assert set(line["document"].split()) <= set(text.split())
    base = acclimate.load(yaml.safe_load((run.path / "recipe.yaml").read_text())["base"])
    corpus = {line: TEXTS[line - 1] for line in {one["line"] for one in lines}}
    vectors = dict(zip(corpus, base.encode(list(corpus.values())), strict=True))
    for line in lines[::25]:
        query, document = base.encode([line["query"]], "query")[0], base.encode([line["document"]])[0]
        above = sum(query @ vectors[other] > query @ document for other in corpus if other != line["line"])
        assert line["rank"] == 1 + above


def test_what_a_test_asks_for_does_not_train(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tuned(
        files,
        tmp_path / "run",
        "data.synthetic.kind=span",
        "data.synthetic.round_trip=none",
        test=files["test"],
        quiet=False,
    )
    told = capsys.readouterr().out
    assert "training rows left out because they hold texts of test: 11" in told  # ten right answers and a query
    used = {line["line"] for part in ("train", "dev") for line in lines_of(run, part)}
    assert used == set(range(12, 71))
    assert lines_of(run, "test") == []
    assert all(line["kept"] and "rank" not in line for line in lines_of(run, "train"))
    reasons = json.loads((run.path / "scores.json").read_text())["gate"]["reasons"]
    assert not any("made of the texts" in reason for reason in reasons)


def test_the_same_again_is_the_same_to_the_last_bit(run: acclimate.Run, files: dict[str, Path], tmp_path: Path) -> None:
    again = tuned(files, tmp_path / "run")
    for name in ("data/synthetic.jsonl", "model/model.safetensors"):
        assert sha256_file(again.path / name) == sha256_file(run.path / name)


def test_negatives_are_mined_for_such_pairs_and_none_is_of_their_own_text(
    files: dict[str, Path], tmp_path: Path
) -> None:
    mining = (
        "data.mining=base",
        "data.mining.range_min=0",
        "data.mining.range_max=30",
        "data.mining.relative_margin=none",
    )
    run = tuned(files, tmp_path / "run", "data.synthetic=mixed", "data.synthetic.round_trip=bm25", *mining)
    source = {line["id"]: line for line in lines_of(run, "train")}
    lines = list(read_jsonl(run.path / "data" / "negatives.jsonl"))
    assert sum(len(line["negatives"]) for line in lines) > 3 * len(lines)
    right = {}
    for line in source.values():
        right.setdefault(line["line"], set()).update({line["document"], TEXTS[line["line"] - 1]})
    held_out = {TEXTS[line["line"] - 1] for part in ("dev", "test") for line in lines_of(run, part)}
    for line in lines:
        wrong = {negative["text"] for negative in line["negatives"]}
        assert not wrong & right[source[line["id"]]["line"]]
        assert not wrong & held_out


def test_base_and_words_together_teach_margins(files: dict[str, Path], tmp_path: Path) -> None:
    settings = (
        "data.mining={kind: ensemble, range_min: 0, range_max: 20, relative_margin: none}",
        "data.synthetic=span",
        "data.synthetic.round_trip=none",
        "objective=margin_mse",
        "regularizers=[]",
        "evaluation.patience=99",
    )
    run = tuned(files, tmp_path / "run", *settings, epochs=5, lr=5e-3)
    losses = [r["loss"]["margin_mse"] for r in read_jsonl(run.path / "metrics.jsonl") if "loss" in r]
    assert sum(losses[-6:]) < 0.8 * sum(losses[:6])


@pytest.mark.parametrize(
    ("settings", "train", "error", "said"),
    [
        (("data.synthetic=mixed",), "pairs", UsageError, "where TRAIN has texts alone, and the rows are pairs"),
        (("data.synthetic=title",), "texts", DataError, r"give 0 queries of kind title.*take data.synthetic=mixed"),
        (("data.synthetic.kind=spam",), "texts", UsageError, "did you mean 'span'"),
        (("data.synthetic.kind=span", "data.synthetic.most_words=3"), "texts", UsageError, "unknown key"),
        (("data.replay=REPLAY",), "texts", DataError, "replay has rows of kind text, and the training data pairs"),
        (("data.label_texts=about {}",), "texts", UsageError, "data.label_texts is for labeled data"),
    ],
)
def test_settings_that_cannot_act_are_told_in_one_line(
    files: dict[str, Path], tmp_path: Path, settings: tuple[str, ...], train: str, error: type[Exception], said: str
) -> None:
    given = [setting.replace("REPLAY", str(files["texts"])) for setting in settings]
    with pytest.raises(error, match=said) as raised:
        tuned(files, tmp_path / "run", *given, train=train)
    assert "\n" not in str(raised.value)


def test_pairs_of_another_domain_train_beside_texts_alone(files: dict[str, Path], tmp_path: Path) -> None:
    run = tuned(files, tmp_path / "run", f"data.source={files['pairs']}")
    steps = [record["rows"] for record in read_jsonl(run.path / "metrics.jsonl") if "loss" in record]
    of_texts = [{"#" in name for name in rows} for rows in steps]
    assert {True} in of_texts
    assert {False} in of_texts
    assert {True, False} not in of_texts
