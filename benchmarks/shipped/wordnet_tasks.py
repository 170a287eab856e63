"""Three tasks from WordNet: similar words, similar definitions, the word for a definition."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from sources.layout import shuffled
from sources.wordnet import Synset, synsets

from shipped.tasks import retrieval, similarity, write

_SOURCE = "WordNet 3.0 (Debian package wordnet-base)"
_BROAD = 25  # frequent meanings under one broader meaning
_LICENSE = "WordNet 3.0 license, licenses/wordnet.txt"

_Relation: TypeAlias = Callable[[Synset], list[Synset]]


class _Net:
    """The frequent noun and verb meanings and who is related to whom."""

    def __init__(self, all_synsets: dict[str, Synset]) -> None:
        self.all = all_synsets
        frequent = [s for s in all_synsets.values() if s.id[0] in "nv" and max(s.counts) >= 1]
        self.order: list[Synset] = [all_synsets[name] for name in shuffled((s.id for s in frequent), "probe", "synset")]
        self.place = {synset.id: n for n, synset in enumerate(self.order)}
        self.children: dict[str, list[Synset]] = {}
        for synset in self.order:
            for parent in synset.hypernyms:
                self.children.setdefault(parent, []).append(synset)

    def parents(self, synset: Synset) -> list[Synset]:
        """The broader meanings, the very broad ones left out: what two kinds of person have in common is little."""
        return [self.all[name] for name in synset.hypernyms if len(self.children.get(name, ())) <= _BROAD]

    def sisters(self, synset: Synset) -> list[Synset]:
        """Other meanings under the same broader one."""
        return [s for parent in self.parents(synset) for s in self.children.get(parent.id, ()) if s.id != synset.id]

    def cousins(self, synset: Synset) -> list[Synset]:
        """Meanings whose broader meaning is a sister of ours."""
        own = set(synset.hypernyms)
        grand = [g for parent in self.parents(synset) for g in self.parents(parent)]
        aunts = [a for g in grand for a in self.children.get(g.id, ()) if a.id not in own]
        return [s for aunt in aunts for s in self.children.get(aunt.id, ()) if s.id != synset.id]

    def strangers(self, synset: Synset) -> list[Synset]:
        """Meanings of another subject, at most 20."""
        start = self.place[synset.id] + 1
        following = self.order[start : start + 200]
        return [s for s in following if s.id[0] == synset.id[0] and s.field != synset.field][:20]


def build(work: Path, folder: Path) -> None:
    """Writes the three tasks."""
    net = _Net(synsets(work))
    write(
        folder,
        "word_similarity",
        _SOURCE,
        _LICENSE,
        "Two words: same meaning 4, one the broader of the other 3, sisters 2, cousins 1, of another subject 0.",
        similarity(_graded_words(net), {"test": 800, "dev": 250}),
    )
    write(
        folder,
        "sentence_similarity",
        _SOURCE,
        _LICENSE,
        "Two definitions: of the same meaning 3, one of the broader meaning 2, of sisters 1, of another subject 0.",
        similarity(_graded_definitions(net), {"test": 480, "dev": 160}),
    )
    write(
        folder,
        "definition_to_word",
        _SOURCE,
        _LICENSE,
        "The words that a definition defines.",
        retrieval(_definitions_and_words(net), {"test": (420, 1_400), "dev": (120, 500)}),
    )


def _graded_words(net: _Net) -> dict[float, Iterator[tuple[str, str]]]:
    def related(relation: _Relation) -> Iterator[tuple[str, str]]:
        for synset in net.order:
            for other in relation(synset):
                yield from _first(_words(synset), _words(other))

    return {
        4.0: _differing((words[0], words[1]) for words in map(_words, net.order) if len(words) > 1),
        3.0: _differing(related(net.parents)),
        2.0: _differing(related(net.sisters)),
        1.0: _differing(related(net.cousins)),
        0.0: _differing(related(net.strangers)),
    }


def _words(synset: Synset) -> list[str]:
    """The words whose most frequent meaning this is: taken alone, they would be understood so."""
    rated = zip(synset.words, synset.senses, synset.counts, strict=True)
    return [w for w, sense, count in rated if sense == 1 and count >= 1 and w.isalpha() and w.islower() and len(w) > 2]


def _first(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[str, str]]:
    if ours and theirs:
        yield ours[0], theirs[0]


def _differing(pairs: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Leaves out pairs that spelling alone would answer, as in sail and sailing."""
    return ((a, b) for a, b in pairs if a[:4] != b[:4] and a not in b and b not in a)


def _graded_definitions(net: _Net) -> dict[float, Iterator[tuple[str, str]]]:
    def related(relation: _Relation) -> Iterator[tuple[str, str]]:
        for synset in net.order:
            for other in relation(synset):
                yield from _first(_long_definitions(synset), _long_definitions(other))

    return {
        3.0: ((parts[0], parts[1]) for parts in map(_long_definitions, net.order) if len(parts) > 1),
        2.0: related(net.parents),
        1.0: related(net.sisters),
        0.0: related(net.strangers),
    }


def _long_definitions(synset: Synset) -> tuple[str, ...]:
    return tuple(part for part in synset.definitions if 4 <= len(part.split()) <= 25)


def _definitions_and_words(net: _Net) -> list[tuple[str, str]]:
    """Definitions that do not name their word, in a random order of their own."""
    found = []
    for synset in shuffled(net.order, "probe", "definition"):
        definition = "; ".join(synset.definitions)
        named = any(word[:5].casefold() in definition.casefold() for words in synset.words for word in words.split())
        if not named and 4 <= len(definition.split()) <= 25:
            found.append((definition, ", ".join(synset.words)))
    return found
