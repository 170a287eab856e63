"""Reads a run's data: what trains, what is scored, what leaked, and what a user should know about it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.core.files import write_json, write_jsonl
from acclimate.core.seeds import numpy_generator
from acclimate.data.check import profile, write_quarantine
from acclimate.data.examples import Dataset, Example, Kind, RetrievalSet, on_disk
from acclimate.data.items import ItemRows, profile_of_pairs
from acclimate.data.label_texts import as_pairs
from acclimate.data.readers import read, read_test
from acclimate.evaluation import Task
from acclimate.evaluation.probe import Half, general_tasks, tasks_from
from acclimate.recipe.tree import DataSettings
from acclimate.runs.cut import MIN_ROWS, Cut, HeldOut, cut, items_of, notes_of, size, unknown_to

_MOST_REPLAYED = 10_000  # rows: more than most runs come to see


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that a run reads.

    Attributes:
        dataset: the training file.
        train: its rows that train, leaks removed; of an item table, pairs of its rows.
        replay: rows of earlier data that train beside them.
        tasks: further tasks by name.
        kind: of these rows: labeled texts are pairs where labels have texts of their own.
        dev: cut to a size that can be scored often.
        test: scored once before and once after.
        general_dev, general_test: disjoint halves of what must not be forgotten; none where no text is read.
        leaked: rows taken out of training since a test knows them.
        notes: sentences for the user.
        hashes: of each source, by name.
    """

    dataset: Dataset
    train: Sequence[Example] | ItemRows
    kind: Kind
    dev: Task
    test: Task
    general_dev: list[Task]
    general_test: list[Task]
    leaked: int
    notes: tuple[str, ...]
    hashes: dict[str, str]
    replay: Sequence[Example] = ()
    tasks: Mapping[str, Cut] = field(default_factory=dict)


def prepare(source: Any, data: DataSettings, seed: int) -> Prepared:
    """Reads training, dev, test and general data, and splits off what is not given.

    Raises:
        DataError: unusable data, or too little of it.
    """
    of_train = cut(source, data, data, seed)
    earlier = _earlier(of_train.dataset, data)
    general = None if data.general == "builtin" else read_test(data.general)
    # What must not be forgotten may be trained on: that is one way to keep it.
    notes = [*of_train.notes, *([] if general is None else notes_of(general, "general"))]
    replay, of_replay = _replay(earlier, data, of_train.held_out, seed)
    tasks, of_tasks = _tasks(data, of_train.held_out, seed)
    of_train, known = of_train.without([given for task in tasks.values() for given in task.held_out])
    if known:
        of_tasks.append(f"{known} training rows held texts that other tasks are tested on and were left out")
    dataset, label_texts = of_train.dataset, of_train.label_texts
    return Prepared(
        dataset=dataset,
        train=as_pairs(of_train.train, label_texts) if label_texts else of_train.train,
        kind=Kind.PAIRS if label_texts else dataset.kind,
        dev=of_train.dev,
        test=of_train.test,
        general_dev=general_half(general, data.general, "dev"),
        general_test=general_half(general, data.general, "test"),
        leaked=of_train.leaked,
        notes=(*notes, *of_replay, *of_tasks),
        hashes={
            "train": dataset.sha256,
            **of_train.sha256,
            "general": general.sha256 if general else "builtin",
            "replay": earlier.sha256 if earlier else "none",
            "tasks": _digest(tasks, data) if tasks else "none",
        },
        replay=replay,
        tasks=tasks,
    )


