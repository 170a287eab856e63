"""The feature store: texts tokenized once, mapped from disk, made anew when what it was made of changed."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.data import features
from acclimate.data.features import FeatureStore, build_store

LENGTHS = {"query": 2, "document": 0}


class Letters:
    """Tokenizes to code points, queries after two prompt tokens; counts its calls."""

    def __init__(self) -> None:
        self.texts = 0

    def __call__(self, texts: Sequence[str], role: str) -> list[list[int]]:
        self.texts += len(texts)
        return [[1, 2] * (role == "query") + [ord(c) for c in text] for text in texts]


def make(folder: Path, texts: Sequence[str], roles: Sequence[str], key: str = "k") -> tuple[FeatureStore, Letters]:
    tokenize = Letters()
    return build_store(folder, texts, roles, tokenize, LENGTHS, key), tokenize


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    store, _ = make(tmp_path / "store", ["ab", "", "xyz", "中"], ["document", "document", "query", "query"])
    assert len(store) == 4
    assert store.lengths.tolist() == [2, 0, 5, 3]
    ids, lengths, prompts = store.take(np.array([2, 0, 1, 3]))
    assert ids.tolist() == [1, 2, *map(ord, "xyz"), *map(ord, "ab"), 1, 2, ord("中")]
    assert (lengths.tolist(), prompts.tolist()) == ([5, 2, 0, 3], [2, 0, 0, 2])
    assert {array.dtype for array in (ids, lengths, prompts)} == {np.dtype(np.int64)}


def test_nothing_taken_is_empty(tmp_path: Path) -> None:
    store, _ = make(tmp_path / "store", ["ab"], ["document"])
    assert [len(array) for array in store.take(np.zeros(0, dtype=np.int64))] == [0, 0, 0]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=12), st.sampled_from(["query", "document"])), min_size=1, max_size=20))
def test_any_texts_come_back(tmp_path_factory: pytest.TempPathFactory, given_texts: list[tuple[str, str]]) -> None:
    texts, roles = zip(*given_texts, strict=True)
    store, _ = make(tmp_path_factory.mktemp("s") / "store", texts, roles)
    for number, (text, role) in enumerate(given_texts):
        assert store.take(np.array([number]))[0].tolist() == Letters()([text], role)[0]


def test_the_ids_stay_on_disk(tmp_path: Path) -> None:
    store, _ = make(tmp_path / "store", ["ab", "cd"], ["document"] * 2)
    assert isinstance(store.ids, np.memmap)
    assert (tmp_path / "store" / "ids.bin").stat().st_size == 4 * 4
    with pytest.raises(ValueError, match="read-only"):
        store.ids[0] = 7


def test_an_equal_call_tokenizes_nothing(tmp_path: Path) -> None:
    make(tmp_path / "store", ["ab", "cd"], ["document"] * 2)
    store, tokenize = make(tmp_path / "store", ["ab", "cd"], ["document"] * 2)
    assert tokenize.texts == 0
    assert store.take(np.array([1]))[0].tolist() == [ord("c"), ord("d")]


def test_another_key_makes_it_anew(tmp_path: Path) -> None:
    make(tmp_path / "store", ["ab", "cd"], ["document"] * 2, key="old")
    store, tokenize = make(tmp_path / "store", ["xyz"], ["document"], key="new")
    assert tokenize.texts == 1
    assert store.lengths.tolist() == [3]
    assert make(tmp_path / "store", ["xyz"], ["document"], key="new")[1].texts == 0


def test_a_build_that_was_cut_short_leaves_the_old_store_or_none(tmp_path: Path) -> None:
    def fails(texts: Sequence[str], role: str) -> list[list[int]]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_store(tmp_path / "store", ["ab"], ["document"], fails, LENGTHS, "k")
    assert not (tmp_path / "store").exists()
    store, tokenize = make(tmp_path / "store", ["ab"], ["document"])
    assert (tokenize.texts, store.lengths.tolist()) == (1, [2])
    with pytest.raises(KeyboardInterrupt):
        build_store(tmp_path / "store", ["xyz"], ["document"], fails, LENGTHS, "other")
    assert make(tmp_path / "store", ["ab"], ["document"])[1].texts == 0
    assert [p.name for p in tmp_path.iterdir() if not p.name.endswith(".tmp")] == ["store"]


def test_many_chunks_are_one_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, roles = [f"text {n}" for n in range(11)], ["query", "document"] * 5 + ["query"]
    whole, _ = make(tmp_path / "whole", texts, roles)
    monkeypatch.setattr(features, "_CHUNK", 3)
    parts, _ = make(tmp_path / "parts", texts, roles)
    assert (whole.ids == parts.ids).all()
    assert (whole.offsets == parts.offsets).all()
    assert (whole.prompt_lengths == parts.prompt_lengths).all()


@pytest.mark.skipif(not Path("/proc/self/smaps").is_file(), reason="only Linux tells which pages a process holds")
def test_what_was_read_does_not_stay_in_the_memory_of_the_process(tmp_path: Path) -> None:
    texts = [chr(97 + n % 26) * 5_000 for n in range(200)]  # 4 MB of ids
    store, _ = make(tmp_path / "store", texts, ["document"] * 200)
    for number in range(200):
        assert store.take(np.array([number]))[1].tolist() == [5_000]
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    assert any(str(tmp_path / "store" / "ids.bin") in line for line in lines)
    held = next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))
    assert held < 1_000
