"""What a step is handed: the guide's vectors of its own texts, and the negatives of its epoch."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from acclimate.data.pairs import PairTable, Ragged
from training import make_rig, pairs


def test_the_guide_speaks_of_the_texts_of_the_batch(tmp_path: Path) -> None:
    feed = make_rig(tmp_path, regularizers=["distill"]).trainer.feed
    numbered = replace(feed, guide=np.arange(len(feed.store), dtype=np.float32)[:, None])
    for _, (step, _, (batch,)) in zip(range(5), numbered.steps(0), strict=False):
        inputs = numbered.inputs((batch,), step, 0.0, "cpu")
        assert inputs.rows[0].guide[:, 0].tolist() == batch.unique.tolist()
        assert len(inputs.texts) > len(batch.unique)  # others stand behind those of the batch
        assert feed.inputs((batch,), step, 0.0, "cpu").rows[0].guide is None


def test_each_epoch_has_the_negatives_that_it_is_given(tmp_path: Path) -> None:
    feed = make_rig(tmp_path, examples=pairs(24, negatives=1)).trainer.feed
    later = feed.table.document_key.max() + 1 + len(feed.table.document_key)  # numbered after the table was made
    own = Ragged(np.arange(24) % 5, np.arange(25), np.arange(24))
    new = Ragged(np.full(24, later), np.arange(25), np.arange(24))
    tables: dict[int, PairTable] = {0: feed.table, 1: feed.table.with_negatives(own), 2: feed.table.with_negatives(new)}
    renewed = replace(feed, renewed=lambda epoch: tables[epoch])
    for _, (_, epoch, (batch,)) in zip(range(3 * feed.steps_until(1)), renewed.steps(0), strict=False):
        for place, row in enumerate(batch.rows):
            column = batch.columns["negative"][place] if "negative" in batch.columns else np.array([-1])
            assert sorted(batch.unique[column[column >= 0]]) == sorted(tables[epoch].negatives[row])
    assert tables[2].document_key[later] == -1
    # Who shares a step does not depend on negatives.
    (first,), (same,) = (next(f.steps(feed.steps_until(1)))[2] for f in (renewed, feed))
    assert first.rows.tolist() == same.rows.tolist()
