"""Stages of a stream: the teacher of each but the first is the encoder as it was when the stage began."""

from pathlib import Path
from typing import Any

import pytest
import torch

from acclimate.regularizers.base import stage_of
from training import GENERAL, Rig, make_rig


def rig_of(folder: Path, stages: int, **settings: Any) -> Rig:
    penalty = {"kind": "distill", "weight": 5.0, "stages": stages, "texts_a_step": 8}
    return make_rig(folder, regularizers=[penalty], steps=9, lr=3e-3, **settings)


def penalties(rig: Rig) -> list[float]:
    return [record["loss"]["distill"] for record in rig.steps]


def test_every_boundary_begins_its_stage() -> None:
    for stages in range(1, 60):
        assert [stage_of(k / stages, stages) for k in range(stages)] == list(range(stages))
        assert stage_of(1.0, stages) == stages - 1
        assert [stage_of(step / (7 * stages), stages) for step in range(7 * stages)] == [
            step // 7 for step in range(7 * stages)
        ]


@pytest.mark.parametrize("method", ["full", "residual"])
def test_at_the_start_of_a_stage_nothing_has_moved_yet(method: str, tmp_path: Path) -> None:
    rig = rig_of(tmp_path, 3, method=method, cache=True)
    rig.trainer.train()
    assert [record["step"] for record in rig.steps if "new_teacher" in record] == [3, 6]
    found = penalties(rig)
    assert [found[step] for step in (0, 3, 6)] == pytest.approx([0.0] * 3, abs=5e-6)
    assert min(found[step] for step in (1, 2, 4, 5, 7, 8)) > 1e-4


def test_until_a_second_stage_begins_all_is_as_with_one(tmp_path: Path) -> None:
    one, three = (rig_of(tmp_path / f"{stages}", stages) for stages in (1, 3))
    for rig in (one, three):
        rig.trainer.train()
    assert not [record for record in one.steps if "new_teacher" in record]
    losses = [[record["loss"] for record in rig.steps] for rig in (one, three)]
    assert losses[0][:3] == losses[1][:3]
    assert losses[0][3]["distill"] > 0.01 > losses[1][3]["distill"]


def test_the_teacher_is_what_the_encoder_said_when_the_stage_began(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, 3, dropout=True)
    rig.stop_at.update({3, 5})
    rig.trainer.train()
    began = torch.from_numpy(rig.encoder.encode(GENERAL))
    rig.trainer.train()
    checkpoint = rig.trainer.checkpoints.load(5)
    assert checkpoint is not None
    teacher = checkpoint.tensors["teachers"]["general"]
    said = teacher.isfinite().all(1)
    torch.testing.assert_close(teacher[said], began[said], atol=1e-6, rtol=0)
    feed = rig.trainer.feed
    assert set(said.nonzero()[:, 0].tolist()) == {int(row) for step in (3, 4, 5) for row in feed.drawn("general", step)}
    assert (torch.from_numpy(rig.encoder.encode(GENERAL)) - began).abs().max() > 1e-3
