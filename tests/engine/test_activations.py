"""What frozen blocks say is kept: the same training, computed once, after any kill, and never stale."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from acclimate.engine.activations import Activations
from tiny import KINDS, tiny_encoder
from training import Rig, make_rig, weights

STEPS = 12  # three epochs of 24 rows, 6 a step


def rig_of(folder: Path, *, cache: bool, kind: str = "bert", **options: Any) -> Rig:
    return make_rig(
        folder,
        encoder=tiny_encoder(kind, **options.pop("encoder", {})),
        method=options.pop("method", "last_layers"),
        regularizers=[{"kind": "distill", "texts_a_step": 5}],
        cache=cache,
        **{"steps": STEPS, "lr": 3e-3, **options},
    )


def losses(rig: Rig) -> list[float]:
    return [record["loss"]["total"] for record in rig.steps]


def computed_texts(rig: Rig) -> list[int]:
    """Texts whose lower states were computed, in each call."""
    counts: list[int] = []
    plain = rig.encoder.lower_states

    def counting(tokens: Any, depth: int) -> Tensor:
        counts.append(len(tokens.lengths))
        return plain(tokens, depth)

    rig.encoder.lower_states = counting  # type: ignore[method-assign]
    return counts


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("t5", "deberta-v2")])
def test_the_loss_curve_is_that_of_the_run_that_keeps_nothing(kind: str, tmp_path: Path) -> None:
    plain, kept = (rig_of(tmp_path / str(cache), cache=cache, kind=kind) for cache in (False, True))
    plain.trainer.train()
    kept.trainer.train()
    assert kept.depths == [1]
    assert losses(kept) == pytest.approx(losses(plain), rel=1e-5)


@pytest.mark.parametrize("kind", ["t5", "deberta-v2"])
def test_a_backbone_that_cannot_go_on_from_kept_states_trains_all_the_same(kind: str, tmp_path: Path) -> None:
    rig = rig_of(tmp_path, cache=True, kind=kind)
    rig.trainer.train()
    assert rig.depths == []
    assert rig.trainer.progress.finished


def test_bf16_states_train_as_well(tmp_path: Path) -> None:
    plain, kept = (rig_of(tmp_path / str(cache), cache=cache, precision="bf16") for cache in (False, True))
    plain.trainer.train()
    kept.trainer.train()
    assert losses(kept) == pytest.approx(losses(plain), rel=0.02)


def test_every_text_is_computed_once(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, cache=True)
    counts = computed_texts(rig)
    rig.trainer.train()
    used = set()
    for step, _, (batch,) in rig.trainer.feed.steps(0):
        if step == STEPS:
            break
        used |= set(rig.trainer.feed.inputs((batch,), step, 0.0, "cpu").texts.tolist())
    assert sum(counts) - 16 == len(used)  # 16 texts are for the trial


@pytest.mark.parametrize("method", ["full", "embedding_table", "embedding_and_last"])
def test_where_the_table_trains_nothing_is_frozen(method: str, tmp_path: Path) -> None:
    rig = rig_of(tmp_path, cache=True, method=method, steps=2)
    rig.trainer.train()
    assert rig.depths == []


def test_what_is_read_once_is_not_kept(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, cache=True, steps=4)  # one epoch
    rig.trainer.train()
    assert rig.depths == []


def test_opening_lower_blocks_begins_a_new_store(tmp_path: Path) -> None:
    from acclimate.core.nouns import ParamGroup
    from acclimate.methods.base import Method

    class TopDown(Method):
        kind: Any = "top_down"

        def apply(self, encoder: Any) -> list[ParamGroup]:
            for parameter in encoder.parameters():
                parameter.requires_grad_(False)
            names = {id(p): name for name, p in encoder.named_parameters()}
            return [
                ParamGroup(name, {names[id(p)]: p for p in block.parameters()}, starts_at=share)
                for (name, block), share in zip(reversed(encoder.blocks()), (0.0, 0.4, 0.8), strict=True)
            ]

    def run(*, cache: bool) -> Rig:
        rig = rig_of(tmp_path / str(cache), cache=cache, encoder={"config": {"num_hidden_layers": 3}}, steps=30)
        rig.trainer.groups[:] = TopDown().apply(rig.encoder)
        return rig

    plain, kept = run(cache=False), run(cache=True)
    for rig in (plain, kept):
        rig.trainer.__init__(  # type: ignore[misc]
            rig.trainer.unit,
            rig.trainer.groups,
            rig.trainer.feed,
            rig.trainer.settings,
            rig.trainer.callbacks,
            rig.trainer.checkpoints,
            rig.trainer._keep_states,
        )
        rig.trainer.train()
    assert kept.depths == [2, 1]  # in the last stage the lowest block trains
    assert losses(kept) == pytest.approx(losses(plain), rel=1e-4)


def test_dropout_spares_what_is_frozen_with_and_without_kept_states(tmp_path: Path) -> None:
    drops = {"config": {"hidden_dropout_prob": 0.2, "attention_probs_dropout_prob": 0.2}}
    plain, kept = (rig_of(tmp_path / str(c), cache=c, encoder=drops, dropout=True) for c in (False, True))
    plain.trainer.train()
    kept.trainer.train()
    assert losses(kept) == pytest.approx(losses(plain), rel=1e-4)
    dry = rig_of(tmp_path / "dry", cache=False, encoder=drops)
    dry.trainer.train()
    assert losses(plain) != pytest.approx(losses(dry), rel=1e-3)


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_a_resumed_run_reads_the_states_that_it_would_have_had(stop: int, tmp_path: Path) -> None:
    whole = rig_of(tmp_path / "whole", cache=True)
    whole.trainer.train()
    first = rig_of(tmp_path / "cut", cache=True)
    first.stop_at.add(stop)
    first.trainer.train()
    second = rig_of(tmp_path / "cut", cache=True, records=first.records)
    assert second.restore()
    counts = computed_texts(second)
    second.trainer.train()
    assert losses(second) == losses(whole)
    for name, parameter in weights(whole.encoder).items():
        assert torch.equal(weights(second.encoder)[name], parameter), name
    assert sum(counts) - 16 < len(second.trainer.feed.store)


# -- the store alone -------------------------------------------------------------------------------------------------

OFFSETS = np.array([0, 3, 3, 7, 8], dtype=np.int64)


def store(folder: Path, precision: Any = "fp32", key: str = "a") -> Activations:
    return Activations(folder, OFFSETS, 4, precision, key)


def states(texts: np.ndarray, add: float = 0.0) -> Tensor:
    rows = [row for text in texts for row in range(OFFSETS[text], OFFSETS[text + 1])]
    return torch.tensor(rows, dtype=torch.float32)[:, None].expand(-1, 4) + add + torch.arange(4) / 3


def never(texts: np.ndarray) -> Tensor:
    raise AssertionError(f"{texts} are computed again")


def recorder(asked: list[list[int]], add: float = 0.0) -> Callable[[np.ndarray], Tensor]:
    def compute(texts: np.ndarray) -> Tensor:
        asked.append(texts.tolist())
        return states(texts, add)

    return compute


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0.0), ("bf16", 0.03)])
def test_states_come_back_in_the_order_asked(precision: str, tolerance: float, tmp_path: Path) -> None:
    kept = store(tmp_path / "s", precision)
    asked: list[list[int]] = []
    kept.take(np.array([2]), recorder(asked))
    found = kept.take(np.array([3, 1, 2, 0]), recorder(asked))
    assert asked == [[2], [3, 1, 0]]
    assert found.dtype == (torch.float32 if precision == "fp32" else torch.bfloat16)
    torch.testing.assert_close(found.float(), states(np.array([3, 1, 2, 0])), atol=tolerance, rtol=0)
    again = store(tmp_path / "s", precision).take(np.array([3, 1, 2, 0]), never)
    assert torch.equal(again, found)


def test_a_flipped_byte_is_computed_again(tmp_path: Path) -> None:
    kept = store(tmp_path / "s")
    before = kept.take(np.arange(4), states)
    path = tmp_path / "s" / "states.bin"
    data = bytearray(path.read_bytes())
    data[OFFSETS[2] * 16 + 5] ^= 1
    path.write_bytes(bytes(data))
    asked: list[list[int]] = []
    assert torch.equal(store(tmp_path / "s").take(np.arange(4), recorder(asked)), before)
    assert asked == [[2]]


def test_a_write_that_was_not_finished_counts_for_none_of_its_texts(tmp_path: Path) -> None:
    kept = store(tmp_path / "s")
    kept.take(np.array([0]), states)
    kept.take(np.array([2, 3]), states)
    kept._written[0] = 1  # as if the process had been killed before the last store of the second write
    asked: list[list[int]] = []
    store(tmp_path / "s").take(np.array([0, 2, 3]), recorder(asked))
    assert asked == [[2, 3]]


def test_other_weights_below_begin_anew(tmp_path: Path) -> None:
    store(tmp_path / "s", key="2 blocks").take(np.arange(4), states)
    other = store(tmp_path / "s", key="1 block").take(np.arange(4), lambda texts: states(texts, add=9))
    torch.testing.assert_close(other, states(np.arange(4), add=9))


def test_room_is_taken_as_texts_come_and_asked_for_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = np.arange(10_001, dtype=np.int64) * 100
    kept = Activations(tmp_path / "s", many, 384, "bf16", "a")
    assert kept.size_bytes == 768_000_000
    assert sum(file.stat().st_blocks * 512 for file in (tmp_path / "s").iterdir()) < 1_000_000
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 800_000_000}))
    with pytest.raises(OSError, match=r"0\.8 GB are wanted, 0\.8 GB are free"):
        Activations(tmp_path / "t", many, 384, "bf16", "a")
    assert not (tmp_path / "t").exists()
