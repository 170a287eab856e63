"""``evaluate``: scores a model on test data, beside another one if asked."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.data.examples import Dataset, Kind, RetrievalSet
from acclimate.data.readers import read, read_test
from acclimate.data.split import leaks, without
from acclimate.evaluation import Encode, RetrievalTask, Task, compare
from acclimate.evaluation import evaluate as score
from acclimate.evaluation.efficiency import efficiency_metrics
from acclimate.model.bases import resolve
from acclimate.model.encoder import Encoder
from acclimate.model.store import load_encoder, reads_ids
from acclimate.runs.cut import notes_of
from acclimate.runs.items import item_task
from acclimate.runs.known_vectors import KnownVectors
from acclimate.runs.tasks import task_of

_TIMED = 200  # queries and documents that the cost figures are measured on


def evaluate_model(
    model: str,
    test: Path,
    *,
    baseline: str | None,
    train: Path | None,
    columns: Mapping[str, str],
    seed: int,
    cache: bool = True,
    say: Callable[[str], None] = lambda note: None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """What ``evaluate --json`` prints: metrics, and with a baseline its metrics and the differences.

    Args:
        model: what is scored.
        test: a file or BEIR folder.
        baseline: a second model.
        train: labeled texts to learn from, when ``test`` has labels; of an item table, pairs that are known already.
        columns: role -> column name.
        seed: of the resampling.
        cache: vectors are read from disk when the model has encoded these texts before, and kept there.
        say: takes what a user should know about the data, a line each.
        progress: told (texts done, texts in all) while texts are encoded.

    Raises:
        UsageError: no such model, or ``train`` without labels to learn.
        DataError: test data that cannot be used.
    """
    folder = resolve(model)
    other = resolve(baseline) if baseline is not None else None
    task = test_task(folder, test, train, columns, say)
    encoder = load_encoder(folder)
    outcome = score(task, _encode(encoder, folder, cache, progress))
    document: dict[str, Any] = {"schema": 1, "metrics": dict(outcome.metrics)}
    if isinstance(task, RetrievalTask):
        queries, documents = list(task.queries[:_TIMED]), list(task.documents[:_TIMED])
        document["metrics"] |= efficiency_metrics(
            encoder.encode, queries, documents, model_folder=folder, clock=time.perf_counter
        )
    if other is not None:
        before = score(task, _encode(load_encoder(other), other, cache, progress))
        document["baseline"] = before.metrics
        document["delta"] = compare(before, outcome, seed)
    return document


def _encode(encoder: Encoder, folder: Path, cache: bool, progress: Callable[[int, int], None] | None) -> Encode:
    if cache:
        return KnownVectors(encoder, folder, progress=progress).encode
    return partial(encoder.encode, progress=progress)


def test_task(
    model: Path, test: Path, train: Path | None, columns: Mapping[str, str], say: Callable[[str], None]
) -> Task:
    """What a model is scored on, as `evaluate_model` takes it.

    Raises:
        UsageError: ``train`` without labels to learn.
        DataError: test data that cannot be used.
    """
    return item_task(test, train, columns, model) if reads_ids(model) else _task(test, train, columns, say)


def _task(test: Path, train: Path | None, columns: Mapping[str, str], say: Callable[[str], None]) -> Task:
    data: Dataset | RetrievalSet = read_test(test, columns=columns)
    for note in notes_of(data, test.name):
        say(note)
    labeled = isinstance(data, Dataset) and data.kind is Kind.LABELED
    if not isinstance(data, Dataset) or not labeled:
        if train is not None:
            raise UsageError("--train serves labeled test data alone, and this has no labels", "leave it out")
        return task_of("test", data)
    if train is None:
        raise DataError("labeled texts need labels to learn from", "add --train FILE with labeled texts", Place(test))
    given = read(train, columns=columns)
    for note in notes_of(given, train.name):
        say(note)
    kept = without(given.examples, leaks(given.examples, data.examples))
    if len(kept) < len(given.examples):
        say(f"{len(given.examples) - len(kept)} rows of {train.name} hold texts of {test.name} and were left out")
    if not kept:
        raise DataError("every text to learn from is in the test data", "give other labeled texts", Place(train))
    return task_of("test", data, train=kept)
