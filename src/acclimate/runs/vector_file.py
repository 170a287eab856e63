"""A .npy that is written part by part, survives being stopped, and takes its place when it is whole."""

import io
import json
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from acclimate.core.errors import ResourceError
from acclimate.core.files import sync_folder, write_json

PART = 1024  # texts: enough for full passes, little to do again


class VectorFile:
    """float32 [N, D] of which some parts are there. The parts wait in ``.NAME.partial`` beside the file.

    Each part is written with its checksum noted after it, so that after a kill at any moment only parts count that are
    whole. Plain writes and no memory map: a full disk is an error then, and not the end of the process.
    """

    def __init__(self, out: Path, texts: int, dimension: int, about: Mapping[str, Any]) -> None:
        self.out, self._shape = out, (texts, dimension)
        self._folder = _folder_of(out)
        self._path, self._log = self._folder / "vectors.npy", self._folder / "parts.jsonl"
        header = io.BytesIO()
        described = {"descr": np.lib.format.dtype_to_descr(np.dtype("<f4")), "fortran_order": False}
        np.lib.format.write_array_header_1_0(header, {**described, "shape": self._shape})
        self._header = header.getvalue()
        self._begin({**about, "texts": texts, "dimension": dimension, "part": PART})

    @classmethod
    @contextmanager
    def opened(cls, out: Path, texts: int, dimension: int, about: Mapping[str, Any]) -> Iterator[Self]:
        """The file, kept from other processes; parts that ``about`` (JSON) fits are taken over.

        Leaving it without ``finish`` keeps the parts, if there are any.

        Raises:
            ResourceError: no permission, no room, or another process writes it.
        """
        lock = FileLock(_folder_of(out) / ".lock")
        try:
            _folder_of(out).mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            raise ResourceError(f"another process writes {out}", "wait for it, or give another --out") from None
        except OSError as error:
            raise _cannot_write(out, error) from None
        try:
            file = cls(out, texts, dimension, about)
            yield file
        except OSError as error:
            raise _cannot_write(out, error) from None
        finally:
            lock.release()
            if not (_folder_of(out) / "parts.jsonl").is_file():  # nothing that is worth keeping
                shutil.rmtree(_folder_of(out), ignore_errors=True)

    def missing(self) -> list[int]:
        """Numbers of the parts that are not there."""
        whole = {}
        for line in self._log.read_text().splitlines() if self._log.is_file() else []:
            try:
                noted = json.loads(line)
            except ValueError:  # killed while it was written
                continue
            whole[noted["part"]] = noted["crc32"]
        count = -(-self._shape[0] // PART)
        with self._path.open("rb") as file:
            return [part for part in range(count) if part not in whole or whole[part] != self._checksum(file, part)]

    def write(self, part: int, vectors: NDArray[np.float32]) -> None:
        """Puts one part in its place [n, D]."""
        data = np.ascontiguousarray(vectors, dtype="<f4").tobytes()
        with self._path.open("r+b") as file:
            file.seek(self._start(part))
            file.write(data)
        with self._log.open("a") as log:
            log.write("\n" + json.dumps({"part": part, "crc32": zlib.crc32(data)}))

    def finish(self) -> None:
        """Moves the whole file to its place."""
        self._path.replace(self.out)
        sync_folder(self.out.parent)
        self._log.unlink()

    def _begin(self, about: dict[str, Any]) -> None:
        marker = self._folder / "about.json"
        if marker.is_file() and self._path.is_file() and json.loads(marker.read_text()) == about:
            return
        self._log.unlink(missing_ok=True)
        needed, free = 4 * self._shape[0] * self._shape[1], shutil.disk_usage(self._folder).free
        if needed > free:
            problem = f"{self.out} needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
            raise ResourceError(problem, "make room, or give an --out on another disk")
        self._path.write_bytes(self._header)
        write_json(marker, about)

    def _start(self, part: int) -> int:
        return len(self._header) + 4 * self._shape[1] * PART * part

    def _checksum(self, file: io.BufferedReader, part: int) -> int:
        file.seek(self._start(part))
        return zlib.crc32(file.read(4 * self._shape[1] * min(PART, self._shape[0] - PART * part)))


def _folder_of(out: Path) -> Path:
    return out.with_name(f".{out.name}.partial")


def _cannot_write(out: Path, error: OSError) -> ResourceError:
    return ResourceError(f"cannot write {out}: {error.strerror or error}", "give an --out where you may write")
