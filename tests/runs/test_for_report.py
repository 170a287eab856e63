"""What a run leaves for its report: single queries, places of texts, drift of tokens; all of it laws of real runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import acclimate
from acclimate.data.examples import Example
from acclimate.evaluation import RetrievalTask, SimilarityTask
from acclimate.evaluation.projection import shared_plane
from acclimate.model.vocabulary import add_words, split_rows
from acclimate.runs import mapping
from acclimate.runs.drift import drift_of
from acclimate.runs.mapping import Watched
from acclimate.runs.told import columns_of, unseen_words
from small import pairs
from tiny import make_tiny_model, tiny_encoder


def read(run: Path, name: str) -> Any:
    text = (run / "data" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    rows = [row | {"label": "abc"[n % 3]} for n, row in enumerate(pairs(160))]
    options = {"base": str(base), "epochs": 2, "lr": 2e-3, "batch_size": 16, "quiet": True}
    return acclimate.fit(rows, out=tmp_path_factory.mktemp("run") / "full", keep="anyway", **options).path


def test_bm25_and_columns_stand_beside_each_query(run: Path) -> None:
    told, scores = read(run, "queries.jsonl"), json.loads((run / "scores.json").read_text())
    assert {query["label"] for query in told} == {"a", "b", "c"}
    assert np.mean([query["ndcg_bm25"] for query in told]) == pytest.approx(scores["bm25"]["ndcg@10"])
    assert np.mean([query["rank_bm25"] <= 10 for query in told]) == pytest.approx(scores["bm25"]["recall@10"])


def test_the_map_holds_the_test_as_both_models_see_it(run: Path, base: Path) -> None:
    told, found = read(run, "queries.jsonl"), read(run, "map.json")
    points = found["points"]
    asked = [point for point in points if point["role"] == "query"]
    assert [point["text"] for point in asked] == [query["query"] for query in told]
    assert [point["lines"] for point in asked] == [[n] for n in range(1, len(told) + 1)]
    for line, query in enumerate(told, start=1):
        (right,) = (p for p in points if p["role"] == "document" and p["text"] == query["relevant"][0]["text"])
        assert line in right["lines"]
    vectors = []
    for model in (base, run / "model"):
        encoder = acclimate.load(str(model))
        vectors.append(np.concatenate([encoder.encode([p["text"]], p["role"]) for p in points]))
    plane = shared_plane(*vectors)
    np.testing.assert_allclose([p["moved"] for p in points], plane.moved, atol=2e-4)
    drawn = np.array([p["after"] for p in points]) - [p["before"] for p in points]
    scale = np.ptp([p["before"] for p in points], axis=0).max() / np.ptp(plane.before, axis=0).max()
    np.testing.assert_allclose(drawn / scale, plane.after - plane.before, atol=2 / scale)


def test_tokens_that_training_never_read_stay_where_they_are(run: Path, base: Path) -> None:
    drift = read(run, "drift.json")
    unread = drift["by_count"][0]
    assert (unread["seen"], unread["mean"], unread["p90"]) == ("0", 0.0, 0.0)
    assert unread["tokens"] > 0
    assert sum(part["tokens"] for part in drift["by_count"]) == drift["rows"]
    assert drift["moved"] <= drift["rows"] - unread["tokens"]
    tables = [acclimate.load(str(m)).token_embedding().weight.detach().numpy() for m in (base, run / "model")]
    expected = np.linalg.norm(tables[1] - tables[0], axis=1) / np.linalg.norm(tables[0], axis=1)
    assert drift["mean"] == pytest.approx(expected.mean(), rel=1e-4)
    assert [token["drift"] for token in drift["most"]] == pytest.approx(np.sort(expected)[::-1][:40], rel=1e-4)


def test_a_table_that_does_not_train_is_said_not_to(tmp_path: Path) -> None:
    encoder, tokens = tiny_encoder(), tmp_path / "ids.bin"
    np.array([7, 7, 9], np.int32).tofile(tokens)
    rows = len(encoder.token_embedding().weight)
    assert drift_of(encoder, {}, tokens) == {"trained": False, "rows": rows}
    assert drift_of(encoder, {}, tmp_path / "none") is None


def test_new_rows_that_train_apart_drift_from_where_they_began(tmp_path: Path) -> None:
    encoder, tokens = tiny_encoder(), tmp_path / "ids.bin"
    add_words(encoder, ["troponin", "ferritin"], encoder.token_embedding().weight[:2].detach().clone())
    ((name, rows),) = split_rows(encoder).items()
    start = {name: rows.detach().clone()}
    with torch.no_grad():
        rows[1] *= 3
    first = len(encoder.token_embedding().weight) - 2
    np.array([first + 1, first + 1, 9], np.int32).tofile(tokens)
    drift = drift_of(encoder, start, tokens)
    assert drift is not None
    assert [(most["token"], most["seen"]) for most in drift["most"]] == [("ferritin", 2)]
    assert drift["most"][0]["drift"] == pytest.approx(2.0)
    assert drift["moved"] == 1


def test_a_word_is_unseen_if_no_text_of_training_has_it() -> None:
    train = [Example("1", 1, "red fever", ("blood count",), ("old bone",)), Example("2", 2, text="心脏病")]
    queries = ["Fever of the BONE", "blood, blood pressure", "心脏疼痛", ""]
    assert unseen_words(queries, train) == [["of", "the"], ["pressure"], ["脏疼", "疼痛"], []]


def test_columns_are_told_by_the_id_of_the_row() -> None:
    rows = [Example("1", 1, "q", label="a", group="g"), Example("2", 2, "q"), Example("3", 3, "q", domain="law")]
    assert columns_of(rows) == {"1": {"label": "a", "group": "g"}, "3": {"domain": "law"}}


def watched(folder: Path, count: int = 30) -> Watched:
    texts = [f"text {n}" for n in range(count)]
    ids = [f"{n}" for n in range(count)]
    task = RetrievalTask("test", ids, [f"query {n}" for n in range(count)], ids, texts, [{n: 1} for n in range(count)])
    return Watched(task, 0, folder)


def encode(texts: list[str], role: str) -> np.ndarray:
    return np.array([[len(text), sum(map(ord, text)) % 97, ord(role[0])] for text in texts], np.float32)


def test_what_was_seen_of_the_base_waits_on_disk_for_a_resumed_run(tmp_path: Path) -> None:
    whole, first, second = (watched(tmp_path / name) for name in ("whole", "cut", "cut"))
    for one, sides in ((whole, ("before", "after")), (first, ("before",)), (second, ("after",))):
        for side in sides:
            looking = one.watching(side, encode)  # type: ignore[arg-type]
            for role, texts in (("query", one.task.queries), ("document", one.task.documents)):  # type: ignore[union-attr]
                np.testing.assert_array_equal(looking(texts, role), encode(texts, role))  # type: ignore[arg-type]
        if "before" in sides:
            one.keep()
    assert first.document() is None
    assert second.document() == whole.document() is not None


def test_a_sample_is_half_queries_and_holds_their_documents(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mapping, "POINTS", 20)
    one = watched(tmp_path, 50)
    for side in ("before", "after"):
        for role, texts in (("query", one.task.queries), ("document", one.task.documents)):  # type: ignore[union-attr]
            one.watching(side, encode)(texts, role)  # type: ignore[arg-type]
    points = one.document()["points"]  # type: ignore[index]
    asked = {point["number"] for point in points if point["role"] == "query"}
    assert len(asked) == 10
    assert {point["number"] for point in points if point["role"] == "document"} == asked


def test_texts_without_queries_are_each_a_point_once(tmp_path: Path) -> None:
    one = Watched(SimilarityTask("test", ["a", "b"], ["b", "c"], [0.1, 0.2]), 0, tmp_path)
    for side in ("before", "after"):
        one.watching(side, encode)(["a", "b", "c"], "document")  # type: ignore[arg-type]
    assert [point["text"] for point in one.document()["points"]] == ["a", "b", "c"]  # type: ignore[index]
