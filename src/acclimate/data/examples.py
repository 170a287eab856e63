"""The nouns of the data room: one example, a rejected row, a data set, a retrieval test."""

import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from acclimate.data.disk import DiskList, json_bytes


class Kind(StrEnum):
    """What the rows of a data set are."""

    PAIRS = "pairs"
    SCORED = "scored"
    LABELED = "labeled"
    TEXT = "text"


class Example(NamedTuple):
    """One usable row. A tuple, since it is made anew at each look at the row: a frozen dataclass takes thrice as long.

    PAIRS uses query, positives and negatives; SCORED uses query and positives[0] as the two texts, and score;
    LABELED uses text and label; TEXT uses text.

    Attributes:
        id: the given id, made unique, or ``STEM:LINE``.
        line: line of the file (or number of the row) where the row starts, from 1.
        doc_id: identity of the positive document.
        group: whatever must stay on one side of a split.
        weight: factor on the loss of this example, at least 0.
        positive_scores, negative_scores: what a teacher says of each positive and negative, NaN of one that came later;
            empty where there is no teacher.
        title: of a text alone, which begins with it.
    """

    id: str
    line: int
    query: str = ""
    positives: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    text: str = ""
    score: float | None = None
    label: str | None = None
    doc_id: str | None = None
    group: str | None = None
    domain: str | None = None
    task: str | None = None
    weight: float = 1.0
    positive_scores: tuple[float, ...] = ()
    negative_scores: tuple[float, ...] = ()
    title: str = ""

    def texts(self) -> tuple[str, ...]:
        """The texts that say what this example teaches, negatives left out."""
        return tuple(text for text in (self.query, *self.positives, self.text) if text)


def queries_of(rows: Iterable[Example]) -> Iterator[str]:
    """The texts of rows that training reads as queries."""
    return (row.query for row in rows if row.query)


def documents_of(rows: Iterable[Example]) -> Iterator[str]:
    """The texts of rows that training reads as documents."""
    return (text for row in rows for text in (row.text, *row.positives, *row.negatives) if text)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be used: where it stands, why, and what it says."""

    file: str
    line: int
    column: int | None
    reason: str
    raw: str

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Dataset:
    """All rows of one source.

    Attributes:
        path: the file or folder; None for data that came from Python.
        roles: what each column that is used was taken for.
        unused: the columns that are not used.
        examples: the rows that are used; :func:`read` leaves them on disk.
        rejected: the rows that are not used; kept and rejected rows together are all rows.
        sha256: of the files' bytes, or of the rows' content for data from Python.
        format: how the source was read, with its encoding where that is not UTF-8.
        notes: what a user should know about the reading, a sentence each.
        documents: id -> text of documents that a source lists apart and that are ranked beside those of the rows.
    """

    path: Path | None
    name: str
    kind: Kind
    examples: Sequence[Example]
    roles: dict[str, str]
    unused: tuple[str, ...]
    rejected: Sequence[Rejected]
    sha256: str
    format: str
    notes: tuple[str, ...] = field(default=())
    documents: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """Queries, all documents to rank, and which documents are right.

    Attributes:
        queries: query id -> text.
        documents: document id -> text.
        relevant: query id -> document id -> grade, above 0.
        sha256: of the content.
        notes: what a user should know about the reading, a sentence each.
    """

    name: str
    queries: dict[str, str]
    documents: dict[str, str]
    relevant: dict[str, dict[str, int]]
    sha256: str
    notes: tuple[str, ...] = field(default=())


def normalized(text: str) -> str:
    """The form in which two texts count as the same: NFKC, case folded, runs of white space as one space."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


_LISTED = tuple(place for place, kind in enumerate(Example._field_defaults.values(), 2) if kind == ())


def on_disk(examples: Iterable[Example] = ()) -> DiskList[Example]:
    """The same examples with their texts on disk; what lies there already is given back as it is."""
    return examples if isinstance(examples, DiskList) else DiskList(_packed, _example, examples)


def rejected_on_disk() -> DiskList[Rejected]:
    """A list for rows that are set aside, with what they say on disk."""
    return DiskList(lambda row: json_bytes(astuple(row)), lambda record: Rejected(*json.loads(record)))


def ids_of(examples: DiskList[Example]) -> DiskList[str]:
    """The ids of examples, read at each access."""
    return examples.mapped(attrgetter("id"))


def texts_on_disk(texts: Iterable[str] = ()) -> DiskList[str]:
    """Texts on disk."""
    return DiskList(_as_bytes, _as_text, texts)


def _packed(example: Example) -> bytes:
    return json_bytes(example)


def _example(record: bytes) -> Example:
    fields = json.loads(record)
    for place in _LISTED:
        fields[place] = tuple(fields[place])
    return Example._make(fields)


def _as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _as_text(record: bytes) -> str:
    return record.decode("utf-8", "surrogatepass")
