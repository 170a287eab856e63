"""Gradients that are sparse by row are the dense ones: their norms, their clip, and all that a run makes of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from acclimate.data.examples import Example
from acclimate.engine.gradients import numbers_of, settle, touched
from acclimate.engine.norms import gradient_norms, scale_gradients
from acclimate.engine.passes import backward
from acclimate.gradient_rules.base import total
from acclimate.model.embedder import Embedder
from acclimate.model.items import ItemTable
from acclimate.model.static import StaticEncoder
from tiny import tiny_tokenizer
from training import GENERAL, Rig, make_rig, pairs, weights

IDS = GENERAL  # which the rig encodes, so an item table has to know them


def item_table() -> ItemTable:
    return ItemTable.untrained(IDS, 8)


def one_vector_an_item() -> ItemTable:
    return ItemTable(torch.randn(len(IDS), 8, generator=torch.Generator().manual_seed(0)), IDS)


def static() -> StaticEncoder:
    tokenizer = Tokenizer.from_str(tiny_tokenizer().backend_tokenizer.to_str())
    table = torch.randn(tokenizer.get_vocab_size(), 8, generator=torch.Generator().manual_seed(0))
    return StaticEncoder(table, tokenizer)


TABLES: dict[str, Callable[[], Embedder]] = {"two": item_table, "one": one_vector_an_item, "static": static}


def rig_of(folder: Path, kind: str, **settings: object) -> Rig:
    generator = np.random.default_rng(0)
    drawn = [generator.choice(IDS[:16], 2, replace=False).tolist() for _ in range(24)]
    items = [Example(f"row:{n}", n, query=a, positives=(b,)) for n, (a, b) in enumerate(drawn, 1)]
    return make_rig(
        folder,
        encoder=TABLES[kind](),  # type: ignore[arg-type]
        examples=pairs() if kind == "static" else items,
        scores=[0.0] * 100,
        **{"lr": 0.05, **settings},  # type: ignore[arg-type]
    )


def twins(rows: list[int]) -> tuple[torch.nn.Parameter, torch.nn.Parameter]:
    """One table with the sparse gradient of some look-ups, one with the dense."""
    start = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    pull = torch.randn(len(rows), 4, generator=torch.Generator().manual_seed(1))
    found = []
    for sparse in (True, False):
        table = torch.nn.Parameter(start.clone())
        (F.embedding(torch.tensor(rows), table, sparse=sparse) * pull).sum().backward()
        assert table.grad is not None
        assert table.grad.is_sparse == sparse
        found.append(table)
    settle(found)
    return found[0], found[1]


@pytest.mark.parametrize("rows", [[4, 1, 3], [2, 2, 5, 2]])
def test_norm_clip_and_touched_rows_are_those_of_the_dense_gradient(rows: list[int]) -> None:
    sparse, dense = twins(rows)
    assert gradient_norms({"t": sparse}, {})[0] == pytest.approx(gradient_norms({"t": dense}, {})[0], rel=1e-6)
    scale_gradients([sparse, dense], 0.25)
    assert sparse.grad is not None
    torch.testing.assert_close(sparse.grad.to_dense(), dense.grad)
    for ours, expected in zip(touched(sparse), touched(dense), strict=True):
        torch.testing.assert_close(ours, expected)
    assert touched(sparse)[0].tolist() == sorted(set(rows))


def test_a_row_that_was_read_and_has_no_gradient_is_not_touched() -> None:
    sparse, _ = twins([4, 1, 3])
    assert sparse.grad is not None
    numbers_of(sparse.grad)[1] = 0.0  # of row 3
    rows, gradient = touched(sparse)
    assert rows.tolist() == [1, 4]
    torch.testing.assert_close(gradient, sparse.grad.to_dense()[[1, 4]])


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_gets_its_gradient_by_row_in_one_pass_and_in_several(kind: str, tmp_path: Path) -> None:
    rig = rig_of(tmp_path, kind)
    step, _, (batch,) = next(rig.trainer.feed.steps(0))
    inputs = rig.trainer.feed.inputs((batch,), step, 0.5, "cpu")
    (table,) = rig.trainer.parameters.values()
    found: list[Tensor] = []
    for passes in (1, 3):
        table.grad = None
        backward(rig.trainer.unit, inputs, passes, lambda part: torch.enable_grad(), 1.0)
        settle([table])
        assert table.grad is not None
        assert table.grad.is_sparse
        assert len(numbers_of(table.grad)) == len(set(inputs.tokens.ids.tolist())) < len(table)
        found.append(table.grad.to_dense())
        backward(
            rig.trainer.unit, inputs, passes, lambda part: torch.enable_grad(), 1.0, lambda of: total([*of.values()])
        )
        found.append(table.grad)  # a rule sees all numbers
    for other in found[1:]:
        torch.testing.assert_close(other, found[0])


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("regularizers", [[], [{"kind": "l2sp", "decoupled": False}], ["l2sp"]], ids=str)
def test_rows_that_no_batch_reads_stay_to_the_bit(kind: str, regularizers: list[object], tmp_path: Path) -> None:
    """Also where a penalty over all weights makes the gradient a dense one."""
    rig = rig_of(tmp_path, kind, regularizers=regularizers)
    (before,) = weights(rig.encoder).values()
    rig.trainer.train()
    (after,) = weights(rig.encoder).values()
    rows, feed = rig.trainer.feed.table, rig.trainer.feed
    seen = np.unique(feed.store.take(np.concatenate([rows.query, rows.positives.values]))[0])
    assert len(seen) < len(before)
    moved = (after != before).any(dim=1).nonzero()[:, 0]
    assert set(moved.tolist()) <= set(seen.tolist())
    assert len(moved) > 0.5 * len(seen)
    assert rig.trainer.progress.skipped_in_a_row == 0


@pytest.mark.parametrize("kind", TABLES)
def test_a_run_on_a_table_that_was_stopped_ends_bit_for_bit_as_one_that_was_not(kind: str, tmp_path: Path) -> None:
    whole = rig_of(tmp_path / "whole", kind)
    whole.trainer.train()
    first = rig_of(tmp_path / "other", kind)
    first.stop_at.add(5)
    first.trainer.train()
    second = rig_of(tmp_path / "other", kind, records=first.records)
    assert second.restore()
    second.trainer.train()
    (ours,), (expected,) = (weights(rig.encoder).values() for rig in (second, whole))
    assert torch.equal(ours, expected)
    assert [record["loss"] for record in second.steps] == [record["loss"] for record in whole.steps]
