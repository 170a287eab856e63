"""The test queries that gained and lost most."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from acclimate.report.source import Document
from acclimate.report.words import number, signed

_TEXT = 600  # characters of a text that are shown
_RELEVANT = 3  # relevant documents of a query that are shown


@dataclass(frozen=True, slots=True)
class Hit:
    """A document in a ranking."""

    text: str
    score: str
    relevant: bool


@dataclass(frozen=True, slots=True)
class Case:
    """One query before and after. ``line`` is its place in ``data/queries.jsonl``; texts are empty when left out."""

    line: int
    query: str
    relevant: tuple[str, ...]
    more_relevant: int
    rank_before: str
    rank_after: str
    ndcg_before: str
    ndcg_after: str
    change: str
    top_before: tuple[Hit, ...]
    top_after: tuple[Hit, ...]


def wins_and_losses(queries: Sequence[Document], count: int, *, texts: bool) -> tuple[list[Case], list[Case]]:
    """The ``count`` queries that gained most and those that lost most.

    Ordered by the difference in nDCG@10, then by that in 1/rank, then by the query's place in the file.
    """
    moved = [(_gain(query), line, query) for line, query in enumerate(queries, start=1)]
    wins = sorted((m for m in moved if m[0] > (0, 0)), key=lambda m: (-m[0][0], -m[0][1], m[1]))
    losses = sorted((m for m in moved if m[0] < (0, 0)), key=lambda m: (*m[0], m[1]))
    won, lost = ([_case(query, line, texts=texts) for _, line, query in side[:count]] for side in (wins, losses))
    return won, lost


def _gain(query: Document) -> tuple[float, float]:
    ndcg = (query.get("ndcg_after") or 0.0) - (query.get("ndcg_before") or 0.0)
    # Equal scores of the two models may differ in the last bit; that is no win.
    return (0.0 if abs(ndcg) < 1e-9 else ndcg, _reciprocal(query, "rank_after") - _reciprocal(query, "rank_before"))


def _reciprocal(query: Document, side: str) -> float:
    return 1 / (query.get(side) or math.inf)


def _case(query: Document, line: int, *, texts: bool) -> Case:
    relevant = [item.get("text", "") for item in query.get("relevant", [])] if texts else []
    return Case(
        line=line,
        query=_cut(query.get("query", "")) if texts else "",
        relevant=tuple(_cut(text) for text in relevant[:_RELEVANT]),
        more_relevant=max(0, len(relevant) - _RELEVANT),
        rank_before=_rank(query.get("rank_before")),
        rank_after=_rank(query.get("rank_after")),
        ndcg_before=number(query.get("ndcg_before")),
        ndcg_after=number(query.get("ndcg_after")),
        change=signed(_gain(query)[0]),
        top_before=_hits(query, "top_before") if texts else (),
        top_after=_hits(query, "top_after") if texts else (),
    )


def _rank(rank: int | None) -> str:
    return "none" if rank is None else f"{rank:,}"


def _hits(query: Document, side: str) -> tuple[Hit, ...]:
    return tuple(
        Hit(_cut(hit.get("text", "")), f"{hit.get('score', math.nan):.3f}", bool(hit.get("relevant")))
        for hit in query.get(side, [])[:3]
    )


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT else text[:_TEXT].rstrip() + " …"
