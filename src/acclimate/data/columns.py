"""The texts of a file as they are, a text for every row or line."""

from pathlib import Path

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.core.specs import closest
from acclimate.data.examples import Rejected
from acclimate.data.sources import DATA_SUFFIXES, file_source, files_of, suffix_of, text_encoding
from acclimate.data.text_files import bad_byte, lines


def read_column(path: Path, column: str) -> tuple[list[str], tuple[str, ...]]:
    """The texts of a column in the file's order, a text for every row, and what to tell of the reading.

    Raises:
        DataError: the column is not there, or a row cannot be read or has no text in it: rows must keep their numbers.
    """
    source = file_source(_one_file(path))
    known = source.columns()
    if column not in known:
        remedy = closest(column, list(known)) or f"its columns are {', '.join(known)}"
        raise DataError(f"the file has no column {column!r}", remedy, Place(path))
    texts = []
    for row in source.rows():
        if isinstance(row, Rejected):
            raise DataError(row.reason, "mend or remove this row", Place(path, row.line, row.column))
        text = row.values.get(column)
        if not isinstance(text, str):
            raise DataError(f"column {column!r} holds no text", "mend or remove this row", Place(path, row.line))
        texts.append(text)
    return texts, source.notes


def read_lines(path: Path) -> tuple[list[str], tuple[str, ...]]:
    """The lines of a text file, empty ones too (line n is text n), and what to tell of the reading.

    Raises:
        UsageError: a table, whose lines are no texts.
        DataError: no such file, or one that is not text.
    """
    _one_file(path)
    if suffix_of(path) in DATA_SUFFIXES:
        known = ", ".join(file_source(path).columns())
        raise UsageError("the file is a table", f"name the column with --column, one of {known}", Place(path))
    encoding = text_encoding(path)
    texts = []
    for number, line, too_long in lines(path, encoding):
        text = line.rstrip("\r\n")
        if (column := bad_byte(text)) is not None:
            raise DataError("a byte is not UTF-8", "save the file as UTF-8", Place(path, number, column))
        if too_long:
            raise DataError("the line is too long for a text", "break it", Place(path, number))
        texts.append(text)
    return texts, (encoding.note,) if encoding.note else ()


def _one_file(path: Path) -> Path:
    if path.is_dir():
        raise DataError("a folder where one file is expected", "name a file in it", Place(path))
    return files_of(path, "train")[0]
