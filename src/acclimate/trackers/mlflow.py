"""MLflow: a file store beside the run folder, or what ``MLFLOW_TRACKING_URI`` says."""

import os
import re
import time
from collections.abc import Mapping

from acclimate.trackers.base import TrackedRun, Tracker

_EXPERIMENT = "acclimate"
_PARAMS_A_CALL = 100  # MLflow takes no more
_METRICS_A_CALL = 1000


class MlflowTracker(Tracker):
    """A metric for each number, a parameter for each setting, the verdict as a tag."""

    def __init__(self, run: TrackedRun, settings: Mapping[str, str | int | float | bool]) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # else it reports its use to its makers
        store = os.environ.get("MLFLOW_TRACKING_URI")
        if not store:
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # else MLflow 3 asks for a database
            store = (run.beside / "mlruns").resolve().as_uri()
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client = MlflowClient(store)
        if run.identity is not None:
            self.identity = run.identity
            self._client.update_run(self.identity, status="RUNNING")
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or _EXPERIMENT
        known = self._client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else self._client.create_experiment(name)
        self.identity = self._client.create_run(experiment, run_name=run.name).info.run_id
        params = [Param(_known(key), str(value)) for key, value in settings.items()]
        for start in range(0, len(params), _PARAMS_A_CALL):
            self._client.log_batch(self.identity, params=params[start : start + _PARAMS_A_CALL])

    def log(self, values: Mapping[str, float], step: int) -> None:
        """All numbers of a line in one call."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(_known(name), value, now, step) for name, value in values.items()]
        for start in range(0, len(metrics), _METRICS_A_CALL):
            self._client.log_batch(self.identity, metrics=metrics[start : start + _METRICS_A_CALL])

    def end(self, scores: Mapping[str, float], verdict: str, step: int) -> None:
        """One point each, under ``scores/``."""
        self.log({f"scores/{name}": value for name, value in scores.items()}, step)
        self._client.set_tag(self.identity, "verdict", verdict)
        self._client.set_terminated(self.identity, "FINISHED")

    def close(self) -> None:
        """A run that has not ended is said to be stopped."""
        if self._client.get_run(self.identity).info.status == "RUNNING":
            self._client.set_terminated(self.identity, "KILLED")


def _known(name: str) -> str:
    """A name that MLflow takes: letters, digits and ``_-. :/``."""
    return re.sub(r"[^\w\-. :/]", "_", name.replace("@", "_at_"), flags=re.ASCII)
