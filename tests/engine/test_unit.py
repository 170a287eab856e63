"""The training unit and its feed: which rows count how much, and which extra texts come along."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from training import GENERAL, Rig, make_rig, pairs


def terms(rig: Rig, rows: list[int], step: int = 0) -> dict[str, Tensor]:
    from acclimate.data.batches import assemble

    table = rig.trainer.feed.table
    batch = assemble(table, torch.tensor(rows).numpy(), 0, 0, positives=1, negatives=1)
    return rig.trainer.unit(rig.trainer.feed.inputs((batch,), step, 0.0, "cpu"))


def weighted(*row_weights: float) -> list:
    return [e._replace(weight=w) for e, w in zip(pairs(len(row_weights)), row_weights, strict=True)]


def test_rows_count_by_their_weight(tmp_path: Path) -> None:
    plain = make_rig(tmp_path / "a", examples=pairs(4))
    loss = plain.trainer.unit.objectives["infonce"]
    seen: list[Tensor] = []
    loss.register_forward_hook(lambda module, args, out: seen.append(out.detach()))
    terms(plain, [0, 1, 2, 3])
    skewed = make_rig(tmp_path / "b", examples=weighted(2.0, 1.0, 0.0, 1.0))
    expected = (2 * seen[0][0] + seen[0][1] + seen[0][3]) / 4
    torch.testing.assert_close(terms(skewed, [0, 1, 2, 3])["infonce"], expected)


def test_the_scale_of_the_weights_does_not_matter(tmp_path: Path) -> None:
    ones, fives = (make_rig(tmp_path / str(w), examples=weighted(*[w] * 4)) for w in (1.0, 5.0))
    torch.testing.assert_close(terms(ones, [0, 1, 2])["infonce"], terms(fives, [0, 1, 2])["infonce"])


def test_a_batch_whose_rows_all_weigh_nothing_teaches_nothing(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, examples=weighted(0.0, 0.0, 1.0, 1.0))
    loss = terms(rig, [0, 1])["infonce"]
    assert loss.item() == 0.0
    loss.backward()
    assert all(p.grad.abs().max() == 0 for p in rig.encoder.parameters() if p.grad is not None)


def test_distinct_texts_are_embedded_once_in_the_order_of_the_batch(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, regularizers=[{"kind": "distill", "texts_a_step": 5}])
    feed = rig.trainer.feed
    step, _, (batch,) = next(feed.steps(0))
    inputs = feed.inputs((batch,), step, 0.0, "cpu")
    assert len(inputs.tokens.lengths) == len(batch.unique) + 5
    assert inputs.streams == {"general": slice(len(batch.unique), len(batch.unique) + 5)}
    with torch.no_grad():
        vectors = rig.encoder(inputs.tokens)
    examples = {e.id: e for e in pairs(negatives=1)}
    for place, row in enumerate(batch.rows):
        example = examples[feed.table.ids[row]]
        expected = torch.from_numpy(rig.encoder.encode([example.query, example.positives[0]]))
        found = vectors[[int(inputs.rows[0].index[role][place, 0]) for role in ("query", "positive")]]
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_streams_bring_what_the_base_says_and_depend_on_the_step_alone(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, regularizers=[{"kind": "distill", "texts_a_step": 5}])
    feed = rig.trainer.feed
    general = torch.from_numpy(rig.encoder.encode(GENERAL))
    drawn = []
    for step, _, (batch,) in (next(feed.steps(n)) for n in (0, 1, 1)):
        inputs = feed.inputs((batch,), step, 0.0, "cpu")
        with torch.no_grad():
            now = rig.encoder(inputs.tokens)[inputs.streams["general"]]
        torch.testing.assert_close(now, inputs.frozen["general"], rtol=0, atol=1e-5)
        nearest = (inputs.frozen["general"] @ general.T).argmax(dim=1).tolist()
        assert len(set(nearest)) == 5
        drawn.append(nearest)
    assert drawn[1] == drawn[2] != drawn[0]


def test_a_stream_smaller_than_a_step_is_taken_whole(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, regularizers=[{"kind": "distill", "texts_a_step": 10_000}], steps=1)
    rig.trainer.train()
    step, _, (batch,) = next(rig.trainer.feed.steps(0))
    assert len(rig.trainer.feed.inputs((batch,), step, 0.0, "cpu").frozen["general"]) == len(GENERAL)


def test_the_heads_of_objectives_are_part_of_the_unit(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, regularizers=["l2sp", "distill"])
    assert {name.split(".")[0] for name, _ in rig.trainer.unit.named_parameters()} == {"encoder"}
    assert rig.trainer.unit.objectives.keys() == {"infonce"}
    assert set(rig.trainer.unit.regularizers.keys()) == {"l2sp", "distill"}
    assert pytest.approx(0.0, abs=1e-5) == terms(rig, [0, 1, 2])["distill"].item()
