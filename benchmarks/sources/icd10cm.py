"""Medical coding: the inclusion terms of ICD-10-CM -> the description of their code. Public domain (US government)."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sources.fetch import wheel
from sources.layout import Pair, PairSet, key

_SHORT = 40  # characters: a shorter description ("Furuncle, unspecified") says too little without its parents'


@dataclass(frozen=True, slots=True)
class Code:
    """One code of the tabular list, with the descriptions from its category down to itself."""

    name: str
    category: str
    chapter: str
    path: tuple[str, ...]
    terms: tuple[str, ...]

    @property
    def text(self) -> str:
        """The description, after those of up to two parents when it is short."""
        return self.path[-1] if len(self.path[-1]) >= _SHORT else " > ".join(self.path[-3:])


def codes(work: Path) -> list[Code]:
    """Every code of the tabular list of 2026."""
    package = wheel(work, "simple-icd-10-cm", "1.5.0")
    tree = ElementTree.parse(package / "simple_icd_10_cm" / "data" / "icd10c-tabular-April-1-2026.xml")
    return [
        code
        for chapter in tree.getroot().iter("chapter")
        for section in chapter.findall("section")
        for category in section.findall("diag")
        for code in _walk(category, _text(chapter, "name"), _text(category, "name"), ())
    ]


def build(work: Path) -> PairSet:
    """The whole data set."""
    documents: dict[str, str] = {}
    pairs = []
    for code in codes(work):
        documents[code.name] = code.text
        described = {key(part) for part in code.path}
        # A term that only repeats a description teaches nothing and tests nothing.
        pairs += [Pair(t, code.name, code.category, code.chapter) for t in code.terms if key(t) not in described]
    return PairSet(
        name="icd10cm",
        source="simple-icd-10-cm==1.5.0 (Python package), ICD-10-CM tabular list, April 2026",
        license="public domain (US government)",
        pairs=pairs,
        documents=documents,
        corpus=20_000,
    )


def _walk(node: ElementTree.Element, chapter: str, category: str, above: tuple[str, ...]) -> Iterator[Code]:
    path = (*above, _text(node, "desc"))
    notes = [*node.findall("inclusionTerm/note"), *node.findall("includes/note")]
    terms = tuple(dict.fromkeys(" ".join((note.text or "").split()) for note in notes))
    yield Code(_text(node, "name"), category, chapter, path, tuple(term for term in terms if term))
    for child in node.findall("diag"):
        yield from _walk(child, chapter, category, path)


def _text(node: ElementTree.Element, tag: str) -> str:
    return " ".join((node.findtext(tag) or "").split())
