"""Lists on disk give back what went in, and memory does not grow with what the rows say."""

import errno
import gc
import io
import os
import random
import tempfile
import tracemalloc
from array import array
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.core.errors import ResourceError
from acclimate.data import disk
from acclimate.data.examples import Example, Kind, Rejected, ids_of, on_disk, rejected_on_disk, texts_on_disk
from acclimate.data.pairs import TextNumbers, pair_table
from acclimate.data.readers import read
from acclimate.data.split import split

from .shapes import jsonl

TEXTS = st.text(max_size=20)
SCORES = st.lists(st.floats(allow_nan=False), max_size=3).map(tuple)
NAMES = st.none() | TEXTS
EXAMPLES = st.builds(
    Example,
    id=st.text(st.characters(), max_size=9),  # half surrogates too: ids hold the names of files
    line=st.integers(1, 10**9),
    query=TEXTS,
    positives=st.lists(TEXTS, max_size=3).map(tuple),
    negatives=st.lists(TEXTS, max_size=40).map(tuple),
    text=TEXTS,
    score=st.none() | st.floats(allow_nan=False),
    label=NAMES,
    doc_id=NAMES,
    group=NAMES,
    domain=NAMES,
    task=NAMES,
    weight=st.floats(0, 9),
    positive_scores=SCORES,
    negative_scores=SCORES,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(EXAMPLES, max_size=8))
def test_every_example_comes_back_as_it_was(examples: list[Example]) -> None:
    rows = on_disk(examples)
    assert list(rows) == examples
    assert [rows[place] for place in range(len(rows))] == examples
    assert all(type(row) is Example for row in rows)
    assert rows == examples
    assert on_disk(rows) is rows
    assert list(ids_of(rows)) == [example.id for example in examples]


def test_what_a_teacher_does_not_score_comes_back_as_that() -> None:
    (row,) = on_disk([Example("a", 1, negatives=("n", "m"), positive_scores=(1.0,), negative_scores=(np.nan, 2.0))])
    assert [np.isnan(score) for score in row.negative_scores] == [True, False]


def test_a_row_that_is_longer_than_all_buffers_comes_back() -> None:
    long = [Example(str(n), n, "中" * n, tuple(f"{n} {k}" for k in range(n // 100))) for n in (1, 200_000, 3, 90_000)]
    assert list(on_disk(long)) == long
    assert on_disk(long)[1] == long[1]


def test_rejected_rows_come_back() -> None:
    rows = rejected_on_disk()
    rows.extend(given := [Rejected("f", 3, None, "empty", "{}"), Rejected("f", 4, 7, "bad \ud800", "ü")])
    assert rows == given


def test_it_is_a_list_of_its_items() -> None:
    rows, plain = texts_on_disk("abcdef"), list("abcdef")
    assert (len(rows), rows[0], rows[-1], list(reversed(rows))) == (6, "a", "f", plain[::-1])
    assert rows[1:4] == plain[1:4]
    assert rows[::-2] == plain[::-2]
    assert (rows.index("d"), "e" in rows, "z" in rows) == (3, True, False)
    assert rows != plain[:-1]
    assert rows != ["x", *plain[1:]]
    assert texts_on_disk() == []
    for place in (6, -7):
        with pytest.raises(IndexError):
            rows[place]


@pytest.mark.parametrize("seed", range(3))
def test_any_selection_in_any_order(seed: int) -> None:
    plain = [f"text {n} " * (n % 50) for n in range(3000)]
    chosen = random.Random(seed).choices(range(3000), k=1000)
    rows = texts_on_disk(plain).select(array("q", chosen))
    assert list(rows) == [plain[n] for n in chosen]
    assert rows.select(np.arange(0, 1000, 7)) == [plain[n] for n in chosen[::7]]


def test_what_is_written_in_a_place_shows_in_that_selection_alone() -> None:
    rows = texts_on_disk("abc")
    some = rows.select(np.array([2, 0]))
    some[1] = "new"
    assert (list(rows), list(some)) == (["a", "b", "c"], ["c", "new"])
    rows[2] = "other"
    assert (list(rows), list(some)) == (["a", "b", "other"], ["c", "new"])


def test_reading_and_writing_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_BUFFER", 64)
    monkeypatch.setattr(disk, "_WINDOW", 32)
    rows = texts_on_disk()
    for n in range(200):
        rows.append(f"item {n}")
        assert rows[n // 2] == f"item {n // 2}"
    assert rows == [f"item {n}" for n in range(200)]


def test_mapped_items_are_made_at_each_look() -> None:
    rows = texts_on_disk(["a", "bb"])
    assert rows.mapped(len) == [1, 2]
    assert rows.select(np.array([1])).mapped(str.upper).mapped(len) == [2]


class Full(io.BytesIO):
    """A file on a disk that is full."""

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_without_room_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = texts_on_disk()
    monkeypatch.setattr(rows._records._file, "_file", Full())
    rows.append("text")
    with pytest.raises(ResourceError, match=f"{os.strerror(errno.ENOSPC)}.*TMPDIR"):
        rows[0]


def test_no_folder_for_temporary_files_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(ResourceError, match="TMPDIR"):
        texts_on_disk()


def test_nothing_is_left_in_the_folder_of_temporary_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = texts_on_disk(["a", "b"])
    assert rows == ["a", "b"]
    assert list(tmp_path.iterdir()) == []


def test_memory_hardly_grows_with_the_rows(tmp_path: Path) -> None:
    """From file to pair table: as objects a row weighed 2 KB, its texts included."""
    few, many = (_held_bytes(_pairs(tmp_path / f"{rows}.jsonl", rows)) for rows in (500, 3_000))
    assert (many - few) / 2_500 < 200


def _pairs(path: Path, count: int) -> Path:
    words = [f"word{n}" for n in range(5_000)]
    draw = random.Random(count)
    rows = ((" ".join(draw.choices(words, k=4)), " ".join(draw.choices(words, k=16))) for _ in range(count))
    return jsonl(path, [{"query": query, "positive": positive} for query, positive in rows])


def _held_bytes(path: Path) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        data = read(path)
        parts = split(data, seed=0, dev=0.1, test=0.1)
        numbers = TextNumbers({"query": "", "document": ""})
        table = pair_table(parts.train, Kind.PAIRS, numbers)
        assert len(table) > 0.7 * len(data.examples)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
