"""Train, dev and test without leaks: what belongs together stays on one side."""

import hashlib
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.core.seeds import derive_seed
from acclimate.data.examples import Dataset, Example, RetrievalSet, normalized
from acclimate.data.near_duplicates import near_duplicates

# A part of few large components says little about new data: components above this share of a part come last.
_LARGE = 0.2


@dataclass(frozen=True, slots=True)
class Split:
    """The three parts, each in the order of the file.

    Attributes:
        components: number of sets of rows that had to stay together.
        notes: what a user should know, a sentence each.
    """

    train: list[Example]
    dev: list[Example]
    test: list[Example]
    components: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Leak:
    """A text of the test that occurs in training.

    Attributes:
        what: the part of the test it is: a query, or the relevant document of one.
        role: where it stands in training; "negative" where it is only shown as a wrong document.
        text: as it stands in training.
    """

    train_id: str
    train_line: int
    what: Literal["query", "document"]
    role: Literal["query", "positive", "text", "negative"]
    text: str
    test_id: str


def split(dataset: Dataset, *, seed: int, dev: float, test: float) -> Split:
    """Cuts a data set so that no part knows another.

    Rows stay together when they share a group, a document id, or a text (query, document or labeled text alike,
    normalized), or when two of their texts are near-duplicates; so do rows that are connected through others.
    A wrong document of a row that is a right one in another part is taken out of the row. The result depends on
    the rows' content and the seed, not on their order.

    Args:
        dataset: all rows.
        seed: of the run.
        dev: share of rows, at least 0.
        test: share of rows, at least 0; dev and test together below 1.

    Raises:
        UsageError: the shares are impossible.
        DataError: there are fewer independent sets of rows than parts.
    """
    if dev < 0 or test < 0 or dev + test >= 1:
        raise UsageError(f"shares dev={dev:g} and test={test:g} leave nothing to train on", "use 0.1 and 0.1")
    examples = dataset.examples
    label = components(examples)
    pieces = _pieces(examples, label, seed)
    parts = 1 + (dev > 0) + (test > 0)
    if len(pieces) < parts:
        raise _too_few(dataset, len(pieces), parts)
    largest = max(pieces, key=lambda piece: len(piece.rows))
    free = [piece for piece in pieces if piece is not largest]
    chosen_test = _choose(free, _targets(pieces, test), spare=dev > 0)
    taken = set(chosen_test)
    chosen_dev = _choose([piece for piece in free if piece not in taken], _targets(pieces, dev), spare=False)
    place = np.zeros(len(examples), np.int8)
    for number, chosen in ((1, chosen_dev), (2, chosen_test)):
        for piece in chosen:
            place[piece.rows] = number
    train, in_dev, in_test = ([examples[i] for i in np.flatnonzero(place == part)] for part in range(3))
    notes = _notes(examples, pieces, largest, {"dev": (dev, in_dev), "test": (test, in_test)})
    cleaned, dropped = _without_test_negatives(train, in_dev, in_test)
    if dropped:
        notes.append(f"{dropped} wrong documents of training rows are right ones of dev or test: taken out of the rows")
    return Split(cleaned, in_dev, in_test, len(pieces), tuple(notes))


def components(examples: Sequence[Example]) -> NDArray[np.int64]:
    """For each example the number of the set that it must stay with, [N]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    owner: dict[tuple[str, str], int] = {}
    members, owners = array("q"), array("q")  # an edge for each key: tuples would weigh as much as the texts
    for row, example in enumerate(examples):
        for key in _keys(example):
            members.append(row)
            owners.append(owner.setdefault(key, row))
    # Sorted, so that which neighbors are compared in a crowded bucket does not depend on the order of the rows.
    texts = sorted(text for kind, text in owner if kind == "text")
    rows = np.array([owner["text", text] for text in texts], np.int64)
    alike = rows[near_duplicates(texts)] if texts else np.empty((0, 2), np.int64)
    left, right = (np.concatenate(ends) for ends in ((members, alike[:, 0]), (owners, alike[:, 1])))
    size = len(examples)
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(size, size))
    numbers: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return numbers


def leaks(train: Sequence[Example], test: RetrievalSet | Sequence[Example]) -> list[Leak]:
    """Everything in training that is a test query or the relevant document of one, by normalized text."""
    wanted = _wanted(test)
    found: list[Leak] = []
    for example in train:
        for role, text in _parts_of(example):
            hit = wanted.get(normalized(text))
            if hit is not None:
                found.append(Leak(example.id, example.line, hit[0], role, text, hit[1]))
    return found


def without(train: Sequence[Example], found: Sequence[Leak]) -> list[Example]:
    """Training without the leaks: rows that teach a test text go, wrong documents are taken out of their rows."""
    gone = {leak.train_id for leak in found if leak.role != "negative"}
    wrong: dict[str, set[str]] = defaultdict(set)
    for leak in found:
        if leak.role == "negative":
            wrong[leak.train_id].add(leak.text)
    return [
        replace(example, negatives=tuple(text for text in example.negatives if text not in wrong[example.id]))
        if example.id in wrong
        else example
        for example in train
        if example.id not in gone
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Rows that stay together, with a random key that depends on their content, and a label to balance by."""

    rows: NDArray[np.int64]
    key: int
    stratum: str


