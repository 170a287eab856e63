"""What a task of the general probe is on disk: one JSON file a task, with its source, its license and both halves."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sources.layout import key

Half = dict[str, Any]


def write(folder: Path, name: str, source: str, license_: str, about: str, halves: dict[str, Half]) -> None:
    """Writes a task, a text a line, so that changes can be read."""
    task = {"name": name, "about": about, "source": source, "license": license_, **halves}
    text = json.dumps(task, ensure_ascii=False, indent=0) + "\n"
    (folder / f"{name}.json").write_text(text, encoding="utf-8")


def retrieval(items: Sequence[tuple[str, str]], sizes: dict[str, tuple[int, int]]) -> dict[str, Half]:
    """Deals (query, document) items to halves that share neither queries nor documents.

    Args:
        items: in a fixed random order; a text that was seen before is passed over.
        sizes: for each half how many queries and how many documents; the rest of the documents are distractors.
    """
    fresh = _fresh(items)
    halves: dict[str, Half] = {}
    for half, (queries, documents) in sizes.items():
        dealt = [item for item, _ in zip(fresh, range(documents), strict=False)]
        if len(dealt) < documents:
            raise SystemExit(f"only {len(dealt)} of {documents} documents for the {half} half")
        # Documents in alphabetical order: the place of a document must not say which query it answers.
        corpus = sorted(document for _, document in dealt)
        row = {document: n for n, document in enumerate(corpus)}
        halves[half] = {
            "queries": [query for query, _ in dealt[:queries]],
            "documents": corpus,
            "relevant": [[row[document]] for _, document in dealt[:queries]],
        }
    return halves


def similarity(graded: dict[float, Iterator[tuple[str, str]]], sizes: dict[str, int]) -> dict[str, Half]:
    """Deals pairs to halves, the same number of each grade; no text is used twice."""
    used: set[str] = set()
    halves: dict[str, Half] = {}
    for half, size in sizes.items():
        halves[half] = {"first": [], "second": [], "scores": []}
        for grade, pairs in graded.items():
            for first, second in _take(pairs, size // len(graded), used):
                halves[half]["first"].append(first)
                halves[half]["second"].append(second)
                halves[half]["scores"].append(grade)
    return halves


def _fresh(items: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for query, document in items:
        keys = {key(query), key(document)}
        if "" not in keys and len(keys) == 2 and not keys & seen:
            seen |= keys
            yield query, document


def _take(pairs: Iterator[tuple[str, str]], wanted: int, used: set[str]) -> Iterator[tuple[str, str]]:
    taken = 0
    while taken < wanted:
        pair = next(pairs, None)
        if pair is None:
            raise SystemExit(f"only {taken} of {wanted} pairs of a grade")
        keys = {key(text) for text in pair}
        if len(keys) == 2 and not keys & used:
            used |= keys
            taken += 1
            yield pair
