"""Stages: what is closed stays bit for bit, each opens at its time with a warm-up, the last one has everything."""

from pathlib import Path

import pytest
import torch

from acclimate.core.errors import UsageError
from acclimate.methods import METHODS
from acclimate.model.surgery import parts
from tiny import tiny_encoder
from training import make_rig, weights


def test_stages_open_from_the_top_and_are_all_of_full_in_the_end() -> None:
    encoder = tiny_encoder(config={"num_hidden_layers": 5})
    groups = METHODS.parse({"kind": "unfreeze", "shares": [0.5, 0.3, 0.2]}).apply(encoder)
    blocks: dict[float, set[int]] = {}
    for number, block in enumerate(parts(encoder).blocks):
        starts = {group.starts_at for group in groups for name in block if name in group.parameters}
        assert len(starts) == 1
        blocks.setdefault(starts.pop(), set()).add(number)
    assert blocks == {0.0: {3, 4}, 0.5: {1, 2}, 0.8: {0}}
    assert {n for group in groups for n in group.parameters} == set(parts(encoder).tunable)
    assert next(group for group in groups if group.by_row).starts_at == 0.8


def test_what_a_stage_leaves_closed_stays_as_it_is(tmp_path: Path) -> None:
    method = METHODS.parse({"kind": "unfreeze", "shares": [0.5, 0.5]})
    seen = []
    for steps_taken in (3, 8):  # of 8: before and after the second stage opens
        rig = make_rig(tmp_path / str(steps_taken), method=method, steps=8)
        rig.stop_at = {steps_taken}
        before = weights(rig.encoder)
        rig.trainer.train()
        seen.append({name for name, weight in weights(rig.encoder).items() if not torch.equal(weight, before[name])})
    early, late = seen
    top = set(parts(rig.encoder).blocks[1]) | set(parts(rig.encoder).top)
    assert early
    assert early <= top
    assert late - top


def test_a_stage_warms_up_when_it_opens(tmp_path: Path) -> None:
    method = METHODS.parse({"kind": "unfreeze", "shares": [0.5, 0.5]})
    rig = make_rig(tmp_path, method=method, steps=12, warmup_steps=2, lr=1.0)
    rig.trainer.train()
    rates = [record["lr"]["stage_2"] for record in rig.steps]
    assert rates[:6] == [0.0] * 6
    assert rates[6:8] == pytest.approx([1 / 3, min(2 / 3, rig.steps[7]["lr"]["stage_1"])])
    assert rates[9:] == [record["lr"]["stage_1"] for record in rig.steps[9:]]


def test_shares_that_cannot_be_are_errors() -> None:
    for shares in ([0.5, 0.4], [1.0], [0.2]):
        with pytest.raises(ValueError, match="shares"):
            METHODS.parse({"kind": "unfreeze", "shares": shares})
    with pytest.raises(UsageError, match="3 stages, but the base has 2 blocks"):
        METHODS.parse({"kind": "unfreeze"}).apply(tiny_encoder())
