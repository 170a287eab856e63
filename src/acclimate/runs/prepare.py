"""Reads a run's data: what trains, what is scored, what leaked, and what a user should know about it."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.core.files import write_json, write_jsonl
from acclimate.core.seeds import numpy_generator
from acclimate.data.check import profile, write_quarantine
from acclimate.data.examples import Dataset, Example, Kind, RetrievalSet, normalized, on_disk
from acclimate.data.items import ItemRows, profile_of_pairs
from acclimate.data.label_texts import as_pairs, texts_of_labels
from acclimate.data.readers import read, read_test
from acclimate.data.split import leaks, split, without
from acclimate.evaluation import ClassificationTask, LabelMatchingTask, RetrievalTask, SimilarityTask, Task
from acclimate.evaluation.probe import Half, general_tasks, tasks_from
from acclimate.recipe.tree import DataSettings, TaskSettings
from acclimate.runs.tasks import smaller, task_of

MIN_ROWS = 8  # fewer rows than this are no training set
_MOST_REPLAYED = 10_000  # rows: more than most runs come to see
FEW_QUERIES = 100  # fewer test items than this make wide intervals, which is said


@dataclass(frozen=True, slots=True)
class PreparedTask:
    """What a run reads of a task beside that of the training file; as in `Prepared`."""

    dataset: Dataset
    train: Sequence[Example]
    dev: Task
    test: Task
    leaked: int


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
    tasks: Mapping[str, PreparedTask] = field(default_factory=dict)


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
    earlier = _earlier(dataset, data)
    given_dev = _given("dev", data.dev, dataset, data.columns)
    given_test = _given("test", data.test, dataset, data.columns)
    general = None if data.general == "builtin" else read_test(data.general)
    notes = [*dataset.notes, *_shared(given_dev, given_test, data.dev, data.test)]
    pool, leaked = dataset.examples, 0
    for name, given in (("test", given_test), ("dev", given_dev), ("general", general)):
        if given is None:
            continue
        notes += notes_of(given, name)
        if name == "general":
            continue  # what must not be forgotten may be trained on: that is one way to keep it
        found = leaks(pool, given if isinstance(given, RetrievalSet) else given.examples)
        before, pool = len(pool), without(pool, found)
        leaked += before - len(pool)
        if found:
            notes.append(f"{before - len(pool)} training rows held texts of {name} and were left out")
    _require_rows(dataset, pool, leaked)
    rest = replace(dataset, examples=pool)
    shares = {
        "dev": data.dev_share if given_dev is None else 0.0,
        "test": data.test_share if given_test is None else 0.0,
    }
    parts = split(rest, seed=seed, **shares)
    notes += parts.notes
    label_texts = _label_texts(dataset, given_dev, given_test, data)
    train = _trainable(dataset, parts.train, leaked, alone=label_texts is not None)
    fitted: dict[str, Any] = {"train": train, "label_texts": label_texts}
    test = task_of(
        "test", given_test if given_test is not None else dataset, None if given_test else parts.test, **fitted
    )
    dev = task_of("dev", given_dev if given_dev is not None else rest, None if given_dev else parts.dev, **fitted)
    for task, given_path in ((test, data.test), (dev, data.dev)):
        _require_different_scores(task, dataset.path if given_path == "split" else given_path)
    held_out = [given_test or parts.test, given_dev or parts.dev]
    replay, of_replay = _replay(earlier, data, held_out, seed)
    tasks, of_tasks = _tasks(data, held_out, seed)
    train, known = _unknown_to(train, [given for task in tasks.values() for given in task.held_out])
    if known:
        of_tasks.append(f"{known} training rows held texts that other tasks are tested on and were left out")
        _require_rows(dataset, train, leaked + known)
    notes += [*of_replay, *of_tasks]
    items = _size(test)
    if items < FEW_QUERIES:
        notes.append(f"only {items} test items: expect wide intervals")
    return Prepared(
        dataset=dataset,
        train=as_pairs(train, label_texts) if label_texts else train,
        kind=Kind.PAIRS if label_texts else dataset.kind,
        dev=smaller(dev, seed),
        test=test,
        general_dev=general_half(general, data.general, "dev"),
        general_test=general_half(general, data.general, "test"),
        leaked=leaked + known,
        notes=tuple(notes),
        hashes={
            "train": dataset.sha256,
            "dev": given_dev.sha256 if given_dev else "split",
            "test": given_test.sha256 if given_test else "split",
            "general": general.sha256 if general else "builtin",
            "replay": earlier.sha256 if earlier else "none",
            "tasks": _digest([f"{name} {task.sha256}" for name, task in tasks.items()]) if tasks else "none",
        },
        replay=replay,
        tasks={name: task.prepared for name, task in tasks.items()},
    )


def notes_of(given: RetrievalSet | Dataset, name: str) -> list[str]:
    """What a user should know about data that is scored, a sentence each."""
    notes = [f"{name}: {note}" for note in given.notes]
    if isinstance(given, Dataset) and given.rejected:
        notes.append(f"{len(given.rejected)} rows of {name} set aside, the first: {given.rejected[0]}")
    return notes


def write_prepared(
    folder: Path, prepared: Prepared, token_lengths: Callable[[Sequence[str]], Sequence[int]], max_length: int
) -> None:
    """Writes splits, profile and quarantine of a run."""
    parts: dict[Path, Prepared | PreparedTask] = {folder: prepared}
    parts |= {folder / "tasks" / name: task for name, task in prepared.tasks.items()}
    for where, part in parts.items():
        match part.train:
            case ItemRows() as pairs:
                document = profile_of_pairs(part.dataset, pairs)
                write_jsonl(where / "train.jsonl", ({"id": name} for name in pairs.ids))
            case examples:
                document = profile(part.dataset, token_lengths, max_length)
                write_jsonl(where / "train.jsonl", ({"id": e.id, "line": e.line} for e in examples))
        write_jsonl(where / "dev.jsonl", _items(part.dev))
        write_jsonl(where / "test.jsonl", _items(part.test))
        write_quarantine(where / "quarantine.jsonl", part.dataset.rejected)
        used = {"train": len(part.train), "dev": _size(part.dev), "test": _size(part.test)}
        write_json(where / "profile.json", {**document, "splits": used, "leaks_removed": part.leaked})


def _given(
    name: Literal["dev", "test"], where: str, dataset: Dataset, columns: Mapping[str, str]
) -> RetrievalSet | Dataset | None:
    """Dev or test data of the user's, of a kind that a model tuned on the training data can be scored on."""
    if where == "split":
        return None
    try:
        given = read_test(where, columns=columns, split=name)
    except UsageError:
        given = read_test(
            where, split=name
        )  # --columns speaks of TRAIN; a folder has fixed names, and a file may have its own
    kind = Kind.PAIRS if isinstance(given, RetrievalSet) else given.kind
    if kind is Kind.TEXT:
        raise DataError("texts alone cannot be scored", f"give pairs, scored pairs or labels as {name}", Place(where))
    if kind is Kind.LABELED and dataset.kind is not Kind.LABELED:
        problem = f"{name} has labels, and the training data has none to learn them from"
        raise DataError(problem, "give pairs or scored pairs", Place(where))
    return given


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


