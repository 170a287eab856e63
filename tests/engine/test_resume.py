"""A run that is stopped, killed or damaged anywhere ends bit for bit as one that was not."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from training import Rig, make_rig, weights

STEPS = 8
#: Dev is best in the middle, so that the best weights have to survive as well.
SCORES = [0.0, 0.2, 0.9, 0.5]

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "dropout": {"dropout": True},
    "bf16, penalties, one block": {
        "dropout": True,
        "precision": "bf16",
        "method": "embedding_and_last",
        "regularizers": ["l2sp", "distill"],
    },
    "opens later": {"opens_at": {"embedding_table": 0.5}},
    "stages": {
        "dropout": True,
        "method": "last_layers",
        "cache": True,
        "regularizers": [{"kind": "distill", "stages": 3}],
    },
}


class Killed(BaseException):
    """As kill -9 does: nothing is saved, nothing is caught."""


def rig_at(folder: Path, case: str, records: list[dict[str, Any]], evaluations: int = 0) -> Rig:
    rig = make_rig(folder, steps=STEPS, evaluate_every=3, scores=SCORES, records=records, **CASES[case])
    rig.evaluations = evaluations
    return rig


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Tensor], list[dict[str, Any]]]]:
    """Weights and records of each case, never interrupted."""
    found = {}
    for case in CASES:
        rig = rig_at(tmp_path_factory.mktemp("whole"), case, [])
        assert rig.trainer.train().best_step == 6
        found[case] = (weights(rig.encoder), without_seconds(rig.records))
    return found


def without_seconds(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in record.items() if key != "seconds"} for record in records]


def assert_as_whole(rig: Rig, expected: tuple[dict[str, Tensor], list[dict[str, Any]]]) -> None:
    final = weights(rig.encoder)
    assert [name for name, weight in expected[0].items() if not torch.equal(final[name], weight)] == []
    assert without_seconds(rig.records) == expected[1]


def resumed(folder: Path, case: str, records: list[dict[str, Any]]) -> Rig:
    """A new process: fresh encoder, the log as it was left, and whatever lies in the folder."""
    torch.manual_seed(99)  # the state of the process's own generator must not matter
    rig = rig_at(folder, case, copy.deepcopy(records))
    rig.restore()
    rig.evaluations = len(rig.trainer.progress.dev)
    rig.trainer.train()
    return rig


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_stopped_after_any_step(step: int, case: str, tmp_path: Path, whole: Any) -> None:
    first = rig_at(tmp_path, case, [])
    first.stop_at.add(step)
    progress = first.trainer.train()
    assert progress.step == step
    if progress.finished:  # nothing is left to resume: it is the result
        assert_as_whole(first, whole[case])
    assert_as_whole(resumed(tmp_path, case, first.records), whole[case])


@pytest.mark.parametrize("case", ["dropout", "bf16, penalties, one block", "stages"])
@pytest.mark.parametrize("record", range(1, STEPS + 4))
def test_killed_at_any_record(record: int, case: str, tmp_path: Path, whole: Any) -> None:
    """Between checkpoints: lines after the restored one are cut, and steps without a checkpoint begin anew."""

    class Log(list[dict[str, Any]]):
        def append(self, item: dict[str, Any]) -> None:
            super().append(item)
            if len(self) == record:
                raise Killed

    log = Log()
    with pytest.raises(Killed):
        rig_at(tmp_path, case, log).trainer.train()
    (tmp_path / "checkpoints" / ".00000099.tmp").mkdir(parents=True)  # and a save was under way
    assert_as_whole(resumed(tmp_path, case, list(log)), whole[case])
    assert not (tmp_path / "checkpoints" / ".00000099.tmp").exists()


def test_stopped_after_every_step(tmp_path: Path, whole: Any) -> None:
    records: list[dict[str, Any]] = []
    for step in range(1, STEPS + 1):
        rig = rig_at(tmp_path, "dropout", copy.deepcopy(records))
        rig.restore()
        rig.evaluations = len(rig.trainer.progress.dev)
        rig.stop_at.add(step)
        rig.trainer.train()
        records = rig.records
    assert_as_whole(resumed(tmp_path, "dropout", records), whole["dropout"])


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json"])
def test_a_flipped_byte_in_the_newest_checkpoint_falls_back_and_says_so(name: str, tmp_path: Path, whole: Any) -> None:
    first = rig_at(tmp_path, "dropout", [])
    first.stop_at.add(7)
    first.trainer.train()
    assert first.trainer.checkpoints.steps() == [6, 7]
    path = tmp_path / "checkpoints" / "00000007" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(bytes(data))
    rig = resumed(tmp_path, "dropout", first.records)
    assert rig.lines == ["checkpoint 7 is damaged and is passed over for the one before it"]
    assert_as_whole(rig, whole["dropout"])


def test_with_all_checkpoints_damaged_the_run_begins_anew(tmp_path: Path, whole: Any) -> None:
    first = rig_at(tmp_path, "dropout", [])
    first.stop_at.add(7)
    first.trainer.train()
    for path in (tmp_path / "checkpoints").glob("*/weights.safetensors"):
        path.write_bytes(b"gone")
    rig = resumed(tmp_path, "dropout", first.records)
    assert len(rig.lines) == 2
    assert_as_whole(rig, whole["dropout"])


def test_what_is_saved_after_a_fall_past_two_damaged_checkpoints_stays(tmp_path: Path, whole: Any) -> None:
    first = rig_at(tmp_path, "dropout", [])
    kept = first.trainer.checkpoints
    first.stop_at.add(7)
    first.trainer.train()
    for step in kept.steps()[-2:]:
        (tmp_path / "checkpoints" / f"{step:08d}" / "weights.safetensors").write_bytes(b"gone")
    second = rig_at(tmp_path, "dropout", copy.deepcopy(first.records))
    second.restore()
    second.evaluations = len(second.trainer.progress.dev)
    second.stop_at.add(second.trainer.progress.step + 1)
    progress = second.trainer.train()
    assert kept.steps()[-1] == progress.step
    assert_as_whole(resumed(tmp_path, "dropout", second.records), whole["dropout"])


def test_a_finished_run_is_not_trained_again(tmp_path: Path, whole: Any) -> None:
    rig_at(tmp_path, "plain", []).trainer.train()
    rig = resumed(tmp_path, "plain", whole["plain"][1])
    assert rig.evaluations == len(SCORES)
    assert_as_whole(rig, whole["plain"])
