"""What a tracker is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """Which run is shown.

    Attributes:
        name: as people call it.
        folder: of this run alone; what a tracker writes there goes with the run.
        beside: of this run and those beside it, where a library keeps many runs in one place.
        identity: of the tracker's own run that is gone on with; None where it begins.
    """

    name: str
    folder: Path
    beside: Path
    identity: str | None


class Tracker(ABC):
    """A run in another library. Its constructor begins one, or goes on with that of ``run.identity``.

    A tracker gets numbers, settings and names: no text of a user's data. It writes on this machine, unless the user has
    set up the library (by its own environment variables) to send things elsewhere. Any exception of any method takes
    the tracker out of the run, and the run goes on.

    Attributes:
        identity: by which a later process goes on with the same run of the library.
    """

    identity: str

    @abstractmethod
    def __init__(self, run: TrackedRun, settings: Mapping[str, str | int | float | bool]) -> None: ...

    @abstractmethod
    def log(self, values: Mapping[str, float], step: int) -> None:
        """Takes the numbers of one line of ``metrics.jsonl``; parts of a name are separated by slashes."""

    @abstractmethod
    def end(self, scores: Mapping[str, float], verdict: str, step: int) -> None:
        """Takes what the run came to: the numbers of ``scores.json``."""

    @abstractmethod
    def close(self) -> None:
        """The process leaves the run, which has ended or not."""