def write_prepared(
    folder: Path, prepared: Prepared, token_lengths: Callable[[Sequence[str]], Sequence[int]], max_length: int
) -> None:
    """Writes splits, profile and quarantine of a run."""
    parts: dict[Path, Prepared | Cut] = {folder: prepared}
    parts |= {folder / "tasks" / name: task for name, task in prepared.tasks.items()}
    for where, part in parts.items():
        match part.train:
            case ItemRows() as pairs:
                document = profile_of_pairs(part.dataset, pairs)
                write_jsonl(where / "train.jsonl", ({"id": name} for name in pairs.ids))
            case examples:
                document = profile(part.dataset, token_lengths, max_length)
                write_jsonl(where / "train.jsonl", ({"id": e.id, "line": e.line} for e in examples))
        write_jsonl(where / "dev.jsonl", items_of(part.dev))
        write_jsonl(where / "test.jsonl", items_of(part.test))
        write_quarantine(where / "quarantine.jsonl", part.dataset.rejected)
        used = {"train": len(part.train), "dev": size(part.dev), "test": size(part.test)}
        write_json(where / "profile.json", {**document, "splits": used, "leaks_removed": part.leaked})


def _earlier(dataset: Dataset, data: DataSettings) -> Dataset | None:
    """The data that is to be replayed, of the kind that the training data is."""
    if data.replay == "none":
        if data.replay_share != DataSettings.model_fields["replay_share"].default:
            problem = f"data.replay_share={data.replay_share:g} cannot act without data.replay"
            raise UsageError(problem, "name the file of earlier data, or leave it out")
        return None
    if dataset.kind is Kind.LABELED:
        raise UsageError("data.replay is for pairs and scored pairs, and the rows are labeled", "leave it out")
    earlier = read(data.replay)
    if earlier.kind is not dataset.kind:
        problem = f"replay has rows of kind {earlier.kind}, and the training data {dataset.kind}"
        raise DataError(problem, "give earlier data of the same kind", Place(data.replay))
    return earlier


def _tasks(data: DataSettings, of_train: Sequence[HeldOut], seed: int) -> tuple[dict[str, Cut], list[str]]:
    """The further tasks, none of which trains on what another one is scored on, and what a user should know of them."""
    found = {name: cut(given.train, given, data, seed, name) for name, given in data.tasks.items()}
    notes = [f"{name}: {note}" for name, task in found.items() for note in task.notes]
    for name, task in found.items():
        others = [*of_train, *(given for key, other in found.items() if key != name for given in other.held_out)]
        found[name], known = task.without(others)
        if known:
            notes.append(f"{name}: {known} training rows held texts that other tasks are tested on and were left out")
    return found, notes


def _digest(tasks: Mapping[str, Cut], data: DataSettings) -> str:
    """Of all that the tasks read, and of how they read it."""
    said = []
    for name, task in tasks.items():
        columns = sorted(data.tasks[name].columns.items())
        parts = [task.dataset.sha256, task.sha256["dev"], task.sha256["test"], str(columns)]
        said.append(f"{name} {hashlib.sha256(chr(10).join(parts).encode()).hexdigest()}")
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _replay(
    earlier: Dataset | None,
    data: DataSettings,
    held_out: Sequence[HeldOut],
    seed: int,
) -> tuple[Sequence[Example], list[str]]:
    """Rows to replay, a random choice where they are many, and what a user should know of them."""
    if earlier is None:
        return (), []
    rows, known = unknown_to(earlier.examples, held_out)
    if len(rows) < MIN_ROWS:
        problem = f"{len(rows)} usable rows of replay are too few"
        raise DataError(problem, f"give at least {MIN_ROWS}", Place(data.replay))
    notes = notes_of(earlier, "replay")
    if known:
        notes.append(f"{known} rows of replay held texts of test or dev and were left out")
    chosen = np.sort(numpy_generator(seed, "replay").permutation(len(rows))[:_MOST_REPLAYED])
    kept = on_disk(row._replace(id=f"replay:{row.id}") for row in on_disk(rows).select(chosen))
    notes.append(f"{len(kept)} rows of {data.replay} are replayed, in {data.replay_share:.0%} of the batches")
    return kept, notes


def general_half(given: RetrievalSet | Dataset | None, where: str, half: Half) -> list[Task]:
    """A half of what must not be forgotten: of the built-in probe, or of the user's own data.

    Raises:
        DataError: too little to cut in two, or texts alone.
    """
    if given is None:
        return list(general_tasks(half))
    try:
        return list(tasks_from(given, half))
    except DataError as error:
        raise DataError(error.problem, error.remedy, error.where or Place(where)) from None
