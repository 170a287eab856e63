"""A run's folder: its files, who may write in it, and which data and recipe it belongs to."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from acclimate.core.errors import ResourceError, UsageError
from acclimate.core.files import write_atomic, write_json

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

    def claim(self, fingerprint: dict[str, str], *, restart: bool) -> None:
        """Makes the folder this run's, or finds that it already is.

        Args:
            fingerprint: what decides the result: name -> hash or value.
            restart: forget what is there.

        Raises:
            UsageError: the folder holds a run of other data or another recipe, or something that is no run.
        """
        marker = self.data / "fingerprint.json"
        if restart:
            self.clear()
        found = json.loads(marker.read_text()) if marker.is_file() else None
        if found is None:
            foreign = [p.name for p in self.path.iterdir() if p.name != _LOCK]
            if foreign and not restart:
                problem = f"{self.path} is not empty and holds no run ({sorted(foreign)[0]})"
                raise UsageError(problem, "give another --out")
            write_json(marker, fingerprint)
            return
        changed = [name for name in fingerprint if fingerprint[name] != found.get(name)]
        if changed:
            problem = f"{self.path} holds a run with other {', '.join(changed)}"
            raise UsageError(problem, "use --restart to begin anew, or give another --out")

    def clear(self) -> None:
        """Removes the run, and nothing that is not a run's."""
        for folder in (self.data, self.checkpoints, self.cache, self.model, self.rejected, self.path / "delta"):
            shutil.rmtree(folder, ignore_errors=True)
        files = "scores.json", "metrics.jsonl", "report.html", "recipe.yaml", "resolved.yaml", "environment.json"
        for name in files:
            (self.path / name).unlink(missing_ok=True)

    def remove_working_files(self) -> None:
        """Removes what only training needed."""
        shutil.rmtree(self.cache, ignore_errors=True)
        shutil.rmtree(self.checkpoints, ignore_errors=True)


class MetricsLog:
    """``metrics.jsonl``: a record a line, as many as the training state says."""

    def __init__(self, path: Path, records: int) -> None:
        kept = path.read_text(encoding="utf-8").splitlines(keepends=True)[:records] if path.is_file() else []
        write_atomic(path, "".join(kept))
        self._file = path.open("a", encoding="utf-8")

    def append(self, record: dict[str, Any]) -> None:
        """Adds a record; a reader sees it at once."""
        self._file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
