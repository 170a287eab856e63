"""What users say of single pairs: right and wrong documents of queries, and what becomes of training rows by it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from pathlib import Path

from acclimate.core.errors import DataError, Place
from acclimate.data.examples import Example, Rejected, normalized, on_disk
from acclimate.data.roles import fold, role_of
from acclimate.data.rows import Row, Source
from acclimate.data.sources import file_source

WITHDRAWN = "withdrawn"
"""The column of a document of which nothing is said any longer."""


@dataclass(slots=True)
class Said:
    """What is said of one query.

    Attributes:
        query: as it was first asked.
        line: where that stands.
        right, wrong: normalized text -> text of documents; none is in both.
    """

    query: str
    line: int
    right: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)


class Feedback(Mapping[str, Said]):
    """Queries and what is said of them; a query is found whatever its case and spaces.

    Attributes:
        pairs: of a query and a document, of which something is said.
    """

    def __init__(self, of: dict[str, Said]) -> None:
        self._of = of
        self.pairs = sum(len(said.right) + len(said.wrong) for said in of.values())

    def __getitem__(self, query: str) -> Said:
        return self._of[normalized(query)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)


def read_feedback(path: Path) -> Feedback:
    """Reads a file of feedback: rows of a query and its right documents, its wrong ones, or both.

    What stands further below of a pair counts. A column ``withdrawn`` takes back what was said of a document.

    Raises:
        DataError: a row without a query or a document; no row at all.
    """
    source = file_source(path)
    columns = _columns(source)
    found: dict[str, Said] = {}
    for row in source.rows():
        if isinstance(row, Rejected):
            raise DataError(row.reason, "mend or remove this row", Place(path, row.line, row.column))
        _take(row, columns, found, path)
    return Feedback({key: said for key, said in found.items() if said.right or said.wrong})


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


def _take(row: Row, columns: Mapping[str, list[str]], found: dict[str, Said], path: Path) -> None:
    said = {role: [text for name in names for text in _texts(row.values.get(name))] for role, names in columns.items()}
    if len(said["query"]) != 1 or not (said["positive"] or said["negative"] or said[WITHDRAWN]):
        problem = "the row has no query with a right or wrong document"
        raise DataError(problem, "mend or remove this row", Place(path, row.line))
    (query,) = said["query"]
    of = found.setdefault(normalized(query), Said(query, row.line))
    for role, taken in (("positive", of.right), ("negative", of.wrong), (WITHDRAWN, None)):
        for text in said[role]:
            of.right.pop(normalized(text), None)
            of.wrong.pop(normalized(text), None)
            if taken is not None:
                taken[normalized(text)] = text


def _texts(value: object) -> list[str]:
    given = value if isinstance(value, list | tuple) else [value]
    return [text for text in given if isinstance(text, str) and text.strip()]


@dataclass(frozen=True, slots=True)
class Applied:
    """Training rows after feedback.

    Attributes:
        rows: those of the file, changed, and new ones behind them.
        removed: pairs of the file that feedback calls wrong.
        negatives: wrong documents that rows of the file got.
        added: new rows.
        idle: queries of which nothing but wrong documents is known, so that no row can hold them.
    """

    rows: Sequence[Example]
    removed: int
    negatives: int
    added: Sequence[Example]
    idle: int


def applied(rows: Sequence[Example], feedback: Feedback) -> Applied:
    """Rows of pairs, as feedback has them.

    A wrong document becomes a negative of every row of its query, and is no positive of one any longer; a row whose
    positives are all wrong goes. Right documents that no row of their query has make a row, with the wrong ones.
    """
    answered: dict[str, set[str]] = {}
    removed = negatives = 0

    def changed() -> Iterator[Example]:
        nonlocal removed, negatives
        for row in rows:
            said = feedback.get(row.query)
            if said is None:
                yield row
                continue
            answer = _answered(row, said)
            removed += len(row.positives) - len(answer.positives)
            if answer.positives:
                answered.setdefault(normalized(row.query), set()).update(map(normalized, answer.positives))
                negatives += len({*answer.negatives} - {*row.negatives})
                yield answer

    kept = on_disk(changed())
    added, idle = [], 0
    for key in feedback:
        said = feedback[key]
        new = tuple(text for name, text in said.right.items() if name not in answered.get(key, ()))
        if new:
            wrong = tuple(said.wrong.values())
            added.append(Example(f"feedback:{said.line}", said.line, said.query, new, wrong))
        elif key not in answered:
            idle += 1
    return Applied(kept, removed, negatives, added, idle)


def _answered(row: Example, said: Said) -> Example:
    right = [place for place, text in enumerate(row.positives) if normalized(text) not in said.wrong]
    wrong = [place for place, text in enumerate(row.negatives) if normalized(text) not in said.right]
    known = {normalized(row.negatives[place]) for place in wrong}
    new = tuple(text for name, text in said.wrong.items() if name not in known)
    scores = tuple(row.negative_scores[place] for place in wrong if row.negative_scores)
    return row._replace(
        positives=tuple(row.positives[place] for place in right),
        negatives=(*(row.negatives[place] for place in wrong), *new),
        positive_scores=tuple(row.positive_scores[place] for place in right if row.positive_scores),
        negative_scores=(*scores, *(nan,) * len(new)) if row.negative_scores or row.positive_scores else (),
    )
