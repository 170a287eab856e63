"""Numbers as words: formats, what a metric means, and the verdict in sentences made from the scores alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from acclimate.report.said import known, recognized, t
from acclimate.report.source import Document

PRIMARY = ("ndcg@10", "spearman", "macro_f1")

#: Metric -> what it says, and whether higher (+1) or lower (-1) is better; 0 where neither is better as such.
METRICS: Mapping[str, tuple[str, int]] = {
    "ndcg@10": ("quality of the first ten documents", 1),
    "mrr": ("mean of 1/rank of the first relevant document", 1),
    "mrr@10": ("the same, with 0 for ranks beyond 10", 1),
    "recall@1": ("relevant documents found at rank 1", 1),
    "recall@5": ("relevant documents among the first 5", 1),
    "recall@10": ("relevant documents among the first 10", 1),
    "recall@100": ("relevant documents among the first 100", 1),
    "map@100": ("mean precision at the relevant documents", 1),
    "mean_rank": ("mean rank of the first relevant document", -1),
    "median_rank": ("median rank of the first relevant document", -1),
    "spearman": ("rank correlation with the given scores", 1),
    "pearson": ("linear correlation with the given scores", 1),
    "accuracy": ("share of right labels", 1),
    "macro_f1": ("F1, averaged over classes", 1),
    "alignment": ("squared distance of matching vectors", 0),
    "uniformity": ("how evenly vectors spread, lower is more", 0),
    "effective_rank": ("directions that the vectors really use", 0),
    "score": ("mean over the general tasks", 1),
    "latency_ms_p50": ("median time of one query", -1),
    "latency_ms_p95": ("time that 95% of queries stay below", -1),
    "documents_per_second": ("encoding speed", 1),
    "peak_memory_bytes": ("", -1),
    "model_bytes": ("", -1),
}

Tone = Literal["good", "open", "bad"]


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One line of a before/after table, in words."""

    name: str
    meaning: str
    before: str
    after: str
    change: str
    interval: str
    p: str
    judgment: str
    tone: str
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's decision for people."""

    word: str
    title: str
    tone: Tone
    sentences: tuple[str, ...]
    reasons: tuple[str, ...]


