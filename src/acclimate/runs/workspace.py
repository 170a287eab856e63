"""A run's folder: its files, who may write in it, and which data and recipe it belongs to."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from acclimate.core.errors import ResourceError, UsageError
from acclimate.core.files import write_atomic, write_json
from acclimate.regularizers.base import IMPORTANCE

_LOCK = ".lock"  # stays: a lock file that is removed can be held by two processes at once


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of one run."""

    path: Path

    @property
    def scores(self) -> Path:
        """What a finished run leaves last but the report."""
        return self.path / "scores.json"

    @property
    def metrics(self) -> Path:
        """A line a step."""
        return self.path / "metrics.jsonl"

    @property
    def data(self) -> Path:
        """Splits, profile, quarantine."""
        return self.path / "data"

    @property
    def checkpoints(self) -> Path:
        """The training state."""
        return self.path / "checkpoints"

    @property
    def cache(self) -> Path:
        """What only an unfinished run needs."""
        return self.path / "cache"

    @property
    def model(self) -> Path:
        """The result."""
        return self.path / "model"

    @property
    def rejected(self) -> Path:
        """A tuned model that did not pass."""
        return self.path / "rejected"

    @property
    def adapter(self) -> Path:
        """The result of a run on vectors."""
        return self.path / "adapter"

    @property
    def delta(self) -> Path:
        """What the method changed, where that is smaller than the model."""
        return self.path / "delta"

    @property
    def trackers(self) -> Path:
        """What trackers keep of this run, and what is known of them."""
        return self.path / "trackers"

    @property
    def importance(self) -> Path:
        """How much each weight matters, where a regularizer leaves that to later runs."""
        return self.path / IMPORTANCE

    @property
    def _marker(self) -> Path:
        """What decides the result of the run that lies here."""
        return self.data / "fingerprint.json"

    @property
    def claimed(self) -> dict[str, Any]:
        """What decides the result of the run that lies here: name -> hash or JSON value; empty where none does."""
        found: dict[str, Any] = json.loads(self._marker.read_text()) if self._marker.is_file() else {}
        return found

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes out while this one writes.

        Raises:
            ResourceError: another process is at work here, or the folder can't be written.
        """
        lock = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / _LOCK)
            lock.acquire(timeout=0)
        except Timeout:
            raise ResourceError(f"another process works in {self.path}", "wait for it, or give another --out") from None
        except OSError as error:
            problem = f"cannot write in {self.path}: {error.strerror}"
            raise ResourceError(problem, "give an --out where you may write") from None
        try:
            yield
        finally:
            lock.release()

    def claim(self, fingerprint: dict[str, Any], *, restart: bool) -> bool:
        """Makes the folder this run's, or finds that it already is.

        Args:
            fingerprint: what decides the result: name -> hash or JSON value.
            restart: forget what is there.

        Returns:
            True when the run begins anew.

        Raises:
            UsageError: the folder holds a run of other data or another recipe, or something that is no run.
        """
        found = self.claimed
        if not found and (foreign := self._foreign()):
            problem = f"{self.path} is not empty and holds no run ({foreign[0]})"
            raise UsageError(problem, "give another --out")
        if not found or restart:
            self._remove_results()
            write_json(self._marker, fingerprint)
            return True
        changed = [name for name in fingerprint if fingerprint[name] != found.get(name)]
        if changed:
            problem = f"{self.path} holds a run with other {', '.join(changed)}"
            raise UsageError(problem, "use --restart to begin anew, or give another --out")
        self._sweep()
        return False

    def _foreign(self) -> list[str]:
        """What lies here that is not hidden, but for the empty data/ of a run killed while it wrote its first file."""
        found = sorted(path.name for path in self.path.iterdir() if not path.name.startswith("."))
        empty = self.data.is_dir() and all(path.name.startswith(".") for path in self.data.iterdir())
        return [name for name in found if not (empty and name == self.data.name)]

    def _sweep(self) -> None:
        """Removes what a killed process had staged here. The lock is held, so nobody works on it."""
        for folder in (self.model, self.rejected):
            for retired in self.path.glob(f".{folder.name}.*.old"):
                if not folder.exists():  # killed between the two renames: the old folder is whole
                    retired.replace(folder)
        for pattern in (".model.*", ".rejected.*", ".*.tmp", "data/.*.tmp"):
            for path in self.path.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def clear(self) -> None:
        """Removes the run, and nothing that is not a run's."""
        self._remove_results()
        self._marker.unlink(missing_ok=True)
        with suppress(OSError):  # something that is not ours lies in it
            self.data.rmdir()

    def _remove_results(self) -> None:
        """All of the run but its marker: until another one is written, what is left is known as a run."""
        files = "scores.json", "metrics.jsonl", "report.html", "recipe.yaml", "resolved.yaml", "environment.json"
        for name in files:
            (self.path / name).unlink(missing_ok=True)
        self.importance.unlink(missing_ok=True)
        for folder in (
            self.checkpoints,
            self.cache,
            self.model,
            self.rejected,
            self.adapter,
            self.delta,
            self.trackers,
        ):
            shutil.rmtree(folder, ignore_errors=True)
        for path in self.data.glob("*.json*"):
            if path != self._marker:
                path.unlink()
        self._sweep()

    def remove_working_files(self) -> None:
        """Removes what only training needed."""
        shutil.rmtree(self.cache, ignore_errors=True)
        shutil.rmtree(self.checkpoints, ignore_errors=True)


class MetricsLog:
    """``metrics.jsonl``: a record a line, as many as the training state says."""

    def __init__(self, path: Path, records: int) -> None:
        kept = path.read_bytes().splitlines(keepends=True)[:records] if path.is_file() else []
        write_atomic(path, b"".join(kept))
        self._file = path.open("a", encoding="utf-8", newline="\n")

    def append(self, record: dict[str, Any]) -> None:
        """Adds a record; a reader sees it at once."""
        self._file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