_HeldOut = RetrievalSet | Dataset | Sequence[Example]


@dataclass(frozen=True, slots=True)
class _CutTask:
    """A task beside that of the training file, with what it is scored on as it was read, and a digest of all of it."""

    prepared: PreparedTask
    held_out: list[_HeldOut]
    sha256: str


def _tasks(data: DataSettings, of_train: list[_HeldOut], seed: int) -> tuple[dict[str, _CutTask], list[str]]:
    """The further tasks, none of which trains on what another one is scored on, and what a user should know of them."""
    found, notes = {}, list[str]()
    for name, settings in data.tasks.items():
        found[name], said = _cut_task(name, settings, data, seed)
        notes += said
    for name, task in found.items():
        others = [*of_train, *(given for key, other in found.items() if key != name for given in other.held_out)]
        train, known = _unknown_to(task.prepared.train, others)
        if known:
            notes.append(f"{name}: {known} training rows held texts that other tasks are tested on and were left out")
            _require_rows(task.prepared.dataset, train, task.prepared.leaked + known)
            prepared = replace(task.prepared, train=train, leaked=task.prepared.leaked + known)
            found[name] = replace(task, prepared=prepared)
    return found, notes


def _cut_task(name: str, settings: TaskSettings, data: DataSettings, seed: int) -> tuple[_CutTask, list[str]]:
    """Reads a further task, and splits off what is not given."""
    dataset = read(settings.train, columns=settings.columns)
    if dataset.kind is Kind.TEXT:
        remedy = "add a column of right answers (query, positive), of scores, or of labels"
        raise DataError(f"texts alone teach task {name} nothing", remedy, Place(settings.train))
    dev = _given("dev", settings.dev, dataset, settings.columns)
    test = _given("test", settings.test, dataset, settings.columns)
    notes = [*dataset.notes, *_shared(dev, test, settings.dev, settings.test)]
    pool, leaked = dataset.examples, 0
    for part, given in (("test", test), ("dev", dev)):
        if given is not None:
            notes += notes_of(given, part)
            pool, known = _unknown_to(pool, [given])
            leaked += known
    _require_rows(dataset, pool, leaked)
    shares = {"dev": 0.0 if dev else data.dev_share, "test": 0.0 if test else data.test_share}
    parts = split(replace(dataset, examples=pool), seed=seed, **shares)
    train = _trainable(dataset, parts.train, leaked, alone=False)
    tasks = [
        task_of(name, given or dataset, None if given else cut, train=train)
        for given, cut in ((dev, parts.dev), (test, parts.test))
    ]
    for task, where in zip(tasks, (settings.dev, settings.test), strict=True):
        _require_different_scores(task, settings.train if where == "split" else where)
    if (items := _size(tasks[1])) < FEW_QUERIES:
        notes.append(f"only {items} test items: expect wide intervals")
    digest = _digest(
        [
            dataset.sha256,
            *(given.sha256 if given else "split" for given in (dev, test)),
            str(sorted(settings.columns.items())),
        ]
    )
    prepared = PreparedTask(dataset, train, smaller(tasks[0], seed), tasks[1], leaked)
    held_out: list[_HeldOut] = [test or parts.test, dev or parts.dev]
    return _CutTask(prepared, held_out, digest), [f"{name}: {note}" for note in (*notes, *parts.notes)]


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _unknown_to(rows: Sequence[Example], held_out: Sequence[_HeldOut]) -> tuple[Sequence[Example], int]:
    """Rows without those that hold a text of some data that is scored, and how many these were."""
    kept = rows
    for given in held_out:
        kept = without(kept, leaks(kept, given.examples if isinstance(given, Dataset) else given))
    return kept, len(rows) - len(kept)


