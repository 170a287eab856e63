"""Rows with roles become examples; what cannot is set aside with its place and reason."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from acclimate.core.errors import DataError
from acclimate.data.disk import DiskList
from acclimate.data.examples import Example, Kind, Rejected, on_disk, rejected_on_disk
from acclimate.data.keys import KeyNumbers, as_keys, distinct, in_parts, key_of, keys_of
from acclimate.data.roles import TEACHER, Roles
from acclimate.data.rows import Row, Source, printable, shortened

_TRUTH = {"0": "0", "0.0": "0", "false": "0", "1": "1", "1.0": "1", "true": "1"}
_JUDGED = {"entailment", "contradiction", "neutral", "2"}  # labels of inference: not every pair belongs together
_KINDS = {dict: "an object", list: "a list", int: "a number", float: "a number", bool: "true or false", bytes: "bytes"}


class _BadValueError(Exception):
    """A value that its role cannot take."""

    def __init__(self, reason: str, column: str) -> None:
        super().__init__(reason)
        self.reason, self.column = reason, column


@dataclass(slots=True)
class Assembled:
    """Everything that came out of the sources of one data set."""

    kind: Kind
    examples: DiskList[Example] = field(default_factory=on_disk)
    rejected: DiskList[Rejected] = field(default_factory=rejected_on_disk)
    notes: list[str] = field(default_factory=list)


def assemble(sources: Sequence[Source], roles: Roles) -> Assembled:
    """Reads all rows of all sources once, in order."""
    result = Assembled(roles.kind)
    ids = _Ids()
    for source in sources:
        for items in in_parts(_example(row, source, roles) if isinstance(row, Row) else row for row in source.rows()):
            examples = [item for item in items if isinstance(item, Example)]
            result.rejected.extend(item for item in items if isinstance(item, Rejected))
            given = ids.unique([example.id for example in examples])
            result.examples.extend(
                example if example.id == free else example._replace(id=free)
                for example, free in zip(examples, given, strict=True)
            )
    if ids.repeated and "id" in roles.columns:
        result.notes.append(f"{ids.repeated} rows repeat the id of an earlier row: a number was added to theirs")
    return result


def settle_pair_labels(sources: Sequence[Source], roles: Roles) -> Roles:
    """A label beside a pair: 0 and 1 say whether the pair belongs together, anything else only slices the report."""
    if roles.kind is not Kind.PAIRS or "label" not in roles.columns:
        return roles
    column = roles.columns["label"]
    counts = Counter(_label(row, column) for source in sources for row in source.rows() if isinstance(row, Row))
    given = set(counts) - {""}
    if given & _JUDGED and len(given) <= 4:
        note = f"{column!r} is read as a slice of the report: every pair counts as right, whatever its label"
        return replace(roles, notes=(*roles.notes, note))
    if given == {"0"}:
        note = "all labels are 0: taken as a slice of the report, not as 'these do not belong together'"
        return replace(roles, notes=(*roles.notes, note))
    if given != {"0", "1"}:
        return roles
    columns = {role: name for role, name in roles.columns.items() if role != "label"} | {"score": column}
    note = f"{column!r} is 0 or 1 beside a pair: read as a score ({counts['1']} pairs belong together)"
    unused = (*roles.unused, *roles.negatives)
    notes = (*roles.notes, note)
    return replace(roles, kind=Kind.SCORED, columns=columns, negatives=(), unused=unused, notes=notes)


def require_usable(result: Assembled, file: str) -> None:
    """Refuses a source without usable rows, or where most rows are bad.

    Raises:
        DataError: names the first bad place.
    """
    bad, total = len(result.rejected), len(result.rejected) + len(result.examples)
    if not total:
        raise DataError(f"{file}: there are no rows", "give at least one row of data")
    if not result.examples or 2 * bad > total:
        count = "the only row" if total == 1 else f"{bad} of {total} rows"
        problem = f"{result.rejected[0]} ({count} cannot be used)"
        raise DataError(problem, "repair the rows, or say what the columns hold with --columns ROLE=COLUMN")


class _Ids:
    """Gives each row an id of its own."""

    def __init__(self) -> None:
        self._known = KeyNumbers()
        self._late: set[bytes] = set()  # keys of the part that is looked at one by one
        self._times: dict[str, int] = {}  # of ids that were given more than once
        self.repeated = 0

    def unique(self, ids: list[str]) -> list[str]:
        """The ids of the next rows, with a number added where an earlier row has the same."""
        keys = keys_of(ids)
        if distinct(keys) == len(keys) and (self._known.find(keys) < 0).all():
            self._known.add(keys)
            return ids
        given = [self._free(name) for name in ids]
        self._known.add(as_keys(bytearray(b"".join(self._late))))
        self._late.clear()
        return given

    def _free(self, name: str) -> str:
        if not self._taken(name):
            self._late.add(key_of(name))
            return name
        self.repeated += 1
        times = self._times.get(name, 1) + 1
        while self._taken(f"{name}:{times}"):
            times += 1
        self._times[name] = times
        free = f"{name}:{times}"
        self._late.add(key_of(free))
        return free

    def _taken(self, name: str) -> bool:
        key = key_of(name)
        return key in self._late or key in self._known


def _example(row: Row, source: Source, roles: Roles) -> Example | Rejected:
    try:
        return _build(row, source, roles)
    except _BadValueError as bad:
        column = source.locate(row, bad.column)
        return Rejected(source.file, row.line, column, bad.reason, shortened(printable(row.written())))


def _build(row: Row, source: Source, roles: Roles) -> Example:
    values = _Values(row, roles)
    doc_id = values.name("doc_id")
    query = text = title = ""
    positives: dict[str, int] = {}
    if roles.kind in (Kind.PAIRS, Kind.SCORED):
        query = values.text("query")
        positives, passage_id = values.positives()
        doc_id = doc_id or passage_id
    else:
        text = values.text("text")
    if roles.kind is Kind.TEXT:
        title = values.title("text")
    negatives = values.negatives()
    label = values.name("label")
    if roles.kind is Kind.LABELED and label is None:
        raise _BadValueError("label is empty", roles.columns["label"])
    return Example(
        id=values.name("id") or f"{source.stem}:{row.line}",
        line=row.line,
        query=query,
        positives=tuple(positives),
        negatives=tuple(negatives),
        text=text,
        score=values.number("score") if roles.kind is Kind.SCORED else None,
        label=label,
        doc_id=doc_id,
        group=values.name("group"),
        domain=values.name("domain"),
        task=values.name("task"),
        weight=values.weight(),
        title=title,
        **values.teacher(positives, negatives),
    )


class _Values:
    """The values of one row by role."""

    def __init__(self, row: Row, roles: Roles) -> None:
        self._row, self._roles = row, roles

    def _get(self, role: str) -> tuple[Any, str]:
        column = self._roles.columns.get(role, "")
        return self._row.values.get(column), column

    def text(self, role: str) -> str:
        value, column = self._get(role)
        return self._titled(role, _text(value, role, column))

    def positives(self) -> tuple[dict[str, int], str | None]:
        """The right documents, each with its place among those that are given, and the id of a single one."""
        value, column = self._get("positive")
        given = value if isinstance(value, list | tuple) else [value]
        if self._roles.kind is Kind.SCORED and len(given) != 1:
            raise _BadValueError(f"a score needs one text beside the query, not {len(given)}", column)
        if not given:
            raise _BadValueError("positive is an empty list", column)
        texts: dict[str, int] = {}
        for place, item in enumerate(given):
            texts.setdefault(self._titled("positive", _passage(item, "positive", column)), place)
        passage_id = given[0].get("docid") if len(given) == 1 and isinstance(given[0], dict) else None
        return texts, _name(passage_id, "docid", column)

    def negatives(self) -> dict[str, int]:
        """The wrong documents, each with its place among those that are given."""
        found: dict[str, int] = {}
        for place, (column, item) in enumerate(self._given_negatives()):
            found.setdefault(_passage(item, "negative", column), place)
        return found

    def _given_negatives(self) -> Iterator[tuple[str, Any]]:
        """Columns and what they hold; rows may have fewer negatives than there are columns."""
        for column in self._roles.negatives:
            value = self._row.values.get(column)
            for item in value if isinstance(value, list | tuple) else [value]:
                if item is not None and not (isinstance(item, str) and not item.strip()):
                    yield column, item

    def teacher(self, positives: Mapping[str, int], negatives: Mapping[str, int]) -> dict[str, tuple[float, ...]]:
        """What a teacher says of these documents, where the row has it.

        ``scores`` may also hold how far each negative lies below the one positive: only differences teach.
        """
        given = {role: self._numbers(role) for role in TEACHER if role in self._roles.columns}
        if not any(given.values()):
            return {}
        rights, wrongs = self._count("positive"), sum(1 for _ in self._given_negatives())
        if "scores" in given:
            both = given["scores"]
            if len(both) == wrongs and rights == 1:
                both = [0.0, *(-margin for margin in both)]
            self._require("scores", len(both), rights + wrongs, "document")
            right, wrong = both[:rights], both[rights:]
        else:
            right, wrong = given["positive_scores"], given["negative_scores"]
            self._require("positive_scores", len(right), rights, "positive")
            self._require("negative_scores", len(wrong), wrongs, "negative")
        return {
            "positive_scores": tuple(right[place] for place in positives.values()),
            "negative_scores": tuple(wrong[place] for place in negatives.values()),
        }

    def _count(self, role: str) -> int:
        value, _ = self._get(role)
        return len(value) if isinstance(value, list | tuple) else 1

    def _require(self, role: str, found: int, wanted: int, what: str) -> None:
        if found != wanted:
            column = self._roles.columns[role]
            raise _BadValueError(f"{column} has {found} numbers for {wanted} {what}s", column)

    def _numbers(self, role: str) -> list[float]:
        """One number or several; tables of text write several as a list in brackets."""
        value, column = self._get(role)
        if isinstance(value, str) and value.strip().startswith("["):
            try:
                value = json.loads(value)
            except ValueError:
                raise _BadValueError(f"{role} is {_shown(value)}, not a list of numbers", column) from None
        if value is None or value == "":
            return []
        given = value if isinstance(value, list | tuple) else [value]
        return [_finite(number, role, column) for number in given]

    def name(self, role: str) -> str | None:
        value, column = self._get(role)
        return _name(value, role, column)

    def number(self, role: str) -> float:
        value, column = self._get(role)
        if value is None or value == "":
            raise _BadValueError(f"{role} is empty", column)
        return _finite(_TRUTH.get(value.casefold(), value) if isinstance(value, str) else value, role, column)

    def weight(self) -> float:
        value, column = self._get("weight")
        if value is None or value == "":
            return 1.0
        weight = self.number("weight")
        if weight < 0:
            raise _BadValueError(f"weight is {weight:g}, below zero", column)
        return weight

    def _titled(self, role: str, text: str) -> str:
        title = self.title(role)
        return f"{title} {text}" if title else text

    def title(self, role: str) -> str:
        """The title that goes in front of the text of a role; empty where there is none."""
        value, column = self._get("title")
        return "" if self._roles.titled != role or value is None or value == "" else _text(value, "title", column)


def _finite(value: Any, role: str, column: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _BadValueError(f"{role} is {_shown(value)}, not a finite number", column)
    return number


def _text(value: Any, role: str, column: str) -> str:
    if isinstance(value, str):
        text = value.strip()
        if not text:
            raise _BadValueError(f"{role} is empty", column)
        if not text.isascii() and text != printable(text):
            raise _BadValueError(f"{role} holds bytes that are not UTF-8, or half a surrogate pair", column)
        if "\x00" in text:
            raise _BadValueError(f"{role} holds a NUL character", column)
        return text
    if value is None:
        raise _BadValueError(f"{role} is empty", column)
    raise _BadValueError(f"{role} is {_KINDS.get(type(value), type(value).__name__)}, not a text", column)


def _passage(value: Any, role: str, column: str) -> str:
    """A document: its text, or an object with a text and perhaps a title."""
    if not isinstance(value, dict):
        return _text(value, role, column)
    body = _text(value.get("text"), f"{role}'s text", column)
    title = value.get("title")
    return f"{_text(title, 'title', column)} {body}" if title else body


def _name(value: Any, role: str, column: str) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    # Data frames turn 3 into 3.0 where another row is empty, and booleans are 1 and 0 in other formats.
    if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    if isinstance(value, str | int | float):
        text = str(value)
        return _text(text, role, column) if text.strip() else None
    raise _BadValueError(f"{role} is {_KINDS.get(type(value), type(value).__name__)}, not a name", column)


def _shown(value: Any) -> str:
    text = printable(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= 40 else f"{text[:40]}..."


def _label(row: Row, column: str) -> str:
    """The label of a pair, 0 and 1 however they are written; empty where there is none."""
    try:
        label = _name(row.values.get(column), "label", column) or ""
    except _BadValueError:
        return ""
    return _TRUTH.get(label.casefold(), label)
