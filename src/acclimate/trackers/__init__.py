"""Other libraries' views of a run, by name. ``metrics.jsonl`` is the truth; a tracker is fed with what goes into it."""

import importlib.util

from acclimate.core.errors import UsageError
from acclimate.core.specs import closest
from acclimate.trackers.base import TrackedRun, Tracker
from acclimate.trackers.mlflow import MlflowTracker
from acclimate.trackers.tensorboard import TensorBoardTracker
from acclimate.trackers.trackio import TrackioTracker
from acclimate.trackers.wandb import WandbTracker

TRACKERS: dict[str, type[Tracker]] = {
    "mlflow": MlflowTracker,
    "tensorboard": TensorBoardTracker,
    "trackio": TrackioTracker,
    "wandb": WandbTracker,
}

__all__ = ["TRACKERS", "TrackedRun", "Tracker", "tracker_named"]


def tracker_named(name: str) -> type[Tracker]:
    """A tracker whose library is installed, by its name, which is that of the library and of the extra.

    Raises:
        UsageError: an unknown tracker, or one whose library is not installed.
    """
    if name not in TRACKERS:
        remedy = closest(name, list(TRACKERS)) or f"take {', '.join(TRACKERS)}"
        raise UsageError(f"--track {name!r} is unknown", remedy)
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:  # a folder of that name, which some of them leave, is no library
        raise UsageError(f"--track {name} needs the library {name}", f'pip install "acclimate[{name}]"')
    return TRACKERS[name]
