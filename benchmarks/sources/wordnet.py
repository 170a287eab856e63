"""WordNet 3.0: its synsets, and the data set gloss -> words. WordNet license (BSD-like)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sources.fetch import debian
from sources.layout import Pair, PairSet, key

_FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
_NUMBER = {"n": "1", "v": "2", "a": "3", "r": "4", "s": "5"}  # part of speech in a sense key
_QUOTED = re.compile(r'"[^"]*"?')
_LABELS = {"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}


@dataclass(frozen=True)
class Synset:
    """One meaning.

    Attributes:
        id: part of speech and offset, for instance ``n00023773``.
        field: number of the lexicographer's file: a rough subject.
        words: its words, most usual first; spaces for underscores.
        senses: for each word the number of this sense among the word's senses (1 = most frequent), 0 if never counted.
        counts: for each word how often this sense was seen in tagged text.
        hypernyms: ids of the broader synsets.
        gloss: definition and usage examples as they stand in WordNet.
    """

    id: str
    field: int
    words: tuple[str, ...]
    senses: tuple[int, ...]
    counts: tuple[int, ...]
    hypernyms: tuple[str, ...]
    gloss: str

    @cached_property
    def definitions(self) -> tuple[str, ...]:
        """The parts of the definition; WordNet separates two wordings of one meaning by a semicolon."""
        parts = (" ".join(part.split()) for part in _QUOTED.sub("", self.gloss).split(";"))
        return tuple(part for part in parts if any(c.isalpha() for c in part))

    @cached_property
    def examples(self) -> tuple[str, ...]:
        """The usage examples."""
        return tuple(q.strip('" ') for q in _QUOTED.findall(self.gloss) if q.strip('" '))


def folder(work: Path) -> Path:
    """Where the unpacked database lies."""
    return debian(work, "wordnet-base") / "usr" / "share" / "wordnet"


def copyright_file(work: Path) -> Path:
    """The license as the package states it."""
    return debian(work, "wordnet-base") / "usr" / "share" / "doc" / "wordnet-base" / "copyright"


def synsets(work: Path) -> dict[str, Synset]:
    """All synsets by id."""
    counted = dict(_counts(folder(work) / "cntlist.rev"))
    found = (
        _parse(line, counted)
        for name in _FILES.values()
        for line in (folder(work) / f"data.{name}").read_text(encoding="utf-8").splitlines()
        if not line.startswith(" ")  # the license stands before the data
    )
    return {synset.id: synset for synset in found}


def build(work: Path) -> PairSet:
    """Definition -> words of the synset; a group is all meanings of one word."""
    pairs, documents = [], {}
    for synset in synsets(work).values():
        definition = "; ".join(synset.definitions)
        spelled = any(f" {word.casefold()} " in f" {key(definition)} " for word in synset.words)
        # A definition that holds its own word is found by spelling.
        if len(definition.split()) >= 4 and not spelled:
            pairs.append(Pair(definition, synset.id, synset.words[0].casefold(), _LABELS[synset.id[0]]))
            documents[synset.id] = ", ".join(synset.words)
    return PairSet(
        name="wordnet",
        source="Debian package wordnet-base, WordNet 3.0",
        license="WordNet 3.0 license (Princeton University)",
        pairs=pairs,
        documents=documents,
        train=20_000,
        test_queries=1_000,
        corpus=10_000,
    )


def _counts(path: Path) -> Iterator[tuple[tuple[str, str, str, str], tuple[int, int]]]:
    """(lemma, part of speech, file, lexical id) -> (sense number, count)."""
    for line in path.read_text(encoding="utf-8").splitlines():
        key, sense, count = line.split()
        lemma, rest = key.split("%")
        number, field, lexical = rest.split(":")[:3]
        yield (lemma, number, field, lexical), (int(sense), int(count))


def _parse(line: str, counted: dict[tuple[str, str, str, str], tuple[int, int]]) -> Synset:
    data, gloss = line.split(" | ", 1)
    offset, field, kind, width, *rest = data.split()
    size = 2 * int(width, 16)
    words = [re.sub(r"\((a|p|ip)\)$", "", word) for word in rest[:size:2]]  # adjectives carry a syntactic marker
    keys = [
        (word.lower(), _NUMBER[kind], field, f"{int(lexical, 16):02d}")
        for word, lexical in zip(words, rest[1:size:2], strict=True)
    ]
    pointers = rest[size + 1 : size + 1 + 4 * int(rest[size])]
    return Synset(
        id=kind + offset,
        field=int(field),
        words=tuple(word.replace("_", " ") for word in words),
        senses=tuple(counted.get(k, (0, 0))[0] for k in keys),
        counts=tuple(counted.get(k, (0, 0))[1] for k in keys),
        hypernyms=tuple(
            pointers[i + 2] + pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i] in ("@", "@i")
        ),
        gloss=gloss.strip(),
    )
