"""Checkpoints: whole or absent, verified before use, without pickle.

A checkpoint is the folder ``checkpoints/00000100/`` with tensors in safetensors files, ``state.json``, and
``MANIFEST.json`` (size and SHA-256 of each file) written last. It is staged beside its place and renamed when synced,
so a folder with a plain number is complete, and one whose files don't match the manifest is damaged and left aside.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from acclimate.core.errors import Place, ResourceError
from acclimate.core.files import sha256_file, sync_folder, write_json

_MANIFEST = "MANIFEST.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was saved at a step: groups of named tensors, and everything else as JSON."""

    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


class CheckpointStore:
    """The checkpoints of one run.

    Args:
        folder: holds one folder a checkpoint.
        say: takes one line for the user, for instance that a damaged checkpoint was passed over.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self._say = say

    def save(self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Writes a checkpoint; it exists when this returns, and not at all before.

        Raises:
            ResourceError: the disk is full or not writable; the checkpoints before this one stay.
        """
        staged = self.folder / f".{step:08d}.tmp"
        try:
            self._save(staged, step, tensors, state)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(staged, ignore_errors=True)
            remedy = "free disk space and run the same command to go on from the checkpoint before"
            raise ResourceError(f"the checkpoint cannot be written: {error}", remedy, Place(self.folder)) from error

    def _save(
        self, staged: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
    ) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            sync_folder(self.folder.parent)
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        for group, named in tensors.items():
            save_file(
                {name: tensor.detach().contiguous() for name, tensor in named.items()}, staged / f"{group}.safetensors"
            )
        write_json(staged / "state.json", dict(state))
        files = {
            file.name: {"bytes": file.stat().st_size, "sha256": sha256_file(file)} for file in sorted(staged.iterdir())
        }
        for name in files:
            _sync(staged / name)
        write_json(staged / _MANIFEST, {"step": step, "files": files})
        sync_folder(staged)
        target = self._path(step)
        shutil.rmtree(target, ignore_errors=True)  # only there when it was found damaged
        staged.replace(target)
        sync_folder(self.folder)

    def load(self, step: int) -> Checkpoint | None:
        """A checkpoint by its step, or None when it is missing or damaged."""
        path = self._path(step)
        if not _intact(path):
            return None
        tensors = {file.stem: load_file(file) for file in sorted(path.glob("*.safetensors"))}
        return Checkpoint(step, tensors, json.loads((path / "state.json").read_text()))

    def state(self, step: int) -> dict[str, Any]:
        """The JSON part of a checkpoint, unverified; empty when it can't be read."""
        try:
            return dict(json.loads((self._path(step) / "state.json").read_text()))
        except (OSError, ValueError):
            return {}

    def newest(self, needs: Callable[[dict[str, Any]], list[int]]) -> Checkpoint | None:
        """The newest checkpoint that is intact and whose ``needs`` (other steps named in its state) are too."""
        for step in reversed(self.steps()):
            found = self.load(step)
            if found is not None and all(_intact(self._path(other)) for other in needs(found.state)):
                return found
            self._say(f"checkpoint {step} is damaged and is passed over for the one before it")
        return None

    def steps(self) -> list[int]:
        """The steps that have a folder, damaged or not, in order."""
        return sorted(int(path.name) for path in self.folder.glob("[0-9]" * 8))

    def keep_only(self, steps: set[int]) -> None:
        """Removes all other checkpoints, and what an interrupted save left."""
        for path in self.folder.glob("*"):
            if not (path.name.isdigit() and int(path.name) in steps):
                shutil.rmtree(path, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"{step:08d}"


def _intact(path: Path) -> bool:
    try:
        files = json.loads((path / _MANIFEST).read_text())["files"]
        return all(
            (path / name).stat().st_size == entry["bytes"] and sha256_file(path / name) == entry["sha256"]
            for name, entry in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
