"""A list whose items lie in a temporary file, so that memory does not grow with what the rows of a data set say."""

import json
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from acclimate.core.errors import ResourceError

T = TypeVar("T")
U = TypeVar("U")

_BUFFER = 1 << 18  # bytes that wait to be written
_WINDOW = 1 << 16  # bytes read ahead of an item: in the order of the file, most items are there already


def json_bytes(item: Any) -> bytes:
    """An item as JSON in ASCII, which half surrogates survive too; lists and tuples are one there."""
    return json.dumps(item, separators=(",", ":")).encode("ascii")


class DiskList(Sequence[T]):
    """Items in the order in which they were appended, or some of them in any order, decoded at each access.

    In memory an item takes 8 bytes, and 8 more for each selection that it is in. The file has no name, belongs to all
    selections together and goes with the last of them. Not for use after a fork: both sides would move one position.

    Args:
        encode: an item as bytes.
        decode: the item again.
        items: what it holds from the start.
    """

    def __init__(self, encode: Callable[[T], bytes], decode: Callable[[bytes], T], items: Iterable[T] = ()) -> None:
        self._encode, self._decode = encode, decode
        self._records = _Records()
        self._numbers: NDArray[np.int64] | range = range(0)  # of its records; a range while it was only appended to
        self.extend(items)

    def append(self, item: T) -> None:
        """Adds an item at the end; not to a selection."""
        self.extend([item])

    def extend(self, items: Iterable[T]) -> None:
        """Adds items at the end; not to a selection."""
        assert self._numbers == range(len(self._records))
        for item in items:
            self._records.append(self._encode(item))
        self._numbers = range(len(self._records))

    def select(self, positions: "NDArray[np.int64] | array[int]") -> "DiskList[T]":
        """The items at some positions, in that order; nothing is copied but their numbers."""
        return self._view(self._decode, self._all_numbers()[np.asarray(positions, np.int64)])

    def mapped(self, made: Callable[[T], U]) -> "DiskList[U]":
        """What is made of each item at each access, to look at: nothing can be written to it."""
        decode = self._decode
        return self._view(lambda record: made(decode(record)), self._numbers)

    def _view(self, decode: Callable[[bytes], U], numbers: NDArray[np.int64] | range) -> "DiskList[U]":
        view: DiskList[U] = DiskList.__new__(DiskList)
        view._encode, view._decode = self._encode, decode  # type: ignore[assignment]
        view._records, view._numbers = self._records, numbers
        return view

    def _all_numbers(self) -> NDArray[np.int64]:
        return np.arange(len(self)) if isinstance(self._numbers, range) else self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> "DiskList[T]": ...

    def __getitem__(self, place: int | slice) -> "T | DiskList[T]":
        if isinstance(place, slice):
            return self.select(np.arange(*place.indices(len(self)), dtype=np.int64))
        return self._decode(self._records[int(self._numbers[place])])

    def __setitem__(self, position: int, item: T) -> None:
        """Writes an item in the place of another; other selections go on showing the old one."""
        numbers = self._all_numbers()
        numbers[position] = len(self._records)
        self._records.append(self._encode(item))
        self._numbers = numbers

    def __iter__(self) -> Iterator[T]:
        return map(self._decode, self._records.read(map(int, self._numbers)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == given for mine, given in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


class Scratch:
    """Bytes in a temporary file without a name, which the system removes however the process ends."""

    def __init__(self) -> None:
        with _told():
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        weakref.finalize(self, self._file.close)

    def write(self, start: int, data: bytes | bytearray) -> None:
        """Writes at a position, which may lie beyond the end.

        Raises:
            ResourceError: there is no room.
        """
        view = memoryview(data)
        with _told():
            self._file.seek(start)
            while view:  # an unbuffered file may take less than all
                view = view[self._file.write(view) :]

    def read(self, start: int, size: int) -> bytes:
        """So many bytes from a position, fewer at the end."""
        self._file.seek(start)
        return self._file.read(size)


class _Records:
    """Byte strings one after another."""

    def __init__(self) -> None:
        self._file = Scratch()
        self._ends = array("q", [0])
        self._waiting = bytearray()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, record: bytes) -> None:
        self._waiting += record
        self._ends.append(self._ends[-1] + len(record))
        if len(self._waiting) >= _BUFFER:
            self._write()

    def __getitem__(self, number: int) -> bytes:
        start, end = self._ends[number], self._ends[number + 1]
        return self._read(start, end - start)

    def read(self, numbers: Iterable[int]) -> Iterator[bytes]:
        window, begin = b"", 0
        for number in numbers:
            start, end = self._ends[number], self._ends[number + 1]
            if start < begin or end > begin + len(window):
                window, begin = self._read(start, max(end - start, _WINDOW)), start
            yield window[start - begin : end - begin]

    def _read(self, start: int, size: int) -> bytes:
        if self._waiting:
            self._write()
        return self._file.read(start, size)

    def _write(self) -> None:
        self._file.write(self._ends[-1] - len(self._waiting), self._waiting)
        self._waiting = bytearray()


@contextmanager
def _told() -> Iterator[None]:
    """Turns what the system says about a temporary file into one line for the user."""
    try:
        yield
    except OSError as error:
        problem = f"temporary files cannot be written: {error.strerror}"
        raise ResourceError(problem, "make room on that disk, or name another folder in TMPDIR") from None
