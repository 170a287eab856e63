"""``evaluate``: scores a model on test data, beside another one if asked."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acclimate.core.errors import DataError, Place
from acclimate.data.examples import Dataset, Kind, RetrievalSet
from acclimate.data.readers import read, read_test
from acclimate.evaluation import RetrievalTask, Task, compare
from acclimate.evaluation import evaluate as score
from acclimate.evaluation.efficiency import efficiency_metrics
from acclimate.model.bases import resolve
from acclimate.model.store import load_encoder
from acclimate.runs.tasks import task_of

_TIMED = 200  # queries and documents that the cost figures are measured on


def evaluate_model(
    model: str, test: Path, *, baseline: str | None, train: Path | None, columns: Mapping[str, str], seed: int
) -> dict[str, Any]:
    """What ``evaluate --json`` prints: metrics, and with a baseline its metrics and the differences.

    Raises:
        UsageError: no such model.
        DataError: test data that cannot be used.
    """
    folder = resolve(model)
    other = resolve(baseline) if baseline is not None else None
    task = _task(test, train, columns)
    encoder = load_encoder(folder)
    outcome = score(task, encoder.encode)
    document: dict[str, Any] = {"schema": 1, "metrics": dict(outcome.metrics)}
    if isinstance(task, RetrievalTask):
        queries, documents = list(task.queries[:_TIMED]), list(task.documents[:_TIMED])
        document["metrics"] |= efficiency_metrics(
            encoder.encode, queries, documents, model_folder=folder, clock=time.perf_counter
        )
    if other is not None:
        before = score(task, load_encoder(other).encode)
        document["baseline"] = before.metrics
        document["delta"] = compare(before, outcome, seed)
    return document


def _task(test: Path, train: Path | None, columns: Mapping[str, str]) -> Task:
    data: Dataset | RetrievalSet = read_test(test, columns=columns)
    labeled = isinstance(data, Dataset) and data.kind is Kind.LABELED
    if labeled and train is None:
        raise DataError("labeled texts need labels to learn from", "add --train FILE with labeled texts", Place(test))
    examples = read(train, columns=columns).examples if train is not None and labeled else []
    return task_of("test", data, train=examples)
