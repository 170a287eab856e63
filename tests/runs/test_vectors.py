"""An adapter of vectors that come from anywhere: better on unseen queries, saved, read again, mistakes told."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import acclimate
from acclimate.core.errors import DataError, InterruptedRunError, UsageError
from small import jsonl

COUNT, WIDTH = 240, 16
OPTIONS: dict[str, Any] = {"rank": 8, "epochs": 30, "lr": 1e-2, "batch_size": 32}


def data(seed: int = 0) -> tuple[np.ndarray, list[str], list[dict[str, str]]]:
    """Documents, queries that are near them but for noise in some dimensions, documents that nobody asks for."""
    generator = np.random.default_rng(seed)
    documents = generator.normal(size=(COUNT + 40, WIDTH))
    queries = documents[:COUNT] + generator.normal(size=(COUNT, WIDTH)) * np.repeat([3.0, 0.3], [4, WIDTH - 4])
    ids = [f"doc-{n}" for n in range(COUNT + 40)] + [f"query-{n}" for n in range(COUNT)]
    rows = [{"query": f"query-{n}", "positive": f"doc-{n}"} for n in range(COUNT)]
    return np.concatenate([documents, queries]).astype(np.float32), ids, rows


@pytest.mark.parametrize("settings", [{}, {"side": "query"}, {"side": "query", "activation": "tanh"}])
def test_it_gains_on_queries_that_it_has_not_seen(settings: dict[str, Any], tmp_path: Path) -> None:
    vectors, ids, rows = data()
    run = acclimate.fit_vectors(vectors, ids, rows, out=tmp_path / "run", **OPTIONS, **settings)
    change = run.scores["test"]["delta"]["ndcg@10"]
    assert run.scores["gate"]["verdict"] == "gained"
    assert change["ci95"][0] > 0
    assert json.loads((tmp_path / "run" / "scores.json").read_text()) == run.scores
    assert not (tmp_path / "run" / "checkpoints").exists()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    again = acclimate.load_adapter(run.path)
    for role in ("query", "document"):
        np.testing.assert_array_equal(again.transform(vectors, role), run.transform(vectors, role))
    moved = run.transform(vectors, "document")
    assert abs(run.transform(vectors) - unit).max() > 0.05
    assert (abs(moved - unit).max() < 1e-6) == (settings.get("side") == "query")
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(run.transform(3 * vectors), run.transform(vectors), atol=1e-5)


def test_files_are_read_as_arrays_and_lists_are(tmp_path: Path) -> None:
    vectors, ids, rows = data()
    np.save(tmp_path / "vectors.npy", vectors)
    (tmp_path / "ids.txt").write_text("\n".join(ids) + "\n")
    (tmp_path / "ids.json").write_text(json.dumps(ids))
    pairs = jsonl(tmp_path / "pairs.jsonl", rows)
    options = OPTIONS | {"epochs": 2, "keep": "anyway"}
    memory = acclimate.fit_vectors(vectors.astype(np.float64), ids, rows, out=tmp_path / "memory", **options)
    for name in ("ids.txt", "ids.json"):
        run = acclimate.fit_vectors(
            tmp_path / "vectors.npy", tmp_path / name, pairs, out=tmp_path / "runs" / name, **options
        )
        np.testing.assert_array_equal(run.transform(vectors), memory.transform(vectors))
    np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy"), vectors)


def test_all_that_does_not_only_ask_is_ranked_and_equal_vectors_stay_on_one_side(tmp_path: Path) -> None:
    from acclimate.data.split import split
    from acclimate.data.vectors import named_vectors, pairs_of_rows

    vectors, ids, rows = data()
    vectors[1] = vectors[0]
    dataset = pairs_of_rows(rows, named_vectors(vectors, ids), {})
    assert set(dataset.documents) == {name for name in ids if name.startswith("doc")}
    parts = split(dataset, seed=1, dev=0.1, test=0.1)
    sides = [{text for example in part for text in example.texts()} for part in (parts.train, parts.dev, parts.test)]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert sum({ids.index("query-0"), ids.index("query-1")} <= {int(text) for text in side} for side in sides) == 1


def test_an_adapter_that_does_not_gain_is_set_aside(tmp_path: Path) -> None:
    vectors, ids, _ = data()
    order = np.random.default_rng(5).permutation(COUNT)
    rows = [{"query": f"query-{n}", "positive": f"doc-{m}"} for n, m in enumerate(order)]  # nothing can be learned
    run = acclimate.fit_vectors(vectors, ids, rows, out=tmp_path, settings=["training.seed=3"], **OPTIONS)
    assert run.scores["gate"]["verdict"] in ("no_gain", "unproven")
    if not run.scores["gate"]["passed"]:
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        np.testing.assert_allclose(run.transform(vectors), unit, atol=1e-6)
        assert abs(acclimate.load_adapter(tmp_path / "rejected").transform(vectors) - unit).max() > 1e-3


def test_a_stopped_run_goes_on_to_the_same_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from acclimate.runs.stopping import Stop

    vectors, ids, rows = data()
    options = OPTIONS | {"epochs": 4, "keep": "anyway"}
    whole = acclimate.fit_vectors(vectors, ids, rows, out=tmp_path / "whole", **options)
    asked = iter([None] * 7 + ["asked"])
    with monkeypatch.context() as patch:
        patch.setattr(Stop, "reason", lambda self: next(asked))
        with pytest.raises(InterruptedRunError, match="stopped and saved at step 8"):
            acclimate.fit_vectors(vectors, ids, rows, out=tmp_path / "cut", **options)
    cut = acclimate.fit_vectors(vectors, ids, rows, out=tmp_path / "cut", **options)
    np.testing.assert_array_equal(cut.transform(vectors), whole.transform(vectors))
    with pytest.raises(UsageError, match=r"holds a run with other vectors"):
        acclimate.fit_vectors(vectors + 1, ids, rows, out=tmp_path / "cut", **options)


def test_the_untuned_vectors_guide_a_loss_that_asks(tmp_path: Path) -> None:
    vectors, ids, rows = data()
    run = acclimate.fit_vectors(vectors, ids, rows, out=tmp_path / "run", settings=["objective=gist"], **OPTIONS)
    assert run.scores["test"]["delta"]["ndcg@10"]["ci95"][0] > 0


def test_mistakes_are_told_in_one_line(tmp_path: Path) -> None:
    vectors, ids, rows = data()
    pairs = jsonl(tmp_path / "pairs.jsonl", [*rows[:9], {"query": "query-9", "positive": "nobody"}, *rows[10:]])
    names = tmp_path / "ids.txt"
    names.write_text("\n".join([*ids[:-1], ids[3]]))
    broken = vectors.copy()
    broken[6, 2] = np.nan
    np.save(tmp_path / "broken.npy", broken)
    (tmp_path / "text.npy").write_text("no vectors")
    cases: list[tuple[Any, Any, Any, str]] = [
        (vectors, ids, pairs, r"pairs\.jsonl:10: there is no vector with the id 'nobody'; add its vector"),
        (vectors, names, rows, r"ids\.txt:520: the id 'doc-3' stands there 2 times; give every vector"),
        (vectors, ids[:-1], rows, "519 ids stand beside 520 vectors; give one id a vector"),
        (vectors[:, 0], ids, rows, r"the vectors are float32 of shape \(520,\); give numbers, one vector a row"),
        (tmp_path / "broken.npy", ids, rows, r"broken\.npy: vector 7 holds NaN or infinity; compute it again"),
        (tmp_path / "text.npy", ids, rows, r"text\.npy: no \.npy file that can be read"),
        (vectors, tmp_path / "none.txt", rows, r"none\.txt: the ids cannot be read"),
        (vectors, ids, [{"text": n, "label": n[0]} for n in ids], "say nothing about which vector answers which"),
    ]
    for given, known, taught, message in cases:
        with pytest.raises(DataError, match=message) as error:
            acclimate.fit_vectors(given, known, taught, out=tmp_path / "run")
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="there is no adapter"):
        acclimate.load_adapter(tmp_path)
    with pytest.raises(UsageError, match=r"method\.side"):
        acclimate.fit_vectors(vectors, ids, rows, out=tmp_path / "run", side="left")
    with pytest.raises(UsageError, match=r"data\.mining reads texts, and there are only vectors"):
        acclimate.fit_vectors(vectors, ids, rows, out=tmp_path / "run", settings=["data.mining=base"])
    with pytest.raises(UsageError, match="vocabulary finds words in texts, and there are only vectors"):
        acclimate.fit_vectors(vectors, ids, rows, out=tmp_path / "run", settings=["vocabulary=extend"])
    run = acclimate.fit_vectors(vectors, ids, rows, out=tmp_path / "run", **OPTIONS | {"epochs": 1, "keep": "anyway"})
    with pytest.raises(UsageError, match=r"shape \(520, 15\) do not fit an adapter of 16 dimensions"):
        run.transform(vectors[:, :15])
    with pytest.raises(UsageError, match="role 'passage' is unknown"):
        run.transform(vectors, "passage")
    (run.path / "adapter" / "model.safetensors").write_bytes(b"half")
    with pytest.raises(DataError, match="the adapter cannot be read"):
        acclimate.load_adapter(run.path)