def _keys(example: Example) -> Iterator[tuple[str, str]]:
    if example.group is not None:
        yield "group", example.group
    if example.doc_id is not None:
        yield "doc_id", example.doc_id
    for text in example.texts():
        yield "text", normalized(text)


def _pieces(examples: Sequence[Example], label: NDArray[np.int64], seed: int) -> list[_Piece]:
    order = np.argsort(label, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(label[order])) + 1) if len(order) else []
    digests = [_digest(example) for example in examples]
    pieces = []
    for rows in groups:
        first = min(rows, key=lambda row: digests[row])
        stratum = examples[first].label if examples[first].text else None
        pieces.append(_Piece(rows, derive_seed(seed, "split", digests[first]), stratum or ""))
    return sorted(pieces, key=lambda piece: piece.key)


def _digest(example: Example) -> str:
    content = (example.query, example.positives, example.text, example.label, example.score, example.doc_id)
    return hashlib.sha256(repr(content).encode()).hexdigest()


def _targets(pieces: Sequence[_Piece], share: float) -> dict[str, int]:
    """Rows wanted by stratum: their sum is the share of all rows, at least 1 when there is a share."""
    sizes: dict[str, int] = defaultdict(int)
    for piece in pieces:
        sizes[piece.stratum] += len(piece.rows)
    targets, owed = {}, 0.0
    for stratum in sorted(sizes):
        owed += sizes[stratum] * share
        targets[stratum] = round(owed)
        owed -= targets[stratum]
    if share > 0 and not any(targets.values()):
        targets[max(sizes, key=lambda stratum: (sizes[stratum], stratum))] = 1
    return targets


def _choose(free: Sequence[_Piece], targets: dict[str, int], *, spare: bool) -> list[_Piece]:
    """Pieces whose sizes come near the targets; one piece is left over for the next part when ``spare``."""
    chosen: list[_Piece] = []
    limit = len(free) - spare
    for stratum, target in targets.items():
        mine = [piece for piece in free if piece.stratum == stratum]
        large = max(1, int(_LARGE * target))
        taken = 0
        for piece in sorted(mine, key=lambda piece: len(piece.rows) > large):
            size = len(piece.rows)
            if len(chosen) < limit and size < 2 * (target - taken):
                chosen.append(piece)
                taken += size
    if not chosen and any(targets.values()):
        chosen.append(min(free, key=lambda piece: len(piece.rows)))
    return chosen


def _notes(
    examples: Sequence[Example],
    pieces: Sequence[_Piece],
    largest: _Piece,
    parts: dict[str, tuple[float, list[Example]]],
) -> list[str]:
    total = len(examples)
    notes = []
    if len(largest.rows) > 0.05 * total and len(largest.rows) > 1 and len(pieces) > 1:
        notes.append(
            f"{len(largest.rows)} of {total} rows are connected (same group, document or text, or nearly the same) "
            "and stay in training together"
        )
    for name, (share, rows) in parts.items():
        wanted = share * total
        if abs(len(rows) - wanted) > max(1, 0.2 * wanted):
            notes.append(
                f"{name} has {len(rows)} rows where {wanted:.0f} were wanted, since connected rows stay together"
            )
    return notes


def _too_few(dataset: Dataset, pieces: int, parts: int) -> DataError:
    rows = len(dataset.examples)
    if rows < parts:
        problem = f"{rows} rows cannot be split into {parts} parts"
    else:
        sets = "all rows are connected" if pieces == 1 else f"there are only {pieces} independent sets of rows"
        why = "same group, document or text, or near-duplicates"
        problem = f"{sets} ({why}), so no split into {parts} parts is free of leaks"
    where = Place(dataset.path) if dataset.path else Place(dataset.name)
    return DataError(problem, "give more varied data, or separate files with --dev and --test", where)


def _parts_of(example: Example) -> Iterator[tuple[Literal["query", "positive", "text", "negative"], str]]:
    if example.query:
        yield "query", example.query
    if example.text:
        yield "text", example.text
    for text in example.positives:
        yield "positive", text
    for text in example.negatives:
        yield "negative", text


def _wanted(test: RetrievalSet | Sequence[Example]) -> dict[str, tuple[Literal["query", "document"], str]]:
    """Normalized text -> what it is in the test, and the id of its query."""
    wanted: dict[str, tuple[Literal["query", "document"], str]] = {}
    if isinstance(test, RetrievalSet):
        for query, documents in test.relevant.items():
            wanted.setdefault(normalized(test.queries[query]), ("query", query))
            for document in documents:
                wanted.setdefault(normalized(test.documents[document]), ("document", query))
        return wanted
    for example in test:
        for role, text in _parts_of(example):
            if role != "negative":
                wanted.setdefault(normalized(text), ("document" if role == "positive" else "query", example.id))
    return wanted


def _without_test_negatives(
    train: Sequence[Example], dev: Sequence[Example], test: Sequence[Example]
) -> tuple[list[Example], int]:
    found = [leak for leak in leaks(train, [*dev, *test]) if leak.role == "negative"]
    return without(train, found), len(found)
