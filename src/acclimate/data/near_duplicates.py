"""Texts that are nearly the same: MinHash with banding finds candidates, exact Jaccard similarity decides.

Broder, "On the resemblance and containment of documents" (1997); Leskovec, Rajaraman & Ullman, "Mining of Massive
Datasets", chapter 3. Shingles are four letters, or two of a script that writes words in one or two signs, so that
Chinese needs no word segmentation. Case, punctuation and white space do not count.
"""

import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from acclimate.core.seeds import numpy_generator
from acclimate.data.examples import normalized

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
_LETTERS, _SIGNS = 4, 2
_FIRST_SIGN = 0x2E80
_NOT_WORD = re.compile(r"[\W_]+")

_Whole = TypeVar("_Whole", np.uint64, np.int64)
Hashes = NDArray[np.uint32]
Indices = NDArray[np.int64]


def near_duplicates(texts: Sequence[str], threshold: float = THRESHOLD) -> Indices:
    """Pairs of texts whose shingle sets have at least the given Jaccard similarity.

    Args:
        texts: N texts; equal ones are pairs too.
        threshold: similarity from 0.5 to 1; below that the banding would miss pairs.

    Returns:
        [P, 2] positions i < j, in ascending order; equal for equal texts in equal order.
    """
    skeletons = [_NOT_WORD.sub("", normalized(text)) for text in texts]
    filled = np.flatnonzero([bool(skeleton) for skeleton in skeletons])
    if len(filled) < 2:
        return np.empty((0, 2), np.int64)
    kept = [skeletons[i] for i in filled]
    signatures = np.concatenate([_signatures(part) for part in _parts(kept)], axis=1)
    pairs = _candidates(signatures)
    pairs = pairs[_estimate(signatures, pairs) >= threshold - _SLACK]
    return filled[pairs[_jaccard(kept, pairs) >= threshold]]


def _parts(texts: list[str]) -> Iterator[list[str]]:
    """Consecutive texts of about _CHUNK characters in all, so that arrays stay in cache."""
    start = size = 0
    for end, text in enumerate(texts):
        size += len(text)
        if size >= _CHUNK:
            yield texts[start : end + 1]
            start, size = end + 1, 0
    if start < len(texts):
        yield texts[start:]


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


def _candidates(signatures: Hashes) -> Indices:
    """Pairs i < j that agree in all rows of some band, [P, 2] without repetition."""
    count = signatures.shape[1]
    found: list[Indices] = []
    for band in signatures.reshape(_BANDS, _ROWS, count):
        key = np.zeros(count, np.uint64)
        for row in band:
            key = (key ^ row) * np.uint64(0x9E3779B97F4A7C15)
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        for distance in range(1, min(_WINDOW, count - 1) + 1):
            same = np.flatnonzero(ordered[distance:] == ordered[:-distance])
            if not len(same):
                break
            # The order is stable, so the first index is the smaller one.
            found.append(order[same] * count + order[same + distance])
    packed = _distinct(np.concatenate(found)) if found else np.empty(0, np.int64)
    return np.stack([packed // count, packed % count], axis=1)


def _estimate(signatures: Hashes, pairs: Indices) -> NDArray[np.float64]:
    agreeing = np.zeros(len(pairs), np.int64)
    for row in signatures:
        agreeing += row[pairs[:, 0]] == row[pairs[:, 1]]
    return agreeing / _SIZE


def _jaccard(texts: list[str], pairs: Indices) -> NDArray[np.float64]:
    """Exact similarity of the pairs [P], a bounded number of shingles at a time."""
    if not len(pairs):
        return np.empty(0)
    lengths = np.array([len(text) for text in texts])
    work = np.cumsum(lengths[pairs].sum(axis=1))
    blocks = np.split(pairs, np.searchsorted(work, np.arange(_BLOCK, work[-1], _BLOCK)))
    return np.concatenate([_jaccard_block(texts, block) for block in blocks])


def _jaccard_block(texts: list[str], pairs: Indices) -> NDArray[np.float64]:
    if not len(pairs):
        return np.empty(0)
    used, places = np.unique(pairs, return_inverse=True)
    hashes, starts = _shingles([texts[i] for i in used])
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
    first: NDArray[np.bool_] = np.append(True, values[1:] != values[:-1])
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
