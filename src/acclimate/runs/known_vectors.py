"""Vectors that were computed once are read from disk: the base is scored again and again on the same documents."""

import hashlib
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acclimate.core.files import cache_folder, write_atomic
from acclimate.model.bases import fingerprint
from acclimate.model.encoder import CHUNK, Encoder

LIMIT_BYTES = 4_000_000_000  # on disk; what was not read for longest goes first
_FREE_SHARE = 0.1  # of the free disk at most
_SUM_BYTES = 4


class KnownVectors:
    """Encodes as the encoder does, to the last bit, and keeps each chunk of texts on disk.

    A file is named by all that decides its vectors: the model's files, the prompt, the length at which texts are cut,
    the versions of what computes, and the texts. It ends in its checksum, and is computed anew when that is wrong.

    Args:
        encoder: as it was read from ``model``. Its prompts and its ``max_length`` may have been changed.
        model: the folder that it was read from.
        progress: told (texts done, texts in all) after each chunk.
        folder: of the files; in the cache folder by default.
        limit_bytes: what the files may take together.
        variant: what else decides the vectors, where the encoder's weights are not those of ``model``.
    """

    def __init__(
        self,
        encoder: Encoder,
        model: Path,
        *,
        progress: Callable[[int, int], None] | None = None,
        folder: Path | None = None,
        limit_bytes: int = LIMIT_BYTES,
        variant: str = "",
    ) -> None:
        self._encoder, self._progress = encoder, progress
        self._folder = folder or cache_folder() / "vectors"
        self._limit_bytes = limit_bytes
        versions = [metadata.version(package) for package in ("acclimate", "torch", "tokenizers")]
        self._about = "\0".join([fingerprint(model), str(encoder.device), *versions, *([variant] if variant else [])])

    def encode(self, texts: Sequence[str], role: str) -> NDArray[np.float32]:
        """float32 [N, D], what ``encoder.encode`` gives in fp32."""
        vectors = np.empty((len(texts), self._encoder.dimension), dtype=np.float32)
        for start, chunk, path, found in self._parts(texts, role):
            if found is None:
                found = self._encoder.encode(chunk, role)
                self._keep(path, found)
            vectors[start : start + len(chunk)] = found
            if self._progress is not None:
                self._progress(start + len(chunk), len(texts))
        return vectors

    def known(
        self, texts: Sequence[str], role: str, otherwise: Callable[[Sequence[str]], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """The same, with something else in the place of what `encode` would have to find; that is not kept."""
        vectors = np.empty((len(texts), self._encoder.dimension), dtype=np.float32)
        for start, chunk, _, found in self._parts(texts, role):
            vectors[start : start + len(chunk)] = otherwise(chunk) if found is None else found
        return vectors

    def _parts(
        self, texts: Sequence[str], role: str
    ) -> Iterator[tuple[int, Sequence[str], Path, NDArray[np.float32] | None]]:
        """Texts as they lie in the files: where they begin, these, their file, and its vectors if it has them."""
        for start in range(0, len(texts), CHUNK):
            chunk = texts[start : start + CHUNK]
            path = self._folder / f"{self._key(chunk, role)}.f32"
            yield start, chunk, path, self._read(path, len(chunk))

    def _key(self, texts: Sequence[str], role: str) -> str:
        digest = hashlib.sha256(self._about.encode())
        for text in (str(self._encoder.max_length), str(self._encoder.reading(role)), *texts):
            data = text.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little"))
            digest.update(data)
        return digest.hexdigest()

    def _read(self, path: Path, texts: int) -> NDArray[np.float32] | None:
        try:
            data = path.read_bytes()
            _used(path)
        except OSError:
            return None
        vectors, checksum = data[:-_SUM_BYTES], int.from_bytes(data[-_SUM_BYTES:], "little")
        if len(vectors) != 4 * texts * self._encoder.dimension or zlib.crc32(vectors) != checksum:
            return None
        return np.frombuffer(vectors, dtype="<f4").reshape(texts, -1)

    def _keep(self, path: Path, vectors: NDArray[np.float32]) -> None:
        """Without room, or where nothing can be written, nothing is kept: the vectors are there all the same."""
        data = np.ascontiguousarray(vectors, dtype="<f4").tobytes()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if self._make_room(len(data) + _SUM_BYTES):
                write_atomic(path, data + zlib.crc32(data).to_bytes(_SUM_BYTES, "little"))
                _used(path)
        except OSError:
            return

    def _make_room(self, wanted: int) -> bool:
        """Removes what was read longest ago until so many bytes fit."""
        files = sorted(self._folder.glob("*.f32"), key=lambda path: path.stat().st_mtime_ns)
        taken = sum(path.stat().st_size for path in files)
        room = min(self._limit_bytes, int(_FREE_SHARE * shutil.disk_usage(self._folder).free) + taken)
        if wanted > room:
            return False
        for path in files:
            if taken + wanted <= room:
                break
            taken -= path.stat().st_size
            path.unlink(missing_ok=True)
        return True


def _used(path: Path) -> None:
    """Notes that a file was used now; the file system's own clock ticks only every few milliseconds."""
    now = time.time_ns()
    os.utime(path, ns=(now, now))
