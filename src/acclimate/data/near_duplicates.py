"""Texts that are nearly the same: MinHash with banding finds candidates, exact Jaccard similarity decides.

Broder, "On the resemblance and containment of documents" (1997); Leskovec, Rajaraman & Ullman, "Mining of Massive
Datasets", chapter 3. Shingles are four letters, or two of a script that writes words in one or two signs, so that
Chinese needs no word segmentation. Case, punctuation and white space do not count.
"""

import heapq
import json
import re
from array import array
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from acclimate.core.seeds import numpy_generator
from acclimate.data.disk import DiskList, Scratch, json_bytes
from acclimate.data.examples import normalized, texts_on_disk
from acclimate.data.keys import whole_numbers

THRESHOLD = 0.7
"""Jaccard similarity of shingle sets from which two texts count as near-duplicates: two words in thirty differ."""

# 20 bands of 4: a pair at similarity 0.7 is a candidate with probability 0.995, one at 0.3 with 0.15.
_BANDS, _ROWS = 20, 4
_SIZE = _BANDS * _ROWS
# An estimate from 80 hashes has a deviation of 0.05: four of them below the threshold lose nothing.
_SLACK = 0.2
# Of a bucket with thousands of texts each is compared with its neighbors alone; chains connect the rest.
_WINDOW = 12
_CHUNK, _BLOCK = 1 << 15, 1 << 21  # characters hashed at a time, fitting the cache; characters compared at a time
_PAIRS = 1 << 22  # candidates in memory before the unlikely ones go
_SORTED_AT_ONCE = 1 << 16  # texts
_LETTERS, _SIGNS = 4, 2
_FIRST_SIGN = 0x2E80
_NOT_WORD = re.compile(r"[\W_]+")

_Whole = TypeVar("_Whole", np.uint64, np.int64)
Hashes = NDArray[np.uint32]
Indices = NDArray[np.int64]


def near_duplicates(texts: Iterable[str], threshold: float = THRESHOLD) -> Indices:
    """Pairs of texts whose shingle sets have at least the given Jaccard similarity.

    Args:
        texts: N texts; equal ones are pairs too.
        threshold: similarity from 0.5 to 1; below that the banding would miss pairs.

    Returns:
        [P, 2] positions i < j, in ascending order; equal for equal texts in equal order.
    """
    kept, filled, sizes = texts_on_disk(), array("q"), array("q")
    for position, text in enumerate(texts):
        skeleton = _NOT_WORD.sub("", normalized(text))
        if skeleton:
            kept.append(skeleton)
            filled.append(position)
            sizes.append(len(skeleton))
    if len(kept) < 2:
        return np.empty((0, 2), np.int64)
    signatures = _Signatures(kept)
    pairs = _candidates(signatures, threshold - _SLACK)
    return whole_numbers(filled)[pairs[_jaccard(kept, whole_numbers(sizes), pairs) >= threshold]]


def near_duplicate_rows(owned: Iterable[tuple[str, int]]) -> Indices:
    """Pairs of rows [P, 2] of which texts are near-duplicates.

    Args:
        owned: texts, each with the row that it stands for.
    """
    rows = array("q")

    def texts() -> Iterator[str]:
        for text, row in owned:
            rows.append(row)
            yield text

    pairs = near_duplicates(texts())
    return whole_numbers(rows)[pairs] if len(pairs) else pairs


class OwnedTexts:
    """Distinct texts in ascending order, each with the first row that has it. They are sorted on disk."""

    def __init__(self) -> None:
        self._some: dict[str, int] = {}
        self._sorted: DiskList[tuple[str, int]] = DiskList(json_bytes, lambda record: tuple(json.loads(record)))
        self._starts = [0]  # of the runs in it

    def add(self, text: str, row: int) -> None:
        """Takes a text of a row; rows come in ascending order."""
        self._some.setdefault(text, row)
        if len(self._some) >= _SORTED_AT_ONCE:
            self._sorted.extend(sorted(self._some.items()))
            self._starts.append(len(self._sorted))
            self._some = {}

    def __iter__(self) -> Iterator[tuple[str, int]]:
        runs = [self._sorted[start:end] for start, end in pairwise(self._starts)]
        last = None
        for text, row in heapq.merge(*runs, sorted(self._some.items())):
            if text != last:
                yield text, row
            last = text


