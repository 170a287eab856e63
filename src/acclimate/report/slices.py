"""Test queries in groups that people ask about: who gained, and who did not."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from acclimate.data.bm25 import words_of
from acclimate.data.scripts import script_shares
from acclimate.evaluation.significance import paired_comparison
from acclimate.report.charts import Interval, interval_chart
from acclimate.report.figure import Figure
from acclimate.report.said import joined, known, t
from acclimate.report.source import Document
from acclimate.report.tables import Table
from acclimate.report.words import number, signed

_PARTS = 12  # of a column with many values, the most frequent; the others are one part
_RESAMPLES = 2_000
_LENGTHS = ((3, "1 to 3 words"), (7, "4 to 7 words"), (15, "8 to 15 words"))
_ALONE = 0.9  # share of the letters from which a query is of one script


@dataclass(frozen=True, slots=True)
class Part:
    """Queries that have something in common, by their lines in ``data/queries.jsonl`` (from 1).

    ``key`` names it in the page.
    """

    key: str
    name: str
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slicing:
    """A way to cut the queries. Each query is in one part."""

    title: str
    parts: tuple[Part, ...]


def slicings(queries: Sequence[Document], *, texts: bool) -> list[Slicing]:
    """By length, by script, by words that training did not see, and by columns of the test's file, as far as known.

    A cut into one part says nothing and is left out. Without ``texts``, values of columns are numbered.
    """
    found = [
        _slicing("length", t("Length of the query"), queries, _length, tuple(name for _, name in _LENGTHS)),
        _slicing("script", t("Writing system of the query"), queries, _script),
    ]
    if queries and all("unseen_words" in query for query in queries):
        found.append(_slicing("words", t("Words that training saw"), queries, _seen))
    for column in ("label", "group", "domain"):
        if any(query.get(column) for query in queries):
            title = t("Column {name}", name=column)
            found.append(_of_column(column, title, queries, texts=texts))
    return [slicing for slicing in found if len(slicing.parts) > 1]


def slice_figure(slicing: Slicing, queries: Sequence[Document]) -> Figure:
    """The mean change of nDCG@10 of each part, with its interval."""
    rows, intervals = [], []
    for part in slicing.parts:
        before, after = (
            np.array([queries[line - 1].get(f"ndcg_{side}") or 0.0 for line in part.lines])
            for side in ("before", "after")
        )
        low, high = change_interval(before, after)
        value = float((after - before).mean())
        intervals.append(Interval(joined((part.name, f" ({len(part.lines):,})"), "", ""), value, low, high))
        known_ends = (signed(low), signed(high)) if len(part.lines) > 1 else ("—", "—")
        means = number(float(before.mean())), number(float(after.mean()))
        rows.append((part.name, f"{len(part.lines):,}", *means, signed(value), *known_ends))
    head = (t("part"), t("queries"), t("before"), t("after"), t("change"), t("lower end"), t("upper end"))
    label = t("Change of nDCG@10 with its 95% interval: {name}", name=slicing.title)
    chart = interval_chart(label, intervals, x_label=t("change of {name}", name="nDCG@10"))
    return Figure(slicing.title, chart, "", Table(slicing.title, head, tuple(rows)))


def change_interval(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """The 95% interval of the mean difference over queries; of one query, the difference itself."""
    if len(before) < 2:
        value = float((after - before).mean())
        return value, value
    low, high = paired_comparison(before, after, seed=0, resamples=_RESAMPLES)["ci95"]
    return low, high


def keys_of(cuts: Sequence[Slicing]) -> dict[int, list[str]]:
    """Line -> the keys of its parts."""
    found: dict[int, list[str]] = {}
    for cut in cuts:
        for part in cut.parts:
            for line in part.lines:
                found.setdefault(line, []).append(part.key)
    return found


def _slicing(
    kind: str, title: str, queries: Sequence[Document], of: Callable[[Document], str], order: Sequence[str] = ()
) -> Slicing:
    lines: dict[str, list[int]] = {}
    for line, query in enumerate(queries, start=1):
        lines.setdefault(of(query), []).append(line)
    names = [*(name for name in order if name in lines), *sorted(set(lines) - set(order), key=lambda n: -len(lines[n]))]
    parts = (Part(f"{kind}-{number}", known(name), tuple(lines[name])) for number, name in enumerate(names))
    return Slicing(title, tuple(parts))


def _of_column(column: str, title: str, queries: Sequence[Document], *, texts: bool) -> Slicing:
    values = Counter(str(query[column]) for query in queries if query.get(column))
    kept = [value for value, count in values.most_common(_PARTS) if count > 1]
    lines: dict[str | None, list[int]] = {}
    for line, query in enumerate(queries, start=1):
        value = str(query.get(column) or "")
        lines.setdefault(value if value in kept else None, []).append(line)
    named = [(value if texts else t("value {number}", number=n), value) for n, value in enumerate(kept, start=1)]
    parts = [Part(f"{column}-{n}", name, tuple(lines[value])) for n, (name, value) in enumerate(named)]
    rest = lines.get(None, [])
    return Slicing(title, (*parts, *([Part(f"{column}-rest", t("others"), tuple(rest))] if rest else [])))


def _length(query: Document) -> str:
    words = len(words_of(str(query.get("query", ""))))
    return next((name for most, name in _LENGTHS if words <= most), "16 words and more")


def _script(query: Document) -> str:
    whole = str(query.get("query", "")).encode("utf-8", "replace").decode()  # half a surrogate pair is no letter
    shares = script_shares([whole])
    if not shares:
        return "no letters"
    first = next(iter(shares))
    return first if shares[first] >= _ALONE else "several writing systems"


def _seen(query: Document) -> str:
    return "some words are new" if query["unseen_words"] else "all words were seen"
