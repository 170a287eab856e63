"""Train, dev and test without leaks: what belongs together stays on one side."""

import hashlib
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.core.seeds import derive_seed
from acclimate.data.disk import DiskList
from acclimate.data.examples import Dataset, Example, RetrievalSet, ids_of, normalized, on_disk, texts_on_disk
from acclimate.data.keys import KeyNumbers, as_keys, in_parts, key_of, keys_of, numbered, whole_numbers
from acclimate.data.near_duplicates import OwnedTexts, near_duplicate_rows, near_duplicates

Role: TypeAlias = Literal["query", "positive", "text", "negative"]

# A part of few large components says little about new data: components above this share of a part come last.
_LARGE = 0.2


@dataclass(frozen=True, slots=True)
class Split:
    """The three parts, each in the order of the file.

    Attributes:
        components: number of sets of rows that had to stay together.
        notes: what a user should know, a sentence each.
    """

    train: Sequence[Example]
    dev: Sequence[Example]
    test: Sequence[Example]
    components: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Leak:
    """A text of the test that occurs in training.

    Attributes:
        row: its position among the rows of training.
        what: the part of the test it is: a query, or the relevant document of one.
        role: where it stands in training; "negative" where it is only shown as a wrong document.
        text: as it stands in training.
        test_id: of the row, or of the query, that asks for it.
        test_text: as it stands in the test, where that is nearly the same and not the same.
    """

    row: int
    train_id: str
    train_line: int
    what: Literal["query", "document"]
    role: Role
    text: str
    test_id: str
    test_text: str = ""


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
    examples = on_disk(dataset.examples)
    pieces = _pieces(examples, components(examples), seed)
    wanted = 1 + (dev > 0) + (test > 0)
    if len(pieces) < wanted:
        raise _too_few(dataset, len(pieces), wanted)
    largest = int(np.argmax(pieces.sizes))
    taken = np.zeros(len(pieces), np.int8)  # the part of each piece: training, dev, test
    taken[largest] = -1
    for number, share, spare in ((2, test, dev > 0), (1, dev, False)):
        taken[_choose(pieces, np.flatnonzero(taken == 0), pieces.targets(share), spare=spare)] = number
    place = np.maximum(taken, 0)[pieces.of_row]
    train, in_dev, in_test = (examples.select(np.flatnonzero(place == part)) for part in range(3))
    notes = _notes(pieces, largest, {"dev": (dev, len(in_dev)), "test": (test, len(in_test))})
    cleaned, dropped = _without_test_negatives(train, in_dev, in_test)
    if dropped:
        notes.append(f"{dropped} wrong documents of training rows are right ones of dev or test: taken out of the rows")
    return Split(cleaned, in_dev, in_test, len(pieces), tuple(notes))


