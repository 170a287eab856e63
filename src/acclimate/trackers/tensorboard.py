"""TensorBoard: event files in the run folder (``tensorboard --logdir runs`` shows all runs)."""

from collections.abc import Mapping

from acclimate.trackers.base import TrackedRun, Tracker


class TensorBoardTracker(Tracker):
    """A scalar for each number, the settings as a text."""

    def __init__(self, run: TrackedRun, settings: Mapping[str, str | int | float | bool]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = run.folder / "tensorboard"
        self.identity = "tensorboard"  # a folder is a run, and each process adds a file to it
        self._writer = SummaryWriter(str(folder))
        if run.identity is None:
            rows = "\n".join(f"| {name} | `{value}` |" for name, value in settings.items())
            self._writer.add_text("settings", f"| setting | value |\n| --- | --- |\n{rows}")

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Written at once: who looks sees it, and a killed process loses nothing."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def end(self, scores: Mapping[str, float], verdict: str, step: int) -> None:
        """One point each, under ``scores/``."""
        self._writer.add_text("verdict", verdict, step)
        self.log({f"scores/{name}": value for name, value in scores.items()}, step)

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()
