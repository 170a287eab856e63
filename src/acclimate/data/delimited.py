"""CSV and TSV. Own parser: one stray quote must cost one row, with its place, and not the rest of the file."""

import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from acclimate.core.errors import DataError, Place
from acclimate.data.examples import Rejected
from acclimate.data.roles import known
from acclimate.data.rows import LINE_LIMIT, Row, Source, printable, shortened
from acclimate.data.text_files import Encoding, bad_byte, lines

_DELIMITERS = (",", "\t", ";", "|")


class _BrokenError(Exception):
    """A record that does not parse: offset in its text, and why. An open quote may be closed by a later line."""

    def __init__(self, offset: int, reason: str, *, open_quote: bool = False) -> None:
        super().__init__(reason)
        self.offset, self.reason, self.open_quote = offset, reason, open_quote


class _Dialect:
    """Splits records of RFC 4180: fields may be quoted, quotes inside are doubled."""

    def __init__(self, delimiter: str) -> None:
        sign = re.escape(delimiter)
        self.delimiter = delimiter
        self._field = re.compile(rf'(?:"([^"]*+(?:""[^"]*+)*+)"|((?!")[^{sign}\r\n]*+))({sign}|\r?\n?\Z)')

    def split(self, record: str) -> tuple[list[str], list[int]]:
        """Fields and where each starts in the record (from 0)."""
        fields: list[str] = []
        starts: list[int] = []
        at = 0
        while True:
            found = self._field.match(record, at)
            if found is None:
                raise self._broken(record, at)
            quoted, bare, end = found.groups()
            fields.append(bare if quoted is None else quoted.replace('""', '"'))
            starts.append(at)
            if end != self.delimiter:
                return fields, starts
            at = found.end()

    def _broken(self, record: str, at: int) -> _BrokenError:
        closing = re.compile(r'"[^"]*+(?:""[^"]*+)*+"').match(record, at)
        if closing is None:
            return _BrokenError(at, "unterminated quote", open_quote=True)
        return _BrokenError(closing.end(), "text after a closing quote")


def delimited_source(path: Path, encoding: Encoding, delimiter: str) -> Source:
    """A CSV or TSV file with a header line.

    Args:
        path: the file.
        encoding: how its bytes are read.
        delimiter: what its name promises; another one is used when the header says so.

    Raises:
        DataError: no header, or a header that does not parse or names a column twice.
    """
    table = _Table(path, encoding, delimiter)
    used = table.dialect.delimiter
    name = {",": "CSV", "\t": "TSV"}.get(used, f"CSV with {used!r}")
    notes = () if used == delimiter else (f"columns are separated by {used!r}",)
    stem = path.name.split(".")[0] or path.name
    columns = dict.fromkeys(table.header, table.header_line)
    return Source(str(path), stem, name, table.rows, lambda: dict(columns), table.locate, notes)