def number(value: object) -> str:
    """A number with as many digits as one can use; a dash where there is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "—"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


def signed(value: object) -> str:
    """A difference, with its sign."""
    text = number(value)
    return text if text.startswith(("-", "—")) else f"+{text}"


def p_value(value: object) -> str:
    """A probability; very small ones as a bound."""
    if not isinstance(value, int | float):
        return "—"
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def seconds(value: float) -> str:
    """A duration: ``41.2 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(value: float) -> str:
    """A number of bytes in decimal units."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value:.0f} bytes"


def quantity(name: str, value: object) -> str:
    """A value in the unit that its name carries."""
    match value:
        case None | "":
            return "—"
        case bool():
            return known("yes" if value else "no")
        case str():
            return value
        case int() | float() if name.endswith("_bytes"):
            return size(value)
        case int() | float() if name.endswith("_seconds"):
            return seconds(value)
        case float() if name.endswith(("_fraction", "_share")):
            return f"{100 * value:.1f}%"
        case _:
            return number(value)


def title_of(name: str) -> str:
    """``train_seconds`` -> ``train time``: the unit moves from the name to the value."""
    for suffix, replacement in (("_seconds", " time"), ("_bytes", " size"), ("_fraction", " share")):
        if name.endswith(suffix):
            name = name.removesuffix(suffix) + replacement
    return known(name.replace("memory size", "memory").replace("_", " "))


def primary_metric(scores: Document) -> str | None:
    """The metric that the gate decides by; where the run does not name it, the first known one that was compared."""
    deltas = (scores.get("test") or {}).get("delta") or {}
    named = scores.get("primary_metric")
    return named if named in deltas else next((name for name in (*PRIMARY, *deltas) if name in deltas), None)


def is_main(name: str) -> bool:
    """Whether a general metric is the score itself or the main metric of a task (``task/metric``)."""
    return name == "score" or name.rpartition("/")[2] in PRIMARY


def metric_rows(block: Document, first: str | None, words: Mapping[str, Any] | None = None) -> list[MetricRow]:
    """The before/after table of one block (test or general) of ``scores.json``, the deciding metric on top.

    ``words`` are the metrics of a search by words alone, where there is one.
    """
    before, after = block.get("before") or {}, block.get("after") or {}
    names = list(dict.fromkeys([*([first] if first else []), *METRICS, *before, *after]))
    deltas = block.get("delta") or {}
    return [
        _row(name, before.get(name), after.get(name), deltas.get(name, {}), (words or {}).get(name))
        for name in names
        if name in before | after
    ]


def verdict(scores: Document, *, limit: float, rejected: bool) -> Verdict:
    """The gate's decision in sentences.

    Args:
        scores: the document of ``scores.json``.
        limit: by how much the general score may fall.
        rejected: whether the run folder holds a tuned model that was not taken.
    """
    gate = scores.get("gate", {})
    word = str(gate.get("verdict", "unknown"))
    title, tone, meaning = _MEANINGS.get(word, ("No verdict", "open", "The run did not reach its gate."))
    reasons = tuple(recognized(str(reason), _REASONS) for reason in gate.get("reasons", []))
    sentences = (known(meaning), *_of_scores(scores, limit), _model_sentence(word, rejected))
    return Verdict(word, known(title), tone, tuple(filter(None, sentences)), reasons)


def _of_scores(scores: Document, limit: float) -> tuple[str, ...]:
    return _test_sentence(scores), _bm25_sentence(scores), _general_sentence(scores, limit)


_MEANINGS: Mapping[str, tuple[str, Tone, str]] = {
    "gained": (
        "Gained",
        "good",
        "The tuned model is better on your test data, and what it knew before is still there.",
    ),
    "unproven": (
        "Unproven",
        "open",
        "The tuned model looks better, but the interval holds zero: the difference may be chance. "
        "More test queries would narrow it.",
    ),
    "no_gain": ("No gain", "bad", "The tuned model is not better on your test data than the base."),
    "forgotten": ("Forgotten", "bad", "The tuned model lost more of its general ability than the limit allows."),
    "diverged": ("Diverged", "bad", "Training did not converge: losses or gradients were no longer finite."),
}


def _row(name: str, before: Any, after: Any, delta: Mapping[str, Any], words: Any = None) -> MetricRow:
    meaning, direction = METRICS.get(name.rpartition("/")[2], ("", 0))
    change = delta.get("value", after - before if before is not None and after is not None else None)
    ends = delta.get("ci95")
    judgment = ""
    if ends and direction:
        low, high = ends
        judgment = "unclear" if low <= 0 <= high else "better" if (low > 0) == (direction > 0) else "worse"
    return MetricRow(
        name,
        known(meaning),
        quantity(name, before),
        quantity(name, after),
        _difference(name, change),
        span(ends),
        p_value(delta.get("p")),
        known(judgment),
        judgment,
        quantity(name, words),
    )


def _difference(name: str, change: Any) -> str:
    if name.endswith("_bytes") and isinstance(change, int | float):
        return f"{'-' if change < 0 else '+'}{size(abs(change))}"
    return signed(change)


def span(ends: Sequence[float] | None) -> str:
    """Both ends of an interval, or a dash."""
    return t("{low} to {high}", low=signed(ends[0]), high=signed(ends[1])) if ends else "—"


def _test_sentence(scores: Document) -> str:
    name = primary_metric(scores)
    if name is None:
        return ""
    test = scores["test"]
    before, after = ((test.get(side) or {}).get(name) for side in ("before", "after"))
    row = _row(name, before, after, test["delta"][name])
    found = {"name": name, "before": row.before, "after": row.after, "change": row.change}
    if row.interval == "—":
        return t("Test: {name} went from {before} to {after} ({change}).", **found)
    chance = f"p {row.p}" if row.p.startswith("<") else f"p = {row.p}"
    return t(
        "Test: {name} went from {before} to {after} ({change}, 95% interval {interval}, {chance}).",
        **found, interval=row.interval, chance=chance,
    )  # fmt: skip


def _bm25_sentence(scores: Document) -> str:
    """How a search by words alone does on the same test."""
    name, words = primary_metric(scores), scores.get("bm25") or {}
    if name not in words:
        return ""
    return t("A search by words alone (BM25) has {name} {value} there.", name=name, value=number(words[name]))


def _general_sentence(scores: Document, limit: float) -> str:
    general = scores.get("general") or {}
    before, after = ((general.get(side) or {}).get("score") for side in ("before", "after"))
    if before is None or after is None:
        return ""
    row = _row("score", before, after, (general.get("delta") or {}).get("score", {}))
    return t(
        "General: the score went from {before} to {after} ({change}); a fall of up to {limit:g} is allowed.",
        before=row.before, after=row.after, change=row.change, limit=limit,
    )  # fmt: skip


def _model_sentence(word: str, rejected: bool) -> str:
    if rejected:
        return known("model/ holds the base, unchanged; the tuned model is in rejected/.")
    if word in {"gained", "unproven"}:
        return known("model/ holds the tuned model.")
    if word == "diverged":
        return known("model/ holds the base, unchanged.")
    return known("model/ holds the tuned model, because it was to be kept anyway.")


# What the gate says, as patterns of the catalog: it speaks English to the terminal and to scores.json.
_REASONS = (
    "{of} changed by {change} (95% interval {low} to {high}): not better",
    "{of} changed by {change} (95% interval {low} to {high}): better, but the interval holds zero, "
    "so the gain is not proven",
    "{of} changed by {change} (95% interval {low} to {high}): above zero",
    "the general score fell by {drop}, more than the limit {limit}",
)
