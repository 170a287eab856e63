"""What users say of single pairs: right and wrong documents of queries, and what becomes of training rows by it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import NamedTuple

from acclimate.core.errors import DataError, Place
from acclimate.data.examples import Example, Rejected, normalized, on_disk
from acclimate.data.roles import fold, role_of
from acclimate.data.rows import Row, Source
from acclimate.data.sources import file_source

WITHDRAWN = "withdrawn"
"""The column of a document of which nothing is said any longer."""


class Said(NamedTuple):
    """A document is right or wrong for a query; ``line`` says where that stands."""

    line: int
    query: str
    document: str
    right: bool


def read_feedback(path: Path) -> list[Said]:
    """Reads a file of feedback: rows of a query and its right documents, its wrong ones, or both.

    Columns have the names that training data has. What stands further below of a pair counts, case and spaces aside. A
    column ``withdrawn`` takes back what was said of a document.

    Raises:
        DataError: no such columns, or a row without a query or a document.
    """
    source = file_source(path)
    columns = _columns(source)
    found: dict[tuple[str, str], Said] = {}
    for row in source.rows():
        if isinstance(row, Rejected):
            raise DataError(row.reason, "mend or remove this row", Place(path, row.line, row.column))
        for role, said in _judgments(row, columns, path):
            pair = normalized(said.query), normalized(said.document)
            found.pop(pair, None)
            if role != WITHDRAWN:
                found[pair] = said
    return list(found.values())


def _columns(source: Source) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {"query": [], "positive": [], "negative": [], WITHDRAWN: []}
    for name in source.columns():
        role = WITHDRAWN if fold(name) == WITHDRAWN else role_of(name)
        if role in columns:
            columns[role].append(name)
    if not columns["query"] or not any(columns[role] for role in ("positive", "negative", WITHDRAWN)):
        remedy = 'give rows such as {"query": "...", "negative": "..."}'
        raise DataError("no column holds the query, or none a right or wrong document", remedy, Place(source.file))
    return columns


def _judgments(row: Row, columns: Mapping[str, list[str]], path: Path) -> Iterator[tuple[str, Said]]:
    texts = {role: [text for name in names for text in _texts(row.values.get(name))] for role, names in columns.items()}
    documents = [(role, text) for role in ("positive", "negative", WITHDRAWN) for text in texts[role]]
    if len(texts["query"]) != 1 or not documents:
        problem = "the row has no query with a right or wrong document"
        raise DataError(problem, "mend or remove this row", Place(path, row.line))
    for role, text in documents:
        yield role, Said(row.line, texts["query"][0], text, role == "positive")


def _texts(value: object) -> list[str]:
    given = value if isinstance(value, list | tuple) else [value]
    return [text for text in given if isinstance(text, str) and text.strip()]


def as_examples(said: Iterable[Said]) -> list[Example]:
    """Each as a row of its own, by which texts that are held out can be found. The place in the list is its id."""
    rows = ((str(place), one, (one.document,)) for place, one in enumerate(said))
    return [
        Example(name, one.line, one.query, alone, ()) if one.right else Example(name, one.line, one.query, (), alone)
        for name, one, alone in rows
    ]


@dataclass(frozen=True, slots=True)
class Applied:
    """Training rows after feedback.

    Attributes:
        rows: those that were there, changed, and new ones behind them.
        removed: pairs that feedback calls wrong.
        negatives: wrong documents that rows got which were there.
        added: new rows.
        idle: queries of which nothing but wrong documents is known, so that no row can hold them.
    """

    rows: Sequence[Example]
    removed: int
    negatives: int
    added: int
    idle: int


@dataclass(slots=True)
class _OfQuery:
    """What is said of one query: normalized text -> text of documents."""

    first: Said
    right: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)


def applied(rows: Sequence[Example], feedback: Iterable[Said]) -> Applied:
    """Rows of pairs, as feedback has them.

    A wrong document becomes a negative of every row of its query, and is no positive of one any longer; a row whose
    positives are all wrong goes. Right documents that no row of their query has make a row, with the wrong ones.
    """
    queries: dict[str, _OfQuery] = {}
    for said in feedback:
        of = queries.setdefault(normalized(said.query), _OfQuery(said))
        (of.right if said.right else of.wrong)[normalized(said.document)] = said.document
    removed = negatives = 0

    def changed() -> Iterator[Example]:
        nonlocal removed, negatives
        for row in rows:
            of = queries.get(normalized(row.query))
            if of is None:
                yield row
                continue
            kept, new = _told(row, of)
            removed += len(row.positives) - len(kept.positives)
            if kept.positives:
                of.answered.update(map(normalized, kept.positives))
                negatives += new
                yield kept

    result = on_disk(changed())
    added = [row for of in queries.values() if (row := _row(of)) is not None]
    result.extend(added)
    taught = {normalized(row.query) for row in added}
    idle = sum(not of.answered and name not in taught for name, of in queries.items())
    return Applied(result, removed, negatives, len(added), idle)


def _told(row: Example, of: _OfQuery) -> tuple[Example, int]:
    """A row as it is after feedback, and how many negatives are new in it."""
    right = [place for place, text in enumerate(row.positives) if normalized(text) not in of.wrong]
    wrong = [place for place, text in enumerate(row.negatives) if normalized(text) not in of.right]
    known = {normalized(row.negatives[place]) for place in wrong}
    new = tuple(text for name, text in of.wrong.items() if name not in known)
    taught = row.positive_scores or row.negative_scores  # a teacher says nothing of what came later
    return row._replace(
        positives=tuple(row.positives[place] for place in right),
        negatives=(*(row.negatives[place] for place in wrong), *new),
        positive_scores=tuple(row.positive_scores[place] for place in right if row.positive_scores),
        negative_scores=(*(row.negative_scores[place] for place in wrong), *(nan,) * len(new)) if taught else (),
    ), len(new)


def _row(of: _OfQuery) -> Example | None:
    new = tuple(text for name, text in of.right.items() if name not in of.answered)
    if not new:
        return None
    return Example(f"feedback:{of.first.line}", of.first.line, of.first.query, new, tuple(of.wrong.values()))