class _Signatures:
    """MinHash signatures [_SIZE, N] on disk, read a row at a time."""

    def __init__(self, texts: DiskList[str]) -> None:
        self._file = Scratch()
        self._count = len(texts)
        start = 0
        for part in _parts(texts):
            for row, hashes in enumerate(_signatures(part)):
                self._file.write(hashes.itemsize * (row * self._count + start), hashes.tobytes())
            start += len(part)

    def __len__(self) -> int:
        return self._count

    def row(self, number: int) -> Hashes:
        """One hash of each text [N]."""
        size = self._count * np.dtype(np.uint32).itemsize
        return np.frombuffer(self._file.read(number * size, size), np.uint32)


def _parts(texts: Iterable[str]) -> Iterator[list[str]]:
    """Consecutive texts of about _CHUNK characters in all, so that arrays stay in cache."""
    part: list[str] = []
    size = 0
    for text in texts:
        part.append(text)
        size += len(text)
        if size >= _CHUNK:
            yield part
            part, size = [], 0
    if part:
        yield part


def _shingles(texts: list[str]) -> tuple[Hashes, Indices]:
    """Hashes of all shingles, text after text [S], and where each text starts [N]; a short text is one shingle."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype="<u4")
    lengths = np.array([len(text) for text in texts])
    starts = np.cumsum(lengths) - lengths
    left = np.repeat(starts + lengths, lengths) - np.arange(len(codes))  # characters up to the end of the text
    width = np.where(codes >= _FIRST_SIGN, _SIGNS, _LETTERS)
    hashed = np.zeros(len(codes), np.uint32)
    padded = np.append(codes, np.zeros(_LETTERS, codes.dtype))
    for offset in range(_LETTERS):
        inside = offset < np.minimum(width, left)
        hashed = hashed * np.uint32(0x9E3779B1) + np.where(inside, padded[offset : offset + len(codes)] + 1, 0).astype(
            np.uint32
        )
    complete = width <= left
    complete[starts] = True
    counts = np.add.reduceat(complete.astype(np.int64), starts)
    return _mixed(hashed[complete]), np.cumsum(counts) - counts


def _mixed(values: Hashes) -> Hashes:
    """MurmurHash3's finalizer: every input bit reaches every output bit."""
    values = (values ^ (values >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    values = (values ^ (values >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return values ^ (values >> np.uint32(16))


def _signatures(texts: list[str]) -> Hashes:
    """MinHash signatures [_SIZE, N]."""
    hashes, starts = _shingles(texts)
    rng = numpy_generator(0, "minhash")
    factors = rng.integers(0, 1 << 31, _SIZE, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    shifts = rng.integers(0, 1 << 32, _SIZE, dtype=np.uint32)
    return np.stack([np.minimum.reduceat(hashes * a + b, starts) for a, b in zip(factors, shifts, strict=True)])


def _candidates(signatures: _Signatures, least: float) -> Indices:
    """Pairs i < j that agree in all rows of some band and in a share ``least`` of all rows, [P, 2], ascending."""
    count = len(signatures)
    kept = np.empty(0, np.int64)
    waiting: list[Indices] = []
    for packed in _agreeing(signatures):
        waiting.append(packed)
        if sum(map(len, waiting)) >= _PAIRS:
            kept, waiting = _with_similar(signatures, kept, waiting, least), []
    packed = _with_similar(signatures, kept, waiting, least) if waiting else kept
    return np.stack([packed // count, packed % count], axis=1)


def _agreeing(signatures: _Signatures) -> Iterator[Indices]:
    """Pairs i < j that agree in all rows of some band, as i * N + j; a pair may come again."""
    count = len(signatures)
    for band in range(_BANDS):
        key = np.zeros(count, np.uint64)
        for row in range(band * _ROWS, (band + 1) * _ROWS):
            key ^= signatures.row(row)
            key *= np.uint64(0x9E3779B97F4A7C15)
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        for distance in range(1, min(_WINDOW, count - 1) + 1):
            same = np.flatnonzero(ordered[distance:] == ordered[:-distance])
            if not len(same):
                break
            # The order is stable, so the first index is the smaller one.
            yield order[same] * count + order[same + distance]


def _with_similar(signatures: _Signatures, kept: Indices, found: list[Indices], least: float) -> Indices:
    """The packed pairs that were kept, and those of the found ones whose signatures are similar; ascending."""
    packed = _distinct(np.concatenate(found))
    left, right = packed // len(signatures), packed % len(signatures)
    agreeing = np.zeros(len(packed), np.int64)
    for number in range(_SIZE):
        row = signatures.row(number)
        agreeing += row[left] == row[right]
    return _distinct(np.concatenate([kept, packed[agreeing / _SIZE >= least]]))


def _jaccard(texts: DiskList[str], sizes: Indices, pairs: Indices) -> NDArray[np.float64]:
    """Exact similarity of the pairs [P], a bounded number of shingles at a time."""
    if not len(pairs):
        return np.empty(0)
    work = np.cumsum(sizes[pairs].sum(axis=1))
    blocks = np.split(pairs, np.searchsorted(work, np.arange(_BLOCK, work[-1], _BLOCK)))
    return np.concatenate([_jaccard_block(texts, block) for block in blocks])


def _jaccard_block(texts: DiskList[str], pairs: Indices) -> NDArray[np.float64]:
    if not len(pairs):
        return np.empty(0)
    used, places = np.unique(pairs, return_inverse=True)
    hashes, starts = _shingles(list(texts.select(used)))
    counts = np.diff(np.append(starts, len(hashes)))
    # Sets: one of each shingle of a text, text in the upper half of the key.
    keys = _distinct(np.repeat(np.arange(len(used), dtype=np.uint64) << np.uint64(32), counts) | hashes)
    owner = (keys >> np.uint64(32)).astype(np.int64)
    sizes = np.bincount(owner, minlength=len(used))
    offsets = np.cumsum(sizes) - sizes
    sides = places.reshape(pairs.shape)
    both = np.concatenate([_members(keys, offsets, sizes, sides[:, side]) for side in (0, 1)])
    both.sort()
    shared = both[1:][both[1:] == both[:-1]] >> np.uint64(32)
    common = np.bincount(shared.astype(np.int64), minlength=len(pairs))
    similarity: NDArray[np.float64] = common / (sizes[sides].sum(axis=1) - common)
    return similarity


def _distinct(values: NDArray[_Whole]) -> NDArray[_Whole]:
    """Sorted values without repetition; on millions of keys several times as fast as np.unique, which hashes them."""
    values.sort()
    first: NDArray[np.bool_] = np.append(True, values[1:] != values[:-1])[: len(values)]
    distinct: NDArray[_Whole] = values[first]
    return distinct


def _members(keys: NDArray[np.uint64], offsets: Indices, sizes: Indices, chosen: Indices) -> NDArray[np.uint64]:
    """The shingles of the chosen sets, with the position in ``chosen`` in the upper half."""
    counts = sizes[chosen]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    shingles = keys[np.repeat(offsets[chosen], counts) + within] & np.uint64(0xFFFFFFFF)
    members: NDArray[np.uint64] = (
        np.repeat(np.arange(len(chosen), dtype=np.uint64), counts) << np.uint64(32)
    ) | shingles
    return members