class _Table:
    def __init__(self, path: Path, encoding: Encoding, delimiter: str) -> None:
        self._path, self._encoding, self.dialect = path, encoding, _Dialect(delimiter)
        self.header: list[str] = []
        self.header_line = 1
        self._read_header(delimiter)

    def rows(self) -> Iterator[Row | Rejected]:
        """All rows after the header. Blank lines are no rows."""
        waiting: deque[tuple[int, str, bool]] = deque()
        source = lines(self._path, self._encoding)
        for number, line, too_long in _queued(waiting, source):
            if number < self.header_line + 1 or not line.strip("\r\n"):
                continue
            if too_long:
                reason = f"line is longer than {LINE_LIMIT} characters"
                yield Rejected(str(self._path), number, LINE_LIMIT, reason, shortened(printable(line)))
                continue
            yield self._record(number, line, waiting, source)

    def locate(self, row: Row, column: str) -> int | None:
        """Where the field starts, counted in the first line of the row; None when it is on a later line."""
        starts = self.dialect.split(row.raw)[1]
        position = self.header.index(column) if column in self.header else 0
        if position >= len(starts) or "\n" in row.raw[: starts[position]]:
            return None
        return starts[position] + 1

    def _record(
        self, number: int, line: str, waiting: deque[tuple[int, str, bool]], source: Iterator[tuple[int, str, bool]]
    ) -> Row | Rejected:
        bad = bad_byte(line)
        if bad is not None:
            return self._reject(number, bad, "bytes that are not UTF-8", line)
        try:
            return self._complete(number, line, waiting, source)
        except _BrokenError as broken:
            literal = line.rstrip("\r\n").split("\t")
            # Many TSV writers never quote: a quote that makes no sense as one is a character.
            if self.dialect.delimiter == "\t" and len(literal) == len(self.header):
                return Row(number, dict(zip(self.header, literal, strict=True)))
            return self._reject(number, broken.offset + 1, broken.reason, line)

    def _complete(
        self, number: int, line: str, waiting: deque[tuple[int, str, bool]], source: Iterator[tuple[int, str, bool]]
    ) -> Row | Rejected:
        record, taken = line, 0
        opened: _BrokenError | None = None
        while True:
            try:
                fields, starts = self.dialect.split(record)
                break
            except _BrokenError as broken:
                opened = opened or broken
                if not broken.open_quote:
                    raise opened from broken  # what closed it was the quote of another row
                more, taken = _until_quote(record, taken, waiting, source)
                if not more:
                    raise
                record += more
        for _ in range(taken):
            waiting.popleft()
        if len(fields) != len(self.header):
            extra = len(fields) > len(self.header)
            at = starts[len(self.header)] if extra else len(record.rstrip("\r\n"))
            reason = f"{len(fields)} fields where the header has {len(self.header)}"
            return self._reject(number, at + 1, reason, record)
        return Row(number, dict(zip(self.header, fields, strict=True)), record)

    def _reject(self, number: int, column: int, reason: str, raw: str) -> Rejected:
        return Rejected(str(self._path), number, column, reason, printable(raw.rstrip("\r\n")))

    def _read_header(self, promised: str) -> None:
        waiting: deque[tuple[int, str, bool]] = deque()
        source = lines(self._path, self._encoding)
        for number, line, too_long in _queued(waiting, source):
            if not line.strip():
                continue
            place = Place(self._path, number)
            if too_long or bad_byte(line) is not None or "\x00" in line:
                raise DataError("the header line is not text", "give a first line like query,positive", place)
            self.dialect = _Dialect(_delimiter(line, promised))
            self.header_line = number
            try:
                names = self.dialect.split(line)[0]
            except _BrokenError as broken:
                place = Place(self._path, number, broken.offset + 1)
                raise DataError(f"{broken.reason} in the header", "repair the first line", place) from broken
            self.header = [name.strip() or f"column {position}" for position, name in enumerate(names, 1)]
            twice = next((name for name in self.header if self.header.count(name) > 1), None)
            if twice is not None:
                raise DataError(f"two columns are called {twice!r}", "rename one of them", place)
            return
        raise DataError("the file is empty", "give a header line and at least one row", Place(self._path))


def _queued(
    waiting: deque[tuple[int, str, bool]], source: Iterator[tuple[int, str, bool]]
) -> Iterator[tuple[int, str, bool]]:
    while True:
        item = waiting.popleft() if waiting else next(source, None)
        if item is None:
            return
        yield item


def _until_quote(
    record: str, taken: int, waiting: deque[tuple[int, str, bool]], source: Iterator[tuple[int, str, bool]]
) -> tuple[str, int]:
    """The following lines up to the next with a quote; empty when there is none within the limit."""
    parts: list[str] = []
    size = len(record)
    while size <= LINE_LIMIT:
        if taken == len(waiting):
            item = next(source, None)
            if item is None:
                return "", taken
            waiting.append(item)
        line = waiting[taken][1]
        taken += 1
        parts.append(line)
        size += len(line)
        if '"' in line:
            return "".join(parts), taken
    return "", taken


def _delimiter(header: str, promised: str) -> str:
    """The sign that splits the header into the most known names, then into the most columns."""

    def worth(sign: str) -> tuple[int, int, bool]:
        names = header.strip("\r\n").split(sign)
        return sum(known(name.strip(' "\t')) for name in names), len(names), sign == promised

    return max(_DELIMITERS, key=worth)
