"""Reads a run's data: what trains, what is scored, what leaked, and what a user should know about it."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from acclimate.core.errors import DataError, Place
from acclimate.core.files import sha256_file, write_json, write_jsonl
from acclimate.data.check import profile, write_quarantine
from acclimate.data.examples import Dataset, Example, Kind, RetrievalSet
from acclimate.data.items import ItemRows, profile_of_pairs
from acclimate.data.label_texts import as_pairs
from acclimate.data.readers import read_test
from acclimate.evaluation import Task
from acclimate.evaluation.probe import Half, general_tasks, tasks_from
from acclimate.recipe.tree import DataSettings
from acclimate.runs.beside import Beside, replayed, source_of
from acclimate.runs.cut import Cut, HeldOut, cut, items_of, notes_of, size
from acclimate.runs.feedback import require_pairs, with_feedback
from acclimate.runs.synthetic import Models, Synthetic
from acclimate.runs.told import columns_of


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that a run reads.

    Attributes:
        dataset: the training file.
        train: its rows that train, leaks removed; of an item table, pairs of its rows.
        source: rows of another domain that train beside them.
        replay: rows of earlier data that train beside them.
        tasks: further tasks by name.
        kind: of what trains.
        dev: cut to a size that can be scored often.
        test: scored once before and once after.
        general_dev, general_test: disjoint halves of what must not be forgotten; none where no text is read.
        leaked: rows taken out of training since a test knows them.
        notes: sentences for the user.
        hashes: of each source, by name.
        synthetic: what was made of texts alone.
        columns: what the test's file says of a query beside its text: id -> column -> value.
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
    source: Beside | None = None
    replay: Beside | None = None
    tasks: Mapping[str, Cut] = field(default_factory=dict)
    synthetic: Synthetic | None = None
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def prepare(train: Any, data: DataSettings, seed: int, models: Models) -> Prepared:
    """Reads training, dev, test and general data, and splits off what is not given.

    Args:
        train: a path, or rows in memory.
        data: where the others are.
        seed: of the run.
        models: by which texts alone become pairs.

    Raises:
        DataError: unusable data, or too little of it.
    """
    of_train = cut(train, data, data, seed, models=models)
    general = None if data.general == "builtin" else read_test(data.general)
    # What must not be forgotten may be trained on: that is one way to keep it.
    notes = [*of_train.notes, *([] if general is None else notes_of(general, "general"))]
    tasks, of_tasks = _tasks(data, of_train.held_out, seed)
    of_train, known = of_train.without([given for task in tasks.values() for given in task.held_out])
    if known:
        of_tasks.append(f"training rows left out because they hold texts that other tasks are tested on: {known}")
    dataset, label_texts = of_train.dataset, of_train.label_texts
    held_out = [*of_train.held_out, *(given for task in tasks.values() for given in task.held_out)]
    said = "none"
    if data.feedback != "none":
        require_pairs(Kind.LABELED if label_texts else of_train.kind)
        rows, of_feedback = with_feedback(of_train.train, Path(data.feedback), held_out)
        of_train, said = replace(of_train, train=rows), sha256_file(Path(data.feedback))
        of_tasks += of_feedback
    kind = Kind.PAIRS if of_train.synthetic else dataset.kind
    source = source_of(data, kind, len(of_train.train), held_out, seed)
    replay = replayed(data, kind, held_out, seed)
    beside = [note for part in (source, replay) if part for note in part.notes]
    if replay:
        beside.append(
            f"{len(replay.rows)} rows of {data.replay} are replayed, in {data.replay_share:.0%} of the batches"
        )
    return Prepared(
        dataset=dataset,
        train=as_pairs(of_train.train, label_texts) if label_texts else of_train.train,
        kind=of_train.kind,
        dev=of_train.dev,
        test=of_train.test,
        general_dev=general_half(general, data.general, "dev"),
        general_test=general_half(general, data.general, "test"),
        leaked=of_train.leaked,
        notes=(*notes, *of_tasks, *beside),
        hashes={
            "train": dataset.sha256,
            **of_train.sha256,
            "general": general.sha256 if general else "builtin",
            "source": source.dataset.sha256 if source else "none",
            "replay": replay.dataset.sha256 if replay else "none",
            "tasks": _digest(tasks, data) if tasks else "none",
            "feedback": said,
        },
        source=source,
        replay=replay,
        tasks=tasks,
        synthetic=of_train.synthetic,
        columns=columns_of(of_train.tested),
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
        if part is prepared:
            parts_beside = {"source": prepared.source, "replay": prepared.replay}
            used |= {name: len(beside.rows) for name, beside in parts_beside.items() if beside}
        write_json(where / "profile.json", {**document, "splits": used, "leaks_removed": part.leaked})
    if prepared.synthetic is not None:
        write_jsonl(folder / "synthetic.jsonl", prepared.synthetic.lines())


def _tasks(data: DataSettings, of_train: Sequence[HeldOut], seed: int) -> tuple[dict[str, Cut], list[str]]:
    """The further tasks, none of which trains on what another one is scored on, and what a user should know of them."""
    found = {name: cut(given.train, given, data, seed, name) for name, given in data.tasks.items()}
    notes = [f"{name}: {note}" for name, task in found.items() for note in task.notes]
    for name, task in found.items():
        others = [*of_train, *(given for key, other in found.items() if key != name for given in other.held_out)]
        found[name], known = task.without(others)
        if known:
            notes.append(
                f"{name}: training rows left out because they hold texts that other tasks are tested on: {known}"
            )
    return found, notes


def _digest(tasks: Mapping[str, Cut], data: DataSettings) -> str:
    """Of all that the tasks read, and of how they read it."""
    said = []
    for name, task in tasks.items():
        columns = sorted(data.tasks[name].columns.items())
        parts = [task.dataset.sha256, task.sha256["dev"], task.sha256["test"], str(columns)]
        said.append(f"{name} {hashlib.sha256(chr(10).join(parts).encode()).hexdigest()}")
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


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
