"""The cleaned copy of a data set: what is certainly wrong is out of it, and why each row went is counted."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from acclimate.data.check import contradicting, query_is_positive, repeated, right_and_wrong
from acclimate.data.disk import DiskList
from acclimate.data.examples import Example, normalized, on_disk
from acclimate.data.split import Leak, without, without_negatives


@dataclass(frozen=True, slots=True)
class Doubtful:
    """What is perhaps wrong.

    Attributes:
        rows: ids of rows.
        negatives: id of a row -> those of its negatives that may be right.
    """

    rows: Collection[str] = ()
    negatives: dict[str, set[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What is left.

    Attributes:
        rows: under the standard column names. Reading them gives the same examples again.
        removed: kind of problem -> how many rows went for it, each counted once, for the first of its reasons.
        taken_out: kind of problem -> how many texts were taken out of rows that stay.
    """

    rows: Sequence[dict[str, Any]]
    removed: dict[str, int]
    taken_out: dict[str, int]


def cleaned(examples: Sequence[Example], leaks: Sequence[Leak] = (), doubtful: Doubtful | None = None) -> Cleaned:
    """The rows without leaks, contradictions, answers that are their own query, and repetitions.

    Of a row with several answers the one that is its query is taken out, and so are negatives that are right answers
    of the same row or are asked for by a test. What was doubtful goes where it is given.
    """
    doubtful = doubtful or Doubtful()
    whole = on_disk(examples)
    kept = whole.select(np.arange(len(whole)))  # a selection of its own, which may be written to
    removed: dict[str, int] = {}
    taken_out = {"leak": _negatives_in(kept, leaks)}

    def go_on(kind: str, left: DiskList[Example]) -> DiskList[Example]:
        removed[kind] = len(kept) - len(left)
        return left

    kept = go_on("leak", on_disk(without(kept, leaks)))
    kept = go_on("doubtful", _without_rows(kept, (row for row, e in enumerate(kept) if e.id in doubtful.rows)))
    kept = go_on("contradiction", _without_rows(kept, contradicting(kept).tolist()))
    taken_out["doubtful"] = _edit(kept, lambda e: without_negatives(e, doubtful.negatives.get(e.id, set())))
    taken_out["query_is_positive"] = _edit(kept, _without_own_query)
    kept = go_on("query_is_positive", _without_rows(kept, (n for n, e in enumerate(kept) if query_is_positive(e))))
    taken_out["negative_is_positive"] = _edit(kept, lambda e: without_negatives(e, right_and_wrong(e)))
    kept = go_on("duplicate", _without_rows(kept, repeated(kept).tolist()))
    return Cleaned(kept.mapped(_as_row), *(_counted(counts) for counts in (removed, taken_out)))


def _counted(counts: dict[str, int]) -> dict[str, int]:
    return {kind: count for kind, count in counts.items() if count}


def _negatives_in(rows: Sequence[Example], leaks: Sequence[Leak]) -> int:
    """How many leaks are negatives of rows that stay."""
    gone = {leak.train_id for leak in leaks if leak.role != "negative"}
    return sum(leak.role == "negative" and leak.train_id not in gone for leak in leaks)


def _without_rows(rows: DiskList[Example], gone: Iterable[int]) -> DiskList[Example]:
    stays = np.ones(len(rows), np.bool_)
    stays[np.fromiter(gone, np.int64)] = False
    return rows.select(np.flatnonzero(stays))


def _edit(rows: DiskList[Example], changed: Callable[[Example], Example]) -> int:
    """Writes what becomes of each row in its place; how many texts that took out."""
    taken = 0
    for place in range(len(rows)):
        before = rows[place]
        after = changed(before)
        if after is not before:
            taken += len(before.positives) + len(before.negatives) - len(after.positives) - len(after.negatives)
            rows[place] = after
    return taken


def _without_own_query(example: Example) -> Example:
    if not query_is_positive(example):
        return example
    own = normalized(example.query)
    kept = [place for place, text in enumerate(example.positives) if normalized(text) != own]
    if not kept:
        return example
    said = example.positive_scores
    return example._replace(
        positives=tuple(example.positives[place] for place in kept),
        positive_scores=tuple(said[place] for place in kept) if said else (),
    )


def _as_row(example: Example) -> dict[str, Any]:
    values: dict[str, Any] = {"id": example.id}
    if example.query:
        values["query"] = example.query
        values["positive"] = example.positives[0] if len(example.positives) == 1 else list(example.positives)
    if example.negatives:
        values["negative"] = list(example.negatives)
    if example.positive_scores:
        # Negatives are named even where there are none: a file with scores has to have a column of them.
        values["negative"] = list(example.negatives)
        values["pos_scores"], values["neg_scores"] = list(example.positive_scores), list(example.negative_scores)
    if example.title:
        values["title"] = example.title
    if example.text:
        values["text"] = example.text.removeprefix(f"{example.title} ") if example.title else example.text
    for name in ("score", "label", "doc_id", "group", "domain", "task"):
        if getattr(example, name) is not None:
            values[name] = getattr(example, name)
    return values if example.weight == 1.0 else values | {"weight": example.weight}
