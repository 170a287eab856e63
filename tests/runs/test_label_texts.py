"""Labels told by the nearest label text: what is trained is what is scored, and nothing is fitted beside it."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

import acclimate
from acclimate.core.errors import UsageError
from acclimate.core.files import read_jsonl
from acclimate.evaluation import LabelMatchingTask, evaluate
from small import jsonl, labeled, pairs
from tiny import make_tiny_model

TEXTS = {"class 0": "the first", "class 1": "one more"}


def test_the_nearest_label_text_is_the_label() -> None:
    vectors = {"x": [1.0, 0.1], "y": [0.1, 1.0], "z": [1.0, 0.2], "left": [1.0, 0.0], "up": [0.0, 1.0]}

    def encode(texts: list[str], role: str) -> np.ndarray:
        assert all((text in ("left", "up")) == (role == "document") for text in texts)
        return np.array([vectors[text] for text in texts], np.float32)

    task = LabelMatchingTask("test", ["x", "y", "z"], ["l", "u", "u"], ["l", "u"], ["left", "up"])
    metrics = evaluate(task, encode).metrics
    assert metrics["accuracy"] == pytest.approx(2 / 3)
    assert metrics["macro_f1"] == pytest.approx(f1_score(["l", "u", "u"], ["l", "u", "l"], average="macro"))


def test_a_run_learns_the_texts_of_the_labels(tmp_path: Path) -> None:
    base = make_tiny_model(tmp_path / "base")
    train, test = (
        jsonl(tmp_path / "train.jsonl", labeled(64, labels=2)),
        jsonl(tmp_path / "test.jsonl", labeled(96, labels=2)[64:]),
    )
    general = jsonl(tmp_path / "general.jsonl", pairs(20, seed=5))
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({"data": {"label_texts": TEXTS}, "evaluation": {"merge": 1.0}}))
    options = {
        "base": base,
        "test": test,
        "general": general,
        "recipe": recipe,
        "lr": 1e-2,
        "epochs": 8,
        "method": "embedding_table",
    }
    run = acclimate.fit(train, out=tmp_path / "out", keep="anyway", **options)
    before, after = (run.scores["test"][side]["accuracy"] for side in ("before", "after"))
    assert after > before + 0.1
    rows = list(read_jsonl(test))
    names = list(TEXTS)
    nearest = run.model.encode([row["text"] for row in rows], "query") @ run.model.encode(list(TEXTS.values())).T
    told = [names[place] for place in nearest.argmax(1)]
    assert np.mean([one == row["label"] for one, row in zip(told, rows, strict=True)]) == pytest.approx(after)


@pytest.mark.parametrize(
    ("rows", "setting", "problem"),
    [
        (pairs(40), "data.label_texts={}", "is for labeled data, and the rows are pairs"),
        (labeled(40), "data.label_texts=plain", "should be texts by label, or a pattern with {}"),
        (labeled(40), "data.label_texts={class 0: x}", "has no text for label 'class 1'"),
    ],
)
def test_label_texts_that_cannot_act_are_errors(rows: list[dict], setting: str, problem: str, tmp_path: Path) -> None:
    base, train = make_tiny_model(tmp_path / "base"), jsonl(tmp_path / "train.jsonl", rows)
    with pytest.raises(UsageError, match=problem):
        acclimate.fit(train, base=base, out=tmp_path / "out", settings=[setting])
