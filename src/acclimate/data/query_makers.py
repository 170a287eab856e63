"""Queries out of a text itself, for texts that nobody has asked for: the ways to make one, and the table of them.

Where a query is cut out of its text, the text mostly goes on without it. With it, the same words on both sides would be
all that there is to learn (Lee, Chang & Toutanova, "Latent Retrieval for Weakly Supervised Open Domain Question
Answering", 2019: the inverse cloze task).
"""

import re
from abc import abstractmethod
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
from pydantic import AfterValidator, Field, PositiveInt

from acclimate.core.specs import Spec, Table
from acclimate.data.bm25 import UNSPACED, places_of_words, rarity, words_of
from acclimate.data.examples import Example, normalized

if TYPE_CHECKING:
    from numpy.random import Generator

TEXT_GOES = "{}"
"""Stands in a prompt where the text goes."""

_HEADING = re.compile(r"#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*\n")  # of Markdown
_TITLE_CHARACTERS = 100  # a longer first line is no title
_MARKS = " \t\n.!?…:;,、。！？｡：；，"  # that no query starts or ends with
_SENTENCE = re.compile(r"\S[^\n]*?(?:[.!?…]+[\"'”’)\]]*(?=\s|$)|[。！？｡]+[\"”’」』）]*|(?=\n)|$)")
_UNIT = re.compile(rf"[{UNSPACED}]{{1,2}}|[^\s{UNSPACED}]+")  # a word, or two signs of a script without spaces
_LEAST, _MOST = 3, 24  # units of what is cut out, and at least of what is left


class Made(NamedTuple):
    """A query, what is left of its text, and how it was made."""

    kind: str
    query: str
    document: str


class Text:
    """A text that queries are made of.

    Attributes:
        whole: all of it.
        title: its title, or the heading that it starts with; empty where it has none.
        start: where it goes on behind that.
        written: queries that a model has written for it, each of which is taken once.
    """

    def __init__(self, example: Example, written: Iterable[str] = ()) -> None:
        self.whole, self.written = example.text, iter(written)
        self.title, self.start = _titled(example)

    @cached_property
    def sentences(self) -> list[tuple[int, int]]:
        """Where each sentence behind the title starts and ends; a line ends one too."""
        return [match.span() for match in _SENTENCE.finditer(self.whole, self.start)]

    @cached_property
    def units(self) -> list[tuple[int, int]]:
        """Where each word behind the title starts and ends; in a script without spaces, each two signs."""
        return [match.span() for match in _UNIT.finditer(self.whole, self.start)]

    def without(self, start: int, end: int) -> str:
        """The text without a part."""
        before, after = self.whole[:start].rstrip(), self.whole[end:].lstrip()
        spaced = self.whole[start - 1 : start].isspace() or self.whole[end : end + 1].isspace()
        return f"{before}{' ' if spaced and before and after else ''}{after}"

    def units_between(self, start: int, end: int) -> int:
        """How many units start in a part."""
        before_start, before_end = (bisect_left(self.units, (place,)) for place in (start, end))
        return before_end - before_start


#: Makes one query, if the text is fit for it.
Way: TypeAlias = Callable[[Text, Mapping[str, float], "Generator"], Made | None]

#: (what it reads, with {} for the text; texts; queries of each; their length in tokens) -> queries of each text.
Writer: TypeAlias = Callable[[str, Sequence[str], int, int], Iterable[Sequence[str]]]


