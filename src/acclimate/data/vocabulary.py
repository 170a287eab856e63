"""Words of a domain that the base's tokenizer cuts into many pieces, found in the training rows.

Of the words that it cuts into ``least_pieces`` or more, those come first that would save most tokens::

    rows with the word  *  (its pieces - 1)
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from acclimate.core.specs import Spec, Table
from acclimate.data.examples import Example

#: The words of a text, in its order, as the tokenizer's normalization leaves them.
Words = Callable[[str], Iterable[str]]


class ExtendVocabulary(Spec):
    """At most ``most_words`` words become tokens, each of which stands in ``least_rows`` training rows or more.

    ``start`` is where their vectors begin: at the mean of their pieces' (``mean``), or from there moved so that texts
    that hold them have the vectors that the base gives them (``distilled``).
    """

    kind: Literal["extend"] = "extend"
    most_words: PositiveInt = 1000
    least_rows: PositiveInt = 5
    least_pieces: Annotated[int, Field(ge=2)] = 3
    start: Literal["mean", "distilled"] = "distilled"

    summary: ClassVar[str] = "frequent words of many pieces become tokens"


VOCABULARIES: Table[ExtendVocabulary] = Table("vocabulary", ExtendVocabulary)


@dataclass(frozen=True, slots=True)
class Word:
    """A word, the training rows that it stands in, and the pieces that the tokenizer makes of it."""

    text: str
    rows: int
    pieces: int


def find_words(
    examples: Iterable[Example],
    words: Words,
    pieces: Callable[[Sequence[str]], Sequence[Sequence[int]]],
    settings: ExtendVocabulary,
) -> list[Word]:
    """The words worth a token of their own, those that save most first; of equal ones, in the order of the alphabet.

    Args:
        examples: the training rows.
        words: of a text.
        pieces: token ids of each of some words.
        settings: how many are taken, and which.
    """
    rows: Counter[str] = Counter()
    for example in examples:
        rows.update({word for text in texts_of(example) for word in words(text)})
    frequent = [word for word, count in rows.items() if count >= settings.least_rows]
    found = [Word(word, rows[word], len(ids)) for word, ids in zip(frequent, pieces(frequent), strict=True)]
    found = [word for word in found if word.pieces >= settings.least_pieces]
    return sorted(found, key=lambda word: (-word.rows * (word.pieces - 1), word.text))[: settings.most_words]


def texts_of(example: Example) -> tuple[str, ...]:
    """All texts of a row."""
    return (*example.texts(), *example.negatives)


def texts_with(examples: Iterable[Example], words: Words, wanted: Iterable[str], of_each: int) -> Iterator[str]:
    """Distinct texts of the rows that hold some of the words, until there are ``of_each`` of every word."""
    missing = dict.fromkeys(wanted, of_each)
    seen = set()
    for example in examples:
        for text in texts_of(example):
            held = missing.keys() & set(words(text))
            if held and text not in seen:
                seen.add(text)
                yield text
                for word in held:
                    missing[word] -= 1
                    if not missing[word]:
                        del missing[word]