def _replay(
    earlier: Dataset | None,
    data: DataSettings,
    held_out: Sequence[_HeldOut],
    seed: int,
) -> tuple[Sequence[Example], list[str]]:
    """Rows to replay, a random choice where they are many, and what a user should know of them."""
    if earlier is None:
        return (), []
    rows, known = _unknown_to(earlier.examples, held_out)
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


def _shared(
    dev: RetrievalSet | Dataset | None, test: RetrievalSet | Dataset | None, of_dev: str, of_test: str
) -> list[str]:
    """What a user should know of queries that dev and test share: dev chooses the weights that test judges."""
    if dev is None or test is None:
        return []
    if dev.sha256 == test.sha256:
        problem = f"dev and test are the same data ({of_dev}), so test would judge what was chosen on it"
        raise DataError(problem, "give other dev data, or none: a part of TRAIN serves", Place(of_test))
    both = len(_asked(dev) & _asked(test))
    return [f"{both} queries of dev are queries of test too: the test figures flatter"] if both else []


def _asked(data: RetrievalSet | Dataset) -> set[str]:
    """The queries or texts that are scored, as they are compared."""
    if isinstance(data, RetrievalSet):
        return {normalized(query) for query in data.queries.values()}
    return {normalized(example.query or example.text) for example in data.examples}


def _label_texts(
    dataset: Dataset, dev: RetrievalSet | Dataset | None, test: RetrievalSet | Dataset | None, data: DataSettings
) -> dict[str, str] | None:
    """The text of each label, where labels are to be told by their texts."""
    if data.label_texts == "none":
        return None
    if dataset.kind is not Kind.LABELED:
        problem = f"data.label_texts is for labeled data, and the rows are {dataset.kind}"
        raise UsageError(problem, "leave it out, or give rows with text and label")
    sources = [given for given in (dataset, dev, test) if isinstance(given, Dataset)]
    return texts_of_labels((str(e.label) for given in sources for e in given.examples if e.label), data.label_texts)


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


def _require_rows(dataset: Dataset, pool: Sequence[Example], leaked: int) -> None:
    if len(pool) < MIN_ROWS:
        where = Place(dataset.path) if dataset.path else None
        known = f": the test or dev data knows {leaked} others" if leaked else ""
        problem = f"{len(pool)} usable rows are too few to train on{known}"
        raise DataError(problem, f"give at least {MIN_ROWS}, better 200 and more", where)


def _trainable(dataset: Dataset, train: Sequence[Example], leaked: int, *, alone: bool) -> Sequence[Example]:
    """The rows, if they teach something; ``alone``: a labeled text does so without another one of its label."""
    _require_rows(dataset, train, leaked)
    where = Place(dataset.path) if dataset.path else None
    if dataset.kind is Kind.LABELED:
        rows = Counter(e.label for e in train)
        if len(rows) < 2:
            problem = "all rows have one label, so there is nothing to tell apart"
            raise DataError(problem, "give two labels or more", where)
        if not alone and sum(count for count in rows.values() if count > 1) < MIN_ROWS:
            problem = "hardly a label has two rows, so nothing says which texts belong together"
            raise DataError(problem, "give several texts of each label", where)
    if dataset.kind is Kind.SCORED and any(e.weight != 1 for e in train):
        problem = "weights cannot act on scored pairs: their loss compares pairs with each other"
        raise DataError(problem, "remove the weight column", where)
    if dataset.kind is Kind.SCORED and all(e.score == train[0].score for e in train):
        raise DataError("all rows have one score, so none is nearer than another", "give different scores", where)
    return train


def _require_different_scores(task: Task, where: str | Path | None) -> None:
    """A rank correlation of equal scores is no number."""
    if isinstance(task, SimilarityTask) and len(set(task.scores)) < 2:
        problem = f"all {len(task.scores)} pairs of {task.name} have one score, so their order cannot be judged"
        raise DataError(problem, f"give {task.name} data with different scores", Place(where) if where else None)


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
            return _labeled(task.test_texts, task.test_labels)
        case LabelMatchingTask():
            return _labeled(task.texts, task.labels)


def _labeled(texts: Sequence[str], labels: Sequence[str]) -> list[dict[str, Any]]:
    return [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