class QueryMaker(Spec):
    """The settings of all ways.

    A text is asked for by ``queries_a_document`` queries, and by fewer where more than ``most`` would be made in all. A
    query is kept when its text is among the first ``top_k`` of all texts by the base's vectors or by BM25
    (``round_trip``); ``none`` keeps all.
    """

    queries_a_document: PositiveInt = 3
    most: PositiveInt = 10_000
    round_trip: Literal["base", "bm25", "none"] = "base"
    top_k: PositiveInt = 20

    @abstractmethod
    def ways(self, draw: "Generator") -> Sequence[Way]:
        """The ways to make a query, in the order in which they are taken."""

    def written(self, texts: Sequence[str], count: int, writer: Callable[[str], Writer]) -> Iterable[Sequence[str]]:
        """What a model writes for each text; most ways need none. ``writer`` reads it, by the name of its folder."""
        return repeat((), len(texts))

    def make(self, text: Text, rare: Mapping[str, float], draw: "Generator", count: int) -> list[Made]:
        """At most ``count`` different queries of one text, none of which is all that its document says.

        Args:
            text: what they are made of.
            rare: what a word counts.
            draw: what is drawn from.
            count: how many are wanted.
        """
        found: dict[str, Made] = {}
        ways = self.ways(draw)
        for turn in range(count * len(ways)):
            if len(found) == count:
                break
            made = ways[turn % len(ways)](text, rare, draw)
            said = normalized(made.query) if made is not None else ""
            if made is not None and said and said != normalized(made.document):
                found.setdefault(said, made)
        return list(found.values())


LeftIn = Annotated[float, Field(ge=0, le=1)]


class TitleMaker(QueryMaker):
    """The title asks for the rest: that of a column ``title``, a heading of Markdown, or a short first line."""

    kind: Literal["title"] = "title"

    summary: ClassVar[str] = "titles and headings ask for what stands below them"

    def ways(self, draw: "Generator") -> Sequence[Way]:
        """See `QueryMaker.ways`."""
        return (_by_title,)


class SentenceMaker(QueryMaker):
    """A sentence asks for the others. The text keeps it with a chance of ``left_in``."""

    kind: Literal["sentence"] = "sentence"
    left_in: LeftIn = 0.1

    summary: ClassVar[str] = "a sentence asks for the rest of its text"

    def ways(self, draw: "Generator") -> Sequence[Way]:
        """See `QueryMaker.ways`."""
        return (_by_sentence(self.left_in),)


class SpanMaker(QueryMaker):
    """Some words in a row, at most half of the text, ask for the others. It keeps them with a chance of ``left_in``."""

    kind: Literal["span"] = "span"
    left_in: LeftIn = 0.1

    summary: ClassVar[str] = "some words in a row ask for the rest of their text"

    def ways(self, draw: "Generator") -> Sequence[Way]:
        """See `QueryMaker.ways`."""
        return (_by_span(self.left_in),)


class KeyphraseMaker(QueryMaker):
    """Words that tell a text from others ask for it: at most ``most_words`` of them, and at most half of its own."""

    kind: Literal["keyphrase"] = "keyphrase"
    most_words: Annotated[int, Field(ge=2)] = 5

    summary: ClassVar[str] = "the words that tell a text from others ask for it"

    def ways(self, draw: "Generator") -> Sequence[Way]:
        """See `QueryMaker.ways`."""
        return (_by_keyphrase(self.most_words),)


class MixedMaker(QueryMaker):
    """All ways that a text is fit for, in an order that is drawn for each."""

    kind: Literal["mixed"] = "mixed"
    left_in: LeftIn = 0.1
    most_words: Annotated[int, Field(ge=2)] = 5

    summary: ClassVar[str] = "titles, sentences, words in a row and the words that tell a text from others ask for it"

    def ways(self, draw: "Generator") -> Sequence[Way]:
        """See `QueryMaker.ways`."""
        known = (_by_title, _by_sentence(self.left_in), _by_span(self.left_in), _by_keyphrase(self.most_words))
        return [known[place] for place in draw.permutation(len(known))]


def _has_room(prompt: str) -> str:
    if TEXT_GOES not in prompt:
        raise ValueError(f"should have {TEXT_GOES} where the text goes")
    return prompt


class GeneratedMaker(QueryMaker):
    """A model writes the queries: a folder of transformers' with an encoder and a decoder, or a decoder alone.

    It reads ``prompt`` with the text in the place of ``{}``, and writes at most ``most_tokens``.
    """

    kind: Literal["generated"] = "generated"
    model: str
    prompt: Annotated[str, AfterValidator(_has_room)] = TEXT_GOES
    most_tokens: PositiveInt = 32

    summary: ClassVar[str] = "a model writes queries for each text"

    def ways(self, draw: "Generator") -> Sequence[Way]:
        """See `QueryMaker.ways`."""
        return (_by_model,)

    def written(self, texts: Sequence[str], count: int, writer: Callable[[str], Writer]) -> Iterable[Sequence[str]]:
        """See `QueryMaker.written`."""
        return writer(self.model)(self.prompt, texts, count, self.most_tokens)


