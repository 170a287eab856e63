"""Whole runs that train a prompt: by a line search, deep, and into a folder that others read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import acclimate
from acclimate.core.errors import UsageError
from acclimate.model.verify import verify
from small import jsonl, pairs
from tiny import make_tiny_model

TEXTS = ["the dog is under the table", "what doctor near school", "", "river bank"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("prompts")
    return {
        "base": make_tiny_model(folder / "base", prompts={"query": "find: ", "document": ""}),
        "train": jsonl(folder / "train.jsonl", pairs(60)),
        "general": jsonl(folder / "general.jsonl", pairs(20, seed=5)),
    }


def tuned(files: dict[str, Path], out: Path, *settings: str, **options: Any) -> acclimate.Run:
    return acclimate.fit(
        files["train"],
        base=files["base"],
        general=files["general"],
        method="prompt",
        settings=["method.length=4", *settings],
        keep="anyway",
        out=out,
        **options,
    )


def test_a_line_search_counts_its_calls_and_leaves_a_standard_model(files: Any, tmp_path: Path) -> None:
    run = tuned(files, tmp_path / "run", "training.optimizer=lbfgs", "training.epochs=6", "regularizers=[l2sp]")
    records = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    steps = [record for record in records if "loss" in record]
    assert len(steps) == 6
    assert run.scores["cost"]["closure_calls"] == sum(record["closure_calls"] for record in steps) >= 6
    assert len({tuple(sorted(record["rows"])) for record in steps}) == 1
    losses = [record["loss"]["total"] for record in steps]
    assert losses == sorted(losses, reverse=True)
    assert [record["lr"] for record in steps] == [{"prompt": 1.0}] * 6
    assert run.scores["cost"]["trainable_parameters"] == 4 * 32
    report = verify(run.path / "model", readers=("sentence_transformers",))
    assert report.passed, report
    delta = acclimate.load_deltas(files["base"], {"prompt": run.path})["prompt"]
    np.testing.assert_allclose(delta.encode(TEXTS, "query"), run.model.encode(TEXTS, "query"), atol=1e-6)


def test_a_deep_prompt_is_in_the_folder_and_in_the_delta(files: Any, tmp_path: Path) -> None:
    run = tuned(files, tmp_path / "run", "method.deep=true", epochs=2)
    assert [extension.kind for extension in run.model.extensions] == ["deep_prompt"]
    assert abs(run.model.encode(TEXTS) - acclimate.load(files["base"]).encode(TEXTS)).max() > 1e-3
    delta = acclimate.load_deltas(files["base"], {"prompt": run.path})["prompt"]
    np.testing.assert_allclose(delta.encode(TEXTS, "query"), run.model.encode(TEXTS, "query"), atol=1e-5)
    assert "closure_calls" not in run.scores["cost"]


@pytest.mark.parametrize(
    ("settings", "options", "words"),
    [
        (("training.optimizer=lbfgs",), {"method": "full"}, "optimizer lbfgs moves all weights by one step"),
        (("regularizers=[nearest_token]",), {"method": "bitfit"}, "regularizer nearest_token is for prompts"),
        (("method.length=200",), {"method": "prompt"}, "a prompt of 200 tokens leaves no room for text"),
    ],
)
def test_what_cannot_act_is_told_before_anything_is_written(
    settings: tuple[str, ...], options: dict[str, Any], words: str, files: Any, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        acclimate.fit(files["train"], base=files["base"], settings=settings, out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
