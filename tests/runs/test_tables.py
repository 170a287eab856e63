"""Whole runs on bases that are only a table: static models and items, from a file to a model that is read again."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

import acclimate
from acclimate.core.errors import DataError, UsageError
from acclimate.model.static import StaticEncoder
from acclimate.model.store import load_encoder, save_encoder
from small import jsonl, pairs, scored
from tiny import tiny_tokenizer

GROUPS, SIZE = 12, 12


def item_pairs(folder: Path, name: str = "items.csv", seed: int = 0) -> Path:
    """Items of a group come together, two of three pairs of each."""
    generator = np.random.default_rng(seed)
    rows = [
        (f"item-{group}-{a}", f"item-{group}-{b}")
        for group in range(GROUPS)
        for a in range(SIZE)
        for b in range(a)
        if generator.random() < 2 / 3
    ]
    file = folder / name
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("query", "positive"), *(rows[n] for n in generator.permutation(len(rows)))])
    return file


def test_a_static_model_gains_and_only_touched_rows_move(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_str(tiny_tokenizer().backend_tokenizer.to_str())
    table = torch.randn(tokenizer.get_vocab_size(), 16, generator=torch.Generator().manual_seed(0))
    save_encoder(StaticEncoder(table, tokenizer, prompts={"query": "find "}), tmp_path / "base")  # type: ignore[arg-type]
    train, general = pairs(160), jsonl(tmp_path / "general.jsonl", scored(40))
    run = acclimate.fit(
        train, base=tmp_path / "base", general=general, out=tmp_path / "run", keep="anyway", epochs=4,
        settings=["regularizers=[]", "evaluation.merge=1"],
    )  # fmt: skip
    assert run.scores["test"]["delta"]["ndcg@10"]["value"] > 0
    tuned = load_encoder(tmp_path / "run" / "model")
    seen = {
        t for row in train for text in ("find " + row["query"], row["positive"]) for t in tokenizer.encode(text).ids
    }
    untouched = [token for token in range(len(table)) if token not in seen]
    moved = tuned.token_embedding().weight.detach()
    torch.testing.assert_close(moved[untouched], table[untouched], rtol=0, atol=0)
    assert (moved[sorted(seen)] != table[sorted(seen)]).any(dim=1).float().mean() > 0.5
    library = pytest.importorskip("sentence_transformers")
    texts = [row["query"] for row in train[:20]]
    theirs = library.SentenceTransformer(str(tmp_path / "run" / "model"), device="cpu").encode_query(texts)
    np.testing.assert_allclose(theirs, run.model.encode(texts, "query"), atol=1e-6)


def test_items_gain_from_a_random_start(tmp_path: Path) -> None:
    file = item_pairs(tmp_path)
    options: dict[str, Any] = {"epochs": 30, "settings": ["training.lr=0.05"]}
    run = acclimate.fit(file, base="items:16", out=tmp_path / "run", **options)
    assert run.scores["gate"]["verdict"] == "gained"
    assert run.scores["test"]["after"]["recall@10"] > 2 * run.scores["test"]["before"]["recall@10"]
    assert run.scores["general"] == {"before": {}, "after": {}, "delta": {}}
    assert (run.path / "report.html").is_file()
    vectors = run.model.encode(["item-0-0", "item-0-1", "item-1-0"])
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    # The same table goes on from where it is, and is scored on pairs in a file: what goes together already is known.
    again = acclimate.fit(file, base=run.path, out=tmp_path / "again", epochs=1)
    assert again.scores["test"]["before"]["ndcg@10"] == pytest.approx(run.scores["test"]["after"]["ndcg@10"])
    test = item_pairs(tmp_path, "test.csv", seed=1)
    alone = acclimate.evaluate(run.path, test, no_cache=True)["metrics"]["recall@10"]
    known = acclimate.evaluate(run.path, test, train=file, no_cache=True)["metrics"]["recall@10"]
    assert 0 < alone <= 1
    assert known != alone


def test_what_many_need_is_recommended_where_an_item_answers_by_a_vector_of_its_own(tmp_path: Path) -> None:
    """Pairs in which nothing but popularity is to be learned: one vector for both roles cannot say it."""
    generator, items = np.random.default_rng(0), 200
    chance = 1 / np.arange(1, items + 1)
    rows = [
        {"query": f"i{asks}", "positive": f"i{answers}"}
        for asks in range(items)
        for answers in generator.choice(items, 10, replace=False, p=chance / chance.sum())
    ]
    np.save(tmp_path / "one.npy", generator.standard_normal((items, 16), np.float32) / 4)
    (tmp_path / "one.ids.txt").write_text("\n".join(f"i{number}" for number in range(items)))
    found = []
    for base in ("items:16", tmp_path / "one.npy"):
        run = acclimate.fit(rows, base=base, out=tmp_path / f"run {len(found)}", epochs=3, keep="anyway")
        found.append(run.scores["test"]["after"]["recall@10"])
    assert found[0] > 1.5 * found[1]


def test_items_that_never_ask_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"query": f"q{n % 20}", "positive": f"d{n // 20}"} for n in range(400)]
    acclimate.fit(rows, base="items:4", out=tmp_path / "run", epochs=1, keep="anyway", quiet=False)
    said = " ".join(capsys.readouterr().out.split())  # lines are wrapped
    assert "note: 20 items never ask, and as queries have no vector that was learned" in said


def test_what_cannot_act_on_items_is_told(tmp_path: Path) -> None:
    file = item_pairs(tmp_path)
    np.save(tmp_path / "some.npy", np.eye(4, dtype=np.float32))
    (tmp_path / "some.ids.txt").write_text("item-0-0\nitem-0-1\nitem-0-2\nitem-0-3\n")
    with pytest.raises(DataError, match=r"items\.csv:\d+: the base has no item 'item-.*' and \d+ others; add it"):
        acclimate.fit(file, base=tmp_path / "some.npy", out=tmp_path / "run")
    for options, words in (
        ({"query_prompt": "find "}, "query_prompt cannot act on a base that reads ids"),
        ({"general": file}, "data.general is for texts"),
        ({"method": "lora"}, "has no layers"),
        ({"precision": "bf16"}, "cannot act on a base that is a table"),
    ):
        with pytest.raises(UsageError, match=words):
            acclimate.fit(file, base="items:4", out=tmp_path / "run", **options)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="nothing about which item goes with which"):
        acclimate.fit(scored(40), base="items:4", out=tmp_path / "run")


@pytest.mark.parametrize("base", ["items:0", "items:many"])
def test_a_new_table_needs_its_dimensions(tmp_path: Path, base: str) -> None:
    with pytest.raises(UsageError, match=f"base '{base}' does not say how many dimensions; take for instance items:64"):
        acclimate.fit(item_pairs(tmp_path), base=base, out=tmp_path / "run")


def test_a_transformer_becomes_a_static_base(tiny_model: Path, tmp_path: Path) -> None:
    made = acclimate.distill_static(tiny_model, tmp_path / "static", dimensions=8)
    assert made.dimension == 8
    np.testing.assert_array_equal(acclimate.load(tmp_path / "static").encode(["the dog"]), made.encode(["the dog"]))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("mine")
    with pytest.raises(UsageError, match="holds something that is no model"):
        acclimate.distill_static(tiny_model, tmp_path / "other", dimensions=8)
