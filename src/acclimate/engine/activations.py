"""What the frozen blocks say of each text, computed at its first use and read from disk afterwards.

Where the whole encoder is frozen, that is one vector a text, a "token" for all that follows.

Folder layout: ``states.bin`` (bf16 or fp32, [tokens of the feature store, H]), ``written.bin`` (int64 [1 + F]: in which
write a text came, after the number of the last finished write), ``sums.bin`` (CRC-32 [F]), ``activations.json`` (what
it was made of). A text counts only when its write was finished and its checksum is right, so that a run that is killed
at any moment goes on with the very states that it would have had.
"""

import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from acclimate.core.files import write_json
from acclimate.model.backbone import hidden_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from acclimate.data.features import FeatureStore
    from acclimate.engine.precision import Precision
    from acclimate.model.encoder import Encoder

_ROOM = 1.1  # of the size has to be free, so that checkpoints still fit


class Activations:
    """States of texts by their numbers in the feature store.

    Args:
        folder: where they are kept.
        offsets: [F + 1] where each text's tokens begin in the feature store.
        width: H.
        precision: of the run. States are kept in bf16, unless it is fp32.
        key: changes when the weights below or the texts change.

    Raises:
        OSError: no room on the disk; nothing is written then.
    """

    def __init__(
        self, folder: Path, offsets: "NDArray[np.int64]", width: int, precision: "Precision", key: str
    ) -> None:
        self.folder, self.offsets, self.width = folder, offsets, width
        self._type = np.dtype(np.float32 if precision == "fp32" else np.int16)
        about = {"key": key, "texts": len(offsets) - 1, "width": width, "type": self._type.name}
        marker = folder / "activations.json"
        if not (marker.is_file() and json.loads(marker.read_text()) == about):
            self._require_room()
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            write_json(marker, about)
        self._states = self._mapped("states.bin", self._type, (int(offsets[-1]), width))
        self._written = self._mapped("written.bin", np.dtype(np.int64), (len(offsets),))
        self._sums = self._mapped("sums.bin", np.dtype(np.uint32), (len(offsets) - 1,))

    @classmethod
    def at_depth(
        cls, folder: Path, encoder: "Encoder", depth: int, store: "FeatureStore", precision: "Precision", key: str
    ) -> "Activations":
        """For states of an encoder's tokens, or at the depth of the whole encoder for a vector a text.

        A vector is small enough to keep every digit of it.
        """
        if depth == encoder.depth:
            return cls(folder, np.arange(len(store) + 1), encoder.dimension, "fp32", key)
        return cls(folder, store.offsets, hidden_size(encoder.backbone), precision, key)

    @property
    def size_bytes(self) -> int:
        """On disk, once every text has been used."""
        return int(self.offsets[-1]) * self.width * self._type.itemsize

    def take(self, texts: "NDArray[np.int64]", compute: Callable[["NDArray[np.int64]"], Tensor]) -> Tensor:
        """The states of some texts [T, H], one text after another.

        Args:
            texts: [U] their numbers.
            compute: the states [T', H] of those texts that are not there yet.
        """
        missing = np.array([text for text in texts if not self._holds(text)], dtype=np.int64)
        if len(missing):
            self._write(missing, self._as_kept(compute(missing)))
        found = np.concatenate([self._states[self._rows(text)] for text in texts])
        states = torch.from_numpy(found)
        return states if self._type == np.float32 else states.view(torch.bfloat16)

    def _write(self, texts: "NDArray[np.int64]", states: "NDArray[np.generic]") -> None:
        number = int(self._written[0]) + 1
        start = 0
        for text in texts:
            rows = self._rows(text)
            part = states[start : start + rows.stop - rows.start]
            self._states[rows] = part
            self._sums[text] = zlib.crc32(part.tobytes())
            self._written[text + 1] = number
            start += len(part)
        self._written[0] = number  # one store: before it none of these texts counts, after it all of them

    def _holds(self, text: int) -> bool:
        if not 0 < self._written[text + 1] <= self._written[0]:
            return False
        return zlib.crc32(self._states[self._rows(text)].tobytes()) == int(self._sums[text])

    def _rows(self, text: int) -> slice:
        return slice(int(self.offsets[text]), int(self.offsets[text + 1]))

    def _as_kept(self, states: Tensor) -> "NDArray[np.generic]":
        if self._type == np.float32:
            found: NDArray[np.generic] = states.float().cpu().numpy()
            return found
        return states.to(torch.bfloat16).cpu().view(torch.int16).numpy()

    def _require_room(self) -> None:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder.parent).free
        if free < _ROOM * self.size_bytes:
            raise OSError(f"{self.size_bytes / 1e9:.1f} GB are wanted, {free / 1e9:.1f} GB are free")

    def _mapped(self, name: str, kind: "np.dtype[np.generic]", shape: tuple[int, ...]) -> "NDArray[np.generic]":
        path = self.folder / name
        size = int(np.prod(shape)) * kind.itemsize
        if not path.is_file() or path.stat().st_size != size:
            with path.open("wb") as file:
                file.truncate(size)  # a file with holes: room is taken as texts come
        if not size:
            return np.zeros(shape, kind)  # an empty file cannot be mapped
        return np.memmap(path, kind, "r+", shape=shape)
