"""The Python functions: the same as the command line, for rows in memory too."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import acclimate
from acclimate.core.errors import DataError, UsageError
from small import beir, jsonl, pairs

ROWS = pairs(60)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    jsonl(folder / "general.jsonl", pairs(20, seed=7, name="general"))
    jsonl(folder / "train.jsonl", ROWS)
    beir(folder / "test", pairs(20, seed=3, name="test"))
    return folder


def _frame(library: str) -> Any:
    module = pytest.importorskip(library)
    if library == "datasets":
        return module.Dataset.from_list(ROWS)
    return module.DataFrame(ROWS)


def _fit(place: Path, tiny: Path, train: Any, name: str, **options: Any) -> acclimate.Run:
    usual = {"general": place / "general.jsonl", "test": place / "test", "base": tiny, "epochs": 1, "keep": "anyway"}
    usual |= {"method": "full"}
    return acclimate.fit(train, out=place / name, settings=["regularizers=[]"], **(usual | options))


@pytest.fixture(scope="module")
def from_list(place: Path, tiny_model: Path) -> acclimate.Run:
    return _fit(place, tiny_model, ROWS, "list")


def test_a_run_has_scores_model_and_path(from_list: acclimate.Run, place: Path, capsys: Any) -> None:
    assert from_list.path == place / "list"
    assert from_list.scores == json.loads((place / "list" / "scores.json").read_text())
    vectors = from_list.model.encode(["a dog", "the river"], role="query")
    assert (vectors.dtype, vectors.shape) == (np.float32, (2, 32))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(acclimate.load(place / "list").encode(["a dog", "the river"], "query"), vectors)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("library", ["pandas", "polars", "datasets", "a file"])
def test_the_same_rows_give_the_same_model_from_everywhere(
    library: str, from_list: acclimate.Run, place: Path, tiny_model: Path
) -> None:
    train = place / "train.jsonl" if library == "a file" else _frame(library)
    run = _fit(place, tiny_model, train, f"from {library}")
    weights = "model/model.safetensors"
    assert (run.path / weights).read_bytes() == (from_list.path / weights).read_bytes()
    assert run.scores["test"] == from_list.scores["test"]


def test_the_same_call_resumes_and_other_rows_are_refused(
    from_list: acclimate.Run, place: Path, tiny_model: Path
) -> None:
    changed = (from_list.path / "metrics.jsonl").stat().st_mtime_ns
    assert _fit(place, tiny_model, ROWS, "list").scores == from_list.scores
    assert (from_list.path / "metrics.jsonl").stat().st_mtime_ns == changed
    with pytest.raises(UsageError, match="other train data; use --restart"):
        _fit(place, tiny_model, ROWS[1:], "list")


def test_mistakes_are_one_sentence(place: Path, tiny_model: Path) -> None:
    with pytest.raises(UsageError, match="give out=FOLDER"):
        acclimate.fit(ROWS, base=tiny_model)
    with pytest.raises(DataError, match="no rows"):
        _fit(place, tiny_model, [], "none")
    with pytest.raises(DataError, match="'foo', 'bar'"):
        _fit(place, tiny_model, [{"foo": "a", "bar": "b"}] * 20, "none")
    with pytest.raises(UsageError, match="did you mean 'last_layers'"):
        _fit(place, tiny_model, ROWS, "none", method="last_layer")
    assert not (place / "none").exists()


def test_evaluate_and_check(from_list: acclimate.Run, place: Path, tiny_model: Path) -> None:
    document = acclimate.evaluate(from_list.path, place / "test", baseline=tiny_model)
    assert document["delta"] == from_list.scores["test"]["delta"]
    assert acclimate.check(place / "train.jsonl")["rows"]["kept"] == len(ROWS)


def test_the_packages_names_are_there_after_a_plain_import() -> None:
    code = """
import acclimate
for name in acclimate.__all__: getattr(acclimate, name)
found = acclimate.evaluation.evaluate_embeddings([[1, 0], [0, 1]], [[1, 0.1], [0.1, 1]], [(0, 0), (1, 1)])
assert found["mrr"] == found["ndcg@10"] == 1 and found["mean_rank"] == 1, found
assert set(acclimate.__all__) <= set(dir(acclimate))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
