"""What must not be forgotten: the general probe that ships with the package, or the user's own general file.

Either is cut into a dev and a test half that share no query. Guards, merging and early stopping see dev alone; the
gate and ``scores.json`` report test.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from acclimate.core.errors import DataError, Place
from acclimate.data.examples import Dataset, Example, Kind, RetrievalSet, normalized
from acclimate.data.readers import to_retrieval_set
from acclimate.evaluation.tasks import ClassificationTask, RetrievalTask, SimilarityTask, Task

Half: TypeAlias = Literal["dev", "test"]
_T = TypeVar("_T")


def general_tasks(half: Half) -> list[Task]:
    """The tasks of the built-in probe, in the order of their names.

    The halves share neither queries nor documents nor texts of pairs. The test half asks 1,350 queries.
    """
    folder = _general() / "probe"
    tasks = (json.loads(file.read_text(encoding="utf-8")) for file in _sorted(folder) if file.name.endswith(".json"))
    return [_task(task["name"], task[half]) for task in tasks]


def guard_texts() -> list[str]:
    """Unlabeled general texts, words to paragraphs in many languages; none occurs in the probe.

    Their sources are those of three of the probe's seven tasks at most (``assets/general/README.md``).
    """
    lines = (_general() / "guard.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def tasks_from(data: Dataset | RetrievalSet, half: Half) -> list[Task]:
    """One half of the user's own general data, as one task; the same rows on every call and machine.

    Queries with the same first relevant document, pairs with the same first text, and equal texts stay together.
    Both halves of a retrieval set rank all documents. Labeled texts are cut once more, into what the classifier is
    fitted on (60%), what chooses its strength (20%) and what it is scored on (20%).

    Raises:
        DataError: too little to cut in two, or texts alone.
    """
    match data:
        case RetrievalSet():
            return [_retrieval(data, half)]
        case Dataset(kind=Kind.PAIRS):
            return [_retrieval(to_retrieval_set(data), half)]
        case Dataset(kind=Kind.SCORED):
            return [_similarity(data, half)]
        case Dataset(kind=Kind.LABELED):
            return [_classification(data, half)]
        case _:
            problem = f"{data.name} holds texts alone, so forgetting cannot be measured on it"
            raise DataError(problem, "give pairs, scored pairs or labeled texts", _place(data.path))


def _general() -> Traversable:
    return files("acclimate") / "assets" / "general"


def _sorted(folder: Traversable) -> list[Traversable]:
    return sorted(folder.iterdir(), key=lambda file: file.name)


def _task(name: str, half: dict[str, Any]) -> Task:
    if "first" in half:
        return SimilarityTask(name, half["first"], half["second"], half["scores"])
    return RetrievalTask(
        name=name,
        query_ids=[f"q{row}" for row in range(len(half["queries"]))],
        queries=half["queries"],
        document_ids=[f"d{row}" for row in range(len(half["documents"]))],
        documents=half["documents"],
        relevant=[dict.fromkeys(rows, 1) for rows in half["relevant"]],
    )


def _retrieval(data: RetrievalSet, half: Half) -> RetrievalTask:
    queries = _half_of(data.relevant, lambda query: min(data.relevant[query]), half, data.name, None)
    rows = {document: row for row, document in enumerate(data.documents)}
    return RetrievalTask(
        name=data.name,
        query_ids=queries,
        queries=[data.queries[query] for query in queries],
        document_ids=list(data.documents),
        documents=list(data.documents.values()),
        relevant=[{rows[document]: grade for document, grade in data.relevant[query].items()} for query in queries],
    )


def _similarity(data: Dataset, half: Half) -> SimilarityTask:
    chosen = _half_of(data.examples, lambda row: normalized(row.query), half, data.name, data.path)
    scored = [(row.query, row.positives[0], row.score) for row in chosen if row.score is not None]
    first, second, scores = zip(*scored, strict=True)
    return SimilarityTask(data.name, first, second, scores)


def _classification(data: Dataset, half: Half) -> ClassificationTask:
    chosen = _half_of(data.examples, lambda row: normalized(row.text), half, data.name, data.path)
    by_label: dict[str, list[Example]] = {}
    for row in chosen:
        by_label.setdefault(str(row.label), []).append(row)
    parts: dict[str, list[Example]] = {"train": [], "dev": [], "test": []}
    for rows in by_label.values():
        places: dict[str, int] = {}
        for row in rows:
            # Of every five texts of a label, in the random order of the cut: fit on three, choose on one, score one.
            place = places.setdefault(normalized(row.text), len(places))
            parts[("train", "dev", "train", "test", "train")[place % 5]].append(row)
    if len(by_label) < 2 or min(len({normalized(row.text) for row in rows}) for rows in by_label.values()) < 4:
        problem = f"{data.name} has {len(by_label)} labels in its {half} half, the rarest on too few texts to score"
        raise DataError(problem, "give at least 2 labels with about 10 texts each", _place(data.path))
    return ClassificationTask(
        data.name,
        *(part for rows in parts.values() for part in ([row.text for row in rows], [str(row.label) for row in rows])),
    )


def _half_of(items: Iterable[_T], group: Callable[[_T], str], half: Half, name: str, path: Path | None) -> Sequence[_T]:
    """Every second group in a random order that depends on the groups' own texts alone."""
    members: dict[str, list[_T]] = {}
    for item in items:
        members.setdefault(group(item), []).append(item)
    if len(members) < 2:
        problem = f"{name} has {len(members)} different items, too few for a dev and a test half"
        raise DataError(problem, "give more, 100 or better 1,000", _place(path))
    order = sorted(members, key=lambda text: hashlib.sha256(text.encode()).digest())
    return [item for text in order[half == "dev" :: 2] for item in members[text]]


def _place(path: Path | None) -> Place | None:
    return Place(path) if path else None
