"""What every format becomes before roles are given: numbered rows with named values."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from acclimate.data.examples import Rejected

LINE_LIMIT = 1 << 20
"""Longest row that is read, in characters. What is longer is a broken file, not a text to embed."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as its format gives it.

    Attributes:
        line: line where it starts, or its number where the format has no lines; from 1.
        values: column -> value; what is missing is None or absent.
        raw: the row as written; empty where the format is not text.
        column: where in the line it starts, from 1.
    """

    line: int
    values: Mapping[str, Any]
    raw: str = ""
    column: int = 1

    def written(self) -> str:
        """The row as text, for the quarantine."""
        return self.raw or json.dumps(dict(self.values), ensure_ascii=False, default=str)


def nowhere(_row: Row, _column: str) -> int | None:
    """Formats that are not text have no character positions."""
    return None


@dataclass(frozen=True, slots=True)
class Source:
    """The rows of one file, or of one table from Python. It can be read any number of times.

    Attributes:
        file: the name that messages use.
        stem: what the ids of its rows start with.
        format: how it is read.
        rows: starts reading from the first row.
        columns: all column names, each with the line where it is first seen.
        locate: where in its line a column of a row stands, counted from 1.
        notes: what a user should know about the reading.
    """

    file: str
    stem: str
    format: str
    rows: Callable[[], Iterator[Row | Rejected]]
    columns: Callable[[], dict[str, int]]
    locate: Callable[[Row, str], int | None] = nowhere
    notes: tuple[str, ...] = ()


def columns_of(rows: Iterator[Row | Rejected]) -> dict[str, int]:
    """The union of all rows' columns: a column may first appear in the last row."""
    found: dict[str, int] = {}
    for row in rows:
        if isinstance(row, Row) and row.values.keys() - found.keys():
            for name in row.values:
                found.setdefault(name, row.line)
    return found


def shortened(raw: str) -> str:
    """At most LINE_LIMIT characters, with the loss told."""
    return raw if len(raw) <= LINE_LIMIT else f"{raw[:LINE_LIMIT]}... ({len(raw)} characters)"


def printable(raw: str) -> str:
    """The text with half surrogates (bad bytes) spelled out, so that it can be written as UTF-8."""
    return raw if raw.isascii() else raw.encode("utf-8", "backslashreplace").decode()
