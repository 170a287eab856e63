"""Planted near-duplicates are found; what is found is one by a definition of its own."""

import re
import unicodedata
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.data.near_duplicates import THRESHOLD, near_duplicates

HAN = [chr(code) for code in range(0x4E00, 0x5600)]


def shingles(text: str) -> set[str]:
    """Four letters, or two when the first is a sign of an East Asian script; a shorter text is one shingle."""
    plain = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())
    widths = [2 if sign >= "\u2e80" else 4 for sign in plain]
    return {plain[i : i + w] for i, w in enumerate(widths) if i + w <= len(plain) or i == 0}


def similarity(one: str, other: str) -> float:
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b) if a | b else 0.0


def texts_of(rng: np.random.Generator, count: int, language: str) -> list[list[str]]:
    if language == "chinese":
        return [list(rng.choice(HAN, rng.integers(20, 60))) for _ in range(count)]
    letters = np.array(list("aeioubcdfghklmnprst"))
    words = ["".join(rng.choice(letters, rng.integers(2, 9))) for _ in range(3000)]
    return [list(rng.choice(words, rng.integers(15, 60))) for _ in range(count)]


def edited(rng: np.random.Generator, words: list[str], how: str) -> list[str]:
    changed = list(words)
    at = int(rng.integers(len(words)))
    if how == "word replaced":
        changed[at] = words[at - 1]
    elif how == "word dropped":
        del changed[at]
    elif how == "word added":
        changed.insert(at, words[at - 2])
    elif how == "case and punctuation":
        changed = [word.upper() + ("," if rng.random() < 0.3 else "") for word in words]
    elif how == "end added":
        changed += words[:2]
    return changed


@pytest.mark.parametrize("language", ["english", "chinese"])
@pytest.mark.parametrize(
    "how", ["word replaced", "word dropped", "word added", "case and punctuation", "end added", "copy"]
)
def test_planted_near_duplicates_are_found(how: str, language: str) -> None:
    rng = np.random.default_rng(1)
    words = texts_of(rng, 400, language)
    space = "" if language == "chinese" else " "
    texts = [space.join(one) for one in words] + [space.join(edited(rng, one, how)) for one in words[:200]]
    found = {tuple(pair) for pair in near_duplicates(texts).tolist()}
    planted = {(i, 400 + i) for i in range(200)}
    assert len(planted & found) >= 0.95 * len(planted)
    assert len(found - planted) <= 0.01 * len(planted)


@pytest.mark.parametrize("language", ["english", "chinese"])
def test_agrees_with_comparing_all_pairs(language: str) -> None:
    rng = np.random.default_rng(2)
    words = texts_of(rng, 60, language)
    space = "" if language == "chinese" else " "
    texts = [space.join(one) for one in words]
    for _ in range(4):
        texts += [
            space.join(edited(rng, one, str(rng.choice(["word replaced", "word dropped", "end added"]))))
            for one in words
        ]
        words = [text.split(" ") if space else list(text) for text in texts[-60:]]
    wanted = {(i, j) for i, j in combinations(range(len(texts)), 2) if similarity(texts[i], texts[j]) >= THRESHOLD}
    found = {tuple(pair) for pair in near_duplicates(texts).tolist()}
    assert found <= wanted
    assert len(found) >= 0.98 * len(wanted)
    assert len(wanted) > 200


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=12))
def test_any_texts(texts: list[str]) -> None:
    pairs = near_duplicates(texts)
    assert pairs.shape == (len(pairs), 2)
    assert all(i < j and similarity(texts[i], texts[j]) >= THRESHOLD for i, j in pairs.tolist())
    equal = {(i, j) for i, j in combinations(range(len(texts)), 2) if shingles(texts[i]) == shingles(texts[j]) != set()}
    assert equal <= {tuple(pair) for pair in pairs.tolist()}
    assert np.array_equal(pairs, near_duplicates(texts))


def test_texts_without_words_are_never_alike() -> None:
    assert near_duplicates(["...", "!!!", "", "?"]).shape == (0, 2)
    assert near_duplicates([]).shape == (0, 2)


def test_many_copies_are_all_reached() -> None:
    """Buckets are compared by neighbors alone: still every copy is in some pair, and all are connected."""
    texts = [f"the very same sentence about refunds and returns, copy{'' if i % 2 else '.'}" for i in range(500)]
    pairs = near_duplicates(texts)
    reached = {0}
    for i, j in pairs.tolist():
        if i in reached:
            reached.add(j)
    assert reached == set(range(500))
    assert len(pairs) <= 500 * 12
