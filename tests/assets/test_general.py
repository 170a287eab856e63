"""The general probe and the guard text: what ships says where it is from, and keeps its promises."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from acclimate.data.examples import normalized

ASSETS = Path(__file__).parents[2] / "src" / "acclimate" / "assets"
GENERAL = ASSETS / "general"
FILES = sorted((GENERAL / "probe").glob("*.json"))


def load(path: Path) -> dict[str, Any]:
    task: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return task


def texts(half: dict[str, Any]) -> set[str]:
    return {normalized(text) for name in ("queries", "documents", "first", "second") for text in half.get(name, ())}


def guard() -> list[dict[str, str]]:
    return [json.loads(line) for line in (GENERAL / "guard.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_task_is_well_formed(path: Path) -> None:
    task = load(path)
    assert task["name"] == path.stem
    for half in (task["dev"], task["test"]):
        if "first" in half:
            assert len(half["first"]) == len(half["second"]) == len(half["scores"])
            # A graded task whose grades are not balanced measures one grade.
            counts = [half["scores"].count(grade) for grade in set(half["scores"])]
            assert len(counts) >= 3
            assert max(counts) == min(counts)
        else:
            assert len(half["queries"]) == len(half["relevant"])
            assert len(set(half["queries"])) == len(half["queries"])
            assert len(set(half["documents"])) == len(half["documents"])
            assert all(rows and 0 <= min(rows) <= max(rows) < len(half["documents"]) for rows in half["relevant"])
        assert all(text == text.strip() != "" for text in texts(half))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_halves_share_no_text(path: Path) -> None:
    task = load(path)
    assert not texts(task["dev"]) & texts(task["test"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_task_names_a_license_that_lies_beside_it(path: Path) -> None:
    task = load(path)
    assert task["source"]
    terms, _, file = task["license"].partition(", ")
    assert "public domain" in terms or (GENERAL / file).read_text(encoding="utf-8").strip()
    assert f"`{path.stem}`" in (GENERAL / "README.md").read_text(encoding="utf-8")


def test_the_probe_asks_enough() -> None:
    asked = {half: sum(len(load(path)[half].get("queries", ())) for path in FILES) for half in ("dev", "test")}
    assert asked["test"] >= 1_000
    assert asked["dev"] >= 300


def test_the_place_of_a_document_says_nothing() -> None:
    for path in FILES:
        documents = load(path)["test"].get("documents", [])
        assert documents == sorted(documents)


def test_the_probe_holds_words_sentences_retrieval_and_chinese() -> None:
    names = {path.stem for path in FILES}
    assert {"word_similarity", "sentence_similarity", "passage_similarity", "definition_to_word"} <= names
    chinese = load(GENERAL / "probe" / "chinese_keywords_to_name.json")["test"]
    assert all(any("\u4e00" <= character <= "\u9fff" for character in query) for query in chinese["queries"])


def test_guard_text_is_plenty_distinct_and_of_all_lengths() -> None:
    found = [row["text"] for row in guard()]
    assert len(found) >= 4_000
    assert len({normalized(text) for text in found}) == len(found)
    assert sum(len(text) < 15 for text in found) >= 400
    assert sum(15 <= len(text) < 120 for text in found) >= 1_000
    assert sum(len(text) >= 120 for text in found) >= 1_000
    assert sum(any("\u4e00" <= c <= "\u9fff" for c in text) for text in found) >= 600


def test_no_guard_text_occurs_in_the_probe() -> None:
    probe = {text for path in FILES for half in ("dev", "test") for text in texts(load(path)[half])}
    assert not probe & {normalized(row["text"]) for row in guard()}


def test_guard_text_shares_no_source_with_at_least_half_of_the_tasks() -> None:
    guarded = {row["source"].split()[0] for row in guard()}
    shared = [path.stem for path in FILES if any(word in load(path)["source"].casefold() for word in guarded)]
    assert 2 * len(shared) <= len(FILES)


def test_demo_probe_and_guard_have_next_to_no_text_in_common() -> None:
    demo = {
        normalized(row[name])
        for file in ("train.jsonl", "dev.jsonl")
        for line in (ASSETS / "demo" / file).read_text(encoding="utf-8").splitlines()
        for row in [json.loads(line)]
        for name in ("query", "positive")
    }
    probe = {text for path in FILES for half in ("dev", "test") for text in texts(load(path)[half])}
    for one, other in combinations((demo, probe, {normalized(row["text"]) for row in guard()}), 2):
        assert len(one & other) <= 3  # single words such as a disease's name may occur anywhere


def test_assets_stay_small() -> None:
    assert sum(path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()) < 3_000_000
