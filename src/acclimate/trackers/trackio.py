"""trackio: its data base on this machine (``TRACKIO_DIR``), or the Space or server that its variables name."""

import io
import secrets
from collections.abc import Mapping
from contextlib import redirect_stdout

from acclimate.trackers.base import TrackedRun, Tracker

_PROJECT = "acclimate"


class TrackioTracker(Tracker):
    """A run of the project ``acclimate``; the scores are its last line."""

    def __init__(self, run: TrackedRun, settings: Mapping[str, str | int | float | bool]) -> None:
        import trackio

        # A run is known by its name, and two run folders may have the same.
        self.identity = run.identity or f"{run.name}-{secrets.token_hex(3)}"
        with redirect_stdout(io.StringIO()):  # it tells about itself where --json writes
            self._run = trackio.init(
                project=_PROJECT,
                name=self.identity,
                config=dict(settings),
                resume="allow",
                embed=False,
                auto_log_cpu=False,
                auto_log_gpu=False,
            )

    def log(self, values: Mapping[str, float], step: int) -> None:
        """One line."""
        self._run.log(dict(values), step=step)

    def end(self, scores: Mapping[str, float], verdict: str, step: int) -> None:
        """One line, under ``scores/``."""
        self._run.log({"verdict": verdict, **{f"scores/{name}": value for name, value in scores.items()}}, step=step)

    def close(self) -> None:
        """Writes what is still on its way."""
        import trackio

        with redirect_stdout(io.StringIO()):
            trackio.finish()  # and not the run's own, which would be called again at the end of the process