def components(examples: Sequence[Example]) -> NDArray[np.int64]:
    """For each example the number of the set that it must stay with, [N]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left, right, texts = _shared_keys(examples)
    # Sorted, so that which neighbors are compared in a crowded bucket does not depend on the order of the rows.
    alike = near_duplicate_rows(texts)
    del texts
    left, right = (np.concatenate(ends) for ends in ((left, alike[:, 0]), (right, alike[:, 1])))
    size = len(examples)
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(size, size))
    numbers: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return numbers


def _shared_keys(examples: Sequence[Example]) -> tuple[NDArray[np.int64], NDArray[np.int64], OwnedTexts]:
    """Rows with a key that an earlier row has, those earlier rows, and all texts."""
    texts, column, members = OwnedTexts(), bytearray(), array("q")
    for row, example in enumerate(examples):
        for kind, name in _keys(example):
            column += key_of(f"{kind}\0{name}")
            members.append(row)
            if kind == "text":
                texts.add(name, row)
    rows = whole_numbers(members)
    numbers, first = numbered(as_keys(column))
    owners = rows[first][numbers]
    shared = np.flatnonzero(rows != owners)
    return rows[shared], owners[shared], texts


def leaks(train: Sequence[Example], test: RetrievalSet | Sequence[Example]) -> list[Leak]:
    """Everything in training that is a test query or the relevant document of one, by normalized text."""
    wanted = _Wanted(test)
    return [
        Leak(row, example.id, example.line, wanted.what(number), role, text, wanted.asked_by(number))
        for row, example, role, text, number in _hits(train, wanted, _parts_of)
    ]


def near_leaks(train: Sequence[Example], test: RetrievalSet | Sequence[Example]) -> list[Leak]:
    """Texts that training teaches and that are near-duplicates, not equals, of what `leaks` looks for.

    Negatives of training teach no right answer and are not looked at. Each row is named once.
    """
    asked, owned = list(_asked(test)), OwnedTexts()
    # Those of the test come first: a text that is a leak already stands for the test, and rows near to it are found.
    for place, (text, _, _) in enumerate(asked):
        owned.add(normalized(text), place)
    for row, example in enumerate(train):
        for text in example.texts():
            owned.add(normalized(text), len(asked) + row)
    texts, owners = texts_on_disk(), array("q")
    for text, owner in owned:
        texts.append(text)
        owners.append(owner)
    found: dict[int, Leak] = {}
    for pair in near_duplicates(texts).tolist():
        one, other = sorted(pair, key=owners.__getitem__)
        row = owners[other] - len(asked)
        if owners[one] < len(asked) and row >= 0 and row not in found:
            example, (said, is_document, name) = train[row], asked[owners[one]]
            role, text = next(part for part in _parts_of(example) if normalized(part[1]) == texts[other])
            what: Literal["query", "document"] = "document" if is_document else "query"
            found[row] = Leak(row, example.id, example.line, what, role, text, name, said)
    return [found[row] for row in sorted(found)]


def without(train: Sequence[Example], found: Sequence[Leak]) -> Sequence[Example]:
    """Training without the leaks: rows that teach a test text go, wrong documents are taken out of their rows."""
    if not found:
        return train
    gone = {leak.train_id for leak in found if leak.role != "negative"}
    wrong: dict[str, set[str]] = defaultdict(set)
    for leak in found:
        if leak.role == "negative":
            wrong[leak.train_id].add(leak.text)
    rows = on_disk(train)
    kept = rows.select(array("q", (row for row, name in enumerate(ids_of(rows)) if name not in gone)))
    for row, name in enumerate(ids_of(kept) if wrong else ()):
        if name in wrong:
            kept[row] = without_negatives(kept[row], wrong[name])
    return kept


def without_negatives(example: Example, wrong: set[str]) -> Example:
    """The row without some of its negatives, and without what a teacher said of them."""
    kept = [place for place, text in enumerate(example.negatives) if text not in wrong]
    said = example.negative_scores
    return example._replace(
        negatives=tuple(example.negatives[place] for place in kept),
        negative_scores=tuple(said[place] for place in kept) if said else (),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Sets of rows that stay together, in a random order that depends on the rows' content.

    Attributes:
        of_row: [N] the piece of each row.
        sizes: [P] how many rows each has.
        strata: the labels to balance by, in ascending order.
        stratum: [P] which of them each piece has.
    """

    of_row: NDArray[np.int64]
    sizes: NDArray[np.int64]
    strata: list[str]
    stratum: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sizes)

    def targets(self, share: float) -> list[int]:
        """Rows wanted by stratum: their sum is the share of all rows, at least 1 when there is a share."""
        sizes = np.bincount(self.stratum, self.sizes, len(self.strata)).astype(np.int64).tolist()
        targets, owed = [], 0.0
        for size in sizes:
            owed += size * share
            targets.append(round(owed))
            owed -= targets[-1]
        if share > 0 and not any(targets):
            targets[max(range(len(sizes)), key=lambda stratum: (sizes[stratum], stratum))] = 1
        return targets


def _keys(example: Example) -> Iterator[tuple[str, str]]:
    if example.group is not None:
        yield "group", example.group
    if example.doc_id is not None:
        yield "doc_id", example.doc_id
    for text in example.texts():
        yield "text", normalized(text)


def _pieces(examples: Sequence[Example], label: NDArray[np.int64], seed: int) -> _Pieces:
    """The sets that ``label`` numbers, in the order of a key that is derived from the least digest of each."""
    digests, strata, stratum = _contents(examples)
    quarters = np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 4)  # ordered as the bytes are
    order = np.lexsort((*quarters.T[::-1], label))
    starts = np.flatnonzero(np.diff(label[order], prepend=-1))
    least = order[starts]
    names = (digests[32 * row : 32 * row + 32].hex() for row in least.tolist())
    keys = np.fromiter((derive_seed(seed, "split", name) for name in names), np.int64, len(least))
    by_key = np.argsort(keys, kind="stable")
    place = np.empty_like(by_key)
    place[by_key] = np.arange(len(by_key))
    sizes = np.diff(np.append(starts, len(order)))
    return _Pieces(place[label], sizes[by_key], strata, stratum[least[by_key]])


def _contents(examples: Sequence[Example]) -> tuple[bytearray, list[str], NDArray[np.int64]]:
    """The digests of all rows one after another, the labels to balance by in ascending order, and each row's [N]."""
    digests, numbers = bytearray(), dict[str, int]()
    stratum = np.empty(len(examples), np.int64)
    for row, example in enumerate(examples):
        digests += _digest(example)
        stratum[row] = numbers.setdefault((example.label if example.text else None) or "", len(numbers))
    strata = sorted(numbers)
    place = np.empty(len(strata), np.int64)
    place[[numbers[name] for name in strata]] = np.arange(len(strata))
    return digests, strata, place[stratum]


