"""The demo: a few hundred categories of ICD-10-CM, split by category, with their other codes as distractors."""

from dataclasses import replace
from pathlib import Path

from sources.icd10cm import build as build_icd10cm
from sources.layout import Pair, PairSet, key, row, shuffled, write_beir, write_lines

_SIDES = {"test": 500, "dev": 250, "train": 2_000}  # pairs wanted; categories are dealt out in this order
_CORPUS = 3_600
_LICENSE = """# Demo data: ICD-10-CM

Inclusion terms of the ICD-10-CM tabular list (release of April 2026) as queries, the descriptions of their codes as
documents. ICD-10-CM is published by the National Center for Health Statistics, Centers for Disease Control and
Prevention, and the Centers for Medicare & Medicaid Services. As a work of the United States government it is in the
public domain in the United States (17 U.S.C. 105); it is taken here from the Python package `simple-icd-10-cm` 1.5.0,
of which nothing but this government file is used.

A sample for showing and testing software. It is not fit for coding diagnoses. The texts are unaltered, but a
description shorter than 40 characters is preceded by those of up to two of its parents, joined by " > ".

| file | what |
| --- | --- |
| `train.jsonl`, `dev.jsonl` | pairs: `query`, `positive`, `doc_id` (code), `group` (category), `label` (chapter) |
| `test/` | a BEIR folder: 500 or a few more queries of categories that occur in neither, ranked against all documents |

Categories, and so documents and near-identical terms, never fall on two sides. Rebuilt by
`python benchmarks/build_assets.py demo`.
"""


def build(work: Path, folder: Path) -> None:
    """Writes ``train.jsonl``, ``dev.jsonl``, ``test/`` and ``LICENSE.md``."""
    data = _distinct(build_icd10cm(work))
    sides = _deal(data)
    for side in ("train", "dev"):
        write_lines(folder / f"{side}.jsonl", (row(pair, data.documents) for pair in sides[side]))
    write_beir(folder / "test", sides["test"], _corpus(data, sides))
    (folder / "LICENSE.md").write_text(_LICENSE, encoding="utf-8")


def _distinct(data: PairSet) -> PairSet:
    """One code a text and one code a term: a right answer that is judged wrong is noise."""
    first = {key(text): code for code, text in reversed(data.documents.items())}
    documents = {code: text for code, text in data.documents.items() if first[key(text)] == code}
    asked: dict[str, set[str]] = {}
    for pair in data.pairs:
        asked.setdefault(_bag(pair.query), set()).add(pair.group)
    pairs = {
        _bag(pair.query): pair for pair in data.pairs if pair.doc_id in documents and len(asked[_bag(pair.query)]) == 1
    }
    return replace(data, pairs=list(pairs.values()), documents=documents)


def _bag(text: str) -> str:
    """A term's words in alphabetical order: terms that differ in word order or punctuation alone are one."""
    return " ".join(sorted(set(key(text).split())))


def _deal(data: PairSet) -> dict[str, list[Pair]]:
    """Deals whole categories, in a fixed random order, to test, then dev, then train."""
    members: dict[str, list[Pair]] = {}
    for pair in data.pairs:
        members.setdefault(pair.group, []).append(pair)
    # Categories with very many terms would make a side of three or four subjects.
    order = iter([group for group in shuffled(members, "demo", "group") if len(members[group]) <= 40])
    sides: dict[str, list[Pair]] = {}
    for side, wanted in _SIDES.items():
        sides[side] = []
        while len(sides[side]) < wanted:
            sides[side] += members[next(order)]
        sides[side] = shuffled(sides[side], "demo", "row")
    return sides


def _corpus(data: PairSet, sides: dict[str, list[Pair]]) -> dict[str, str]:
    """The documents of all pairs, and sibling codes of the test categories as hard distractors, then others."""
    pairs = [pair for side in sides.values() for pair in side]
    needed = {pair.doc_id for pair in pairs}
    tested = {pair.group for pair in sides["test"]}
    others = shuffled(set(data.documents) - needed, "demo", "corpus")
    others.sort(key=lambda code: code.split(".")[0] not in tested)
    return {code: data.documents[code] for code in [*sorted(needed), *others][:_CORPUS]}
