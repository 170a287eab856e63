"""Cuts one file into what trains, dev and test, without leaks between them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.data.examples import Dataset, Example, Kind, RetrievalSet, normalized
from acclimate.data.label_texts import texts_of_labels
from acclimate.data.query_makers import MixedMaker
from acclimate.data.readers import read, read_beside
from acclimate.data.split import Split, leaks, split, without
from acclimate.evaluation import ClassificationTask, LabelMatchingTask, RetrievalTask, SimilarityTask, Task
from acclimate.recipe.tree import DataSettings, TaskSettings
from acclimate.runs.synthetic import Models, Synthetic, queries_of
from acclimate.runs.tasks import smaller, task_of

MIN_ROWS = 8  # fewer rows than this are no training set
FEW_QUERIES = 100  # fewer test items than this make wide intervals, which is said

HeldOut = RetrievalSet | Dataset | Sequence[Example]


@dataclass(frozen=True, slots=True)
class Cut:
    """A file in parts.

    Attributes:
        dataset: all of it.
        train: its rows that train, leaks removed.
        dev: cut to a size that can be scored often.
        test: scored once before and once after.
        held_out: what both are made of.
        leaked: rows taken out of training since a test knows them.
        notes: sentences for the user.
        sha256: of dev and test as they were given; ``split`` where a part of the file serves.
        label_texts: the text of each label, where labels are to be told by their texts.
        synthetic: what was made of texts alone.
    """

    dataset: Dataset
    train: Sequence[Example]
    dev: Task
    test: Task
    held_out: tuple[HeldOut, ...]
    leaked: int
    notes: tuple[str, ...]
    sha256: Mapping[str, str]
    label_texts: Mapping[str, str] | None
    synthetic: Synthetic | None = None

    @property
    def tested(self) -> Sequence[Example]:
        """The rows that the test is made of; none of a folder of queries and documents."""
        match self.held_out[0]:
            case Dataset(examples=rows):
                return rows
            case RetrievalSet():
                return ()
            case rows:
                return rows

    @property
    def kind(self) -> Kind:
        """Of what trains: labeled texts are pairs where labels have texts of their own."""
        return Kind.PAIRS if self.label_texts or self.synthetic else self.dataset.kind

    def without(self, held_out: Sequence[HeldOut]) -> "tuple[Cut, int]":
        """The same without training rows that hold texts of other data that is scored, and how many these were.

        Raises:
            DataError: too few are left.
        """
        train, known = unknown_to(self.train, held_out)
        if not known:
            return self, 0
        _require_rows(self.dataset, train, self.leaked + known)
        return replace(self, train=train, leaked=self.leaked + known), known


def cut(
    source: Any,
    given: DataSettings | TaskSettings,
    data: DataSettings,
    seed: int,
    task: str = "",
    models: Models | None = None,
) -> Cut:
    """Reads a file, and dev and test data beside it, or splits off what is not given.

    Args:
        source: a path, or rows in memory.
        given: where dev and test are, and the columns.
        data: how large parts are that are split off.
        seed: of the run.
        task: its name, for a task beside that of TRAIN.
        models: by which queries are made where the file has texts alone; None refuses these.

    Raises:
        DataError: unusable data, or too little of it.
        UsageError: a setting that is for other rows.
    """
    dataset = read(source, columns=given.columns)
    if dataset.kind is Kind.TEXT and models is None:
        where = Place(dataset.path) if dataset.path else None
        remedy = "add a column of right answers (query, positive), of scores, or of labels"
        raise DataError(f"texts alone teach task {task} nothing", remedy, where)
    if not task and dataset.kind is not Kind.TEXT and data.synthetic != "auto":
        problem = f"data.synthetic makes queries where TRAIN has texts alone, and the rows are {dataset.kind}"
        raise UsageError(problem, "leave it out")
    dev = _given("dev", given.dev, dataset, given.columns)
    test = _given("test", given.test, dataset, given.columns)
    notes = [*dataset.notes, *_shared(dev, test, given.dev, given.test)]
    pool, leaked = dataset.examples, 0
    for name, scored in (("test", test), ("dev", dev)):
        if scored is None:
            continue
        notes += notes_of(scored, name)
        pool, known = unknown_to(pool, [scored])
        leaked += known
        if known:
            notes.append(f"training rows left out because they hold texts of {name}: {known}")
    _require_rows(dataset, pool, leaked)
    rest = replace(dataset, examples=pool)
    sha256 = {"dev": dev.sha256 if dev else "split", "test": test.sha256 if test else "split"}
    shares = {"dev": 0.0 if dev else data.dev_share, "test": 0.0 if test else data.test_share}
    synthetic = None
    if dataset.kind is Kind.TEXT and models is not None:
        maker = MixedMaker() if data.synthetic == "auto" else data.synthetic
        synthetic = queries_of(rest, maker, seed, models, **shares, least=MIN_ROWS)
        dev, test = dev or synthetic.dev, test or synthetic.test
        pairs, _ = unknown_to(synthetic.pairs, [scored for scored in (dev, test) if scored])
        parts = Split(pairs, (), (), len(pairs), synthetic.notes)
    else:
        parts = split(rest, seed=seed, **shares)
    label_texts = None if task else _label_texts(dataset, dev, test, data)
    train = _trainable(dataset, parts.train, leaked, alone=label_texts is not None)
    fitted: dict[str, Any] = {"train": train, "label_texts": label_texts}
    of_test = task_of(task or "test", test or dataset, None if test else parts.test, **fitted)
    of_dev = task_of(task or "dev", dev or rest, None if dev else parts.dev, **fitted)
    for scored_task, where_given in ((of_test, given.test), (of_dev, given.dev)):
        _require_different_scores(scored_task, dataset.path if where_given == "split" else where_given)
    notes += parts.notes
    if (items := size(of_test)) < FEW_QUERIES:
        notes.append(f"only {items} test items: expect wide intervals")
    return Cut(
        dataset=dataset,
        train=train,
        dev=smaller(of_dev, seed),
        test=of_test,
        held_out=(test or parts.test, dev or parts.dev),
        leaked=leaked,
        notes=tuple(notes),
        sha256=sha256,
        label_texts=label_texts,
        synthetic=synthetic,
    )


def notes_of(given: RetrievalSet | Dataset, name: str) -> list[str]:
    """What a user should know about data that is scored, a sentence each."""
    notes = [f"{name}: {note}" for note in given.notes]
    if isinstance(given, Dataset) and given.rejected:
        notes.append(f"{len(given.rejected)} rows of {name} set aside, the first: {given.rejected[0]}")
    return notes


def unknown_to(rows: Sequence[Example], held_out: Sequence[HeldOut]) -> tuple[Sequence[Example], int]:
    """Rows without those that hold a text of some data that is scored, and how many these were."""
    kept = rows
    for given in held_out:
        kept = without(kept, leaks(kept, given.examples if isinstance(given, Dataset) else given))
    return kept, len(rows) - len(kept)


def size(task: Task) -> int:
    """Items that are scored: queries, pairs or texts."""
    return len(items_of(task))


def items_of(task: Task) -> list[dict[str, Any]]:
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


def asked_of(task: Task) -> Sequence[str]:
    """The texts that are asked: queries, the first of each pair, or labeled texts."""
    match task:
        case RetrievalTask():
            return task.queries
        case SimilarityTask():
            return task.first
        case ClassificationTask():
            return task.test_texts
        case LabelMatchingTask():
            return task.texts


def _labeled(texts: Sequence[str], labels: Sequence[str]) -> list[dict[str, Any]]:
    return [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]


def _given(
    name: Literal["dev", "test"], where: str, dataset: Dataset, columns: Mapping[str, str]
) -> RetrievalSet | Dataset | None:
    """Dev or test data of the user's, of a kind that a model tuned on the training data can be scored on."""
    if where == "split":
        return None
    given = read_beside(where, columns, name)
    kind = Kind.PAIRS if isinstance(given, RetrievalSet) else given.kind
    if kind is Kind.TEXT:
        raise DataError("texts alone cannot be scored", f"give pairs, scored pairs or labels as {name}", Place(where))
    if kind is Kind.LABELED and dataset.kind is not Kind.LABELED:
        problem = f"{name} has labels, and the training data has none to learn them from"
        raise DataError(problem, "give pairs or scored pairs", Place(where))
    return given


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
    if dataset.kind is Kind.SCORED:
        require_scores_that_teach(train, where)
    return train


def require_scores_that_teach(rows: Sequence[Example], where: Place | None) -> None:
    """Scored pairs, if some are nearer than others and none is to count more.

    Raises:
        DataError: they are not.
    """
    if any(e.weight != 1 for e in rows):
        problem = "weights cannot act on scored pairs: their loss compares pairs with each other"
        raise DataError(problem, "remove the weight column", where)
    if all(e.score == rows[0].score for e in rows):
        raise DataError("all rows have one score, so none is nearer than another", "give different scores", where)


def _require_different_scores(task: Task, where: str | Path | None) -> None:
    """A rank correlation of equal scores is no number."""
    if isinstance(task, SimilarityTask) and len(set(task.scores)) < 2:
        problem = f"all {len(task.scores)} pairs of {task.name} have one score, so their order cannot be judged"
        raise DataError(problem, f"give {task.name} data with different scores", Place(where) if where else None)
