"""Reads a run's data: what trains, what is scored, what leaked, and what a user should know about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from acclimate.core.errors import DataError, Place
from acclimate.core.files import write_json, write_jsonl
from acclimate.data.check import profile, write_quarantine
from acclimate.data.examples import Dataset, Example, Kind, RetrievalSet
from acclimate.data.readers import read, read_test
from acclimate.data.split import leaks, split, without
from acclimate.evaluation import ClassificationTask, RetrievalTask, SimilarityTask, Task
from acclimate.evaluation.probe import Half, general_tasks, tasks_from
from acclimate.recipe.tree import DataSettings
from acclimate.runs.tasks import smaller, task_of

MIN_ROWS = 8  # fewer rows than this are no training set
FEW_QUERIES = 100  # fewer test items than this make wide intervals, which is said


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that a run reads.

    Attributes:
        dataset: the training file.
        train: its rows that train, leaks removed.
        dev: cut to a size that can be scored often.
        test: scored once before and once after.
        general_dev, general_test: disjoint halves of what must not be forgotten.
        leaked: rows taken out of training since a test knows them.
        notes: sentences for the user.
        hashes: of each source, by name.
    """

    dataset: Dataset
    train: list[Example]
    dev: Task
    test: Task
    general_dev: list[Task]
    general_test: list[Task]
    leaked: int
    notes: tuple[str, ...]
    hashes: dict[str, str]


def prepare(source: Any, data: DataSettings, seed: int) -> Prepared:
    """Reads training, dev, test and general data, and splits off what is not given.

    Raises:
        DataError: unusable data, or too little of it.
    """
    dataset = read(source, columns=data.columns)
    if dataset.kind is Kind.TEXT:
        where = Place(dataset.path) if dataset.path else None
        remedy = "add a column of right answers (query, positive), of scores, or of labels"
        raise DataError("texts alone teach nothing about which answer is right", remedy, where)
    given_dev = None if data.dev == "split" else read_test(data.dev, columns=data.columns)
    given_test = None if data.test == "split" else read_test(data.test, columns=data.columns)
    notes = [*dataset.notes]
    pool, leaked = dataset.examples, 0
    for name, given in (("test", given_test), ("dev", given_dev)):
        if given is None:
            continue
        found = leaks(pool, given if isinstance(given, RetrievalSet) else given.examples)
        before, pool = len(pool), without(pool, found)
        leaked += before - len(pool)
        if found:
            notes.append(f"{before - len(pool)} training rows held texts of {name} and were left out")
    _require_rows(dataset, pool)
    rest = replace(dataset, examples=pool)
    shares = {
        "dev": data.dev_share if given_dev is None else 0.0,
        "test": data.test_share if given_test is None else 0.0,
    }
    parts = split(rest, seed=seed, **shares)
    notes += parts.notes
    train = _trainable(dataset, parts.train)
    test = task_of(
        "test", given_test if given_test is not None else dataset, None if given_test else parts.test, train=train
    )
    dev = task_of("dev", given_dev if given_dev is not None else rest, None if given_dev else parts.dev, train=train)
    items = _size(test)
    if items < FEW_QUERIES:
        notes.append(f"only {items} test items: expect wide intervals")
    return Prepared(
        dataset=dataset,
        train=train,
        dev=smaller(dev, seed),
        test=test,
        general_dev=_general(data.general, "dev"),
        general_test=_general(data.general, "test"),
        leaked=leaked,
        notes=tuple(notes),
        hashes={
            "train": dataset.sha256,
            "dev": given_dev.sha256 if given_dev else "split",
            "test": given_test.sha256 if given_test else "split",
            "general": "builtin" if data.general == "builtin" else read_test(data.general).sha256,
        },
    )


def write_prepared(
    folder: Path, prepared: Prepared, token_lengths: Callable[[Sequence[str]], Sequence[int]], max_length: int
) -> None:
    """Writes splits, profile and quarantine of a run."""
    write_jsonl(folder / "train.jsonl", ({"id": e.id, "line": e.line} for e in prepared.train))
    write_jsonl(folder / "dev.jsonl", _items(prepared.dev))
    write_jsonl(folder / "test.jsonl", _items(prepared.test))
    write_quarantine(folder / "quarantine.jsonl", prepared.dataset.rejected)
    document = profile(prepared.dataset, token_lengths, max_length)
    used = {"train": len(prepared.train), "dev": _size(prepared.dev), "test": _size(prepared.test)}
    write_json(folder / "profile.json", {**document, "splits": used, "leaks_removed": prepared.leaked})


def _general(where: str, half: Half) -> list[Task]:
    if where == "builtin":
        return list(general_tasks(half))
    return list(tasks_from(read_test(where), half))


def _require_rows(dataset: Dataset, pool: Sequence[Example]) -> None:
    if len(pool) < MIN_ROWS:
        where = Place(dataset.path) if dataset.path else None
        problem = f"{len(pool)} usable rows are too few to train on"
        raise DataError(problem, f"give at least {MIN_ROWS}, better 200 and more", where)


def _trainable(dataset: Dataset, train: list[Example]) -> list[Example]:
    _require_rows(dataset, train)
    if dataset.kind is Kind.LABELED and len({e.label for e in train}) < 2:
        where = Place(dataset.path) if dataset.path else None
        raise DataError("all rows have one label, so there is nothing to tell apart", "give two labels or more", where)
    return train


def _size(task: Task) -> int:
    """Items that are scored: queries, pairs or texts."""
    return len(_items(task))


def _items(task: Task) -> list[dict[str, Any]]:
    """What is scored, a document an item."""
    match task:
        case RetrievalTask():
            return [{"query_id": i, "query": q} for i, q in zip(task.query_ids, task.queries, strict=True)]
        case SimilarityTask():
            rows = zip(task.first, task.second, task.scores, strict=True)
            return [{"first": a, "second": b, "score": score} for a, b, score in rows]
        case ClassificationTask():
            labeled = zip(task.test_texts, task.test_labels, strict=True)
            return [{"text": text, "label": label} for text, label in labeled]