QUERY_MAKERS: Table[QueryMaker] = Table(
    "way to make queries", TitleMaker, SentenceMaker, SpanMaker, KeyphraseMaker, MixedMaker, GeneratedMaker
)


def rarities(texts: Iterable[str]) -> dict[str, float]:
    """What each word counts by how many of the texts have it, as in BM25."""
    having, total = Counter[str](), 0
    for text in texts:
        having.update(set(words_of(text)))
        total += 1
    counts = rarity(np.fromiter(having.values(), np.int64, len(having)), total)
    return dict(zip(having, counts.tolist(), strict=True))


def _titled(example: Example) -> tuple[str, int]:
    """The title of a text, and where it goes on."""
    whole = example.text
    if example.title:
        return example.title, len(example.title)
    heading = _HEADING.match(whole)
    if heading is not None:
        return heading[1], heading.end()
    first, _, rest = whole.partition("\n")
    shown = first.strip()
    if len(shown) <= _TITLE_CHARACTERS and shown == shown.rstrip(_MARKS) and len(rest.strip()) > len(shown):
        return shown, len(first)
    return "", 0


def _by_title(text: Text, rare: Mapping[str, float], draw: "Generator") -> Made | None:
    rest = text.whole[text.start :].strip()
    return Made("title", text.title, rest) if text.title and rest else None


def _by_model(text: Text, rare: Mapping[str, float], draw: "Generator") -> Made | None:
    query = next(text.written, None)
    return None if query is None else Made("generated", query, text.whole)


def _by_sentence(left_in: float) -> Way:
    def make(text: Text, rare: Mapping[str, float], draw: "Generator") -> Made | None:
        fit = [
            (start, end)
            for start, end in text.sentences
            if _LEAST <= text.units_between(start, end) <= len(text.units) - _LEAST
        ]
        return _cut("sentence", text, *fit[draw.integers(len(fit))], left_in, draw) if fit else None

    return make


def _by_span(left_in: float) -> Way:
    def make(text: Text, rare: Mapping[str, float], draw: "Generator") -> Made | None:
        if len(text.units) < 2 * _LEAST:
            return None
        length = int(draw.integers(_LEAST, min(_MOST, len(text.units) // 2) + 1))
        first = int(draw.integers(len(text.units) - length + 1))
        return _cut("span", text, text.units[first][0], text.units[first + length - 1][1], left_in, draw)

    return make


def _cut(kind: str, text: Text, start: int, end: int, left_in: float, draw: "Generator") -> Made:
    stays = draw.random() < left_in
    return Made(kind, text.whole[start:end].strip(_MARKS), text.whole if stays else text.without(start, end))


def _by_keyphrase(most_words: int) -> Way:
    def make(text: Text, rare: Mapping[str, float], draw: "Generator") -> Made | None:
        said = normalized(text.whole)
        counts, place = Counter[str](), dict[str, tuple[int, int]]()
        for start, end in places_of_words(said):
            counts[said[start:end]] += 1
            place.setdefault(said[start:end], (start, end))
        most = min(most_words, (len(counts) + 1) // 2)
        if len(counts) < 2:
            return None
        count = int(draw.integers(min(2, most), most + 1))
        best = sorted(counts, key=lambda word: (-counts[word] * rare[word], word))[: (3 * count + 1) // 2]
        chosen = sorted(place[best[number]] for number in draw.choice(len(best), count, replace=False))
        return Made("keyphrase", " ".join(_joined(said, chosen)), text.whole)

    return make


def _joined(said: str, places: Iterable[tuple[int, int]]) -> list[str]:
    """What stands at some places in ascending order, in one piece where nothing but spaces stands between."""
    pieces: list[tuple[int, int]] = []
    for start, end in places:
        if pieces and not said[pieces[-1][1] : start].strip():
            pieces[-1] = (pieces[-1][0], end)
        else:
            pieces.append((start, end))
    return [said[start:end] for start, end in pieces]
