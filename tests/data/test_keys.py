"""Keys tell texts apart and number them in order of appearance, whatever the parts they come in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.data.keys import KeyNumbers, distinct, in_parts, key_of, keys_of, numbered

TEXTS = st.lists(st.sampled_from(list("abcdefgh")) | st.text(max_size=3), max_size=40)


def by_hand(texts: list[str]) -> tuple[list[int], list[int]]:
    numbers: dict[str, int] = {}
    found = [numbers.setdefault(text, len(numbers)) for text in texts]
    return found, [texts.index(text) for text in numbers]


@given(TEXTS)
def test_numbers_are_those_of_a_dict(texts: list[str]) -> None:
    numbers, first = numbered(keys_of(texts))
    assert (numbers.tolist(), first.tolist()) == by_hand(texts)
    assert distinct(keys_of(texts)) == len(set(texts))


@settings(max_examples=200)
@given(TEXTS, st.integers(1, 7))
def test_parts_get_the_numbers_of_the_whole(texts: list[str], size: int) -> None:
    known = KeyNumbers()
    found: list[int] = []
    places: list[int] = []
    for part in in_parts(texts, size):
        numbers, first = known.add(keys_of(part))
        places += (len(found) + first).tolist()
        found += numbers.tolist()
    assert (found, places) == by_hand(texts)
    assert len(known) == len(set(texts))
    assert known.find(keys_of(texts)).tolist() == found
    assert known.find(keys_of(["not there"])).tolist() == [-1]
    assert all(key_of(text) in known for text in texts)
    assert key_of("not there") not in known


def test_half_surrogates_have_keys() -> None:
    assert distinct(keys_of(["\udc80", "\udc81", "\udc80"])) == 2


@pytest.mark.parametrize("size", [1, 3, 10, 11])
def test_parts_are_the_whole(size: int) -> None:
    found = list(in_parts(iter(range(10)), size))
    assert [item for part in found for item in part] == list(range(10))
    assert all(len(part) == size for part in found[:-1])


def test_many_parts_stay_few_runs() -> None:
    """Else each look would go through all parts that were ever added."""
    known = KeyNumbers()
    for part in range(300):
        known.add(np.arange(part * 10, part * 10 + 10, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    assert len(known) == 3000
    assert len(known._runs) <= np.log2(3000)
