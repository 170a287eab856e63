"""The softmax objective: its head is saved with the model, tells labels, and is what the run reports."""

import json
from pathlib import Path

import numpy as np
import pytest

import acclimate
from acclimate.core.errors import DataError, UsageError
from acclimate.core.files import read_jsonl
from acclimate.model.heads import Head, read_heads, write_heads
from small import jsonl, labeled, pairs
from tiny import make_tiny_model


def fitted(folder: Path, **options: object) -> "acclimate.api.Run":
    base = make_tiny_model(folder / "base")
    train = jsonl(folder / "train.jsonl", labeled(96, labels=2))
    test = jsonl(folder / "test.jsonl", labeled(160, labels=2)[96:])
    general = jsonl(folder / "general.jsonl", pairs(20, seed=5))
    settings = ["objective=softmax", "evaluation.merge=1.0"]
    fixed = {"base": base, "test": test, "general": general, "lr": 1e-2, "keep": "anyway", "settings": settings}
    return acclimate.fit(train, out=folder / "out", **fixed, **options)


def test_the_head_lies_beside_the_model_and_predicts(tmp_path: Path) -> None:
    run = fitted(tmp_path, epochs=12, batch_size=16, method="embedding_table")
    rows = list(read_jsonl(tmp_path / "test.jsonl"))
    told = acclimate.load(run.path).predict([row["text"] for row in rows])
    accuracy = np.mean([one == row["label"] for one, row in zip(told, rows, strict=True)])
    assert accuracy == pytest.approx(run.scores["heads"]["softmax"]["accuracy"])
    assert accuracy > 0.8
    assert json.loads((run.path / "model/heads/softmax/config.json").read_text())["labels"] == ["class 0", "class 1"]
    from sentence_transformers import SentenceTransformer  # reads the vectors and leaves the head alone

    peer = SentenceTransformer(str(run.path / "model"), device="cpu").encode([rows[0]["text"]])
    np.testing.assert_allclose(run.model.encode([rows[0]["text"]]), peer, atol=1e-5)


def test_a_head_comes_with_its_delta(tmp_path: Path) -> None:
    run = fitted(tmp_path, epochs=3, method="last_layers")
    texts = [row["text"] for row in read_jsonl(tmp_path / "test.jsonl")]
    again = acclimate.load_deltas(tmp_path / "base", {"mine": run.path})["mine"]
    assert again.predict(texts) == run.model.predict(texts)


def test_a_model_tuned_on_without_its_head_has_none(tmp_path: Path) -> None:
    first = fitted(tmp_path, epochs=1)
    options = {"base": first.path, "general": tmp_path / "general.jsonl", "epochs": 1, "keep": "anyway"}
    second = acclimate.fit(tmp_path / "train.jsonl", out=tmp_path / "second", **options)
    assert second.model.heads == {}
    with pytest.raises(UsageError, match="no head that tells labels; train one: --set objective=softmax"):
        second.model.predict(["a dog"])


def test_heads_are_told_apart_by_name(tmp_path: Path) -> None:
    encoder = acclimate.load(make_tiny_model(tmp_path / "base"))
    width = encoder.dimension
    one, two = (
        Head(("no", "yes"), np.zeros((2, width), np.float32), np.array(b, np.float32)) for b in ([0, 1], [1, 0])
    )
    encoder.heads = {"one": one, "two": two}
    assert encoder.predict(["a"], "one") == ["yes"]
    assert encoder.predict(["a"], head="two") == ["no"]
    with pytest.raises(UsageError, match="several heads; name one of one, two"):
        encoder.predict(["a"])
    with pytest.raises(UsageError, match="no head 'three'; known: one, two"):
        encoder.predict(["a"], "three")
    write_heads(encoder.heads, tmp_path / "saved")
    assert {name: head.labels for name, head in read_heads(tmp_path / "saved").items()} == dict.fromkeys(
        ("one", "two"), ("no", "yes")
    )
    (tmp_path / "saved/heads/two/config.json").write_text('{"labels": ["no"]}')
    with pytest.raises(DataError, match="the head cannot be read: labels and weights differ in number"):
        read_heads(tmp_path / "saved")
