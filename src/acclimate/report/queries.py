"""Every test query before and after: what it won or lost, with its texts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import escape

from acclimate.report.said import joined, known
from acclimate.report.source import Document
from acclimate.report.words import number, signed

_SHOWN = 1_000  # queries; of more, those that moved most
_FIRST = 20  # wins and losses that stand open to every reader
_CUTS = (600, 400, 280, 200, 140, 100, 80, 60, 40, 20)  # characters of a text that are shown
_BYTES = 2_000_000  # of all queries in the page
_FRAME = 1_300  # of a query without its texts
_RELEVANT = 3  # relevant documents of a query that are shown

Fate = Literal["won", "lost", "same"]


@dataclass(frozen=True, slots=True)
class Hit:
    """A document in a ranking."""

    text: str
    score: str
    relevant: bool


@dataclass(frozen=True, slots=True)
class Case:
    """One query before and after. ``line`` is its place in ``data/queries.jsonl``; texts are empty when left out.

    ``parts`` are the keys of the slices that it belongs to.
    """

    line: int
    fate: Fate
    gain: float
    query: str
    relevant: tuple[str, ...]
    more_relevant: int
    rank_before: str
    rank_after: str
    rank_bm25: str
    ndcg_before: str
    ndcg_after: str
    change: str
    unseen: str
    top_before: tuple[Hit, ...]
    top_after: tuple[Hit, ...]
    parts: str


@dataclass(frozen=True, slots=True)
class Cases:
    """The queries that won most and lost most, and the others; ``left_out`` are not shown at all."""

    wins: tuple[Case, ...]
    losses: tuple[Case, ...]
    others: tuple[Case, ...]
    left_out: int
    by_words: bool


def cases_of(
    queries: Sequence[Document],
    parts: Mapping[int, Sequence[str]],
    *,
    texts: bool,
    first: int = _FIRST,
    shown: int = _SHOWN,
) -> Cases:
    """All queries, or of very many those that moved most.

    Ordered by the difference in nDCG@10, then by that in 1/rank, then by the query's place in the file.

    Args:
        queries: lines of ``data/queries.jsonl``.
        parts: line -> keys of the slices that it belongs to.
        texts: whether queries and documents are shown.
        first: how many wins and losses come before the others.
        shown: how many queries in all.
    """
    cut = _cut_for(queries) if texts else 0
    moved = [(_gain(query), line, query) for line, query in enumerate(queries, start=1)]
    wins = sorted((m for m in moved if m[0] > (0, 0)), key=lambda m: (-m[0][0], -m[0][1], m[1]))
    losses = sorted((m for m in moved if m[0] < (0, 0)), key=lambda m: (*m[0], m[1]))
    same = [m for m in moved if not any(m[0])]
    rest = sorted([*wins[first:], *losses[first:]], key=lambda m: (-abs(m[0][0]), -abs(m[0][1]), m[1])) + same
    some = rest[: max(0, shown - 2 * first)]

    def made(chosen: Sequence[tuple[tuple[float, float], int, Document]]) -> tuple[Case, ...]:
        return tuple(_case(query, line, gain, parts.get(line, ()), cut) for gain, line, query in chosen)

    by_words = any("rank_bm25" in query for query in queries)
    return Cases(made(wins[:first]), made(losses[:first]), made(some), len(rest) - len(some), by_words)


def _cut_for(queries: Sequence[Document]) -> int:
    """The most characters of a text with which all texts fit into the page."""
    sizes = [len(text) for query in queries[:_SHOWN] for text in _texts(query)]
    room = _BYTES - _FRAME * min(len(queries), _SHOWN)
    wide = max((len(escape(text).encode(errors="replace")) / len(text) for text in _sample(queries)), default=1.0)
    return next((cut for cut in _CUTS if wide * sum(min(size, cut) for size in sizes) <= room), _CUTS[-1])


def _sample(queries: Sequence[Document]) -> list[str]:
    return [text for query in queries[:50] for text in _texts(query) if text]


def _texts(query: Document) -> list[str]:
    hits = [*query.get("relevant", [])[:_RELEVANT], *query.get("top_before", [])[:3], *query.get("top_after", [])[:3]]
    return [query.get("query", ""), *(hit.get("text", "") for hit in hits)]


def _gain(query: Document) -> tuple[float, float]:
    ndcg = (query.get("ndcg_after") or 0.0) - (query.get("ndcg_before") or 0.0)
    # Equal scores of the two models may differ in the last bit; that is no win.
    return (0.0 if abs(ndcg) < 1e-9 else ndcg, _reciprocal(query, "rank_after") - _reciprocal(query, "rank_before"))


def _reciprocal(query: Document, side: str) -> float:
    return 1 / (query.get(side) or math.inf)


def _case(query: Document, line: int, gain: tuple[float, float], parts: Sequence[str], cut: int) -> Case:
    """With ``cut`` 0, no text at all."""
    relevant = [item.get("text", "") for item in query.get("relevant", [])] if cut else []
    return Case(
        line=line,
        fate="won" if gain > (0, 0) else "lost" if gain < (0, 0) else "same",
        gain=round(gain[0] + 1e-3 * gain[1], 6),
        query=_cut(query.get("query", ""), cut) if cut else "",
        relevant=tuple(_cut(text, cut) for text in relevant[:_RELEVANT]),
        more_relevant=max(0, len(relevant) - _RELEVANT),
        rank_before=_rank(query.get("rank_before")),
        rank_after=_rank(query.get("rank_after")),
        rank_bm25=_rank(query.get("rank_bm25")),
        ndcg_before=number(query.get("ndcg_before")),
        ndcg_after=number(query.get("ndcg_after")),
        change=signed(gain[0]),
        unseen=joined(query.get("unseen_words") or [], ", ") if cut else "",
        top_before=_hits(query, "top_before", cut) if cut else (),
        top_after=_hits(query, "top_after", cut) if cut else (),
        parts=" ".join(parts),
    )


def _rank(rank: int | None) -> str:
    return known("none") if rank is None else f"{rank:,}"


def _hits(query: Document, side: str, cut: int) -> tuple[Hit, ...]:
    return tuple(
        Hit(_cut(hit.get("text", ""), cut), f"{hit.get('score', math.nan):.3f}", bool(hit.get("relevant")))
        for hit in query.get(side, [])[:3]
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most].rstrip() + " …"
