"""Text files line by line: compression, encodings, line limits. Nothing here knows what the text says."""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, cast

from acclimate.core.errors import DataError, Place, ResourceError
from acclimate.data.rows import LINE_LIMIT

_CHUNK = 1 << 20
_SAMPLE = 1 << 22
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# A small gzip file that unpacks to gigabytes is an accident or an attack; text shrinks 3 to 20 times.
_BOMB_BYTES, _BOMB_RATIO = 1 << 28, 200
# GB2312 punctuation and its 3,755 everyday characters: nearly all of Chinese text, and rare in other code pages.
_EVERYDAY_CHINESE = re.compile(rb"[\xa1-\xa9\xb0-\xd7][\xa1-\xfe]")
_HIGH = re.compile(rb"[\x80-\xff]")
_CP1252_HOLES = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the bytes of a file are read, and what to tell the user about it."""

    name: str
    note: str = ""

    @property
    def errors(self) -> str:
        """Single bad bytes in UTF-8 survive as half surrogates, so that only their row is set aside."""
        return "surrogateescape" if self.name.startswith("utf-8") else "strict"


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns what the system says about a file that cannot be read into one line for the user."""
    try:
        yield
    except FileNotFoundError as error:
        raise DataError("there is no such file", "check the path", Place(path)) from error
    except PermissionError as error:
        raise ResourceError("no permission to read the file", "change its permissions", Place(path)) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        remedy = "write or download the file again, it is cut off or damaged"
        raise DataError("the gzip stream is broken", remedy, Place(path)) from error
    except UnicodeError as error:
        raise DataError(f"cannot decode the text ({error})", "save the file as UTF-8", Place(path)) from error
    except OSError as error:
        raise ResourceError(
            f"cannot read the file: {error.strerror or error}", "check the disk", Place(path)
        ) from error


def is_gzip(path: Path) -> bool:
    """Whether the file starts as gzip does, whatever its name."""
    with readable(path), path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def open_bytes(path: Path) -> IO[bytes]:
    """The unpacked bytes of a file."""
    return cast("IO[bytes]", gzip.open(path)) if is_gzip(path) else path.open("rb")


def head(path: Path, size: int = 8192) -> bytes:
    """The first unpacked bytes."""
    with readable(path), open_bytes(path) as file:
        return file.read(size)


def detect(path: Path) -> Encoding:
    """The encoding of a whole file: a BOM, UTF-16 without one, UTF-8, GB18030, and Windows-1252 as the last resort.

    Raises:
        DataError: damaged gzip, or one that unpacks beyond reason.
    """
    start = head(path)
    for bom, name in _BOMS:
        if start.startswith(bom):
            return Encoding(name)
    for name in ("utf-16-le", "utf-16-be"):
        # Without a mark: a bracket and a quote, or the first letters of the header, each with its zero byte.
        opening = start[: len(start) & ~1].decode(name, "replace").lstrip()[:4]
        if len(opening) == 4 and opening.isascii() and opening.isprintable():
            return Encoding(name)
    if _decodes(path, "utf-8"):
        return Encoding("utf-8")
    return _not_utf8(path)


def lines(path: Path, encoding: Encoding) -> Iterator[tuple[int, str, bool]]:
    """Number (from 1), text with its line end, and whether the line was too long and is cut."""
    with readable(path), open_text(path, encoding) as file:
        number = 0
        while line := file.readline(LINE_LIMIT + 1):
            number += 1
            too_long = len(line) > LINE_LIMIT
            rest = line
            while too_long and rest and rest[-1] not in "\r\n":
                rest = file.readline(LINE_LIMIT + 1)
            yield number, line, too_long


def open_text(path: Path, encoding: Encoding) -> TextIOWrapper:
    """The text of a file with its line ends as they are."""
    return TextIOWrapper(open_bytes(path), encoding.name, encoding.errors, newline="")


def bad_byte(line: str) -> int | None:
    """Column (from 1) of the first character that came from a byte outside the encoding."""
    if line.isascii():
        return None
    try:
        line.encode("utf-8")
    except UnicodeEncodeError as error:
        return error.start + 1
    return None


def _decodes(path: Path, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(name)("strict")
    seen, packed = 0, path.stat().st_size
    with readable(path), open_bytes(path) as file:
        try:
            while chunk := file.read(_CHUNK):
                seen += len(chunk)
                if seen > max(_BOMB_BYTES, _BOMB_RATIO * packed):
                    problem = f"{packed} bytes unpack to more than {seen}"
                    raise DataError(problem, "give the file unpacked if it is meant", Place(path))
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _not_utf8(path: Path) -> Encoding:
    sample = head(path, _SAMPLE)
    high = [line for line in sample.splitlines() if _HIGH.search(line)]
    valid = sum(_is_utf8(line) for line in high)
    if 2 * valid >= len(high):
        return Encoding("utf-8", "a few lines are not UTF-8 and were set aside")
    everyday = 2 * len(_EVERYDAY_CHINESE.findall(sample))
    if everyday >= 0.8 * len(_HIGH.findall(sample)) and _decodes(path, "gb18030"):
        return Encoding("gb18030", "read as GB18030, since it is not UTF-8")
    name = "latin-1" if _CP1252_HOLES.search(sample) or not _decodes(path, "cp1252") else "cp1252"
    said = "the file is neither UTF-8, UTF-16 nor GB18030: read as latin-1 ({}); save it as UTF-8 if letters look wrong"
    return Encoding(name, said.format(name))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
