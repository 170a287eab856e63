"""What a run on texts alone trains on and is scored by: queries that the texts themselves give."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from acclimate.core.errors import DataError, Place
from acclimate.data.examples import Dataset, Example, RetrievalSet, on_disk
from acclimate.data.query_makers import QueryMaker, Writer, rarities
from acclimate.data.split import split
from acclimate.data.synthetic import (
    Asked,
    ask,
    distinct_texts,
    each_count,
    held_out_set,
    ranks_by_vectors,
    ranks_by_words,
    some_of,
)
from acclimate.evaluation import Encode

_HELD_OUT = 1_000  # queries of a part that is scored, at most


@dataclass(frozen=True, slots=True)
class Models:
    """What says something of texts alone.

    Attributes:
        encode: the base.
        writer: reads a model that writes queries, by the name of its folder.
    """

    encode: Encode
    writer: Callable[[str], Writer]


@dataclass(frozen=True, slots=True)
class Synthetic:
    """What was made of texts.

    Attributes:
        maker: that made the queries.
        pairs: what trains.
        dev, test: what is scored; None where the user gives it.
        asked: of each part by name, the queries and where their documents stand; 0 where that is not asked.
        notes: sentences for the user.
    """

    maker: QueryMaker
    pairs: Sequence[Example]
    dev: RetrievalSet | None
    test: RetrievalSet | None
    asked: dict[str, list[tuple[Asked, int]]]
    notes: tuple[str, ...]

    def lines(self) -> Iterator[dict[str, Any]]:
        """A document for each query: where it comes from, what it says, and whether it serves."""
        for part, found in self.asked.items():
            for one, rank in found:
                yield {
                    "id": one.id,
                    "line": one.source.line,
                    "part": part,
                    **one.made._asdict(),
                    **({"rank": rank} if rank else {}),
                    "kept": rank <= self.maker.top_k,
                }


def queries_of(
    dataset: Dataset, maker: QueryMaker, seed: int, models: Models, *, dev: float, test: float, least: int
) -> Synthetic:
    """Pairs and tests out of texts alone. No text that is held out trains.

    What is held out is not asked whether it leads back to its text: queries that the base answers would flatter it.

    Args:
        dataset: the texts that may train.
        maker: makes the queries.
        seed: of the run.
        models: what is asked.
        dev: share of the texts that are held out for it; 0 where the user gives queries.
        test: likewise.
        least: pairs that training needs.

    Raises:
        DataError: too few queries can be made, or are kept.
    """
    texts = distinct_texts(dataset)
    parts = split(replace(dataset, examples=texts), seed=seed, dev=dev, test=test)
    rare = rarities(e.text for e in texts)
    rows = some_of(parts.train, maker.most, seed)
    asked = ask(rows, maker, rare, seed, each_count(len(rows), maker), models.writer)
    ranks = _ranks(asked, [e.text for e in rows], maker, models.encode)
    kept = [one for one, rank in zip(asked, ranks, strict=True) if rank <= maker.top_k]
    _require(kept, asked, len(rows), maker, least, dataset)
    found = {"train": list(zip(asked, ranks, strict=True))}
    notes = [*parts.notes, _told(kept, asked, len(rows), maker)]
    if repeated := len(dataset.examples) - len(texts):
        notes.insert(0, f"{repeated} texts stand there before and are left out")
    held_out: dict[str, RetrievalSet | None] = {"dev": None, "test": None}
    for name, share, part in (("test", test, parts.test), ("dev", dev, parts.dev)):
        if share:
            of_part = ask(some_of(part, _HELD_OUT, seed), maker, rare, seed, 1, models.writer)
            _require(of_part, of_part, len(part), maker, 1, dataset)
            found[name] = [(one, 0) for one in of_part]
            held_out[name] = held_out_set(name, of_part, texts)
            notes.append(_NOT_ASKED[name].format(len(of_part)))
    pairs = on_disk(one.pair() for one in kept)
    return Synthetic(maker, pairs, held_out["dev"], held_out["test"], found, tuple(notes))


_NOT_ASKED = {
    "dev": "the weights are chosen by {} queries that texts held out gave, not users: --dev names better ones",
    "test": "the test has {} queries that texts held out gave, not users: --test names data that proves more",
}


def _ranks(asked: Sequence[Asked], corpus: Sequence[str], maker: QueryMaker, encode: Encode) -> list[int]:
    """Where each query finds its document, 0 where that is not asked."""
    own = np.array([one.place for one in asked], np.int64)
    queries, documents = [one.made.query for one in asked], [one.made.document for one in asked]
    if maker.round_trip == "none":
        return [0] * len(asked)
    if maker.round_trip == "bm25":
        ranks = ranks_by_words(queries, documents, corpus, own)
    else:
        number = {text: place for place, text in enumerate(dict.fromkeys([*corpus, *documents]))}
        vectors = encode(list(number), "document")
        of_documents, of_corpus = (vectors[[number[text] for text in some]] for some in (documents, corpus))
        ranks = ranks_by_vectors(encode(queries, "query"), of_documents, of_corpus, own)
    return [int(rank) for rank in ranks]


def _told(kept: Sequence[Asked], asked: Sequence[Asked], texts: int, maker: QueryMaker) -> str:
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(one.made.kind for one in kept).items()))
    if maker.round_trip == "none":
        return f"{len(asked)} queries were made of {texts} texts: {counts}"
    by = {"base": "the base", "bm25": "BM25"}[maker.round_trip]
    return (
        f"{len(kept)} of {len(asked)} queries that {texts} texts gave are kept, whose text is among the first "
        f"{maker.top_k} by {by}: {counts}"
    )


def _require(
    kept: Sequence[Asked], asked: Sequence[Asked], texts: int, maker: QueryMaker, least: int, dataset: Dataset
) -> None:
    if len(kept) >= least:
        return
    where = Place(dataset.path) if dataset.path else None
    if len(asked) < least:
        problem = f"{texts} texts give {len(asked)} queries of kind {maker.kind}, which are too few"
        remedy = "give longer texts, or more of them" if maker.kind == "mixed" else "take data.synthetic=mixed"
    else:
        problem = (
            f"of {len(asked)} queries {len(kept)} find their text among the first {maker.top_k}, too few to train on"
        )
        remedy = (
            f"take data.synthetic={maker.kind} with a larger data.synthetic.top_k, or data.synthetic.round_trip=none"
        )
    raise DataError(problem, remedy, where)
