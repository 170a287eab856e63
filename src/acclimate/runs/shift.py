"""How far one data set lies from another: its queries from queries, its documents from documents."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from acclimate.core.errors import DataError, Place
from acclimate.data.bm25 import words_of
from acclimate.data.domain_classifier import LEAST
from acclimate.data.examples import Dataset, Example, Kind, documents_of, normalized, queries_of
from acclimate.data.keys import KeyNumbers, in_parts, keys_of
from acclimate.evaluation import Encode
from acclimate.evaluation.shift import piece_ratio, proxy_a_distance, vocabulary_overlap
from acclimate.model.encoder import Encoder
from acclimate.runs.tokens import lengths_by

_ENCODED = 2000  # different texts of one side; the standard error of a distance is 0.03 then at most
_OF_ROWS = 500  # the same where a run looks before and after: 0.06 at most

Lengths = Callable[[Sequence[str]], list[int]]


def measure_shift(
    target: Dataset, source: Dataset, base: Encoder, progress: Callable[[int, int], None] | None = None
) -> dict[str, dict[str, Any]]:
    """The shift of a target from a source, in different texts: equal ones count once on each side.

    Args:
        target: the data that is looked at.
        source: what it is compared with.
        base: its vectors and its tokens.
        progress: told (texts done, texts in all) while texts are encoded.

    Returns:
        ``documents``, and ``queries`` where both have some: the numbers of ``texts`` of both, and what
        `acclimate.evaluation.shift` says of them. Texts of one kind, scored pairs among them, are documents.

    Raises:
        DataError: too few texts to compare, or none with a word.
    """
    lengths = lengths_by(base.fast_tokenizer)
    shift = {}
    for kind, texts in _TEXTS.items():
        sides = [_looked_through(texts(dataset), lengths) for dataset in (source, target)]
        if all(side.count for side in sides):
            for side, dataset in zip(sides, (source, target), strict=True):
                _enough(side, kind, dataset)
            shift[kind] = _compared(sides[0], sides[1], kind, base, progress)
    return shift


def distance_of_domains(
    source: Sequence[Example], target: Sequence[Example], encode: Encode
) -> dict[str, dict[str, float]]:
    """`proxy_a_distance` of the embeddings of some different texts of two domains, by a classifier that is new to them.

    ``queries`` and ``documents``: those of which both sides have enough. The same texts are taken at each call.
    """
    found = {}
    for kind, texts in (("queries", queries_of), ("documents", documents_of)):
        sides = [_some(texts(rows)) for rows in (source, target)]
        if min(map(len, sides)) >= LEAST:
            found[kind] = proxy_a_distance(*(encode(side, _ROLES[kind]) for side in sides))
    return found


def _some(texts: Iterable[str]) -> list[str]:
    chosen: dict[int, str] = {}
    for part in in_parts(texts):
        known = chosen | dict(zip(keys_of(map(normalized, part)).tolist(), part, strict=True))
        chosen = dict(heapq.nsmallest(_OF_ROWS, known.items()))
    return list(chosen.values())


@dataclass(frozen=True, slots=True)
class _Texts:
    """What is asked of all different texts of a side, and ``some`` of them by key."""

    count: int
    tokens: int
    words: Mapping[str, int]
    some: dict[int, str]


def _queries(dataset: Dataset) -> Iterator[str]:
    # Which of two scored texts stands first says nothing.
    return (row.query for row in dataset.examples if row.query and dataset.kind is not Kind.SCORED)


def _documents(dataset: Dataset) -> Iterator[str]:
    rows = dataset.examples
    first = (row.query for row in rows if dataset.kind is Kind.SCORED)
    others = (text for row in rows for text in (row.text, *row.positives, *row.negatives) if text)
    return chain(first, others, dataset.documents.values())


_TEXTS: Mapping[str, Callable[[Dataset], Iterator[str]]] = {"queries": _queries, "documents": _documents}
_ROLES = {"queries": "query", "documents": "document"}


def _looked_through(texts: Iterable[str], lengths: Lengths) -> _Texts:
    known, words, tokens = KeyNumbers(), Counter[str](), 0
    special = lengths([""])[0]
    some: list[tuple[int, str]] = []
    for part in in_parts(texts):
        keys = keys_of(map(normalized, part))
        fresh = known.add(keys)[1].tolist()
        new = [part[place] for place in fresh]
        words.update(chain.from_iterable(map(words_of, new)))
        tokens += sum(lengths(new)) - special * len(new)
        # A key is a hash: the least ones are as good as drawn, and the same where both sides have the same texts.
        some = heapq.nsmallest(_ENCODED, [*some, *zip(keys[fresh].tolist(), new, strict=True)])
    return _Texts(len(known), tokens, words, dict(some))


def _enough(side: _Texts, kind: str, dataset: Dataset) -> None:
    if side.count < LEAST:
        problem = f"{side.count} different {kind} are too few to measure a shift by"
        where = Place(dataset.path) if dataset.path else None
        raise DataError(problem, f"give {LEAST} or more, a hundred if you can", where)


def _compared(
    source: _Texts, target: _Texts, kind: str, base: Encoder, progress: Callable[[int, int], None] | None
) -> dict[str, Any]:
    texts = source.some | target.some  # a text of both has one vector, which is how it is known to be the same
    vectors = base.encode(list(texts.values()), _ROLES[kind], progress=progress)
    row = {key: number for number, key in enumerate(texts)}
    sides = [vectors[np.array([row[key] for key in side.some])] for side in (source, target)]
    pieces = [(side.tokens, sum(side.words.values())) for side in (source, target)]
    return {
        "texts": {"source": source.count, "target": target.count},
        **proxy_a_distance(*sides),
        **vocabulary_overlap(source.words, target.words),
        "tokens_a_word": piece_ratio(*pieces),
    }
