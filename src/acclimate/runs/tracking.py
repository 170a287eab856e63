"""Shows a run in other libraries: feeds trackers with what goes into ``metrics.jsonl``, each line once."""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from acclimate.core.files import write_json
from acclimate.runs.workspace import Workspace
from acclimate.trackers import TrackedRun, Tracker, tracker_named

#: Settings whose value is a text of the user's, by name, and those that hold such texts below. They stay here.
TEXTS = frozenset({"query_prompt", "document_prompt", "source_query_prompt", "source_document_prompt"})
TEXTS |= {"prompt", "text"}
HOLD_TEXTS = frozenset({"label_texts"})


@dataclass
class _State:
    """What a later process has to know of a tracker.

    Attributes:
        identity: of the tracker's own run.
        records: lines of ``metrics.jsonl`` that it was given.
        fed: whether it is given each line that is written: a process that is killed cannot say how many it were.
        ended: whether it has the scores.
    """

    identity: str | None = None
    records: int = 0
    fed: bool = False
    ended: bool = False


class Tracking:
    """The trackers of a run. None of them can stop it: one that fails is told of in a line, and left out.

    Args:
        names: of trackers.
        workspace: of the run.
        say: takes a line for the user.

    Raises:
        UsageError: an unknown tracker, or one whose library is not installed.
    """

    def __init__(self, names: Sequence[str], workspace: Workspace, say: Callable[[str], None]) -> None:
        self._kinds = {name: tracker_named(name) for name in dict.fromkeys(names)}
        self._workspace, self._say = workspace, say
        self._states: dict[str, _State] = {}
        self._live: dict[str, Tracker] = {}
        self._records = 0

    def begin(self) -> None:
        """Begins the trackers' runs, or goes on with them. Called before ``metrics.jsonl`` is cut for a resumed run."""
        if not self._kinds:
            return
        found = json.loads(self._file.read_text()) if self._file.is_file() else {}
        self._states = {name: _State(**state) for name, state in found.items()}
        written = sum(1 for _ in self._lines())
        settings = dict(settings_of(yaml.safe_load((self._workspace.path / "resolved.yaml").read_text("utf-8"))))
        here = self._workspace.path.resolve()
        for name, kind in self._kinds.items():
            state = self._states.setdefault(name, _State())
            if state.fed:
                state.records = max(state.records, written)
            if not state.ended:
                with self._guarded(name):
                    run = TrackedRun(here.name, self._workspace.trackers, here.parent, state.identity)
                    self._live[name] = tracker = kind(run, settings)
                    state.identity, state.fed = tracker.identity, True
        self._keep()

    def catch_up(self) -> None:
        """Gives each tracker the lines that ``metrics.jsonl`` has already, but for those that it was given."""
        for line in self._lines() if self._live else ():
            self.record(json.loads(line))

    def record(self, record: Mapping[str, Any]) -> None:
        """The next line of ``metrics.jsonl``."""
        number, self._records = self._records, self._records + 1
        for name, tracker in list(self._live.items()):
            state = self._states[name]
            if state.records == number:
                with self._guarded(name):
                    tracker.log({key: value for key, value in numbers_of(record) if key != "step"}, record["step"])
                    state.records = number + 1

    def end(self, scores: Mapping[str, Any]) -> None:
        """The run has come to its end."""
        for name, tracker in list(self._live.items()):
            with self._guarded(name):
                tracker.end(dict(numbers_of(scores)), scores["gate"]["verdict"], scores["cost"]["steps"])
                self._states[name].ended = True

    def close(self) -> None:
        """The process leaves the run, which has ended or not."""
        for name, tracker in list(self._live.items()):
            self._states[name].fed = False
            with self._guarded(name):
                tracker.close()
        self._live.clear()
        if self._states:
            self._keep()

    @contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever a library of others does
            self._live.pop(name, None)
            self._states[name].fed = False
            self._keep()
            told = " ".join(str(error).split())
            self._say(f"{name} fails and is left out, the run goes on: {type(error).__name__}: {told}")

    def _lines(self) -> Iterator[str]:
        if self._workspace.metrics.is_file():
            with self._workspace.metrics.open(encoding="utf-8") as file:
                yield from (line for line in file if line.endswith("\n"))  # what was cut off by a kill is no line

    @property
    def _file(self) -> Any:
        return self._workspace.trackers / "state.json"

    def _keep(self) -> None:
        self._workspace.trackers.mkdir(exist_ok=True)
        write_json(self._file, {name: asdict(state) for name, state in self._states.items()})


def numbers_of(value: object, name: str = "") -> Iterator[tuple[str, float]]:
    """The finite numbers of a JSON document, under their keys with slashes between them. Lists are left out."""
    match value:
        case bool() | None:
            return
        case int() | float() if math.isfinite(value):
            yield name, value
        case Mapping():
            for key, inner in value.items():
                yield from numbers_of(inner, f"{name}/{key}" if name else str(key))


def settings_of(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str | int | float | bool]]:
    """The settings of a recipe by their path with dots; no text of the user's."""
    if path and (path[-1] in HOLD_TEXTS or (path[-1] in TEXTS and "columns" not in path)):
        return
    match value:
        case Mapping():
            for key, inner in value.items():
                yield from settings_of(inner, (*path, str(key)))
        case list() if any(isinstance(inner, Mapping | list) for inner in value):
            for number, inner in enumerate(value):
                yield from settings_of(inner, (*path, str(number)))
        case list():
            yield ".".join(path), ", ".join(map(str, value))
        case str() | int() | float() | bool():
            yield ".".join(path), value
