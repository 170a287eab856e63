"""Weights & Biases: files beside the run folder for ``wandb sync``, or online where ``WANDB_MODE`` says so."""

import os
import secrets
from collections.abc import Mapping

from acclimate.trackers.base import TrackedRun, Tracker

_PROJECT = "acclimate"


class WandbTracker(Tracker):
    """A history of the numbers over ``step``, the settings as its config, the scores as its summary.

    Where a process is killed, its last lines may be missing: the library offers no way to wait for them.
    """

    def __init__(self, run: TrackedRun, settings: Mapping[str, str | int | float | bool]) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # else its own failures are reported to its makers
        import wandb

        self.identity = run.identity or secrets.token_hex(4)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or _PROJECT,
            name=run.name,
            id=self.identity,
            dir=run.beside,
            mode=os.environ.get("WANDB_MODE") or "offline",  # type: ignore[arg-type]
            resume=None if run.identity is None else "allow",
            config=dict(settings),
            settings=wandb.Settings(
                silent=True,
                console="off",  # what is printed has texts of the user in it, and so may the command
                save_code=False,
                disable_git=True,
                x_disable_meta=True,
                x_disable_machine_info=True,
                x_disable_stats=True,
            ),
        )
        # By a metric of ours: its own step never goes back, and a run that went back to a checkpoint does.
        self._run.define_metric("*", step_metric="step")

    def log(self, values: Mapping[str, float], step: int) -> None:
        """One line of the history."""
        self._run.log({"step": step, **values})

    def end(self, scores: Mapping[str, float], verdict: str, step: int) -> None:
        """The summary."""
        self._run.summary.update({"verdict": verdict, **{f"scores/{name}": value for name, value in scores.items()}})

    def close(self) -> None:
        """Writes what is still on its way."""
        self._run.finish()
