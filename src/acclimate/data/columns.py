"""The texts of a file as they are, a text for every row or line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.core.specs import closest
from acclimate.data.examples import Rejected
from acclimate.data.rows import Source
from acclimate.data.sources import DATA_SUFFIXES, file_source, files_of, suffix_of, text_encoding
from acclimate.data.text_files import bad_byte, lines


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts that are read from their file, each time anew.

    Attributes:
        read: starts from the first text. Raises DataError at a text that cannot be read.
        notes: what a user should know about the reading.
    """

    read: Callable[[], Iterator[str]]
    notes: tuple[str, ...]

    def __iter__(self) -> Iterator[str]:
        return self.read()


def texts_of(path: Path, column: str | None) -> Texts:
    """The texts of a column in the file's order, or without one the lines of a text file (line n is text n).

    Rows keep their numbers: a row without a text is an error, an empty line is a text.

    Raises:
        DataError: no such file or column, or a file that is not text.
        UsageError: a table, whose lines are no texts.
    """
    if path.is_dir():
        raise DataError("a folder where one file is expected", "name a file in it", Place(path))
    path = files_of(path, "train")[0]
    return _lines_of(path) if column is None else _column_of(path, column)


def _column_of(path: Path, column: str) -> Texts:
    source = file_source(path)
    known = source.columns()
    if column not in known:
        remedy = closest(column, list(known)) or f"its columns are {', '.join(known)}"
        raise DataError(f"the file has no column {column!r}", remedy, Place(path))
    return Texts(partial(_read_column, path, source, column), source.notes)


def _read_column(path: Path, source: Source, column: str) -> Iterator[str]:
    for row in source.rows():
        if isinstance(row, Rejected):
            raise DataError(row.reason, "mend or remove this row", Place(path, row.line, row.column))
        text = row.values.get(column)
        if not isinstance(text, str):
            raise DataError(f"column {column!r} holds no text", "mend or remove this row", Place(path, row.line))
        yield text


def _lines_of(path: Path) -> Texts:
    if suffix_of(path) in DATA_SUFFIXES:
        known = ", ".join(file_source(path).columns())
        raise UsageError("the file is a table", f"name the column with --column, one of {known}", Place(path))
    encoding = text_encoding(path)

    def read() -> Iterator[str]:
        for number, line, too_long in lines(path, encoding):
            text = line.rstrip("\r\n")
            if (column := bad_byte(text)) is not None:
                raise DataError("a byte is not UTF-8", "save the file as UTF-8", Place(path, number, column))
            if too_long:
                raise DataError("the line is too long for a text", "break it", Place(path, number))
            yield text

    return Texts(read, (encoding.note,) if encoding.note else ())
