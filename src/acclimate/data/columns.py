"""One column of a file, as it is."""

from pathlib import Path

from acclimate.core.errors import DataError, Place
from acclimate.core.specs import closest
from acclimate.data.examples import Rejected
from acclimate.data.sources import file_source


def read_column(path: Path, column: str) -> list[str]:
    """The texts of a column in the file's order, a text for every row.

    Raises:
        DataError: the column is not there, or a row cannot be read or has no text in it: rows must keep their numbers.
    """
    source = file_source(path)
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
    return texts
