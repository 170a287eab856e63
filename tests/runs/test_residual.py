"""A whole run that changes queries alone: scored, saved, read and encoded with the right side changed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import acclimate
from acclimate.core.errors import UsageError
from small import jsonl, labeled, pairs, run
from tiny import make_tiny_model

TEXTS = ["the dog is under the table", "what doctor near school", "", "river bank"]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, acclimate.Run, Path]:
    folder = tmp_path_factory.mktemp("residual")
    base = make_tiny_model(folder / "base")
    rows = pairs(90)
    train, test = jsonl(folder / "train.jsonl", rows[:60]), jsonl(folder / "test.jsonl", rows[60:])
    options: dict[str, Any] = {"base": base, "test": test, "general": jsonl(folder / "g.jsonl", pairs(20, seed=5))}
    options |= {"method": "residual", "settings": ["method.side=query", "method.rank=8"], "keep": "anyway"}
    return base, acclimate.fit(train, **options, epochs=8, lr=1e-2, out=folder / "run"), test


def test_an_index_of_the_base_stays_valid_to_the_last_bit(tuned: Any) -> None:
    base, done, _ = tuned
    index = acclimate.load(base).encode(TEXTS)
    np.testing.assert_array_equal(done.model.encode(TEXTS), index)
    assert abs(done.model.encode(TEXTS, "query") - index).max() > 0.01


def test_what_was_scored_is_what_evaluate_finds_in_the_folder(tuned: Any) -> None:
    _, done, test = tuned
    assert done.scores["test"]["after"] != done.scores["test"]["before"]
    found = acclimate.evaluate(done.path, test)["metrics"]
    for name, value in done.scores["test"]["after"].items():
        assert found[name] == pytest.approx(value, abs=1e-6), name


def test_the_delta_gives_both_sides(tuned: Any) -> None:
    base, done, _ = tuned
    shared = acclimate.load_deltas(base, {"it": done.path})["it"]
    for role in ("query", "document"):
        np.testing.assert_allclose(shared.encode(TEXTS, role), done.model.encode(TEXTS, role), atol=1e-6)


def test_the_command_line_encodes_either_role(tuned: Any, tmp_path: Path) -> None:
    _, done, _ = tuned
    (tmp_path / "texts.txt").write_text("\n".join(text for text in TEXTS if text))
    for role in ("query", "document"):
        out = tmp_path / f"{role}.npy"
        assert run("encode", done.path, tmp_path / "texts.txt", "--out", out, "--role", role).status == 0
        expected = done.model.encode([text for text in TEXTS if text], role)
        np.testing.assert_allclose(np.load(out), expected, atol=1e-6)


def test_rows_without_queries_are_refused_before_anything_is_scored(tuned: Any, tmp_path: Path) -> None:
    train = jsonl(tmp_path / "train.jsonl", labeled(60))
    with pytest.raises(UsageError, match=r"labeled rows have none; take side: both"):
        acclimate.fit(train, base=tuned[0], method="residual", settings=["method.side=query"], out=tmp_path / "run")
    assert not (tmp_path / "run" / "model").exists()
