"""Texts as 64-bit keys: which ones are equal, in eight bytes each.

A key is a cryptographic hash, so two different texts among ten million share one with a chance of one in 300,000.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Keys = NDArray[np.uint64]
Numbers = NDArray[np.int64]

AT_A_TIME = 1 << 13
"""Texts that are in memory together where rows are gone through in parts."""


def key_of(text: str) -> bytes:
    """The key of a text as bytes."""
    # Names of files, and so the ids made of them, may hold half surrogates.
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def keys_of(texts: Iterable[str]) -> Keys:
    """The keys of texts [N]."""
    column = bytearray()
    for text in texts:
        column += key_of(text)
    return as_keys(column)


def as_keys(column: bytearray) -> Keys:
    """Keys that were collected one after another; nothing more can be added while they are looked at."""
    return np.frombuffer(column, np.uint64)


def numbered(keys: Keys) -> tuple[Numbers, Numbers]:
    """Numbers keys in the order in which they first come.

    Returns:
        [N] the number of each key, and [K] where each number comes first.
    """
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(keys) else order
    del ordered
    first = order[starts]
    rank = np.empty_like(first)
    by_place = np.argsort(first)
    rank[by_place] = np.arange(len(first))
    numbers = np.empty_like(order)
    numbers[order] = np.repeat(rank, np.diff(np.append(starts, len(keys))))
    return numbers, first[by_place]


def distinct(keys: Keys) -> int:
    """How many different keys there are."""
    ordered = np.sort(keys)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + bool(len(keys))


class KeyNumbers:
    """Numbers keys in the order in which they first come, a part at a time; 16 bytes a key."""

    def __init__(self) -> None:
        self._runs: list[tuple[Keys, Numbers]] = []  # each ascending, none less than twice as long as the next
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: bytes) -> bool:
        number = int(as_keys(bytearray(key))[0])
        for keys, _ in self._runs:
            place = bisect_left(keys.data, number)  # on one key several times as fast as NumPy
            if place < len(keys) and keys[place] == number:
                return True
        return False

    def find(self, keys: Keys) -> Numbers:
        """The number of each key [N], -1 for one that has none."""
        found = np.full(len(keys), -1, np.int64)
        for known, numbers in self._runs:
            place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            same = np.flatnonzero(known[place] == keys)
            found[same] = numbers[place[same]]
        return found

    def add(self, keys: Keys) -> tuple[Numbers, Numbers]:
        """Numbers the keys that have no number.

        Returns:
            [N] the number of each key, and [K] where in ``keys`` the new numbers come first.
        """
        numbers = self.find(keys)
        unknown = np.flatnonzero(numbers < 0)
        fresh, first = numbered(keys[unknown])
        numbers[unknown] = self._count + fresh
        if len(first):
            self._insert(keys[unknown[first]])
        return numbers, unknown[first]

    def _insert(self, keys: Keys) -> None:
        self._add_run(keys, np.arange(self._count, self._count + len(keys)))
        self._count += len(keys)
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]):
            two = (self._runs.pop(), self._runs.pop())
            self._add_run(*(np.concatenate(columns) for columns in zip(*two, strict=True)))

    def _add_run(self, keys: Keys, numbers: Numbers) -> None:
        order = np.argsort(keys, kind="stable")  # fast on what consists of ascending runs
        self._runs.append((keys[order], numbers[order]))


def in_parts(items: Iterable[T], size: int = AT_A_TIME) -> Iterator[list[T]]:
    """Consecutive items, so many together."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def whole_numbers(values: "array[int]") -> Numbers:
    """What an array of type "q" holds, without a copy; nothing more can be added while it is looked at."""
    return np.frombuffer(values, np.int64)
