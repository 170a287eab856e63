"""Checkpoints: whole or absent, verified before use, without pickle."""

import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from acclimate.core.errors import ResourceError
from acclimate.engine import checkpoint
from acclimate.engine.checkpoint import CheckpointStore


def content(step: int) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    generator = torch.Generator().manual_seed(step)
    weights = {"a.weight": torch.randn(4, 3, generator=generator), "b": torch.randn(5, generator=generator)}
    optimizer = {"b:step": torch.tensor(float(step)), "b:exp_avg": torch.randn(5, generator=generator)}
    return {"weights": weights, "optimizer": optimizer}, {"step": step, "best_step": -1, "score": 0.1 + step}


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    """Three checkpoints; what the store says is kept as ``lines``."""
    lines: list[str] = []
    made = CheckpointStore(tmp_path / "checkpoints", lines.append)
    made.lines = lines  # type: ignore[attr-defined]
    for step in (5, 10, 15):
        made.save(step, *content(step))
    return made


def none(state: dict[str, Any]) -> list[int]:
    return []


def assert_holds(store: CheckpointStore, step: int) -> None:
    found, (tensors, state) = store.load(step), content(step)
    assert found is not None
    assert (found.step, found.state) == (step, state)
    assert {g: set(named) for g, named in found.tensors.items()} == {g: set(named) for g, named in tensors.items()}
    for group, named in tensors.items():
        assert all(torch.equal(found.tensors[group][name], tensor) for name, tensor in named.items())


def test_what_goes_in_comes_out(store: CheckpointStore) -> None:
    assert store.steps() == [5, 10, 15]
    for step in (5, 10, 15):
        assert_holds(store, step)
    newest = store.newest(none)
    assert newest is not None
    assert newest.step == 15
    assert store.load(7) is None


def test_only_safetensors_and_json_lie_there(store: CheckpointStore) -> None:
    files = [file for file in store.folder.rglob("*") if file.is_file()]
    assert {file.name for file in files} == {
        "weights.safetensors",
        "optimizer.safetensors",
        "state.json",
        "MANIFEST.json",
    }
    assert not any(zipfile.is_zipfile(file) for file in files)


FILES = ("weights.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json")


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_noticed_and_the_one_before_is_taken(store: CheckpointStore, name: str) -> None:
    path = store.folder / "00000015" / name
    good = path.read_bytes()
    for place in {0, 1, len(good) // 3, len(good) // 2, len(good) - 2}:
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x04]) + good[place + 1 :])
        found = store.newest(none)
        assert found is not None
        # A manifest may differ where it means the same (white space): then all it vouches for is still intact.
        if name == "MANIFEST.json" and found.step == 15:
            assert_holds(store, 15)
            continue
        assert found.step == 10
        assert store.lines.pop() == "checkpoint 15 is damaged and is passed over for the one before it"  # type: ignore[attr-defined]
    path.write_bytes(good)
    assert_holds(store, 15)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["missing", "empty", "short"])
def test_a_file_that_is_cut_or_gone_is_noticed(store: CheckpointStore, name: str, harm: str) -> None:
    path = store.folder / "00000015" / name
    match harm:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "short":
            path.write_bytes(path.read_bytes()[:-3])
    found = store.newest(none)
    assert found is not None
    assert found.step == 10


def test_with_everything_damaged_there_is_nothing(store: CheckpointStore) -> None:
    for path in store.folder.rglob("state.json"):
        path.write_text("{}")
    assert store.newest(none) is None
    assert len(store.lines) == 3  # type: ignore[attr-defined]
    assert CheckpointStore(store.folder / "never", print).newest(none) is None


def test_a_checkpoint_that_needs_a_damaged_one_is_passed_over(store: CheckpointStore) -> None:
    needs = {15: [10], 10: [5], 5: []}
    (store.folder / "00000010" / "state.json").write_text("{}")
    found = store.newest(lambda state: needs[state["step"]])
    assert found is not None
    assert found.step == 5


def test_a_save_that_was_cut_short_is_no_checkpoint(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Path, document: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        store.save(20, *content(20))
    monkeypatch.undo()
    assert any(path.name.endswith(".tmp") for path in store.folder.iterdir())  # as after kill -9
    assert store.steps() == [5, 10, 15]
    newest = store.newest(none)
    assert newest is not None
    assert newest.step == 15
    store.save(20, *content(20))
    assert_holds(store, 20)
    store.keep_only({15, 20})
    assert sorted(path.name for path in store.folder.iterdir()) == ["00000015", "00000020"]


def test_a_full_disk_is_told_and_leaves_nothing(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(path: Path, document: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_json", full_disk)
    with pytest.raises(ResourceError, match=r"No space.*; free disk space"):
        store.save(20, *content(20))
    assert store.steps() == [5, 10, 15]
    assert not any(path.name.endswith(".tmp") for path in store.folder.iterdir())


def test_a_damaged_checkpoint_can_be_written_again(store: CheckpointStore) -> None:
    (store.folder / "00000015" / "state.json").write_text("{}")
    store.save(15, *content(15))
    assert_holds(store, 15)


def test_a_sliced_or_shared_tensor_is_saved_by_value(store: CheckpointStore) -> None:
    whole = torch.arange(12.0).view(3, 4)
    store.save(20, {"weights": {"column": whole[:, 1], "turned": whole.T, "same": whole}}, {})
    whole.zero_()
    found = store.load(20)
    assert found is not None
    assert found.tensors["weights"]["column"].tolist() == [1.0, 5.0, 9.0]
    assert found.tensors["weights"]["turned"].tolist() == torch.arange(12.0).view(3, 4).T.tolist()
