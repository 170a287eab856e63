"""Whole runs with new words: what is found, what the user is told, what is scored, and what a resumed run sees."""

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
from acclimate.model.vocabulary import added_words
from acclimate.runs.stopping import Stop
from acclimate.runs.vocabulary import Vocabulary
from small import jsonl, pairs
from tiny import make_tiny_model

EXTEND = ("vocabulary={kind: extend, least_rows: 4}",)
RENAMED = {"dog": "ataxia", "cat": "dysplasia", "bird": "nystagmus", "fish": "microcephaly"}
TEXTS = ["ataxia is under the table", "the dog", "what nystagmus near school", ""]


def rows(size: int, **options: Any) -> list[dict[str, Any]]:
    """Pairs in which some subjects have names of many pieces."""
    renamed = lambda text: " ".join(RENAMED.get(word, word) for word in text.split())  # noqa: E731
    return [{role: renamed(text) for role, text in row.items()} for row in pairs(size, **options)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("vocabulary")
    test = [{**row, "query": f"{row['query']} onlyintest"} for row in rows(30, seed=7)]
    return {
        "base": make_tiny_model(folder / "base"),
        "train": jsonl(folder / "train.jsonl", rows(120)),
        "test": jsonl(folder / "test.jsonl", test),
        "general": jsonl(folder / "general.jsonl", pairs(20, seed=5)),
    }


def tuned(files: dict[str, Path], out: Path, *settings: str, **options: Any) -> acclimate.Run:
    given = {"base": files["base"], "test": files["test"], "general": files["general"], "keep": "anyway", **options}
    given = {"batch_size": 16, "epochs": 1, "method": "full", **given}
    return acclimate.fit(given.pop("train", files["train"]), settings=[*EXTEND, *settings], out=out, **given)


@pytest.fixture(scope="module")
def done(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> acclimate.Run:
    return tuned(files, tmp_path_factory.mktemp("runs") / "run")


def test_the_user_sees_which_words_became_tokens_and_what_that_saves(
    done: acclimate.Run, files: dict[str, Path]
) -> None:
    told = json.loads((done.path / "data" / "vocabulary.json").read_text())
    words = [word["word"] for word in told["words"]]
    assert set(RENAMED.values()) <= set(words)
    assert "onlyintest" not in words  # though each of 30 test queries has it
    savings = [word["rows"] * (word["pieces"] - 1) for word in told["words"]]
    assert savings == sorted(savings, reverse=True)
    assert all(word["pieces"] >= 3 and word["rows"] >= 4 for word in told["words"])
    assert told["tokens_a_text"]["after"] < told["tokens_a_text"]["before"]
    assert told["cosine"]["mean"] < told["cosine"]["distilled"] <= 1
    assert added_words(done.model) == words
    report = (done.path / "report.html").read_text()
    assert "New words" in report
    assert "microcephaly" in report


def test_the_model_reads_the_words_and_before_is_the_base_without_them(
    done: acclimate.Run, files: dict[str, Path], tmp_path: Path
) -> None:
    base = acclimate.load(files["base"])
    for ids, old in zip(done.model.tokenize(TEXTS, None), base.tokenize(TEXTS, None), strict=True):
        assert (len(ids) < len(old)) == (set(ids) > set(old) or max(ids) >= len(base.tokenizer))
    figures = acclimate.evaluate(files["base"], files["test"])["metrics"]
    assert done.scores["test"]["before"]["ndcg@10"] == pytest.approx(figures["ndcg@10"], abs=1e-9)
    after = acclimate.evaluate(done.path, files["test"])["metrics"]
    assert done.scores["test"]["after"]["ndcg@10"] == pytest.approx(after["ndcg@10"], abs=1e-9)


def test_hardly_any_of_the_tuned_weights_is_nearly_the_base(files: dict[str, Path], tmp_path: Path) -> None:
    run = tuned(files, tmp_path / "run", "evaluation.merge=0.000001")
    near = (run.model.encode(TEXTS) * acclimate.load(files["base"]).encode(TEXTS)).sum(1)
    assert near[1] > 0.999999
    assert near[[0, 2]].min() > 0.8  # of random weights, to which the mean of some rows says little


def after(steps: int) -> Callable[[Stop], str | None]:
    """Asks the run to stop after so many steps."""
    asked = count(1)
    return lambda self: "asked" if next(asked) >= steps else None


def test_a_stopped_run_ends_as_if_it_had_not_been(
    done: acclimate.Run, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []
    original = Vocabulary._started

    def counting(self: Vocabulary, *arguments: Any) -> Any:
        started.append(len(self.texts))
        return original(self, *arguments)

    monkeypatch.setattr(Vocabulary, "_started", counting)
    monkeypatch.setattr(Stop, "reason", after(3))
    with pytest.raises(InterruptedRunError):
        tuned(files, tmp_path / "run")
    monkeypatch.setattr(Stop, "reason", lambda self: None)
    again = tuned(files, tmp_path / "run")
    assert len(started) == 1
    weights = [sha256_file(run.path / "model" / "model.safetensors") for run in (again, done)]
    assert weights[0] == weights[1]


def test_other_words_are_another_run(done: acclimate.Run, files: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="holds a run with other vocabulary"):
        tuned(files, done.path, "vocabulary.most_words=2")


@pytest.mark.parametrize("method", ["embedding_table", "lora"])
def test_a_delta_carries_the_words(method: str, files: dict[str, Path], tmp_path: Path) -> None:
    extra = ("method.rows=new",) if method == "embedding_table" else ("method.rank=2",)
    run = tuned(files, tmp_path / "run", *extra, method=method)
    plain = acclimate.load(files["base"]).encode(TEXTS)
    tuned_ones = acclimate.load_deltas(files["base"], {"one": run.path, "other": run.path / "delta"})
    for encoder in tuned_ones.values():
        np.testing.assert_allclose(encoder.encode(TEXTS), run.model.encode(TEXTS), atol=1e-5)
        assert encoder.tokenize(TEXTS, None) == run.model.tokenize(TEXTS, None)
    assert abs(run.model.encode(TEXTS) - plain).max() > 1e-3
    np.testing.assert_array_equal(acclimate.load(files["base"]).encode(TEXTS), plain)


def test_what_cannot_act_is_one_line(files: dict[str, Path], tmp_path: Path) -> None:
    none = r"vocabulary found no word of 3 pieces or more in 500 training rows or more; lower vocabulary\.least_pieces"
    with pytest.raises(UsageError, match=none):
        tuned(files, tmp_path / "none", "vocabulary.least_rows=500")
    ids = jsonl(tmp_path / "ids.jsonl", [{"query": f"a{n % 9}", "positive": f"b{n % 7}"} for n in range(60)])
    with pytest.raises(UsageError, match="vocabulary finds words in texts, and the base reads ids; leave it out"):
        acclimate.fit(ids, base="items:8", settings=list(EXTEND), out=tmp_path / "ids")
