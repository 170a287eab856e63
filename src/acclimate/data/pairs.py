"""The pair table: examples as numbers of texts, with what is known to be right for each query."""

from array import array
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from acclimate.data.disk import DiskList
from acclimate.data.examples import Example, Kind, ids_of, normalized, on_disk, texts_on_disk
from acclimate.data.keys import KeyNumbers, as_keys, in_parts, key_of, keys_of, numbered, whole_numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Ragged(Sequence["NDArray[Any]"]):
    """Arrays of different lengths, one after another in one array: an object for each row would weigh far more.

    Attributes:
        values: the arrays one after another.
        starts: [G + 1] where each begins, and the end.
        which: [N] the array of each row.
    """

    values: "NDArray[Any]"
    starts: "NDArray[np.int64]"
    which: "NDArray[np.int64]"

    def __len__(self) -> int:
        return len(self.which)

    @overload
    def __getitem__(self, row: int) -> "NDArray[Any]": ...

    @overload
    def __getitem__(self, row: slice) -> "Ragged": ...

    def __getitem__(self, row: int | slice) -> "NDArray[Any] | Ragged":
        if isinstance(row, slice):
            return Ragged(self.values, self.starts, self.which[row])
        group = self.which[row]
        return self.values[self.starts[group] : self.starts[group + 1]]

    @property
    def lengths(self) -> "NDArray[np.int64]":
        """How long the array of each row is [N]."""
        return np.diff(self.starts)[self.which]

    def counts(self, rows: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """How long the arrays of some rows are [B]."""
        group = self.which[rows]
        return self.starts[group + 1] - self.starts[group]

    def joined(self, rows: "NDArray[np.int64]") -> tuple["NDArray[np.int64]", "NDArray[np.int64]"]:
        """Where the arrays of some rows lie in ``values``, one after another [T], and how long each is [B]."""
        first, counts = self.starts[self.which[rows]], self.counts(rows)
        before = np.cumsum(counts) - counts
        return np.repeat(first - before, counts) + np.arange(counts.sum()), counts

    @property
    def ends(self) -> tuple["NDArray[np.int64]", "NDArray[np.int64]"]:
        """The first and the last value of each row [N]; no array may be empty."""
        return self.values[self.starts[:-1]][self.which], self.values[self.starts[1:] - 1][self.which]


@dataclass(frozen=True, slots=True)
class PairTable:
    """Rows ready for batching; texts are numbers in the feature store.

    Attributes:
        ids: [N] ids of the examples.
        query: [N] feature of each row's query.
        positives: [N] features of its right documents, sorted where ``own_among_positives``.
        negatives: [N] features of its wrong documents.
        relevant: [N] keys of all documents that any row names as right for the same query, and of the query's text.
        document_key: feature -> key of its document; documents with one id or one text share a key. Texts that differ
            in case and spaces alone are one text here, as they are for queries in ``relevant``.
        weight: [N].
        target: [N] score of a scored pair, NaN elsewhere.
        label: [N] number of a labeled text's label among all labels in order, -1 elsewhere.
        positive_scores, negative_scores: what a teacher says of each value of ``positives`` and of ``negatives``, NaN
            where it says nothing; None where it says nothing of any.
        own_among_positives: rows of one label share one array of its texts, and the row's own text is no answer to
            itself. An array a row would take memory that grows with the square of the rows.
        share: feature -> share of the rows that it answers, where a few answer most of them.
        crowded: so many rows share their texts that batches without repeated ones cannot be had.
    """

    ids: Sequence[str]
    query: "NDArray[np.int64]"
    positives: Ragged
    negatives: Ragged
    relevant: Ragged
    document_key: "NDArray[np.int64]"
    weight: "NDArray[np.float32]"
    target: "NDArray[np.float32]"
    label: "NDArray[np.int64]"
    positive_scores: "NDArray[np.float32] | None" = None
    negative_scores: "NDArray[np.float32] | None" = None
    own_among_positives: bool = False
    share: "NDArray[np.float64] | None" = None
    crowded: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def answers(self, row: int) -> int:
        """How many texts are right for a row."""
        return len(self.positives[row]) - self.own_among_positives

    def part(self, start: int, stop: int) -> "PairTable":
        """Some of the rows, with what is known of all of them."""
        rows = slice(start, stop)
        return replace(
            self,
            ids=self.ids[rows],
            query=self.query[rows],
            positives=self.positives[rows],
            negatives=self.negatives[rows],
            relevant=self.relevant[rows],
            weight=self.weight[rows],
            target=self.target[rows],
            label=self.label[rows],
        )

    def with_negatives(self, negatives: Ragged) -> "PairTable":
        """The same rows with other wrong documents [N], some of which may have been numbered after the table was made.

        Those are no document that a row names, so they have no key. What a teacher said was of the others.
        """
        later = max(0, int(negatives.values.max(initial=-1)) + 1 - len(self.document_key))
        key = np.concatenate([self.document_key, np.full(later, -1)])
        return replace(self, negatives=negatives, document_key=key, positive_scores=None, negative_scores=None)


class TextNumbers:
    """Numbers distinct (text, role) pairs in order of appearance. Roles that are read alike are one.

    Args:
        readings: role -> how its texts are read, such as their prompt.

    Attributes:
        texts: the texts by number, on disk.
    """

    def __init__(self, readings: Mapping[str, Hashable]) -> None:
        self._same = {role: min(r for r in readings if readings[r] == readings[role]) for role in readings}
        self._names = sorted(readings)
        self._roles = bytearray()  # of each text, its place in the names
        self._known = KeyNumbers()
        self.texts: DiskList[str] = texts_on_disk()

    def number(self, text: str, role: str) -> int:
        """The number of a text in a role."""
        return int(self.numbers([text], role)[0])

    def numbers(self, texts: Iterable[str], role: str) -> "NDArray[np.int64]":
        """The numbers of texts in a role [N]."""
        same, found = self._same[role], array("q")
        for part in in_parts(texts):
            numbers, first = self._known.add(keys_of(f"{same}\0{text}" for text in part))
            self.texts.extend(part[place] for place in first)
            self._roles.extend([self._names.index(same)] * len(first))
            found.frombytes(numbers.tobytes())
        return whole_numbers(found)

    @property
    def roles(self) -> list[str]:
        """The role of each text by number."""
        return [self._names[role] for role in self._roles]


def pair_table(examples: Sequence[Example], kind: Kind, numbers: TextNumbers) -> PairTable:
    """Numbers the texts of examples and collects what is right for each query.

    Labeled texts become pairs of texts with one label: every text of the label is a right answer, and its key is the
    label, so that none of them is ever a negative. A label with a single text makes no row.
    """
    match kind:
        case Kind.LABELED:
            return _labeled_table(examples, numbers)
        case _:
            return _pair_table(examples, numbers)


def _pair_table(examples: Sequence[Example], numbers: TextNumbers) -> PairTable:
    rows = on_disk(examples)
    query = numbers.numbers(rows.mapped(lambda e: e.query), "query")
    positives = _numbered(rows, lambda e: e.positives, numbers)
    negatives = _numbered(rows, lambda e: e.negatives, numbers)
    document_key, relevant = _known_answers(rows, positives, negatives, len(numbers.texts))
    right = _said(rows, lambda e: (e.positives, e.positive_scores), len(positives.values))
    wrong = _said(rows, lambda e: (e.negatives, e.negative_scores), len(negatives.values))
    silent = np.isnan(wrong).all()
    return PairTable(
        ids=texts_on_disk(ids_of(rows)),  # alone: every step reads its rows' once more
        query=query,
        positives=positives,
        negatives=negatives,
        relevant=relevant,
        document_key=document_key,
        weight=np.fromiter((e.weight for e in rows), np.float32, len(rows)),
        target=np.fromiter((np.nan if e.score is None else e.score for e in rows), np.float32, len(rows)),
        label=np.full(len(rows), -1, dtype=np.int64),
        positive_scores=None if silent else right,
        negative_scores=None if silent else wrong,
    )


def _said(
    rows: DiskList[Example], of: Callable[[Example], tuple[tuple[str, ...], tuple[float, ...]]], count: int
) -> "NDArray[np.float32]":
    """What a teacher says of some documents of each row, NaN where it says nothing."""
    said = (scores or (np.nan,) * len(texts) for texts, scores in map(of, rows))
    return np.fromiter((score for scores in said for score in scores), np.float32, count)


def _numbered(rows: DiskList[Example], texts_of: Callable[[Example], tuple[str, ...]], numbers: TextNumbers) -> Ragged:
    """The numbers of some documents of each row."""
    counts = np.fromiter((len(texts_of(e)) for e in rows), np.int64, len(rows))
    values = numbers.numbers((text for e in rows for text in texts_of(e)), "document")
    return Ragged(values, starts_of(counts), np.arange(len(rows)))


def starts_of(counts: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """Where arrays of these lengths begin when they lie one after another, and the end [G + 1]."""
    return np.concatenate([[0], np.cumsum(counts)])


def _known_answers(
    rows: DiskList[Example], positives: Ragged, negatives: Ragged, texts: int
) -> tuple["NDArray[np.int64]", Ragged]:
    """``document_key`` and ``relevant`` of a table of pairs."""
    right, wrong = _Names(), _Names()
    asked = bytearray()
    for example in rows:
        asked += key_of(normalized(example.query))
        by_id = example.doc_id is not None and len(example.positives) == 1
        for text in example.positives:
            right.add(normalized(text), f"\0{example.doc_id}" if by_id else None)
        for text in example.negatives:
            wrong.add(normalized(text), None)
    # After all positives: a negative that is some row's document has that document's key, wherever the row stands.
    features = np.concatenate([positives.values, negatives.values])
    key = numbered(np.concatenate([right.names, wrong.names]))[0]
    document_key = np.full(texts, -1, dtype=np.int64)
    document_key[features[::-1]] = key[::-1]  # of several keys of a feature the first one stays: it is written last
    queries = KeyNumbers()
    group = queries.add(as_keys(asked))[0]
    # A query's own text is no wrong answer to it, whatever prompts or case make two texts of them.
    own = queries.find(np.concatenate([right.texts, wrong.texts]))
    del right, wrong, queries, asked
    other = np.flatnonzero(key[: len(positives.values)] != document_key[positives.values])
    of_right, width = np.repeat(group, positives.lengths), int(key.max(initial=0)) + 1
    known = [  # what a row names, what that is known as, and its query
        of_right * width + key[: len(of_right)],
        of_right[other] * width + document_key[positives.values[other]],
        own[own >= 0] * width + document_key[features[own >= 0]],
    ]
    del key, own, features, of_right
    return document_key, sets_of_groups(np.concatenate(known), width, group)


class _Names:
    """Keys of documents one after another: of their texts, and of what tells them apart."""

    def __init__(self) -> None:
        self._texts, self._names = bytearray(), bytearray()

    def add(self, text: str, name: str | None) -> None:
        """A document whose text tells it apart unless it has a name."""
        key = key_of(text)
        self._texts += key
        self._names += key if name is None else key_of(name)

    @property
    def texts(self) -> "NDArray[np.uint64]":
        return as_keys(self._texts)

    @property
    def names(self) -> "NDArray[np.uint64]":
        return as_keys(self._names)


def sets_of_groups(packed: "NDArray[np.int64]", width: int, which: "NDArray[np.int64]") -> Ragged:
    """The distinct values below ``width`` of each group, ascending, from group * width + value."""
    packed.sort()
    packed = packed[np.append(True, packed[1:] != packed[:-1])[: len(packed)]]
    return Ragged(packed % width, starts_of(np.bincount(packed // width)), which)


def labels_of(examples: Iterable[Example]) -> tuple[str, ...]:
    """The labels of labeled texts in the order of their numbers."""
    return tuple(sorted({str(e.label) for e in examples}))


def _labeled_table(examples: Sequence[Example], numbers: TextNumbers) -> PairTable:
    rows = on_disk(examples)
    features = numbers.numbers(rows.mapped(lambda e: e.text), "document")
    keys = {label: key for key, label in enumerate(labels_of(rows))}
    label_of = np.fromiter((keys[str(e.label)] for e in rows), np.int64, len(rows))
    width = len(numbers.texts)
    members = sets_of_groups(label_of * width + features, width, label_of)
    document_key = np.full(len(numbers.texts), -1, dtype=np.int64)
    document_key[features] = label_of
    kept = np.flatnonzero(members.lengths > 1)
    which, none = label_of[kept], np.zeros(0, dtype=np.int64)
    return PairTable(
        ids=texts_on_disk(ids_of(rows.select(kept))),
        query=features[kept],
        positives=Ragged(members.values, members.starts, which),
        negatives=Ragged(none, np.zeros(2, dtype=np.int64), np.zeros(len(kept), dtype=np.int64)),
        relevant=Ragged(np.arange(len(keys)), np.arange(len(keys) + 1), which),
        document_key=document_key,
        weight=np.fromiter((e.weight for e in rows.select(kept)), np.float32, len(kept)),
        target=np.full(len(kept), np.nan, dtype=np.float32),
        label=which,
        own_among_positives=True,
    )
