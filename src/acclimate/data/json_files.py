"""JSON Lines and JSON arrays, row by row, with the place of everything that does not parse."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from acclimate.core.errors import DataError, Place
from acclimate.data.examples import Rejected
from acclimate.data.rows import LINE_LIMIT, Row, Source, columns_of, printable, shortened
from acclimate.data.text_files import Encoding, bad_byte, lines, open_text, readable

_CHUNK = 1 << 20
_LONGEST_ELEMENT = 64 * LINE_LIMIT
_SPACE = re.compile(r"[\s,]*")
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+"|["{}\[\]]', re.DOTALL)
_NEXT_OBJECT = re.compile(r',\s*\{\s*"')
_KINDS = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false"}


def jsonl_source(path: Path, encoding: Encoding) -> Source:
    """A file with one JSON object a line. Blank lines are no rows."""

    def rows() -> Iterator[Row | Rejected]:
        return _jsonl_rows(path, encoding)

    return _source(path, "JSON Lines", rows)


def array_source(path: Path, encoding: Encoding) -> Source:
    """A file with one JSON array of objects."""

    def rows() -> Iterator[Row | Rejected]:
        return _Array(path, encoding).rows()

    return _source(path, "JSON array", rows)


def load_document(path: Path, encoding: Encoding) -> Any:
    """A whole JSON document.

    Raises:
        DataError: it does not parse; the place is named.
    """
    with readable(path), open_text(path, encoding) as file:
        text = file.read()
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        remedy = "repair the JSON there, or write one object a line"
        raise DataError(f"not JSON ({error.msg})", remedy, Place(path, error.lineno, error.colno)) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"not usable JSON ({_reason(error)})", "write one flat object a line", Place(path)) from error


def _source(path: Path, name: str, rows: Any) -> Source:
    stem = path.name.split(".")[0] or path.name
    return Source(str(path), stem, name, rows, lambda: columns_of(rows()), _locate)


def _locate(row: Row, column: str) -> int | None:
    at = row.raw.split("\n", 1)[0].find(json.dumps(column, ensure_ascii=False))
    return row.column + at if at >= 0 else row.column


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(n for n in names if names.count(n) > 1)!r} occurs twice")
    return row


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def _jsonl_rows(path: Path, encoding: Encoding) -> Iterator[Row | Rejected]:
    file = str(path)
    for number, line, too_long in lines(path, encoding):
        if too_long:
            yield Rejected(file, number, LINE_LIMIT, f"line is longer than {LINE_LIMIT} characters", shortened(line))
            continue
        raw = line.strip()
        if raw:
            yield _parse_line(file, number, line, raw)


def _parse_line(file: str, number: int, line: str, raw: str) -> Row | Rejected:
    start = len(line) - len(line.lstrip())
    at = bad_byte(line)
    if at is not None:
        return Rejected(file, number, at, "bytes that are not UTF-8", printable(raw))
    try:
        values = _DECODER.decode(raw)
    except json.JSONDecodeError as error:
        return Rejected(file, number, start + error.pos + 1, f"not JSON ({error.msg})", raw)
    except (ValueError, RecursionError) as error:
        return Rejected(file, number, start + 1, f"not usable JSON ({_reason(error)})", raw)
    if type(values) is not dict:
        kind = _KINDS.get(type(values), "null")
        return Rejected(file, number, start + 1, f"{kind} where an object with named columns is needed", raw)
    return Row(number, values, raw, start + 1)


class _Array:
    """Reads a JSON array in chunks; an element that does not parse costs that element alone."""

    def __init__(self, path: Path, encoding: Encoding) -> None:
        self._path, self._encoding = path, encoding
        self._buffer, self._at, self._ended = "", 0, False
        self._line, self._column = 1, 1

    def rows(self) -> Iterator[Row | Rejected]:
        with readable(self._path), open_text(self._path, self._encoding) as file:
            self._skip(file, self._buffer_start(file))
            while True:
                self._skip(file)
                if self._at >= len(self._buffer):
                    yield self._reject(self._at, "the array is not closed with ]", self._at)
                    return
                if self._buffer[self._at] == "]":
                    yield from self._after_end(file)
                    return
                yield self._element(file)

    def _buffer_start(self, file: Any) -> int:
        self._fill(file)
        return self._buffer.index("[") + 1

    def _fill(self, file: Any) -> None:
        # Doubling keeps the number of attempts at a long element logarithmic.
        chunk = file.read(max(_CHUNK, len(self._buffer) - self._at))
        self._ended = not chunk
        self._buffer, self._at = self._buffer[self._at :] + chunk, 0

    def _advance(self, end: int) -> None:
        breaks = self._buffer.count("\n", self._at, end)
        self._line += breaks
        self._column = end - self._buffer.rfind("\n", self._at, end) if breaks else self._column + end - self._at
        self._at = end

    def _skip(self, file: Any, to: int | None = None) -> None:
        if to is not None:
            self._advance(to)
        while True:
            found = _SPACE.match(self._buffer, self._at)
            self._advance(found.end() if found else self._at)
            if self._at < len(self._buffer) or self._ended:
                return
            self._fill(file)

    def _element(self, file: Any) -> Row | Rejected:
        while True:
            try:
                values, end = _DECODER.raw_decode(self._buffer, self._at)
            except (ValueError, RecursionError) as error:
                closed = _balanced_end(self._buffer, self._at)
                if closed is None and not self._ended:
                    self._grow(file)
                    continue
                place = error.pos if isinstance(error, json.JSONDecodeError) else self._at
                return self._reject(place, f"not JSON ({_reason(error)})", closed or self._resume(place))
            if end == len(self._buffer) and not self._ended:
                self._grow(file)
                continue
            return self._accept(values, end)

    def _grow(self, file: Any) -> None:
        if len(self._buffer) - self._at > _LONGEST_ELEMENT:
            problem = f"an element of the array is longer than {_LONGEST_ELEMENT} characters or is never closed"
            raise DataError(problem, "write one JSON object a line", Place(self._path, self._line, self._column))
        self._fill(file)

    def _accept(self, values: Any, end: int) -> Row | Rejected:
        if type(values) is not dict:
            kind = _KINDS.get(type(values), "null")
            return self._reject(self._at, f"{kind} where an object with named columns is needed", end)
        if end - self._at > LINE_LIMIT:
            return self._reject(self._at, f"row is longer than {LINE_LIMIT} characters", end)
        row = Row(self._line, values, self._buffer[self._at : end], self._column)
        self._advance(end)
        return row

    def _reject(self, place: int, reason: str, end: int) -> Rejected:
        raw = shortened(printable(self._buffer[self._at : end]))
        place = min(max(place, self._at), len(self._buffer))
        breaks = self._buffer.count("\n", self._at, place)
        newline = self._buffer.rfind("\n", self._at, place)
        column = place - newline if breaks else self._column + place - self._at
        rejected = Rejected(str(self._path), self._line + breaks, column, reason, raw)
        self._advance(end)
        return rejected

    def _resume(self, place: int) -> int:
        # Braces do not balance up to the end of the file: the next thing that looks like a row is the best guess.
        found = _NEXT_OBJECT.search(self._buffer, max(place, self._at + 1))
        return found.start() if found else len(self._buffer)

    def _after_end(self, file: Any) -> Iterator[Rejected]:
        self._advance(self._at + 1)
        self._skip(file)
        if self._at < len(self._buffer):
            yield self._reject(self._at, "text after the end of the array", len(self._buffer))


def _balanced_end(text: str, start: int) -> int | None:
    """End of the bracketed element at ``start``, or of the bare word there; None when it is not closed."""
    if text[start] not in "{[":
        found = re.compile(r"[,\]\n]").search(text, start + 1)
        return found.start() if found else None
    depth = 0
    for token in _TOKENS.finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token.group(), 0)
        if depth == 0:
            return token.end()
    return None