def _digest(example: Example) -> bytes:
    content = (example.query, example.positives, example.text, example.label, example.score, example.doc_id)
    return hashlib.sha256(repr(content).encode()).digest()


def _choose(pieces: _Pieces, free: NDArray[np.int64], targets: Sequence[int], *, spare: bool) -> list[int]:
    """Pieces whose sizes come near the targets; one piece is left over for the next part when ``spare``."""
    chosen: list[int] = []
    limit = len(free) - spare
    for stratum, target in enumerate(targets):
        mine = free[pieces.stratum[free] == stratum]
        large = pieces.sizes[mine] > max(1, int(_LARGE * target))
        taken = 0
        for piece in mine[np.argsort(large, kind="stable")]:
            if len(chosen) >= limit or taken >= target:
                break
            size = int(pieces.sizes[piece])
            if size < 2 * (target - taken):
                chosen.append(int(piece))
                taken += size
    if not chosen and any(targets):
        chosen.append(int(free[np.argmin(pieces.sizes[free])]))
    return chosen


def _notes(pieces: _Pieces, largest: int, parts: dict[str, tuple[float, int]]) -> list[str]:
    total, connected = len(pieces.of_row), int(pieces.sizes[largest])
    notes = []
    if connected > 0.05 * total and connected > 1 and len(pieces) > 1:
        notes.append(
            f"{connected} of {total} rows are connected (same group, document or text, or nearly the same) "
            "and stay in training together"
        )
    for name, (share, rows) in parts.items():
        wanted = share * total
        if abs(rows - wanted) > max(1, 0.2 * wanted):
            notes.append(f"{name} has {rows} rows where {wanted:.0f} were wanted, since connected rows stay together")
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


def _parts_of(example: Example) -> Iterator[tuple[Role, str]]:
    if example.query:
        yield "query", example.query
    if example.text:
        yield "text", example.text
    for text in example.positives:
        yield "positive", text
    yield from _negatives_of(example)


def _negatives_of(example: Example) -> Iterator[tuple[Role, str]]:
    for text in example.negatives:
        yield "negative", text


class _Wanted:
    """The texts of a test by normalized text: what each is in the test, and the id of its query."""

    def __init__(self, *tests: RetrievalSet | Sequence[Example]) -> None:
        self._keys = KeyNumbers()
        self._documents = bytearray()  # which of the texts are documents
        self._ids = texts_on_disk()
        for test in tests:
            for part in in_parts(_asked(test)):
                first = self._keys.add(keys_of(normalized(text) for text, _, _ in part))[1]
                self._documents.extend(part[place][1] for place in first)
                self._ids.extend(part[place][2] for place in first)

    def find(self, texts: Iterable[str]) -> NDArray[np.int64]:
        """The number of each text, -1 for one that is not in the test."""
        return self._keys.find(keys_of(map(normalized, texts)))

    def what(self, number: int) -> Literal["query", "document"]:
        """What the text of a number is."""
        return "document" if self._documents[number] else "query"

    def asked_by(self, number: int) -> str:
        """The id of its query."""
        return self._ids[number]


def _asked(test: RetrievalSet | Sequence[Example]) -> Iterator[tuple[str, bool, str]]:
    """Text, whether it is a document, and the id of the query; documents that are only ranked are left out."""
    if isinstance(test, RetrievalSet):
        for query, documents in test.relevant.items():
            yield test.queries[query], False, query
            for document in documents:
                yield test.documents[document], True, query
        return
    for example in test:
        for role, text in _parts_of(example):
            if role != "negative":
                yield text, role == "positive", example.id


def _hits(
    train: Sequence[Example], wanted: _Wanted, parts_of: Callable[[Example], Iterator[tuple[Role, str]]]
) -> Iterator[tuple[int, Example, Role, str, int]]:
    """Texts of training that are wanted: position, example, role, text, and its number among the wanted ones."""
    said = ((row, example, role, text) for row, example in enumerate(train) for role, text in parts_of(example))
    for part in in_parts(said):
        numbers = wanted.find(text for _, _, _, text in part)
        for place in np.flatnonzero(numbers >= 0):
            yield *part[place], int(numbers[place])


def _without_test_negatives(
    train: DiskList[Example], dev: Sequence[Example], test: Sequence[Example]
) -> tuple[DiskList[Example], int]:
    """Training without the wrong documents that dev or test knows, and how many there were."""
    cleaned, dropped = train.select(np.arange(len(train))), 0
    for row, hits in groupby(_hits(train, _Wanted(dev, test), _negatives_of), itemgetter(0)):
        found = list(hits)
        cleaned[row] = without_negatives(found[0][1], {text for _, _, _, text, _ in found})
        dropped += len(found)
    return cleaned, dropped
