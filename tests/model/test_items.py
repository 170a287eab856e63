"""Item tables: read from files and folders, saved so that no reader of texts takes them, mistakes in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import acclimate
from acclimate.core.errors import DataError, UsageError
from acclimate.methods import METHODS
from acclimate.model.bases import fingerprint, resolve
from acclimate.model.items import ItemTable
from acclimate.model.store import load_encoder, save_encoder
from acclimate.model.verify import verify

IDS = ["b:2", "a 1", "ü", "7"]
VECTORS = np.array([[3, 4], [0, 2], [-1, 0], [0, 0]], np.float32)
UNIT = [[0.6, 0.8], [0, 1], [-1, 0], [0, 0]]


def test_a_folder_gives_the_same_vectors_and_sentence_transformers_refuses_it(tmp_path: Path) -> None:
    table = ItemTable(torch.from_numpy(VECTORS), IDS)
    save_encoder(table, tmp_path / "model")  # type: ignore[arg-type]
    report = verify(tmp_path / "model")
    assert report.passed, report
    assert report.refused == ("sentence_transformers",) or report.skipped == ("sentence_transformers",)
    np.testing.assert_allclose(acclimate.load(tmp_path / "model").encode(IDS[::-1]), UNIT[::-1], atol=1e-6)


@pytest.mark.parametrize("vectors", ["npy", "safetensors"])
@pytest.mark.parametrize("ids", ["json", "txt"])
def test_files_are_read_with_their_ids_beside(vectors: str, ids: str, tmp_path: Path) -> None:
    file = tmp_path / f"items.{vectors}"
    if vectors == "npy":
        np.save(file, VECTORS.astype(np.float64))
    else:
        save_file({"anything": VECTORS}, file)
    with pytest.raises(DataError, match=r"items\.npy|items\.safetensors.*: the vectors have no ids beside them"):
        load_encoder(resolve(file))
    names = json.dumps(IDS) if ids == "json" else "\n".join(IDS) + "\n"
    (tmp_path / f"items.ids.{ids}").write_text(names, encoding="utf-8")
    np.testing.assert_allclose(acclimate.load(str(file)).encode(IDS), UNIT, atol=1e-6)
    before = fingerprint(file)
    (tmp_path / f"items.ids.{ids}").write_text(names.replace("7", "8"), encoding="utf-8")
    assert fingerprint(file) != before


def test_an_item_that_asks_may_have_another_vector_than_one_that_answers(tmp_path: Path) -> None:
    asking = torch.tensor([[0.0, 2.0], [1.0, 0.0], [0.0, -3.0], [4.0, 3.0]])
    table = ItemTable(torch.from_numpy(VECTORS), IDS, queries=asking)
    save_encoder(table, tmp_path / "model")  # type: ignore[arg-type]
    assert verify(tmp_path / "model").passed
    save_file({"embeddings": VECTORS, "queries": asking.numpy()}, tmp_path / "items.safetensors")
    (tmp_path / "items.ids.json").write_text(json.dumps(IDS))
    for again in (acclimate.load(tmp_path / "model"), acclimate.load(str(tmp_path / "items.safetensors"))):
        np.testing.assert_allclose(again.encode(IDS), UNIT, atol=1e-6)
        np.testing.assert_allclose(again.encode(IDS, "document"), UNIT, atol=1e-6)
        np.testing.assert_allclose(again.encode(IDS, "query"), [[0, 1], [1, 0], [0, -1], [0.8, 0.6]], atol=1e-6)
    assert table.reading("query") != table.reading("document") == table.reading(None)
    with pytest.raises(DataError, match=r"the queries are \(3, 2\) and the embeddings \(4, 2\)"):
        ItemTable(torch.from_numpy(VECTORS), IDS, queries=asking[:3])


def test_mistakes_are_told() -> None:
    table = torch.from_numpy(VECTORS)
    with pytest.raises(DataError, match="3 ids stand beside 4 vectors"):
        ItemTable(table, IDS[:3])
    with pytest.raises(DataError, match="'ü' stands there twice"):
        ItemTable(table, ["ü", "a", "ü", "b"])
    with pytest.raises(DataError, match="the table has no item 'c'"):
        ItemTable(table, IDS).encode(["7", "c"])


def test_an_untrained_table_depends_on_its_ids_alone() -> None:
    one, other = (ItemTable.untrained(IDS * 1, 64) for _ in range(2))
    torch.testing.assert_close(one.table.weight, other.table.weight, rtol=0, atol=0)
    assert one.first_query == len(IDS) == len(one.table.weight) / 2
    lengths = one.table.weight.detach().norm(dim=1)
    assert 0.5 < float(lengths.min()) < float(lengths.max()) < 1.5


TRAINS = ("full", "embedding_table", "residual")


@pytest.mark.parametrize("kind", TRAINS)
def test_a_method_that_needs_no_layers_trains_a_table(kind: str) -> None:
    encoder = ItemTable(torch.from_numpy(VECTORS), IDS)
    groups = METHODS.parse(kind).apply(encoder)  # type: ignore[arg-type]
    opened = {name for group in groups for name in group.parameters}
    assert opened
    assert opened == {name for name, p in encoder.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("kind", sorted({*METHODS} - {*TRAINS}))
def test_any_other_says_why_not(kind: str) -> None:
    with pytest.raises(UsageError, match=r"has no layers; take --method full, embedding_table or residual"):
        METHODS.parse(kind).apply(ItemTable(torch.from_numpy(VECTORS), IDS))  # type: ignore[arg-type]
