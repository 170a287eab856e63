"""Gain against forgetting: change of the target over change of the general score, with the base at the origin."""

from collections.abc import Mapping, Sequence
from typing import Any

from acclimate.report.charts import Level, Point, scatter_chart
from acclimate.report.curves import Figure
from acclimate.report.source import Document
from acclimate.report.tables import Table
from acclimate.report.words import primary_metric, signed

HEADING = "Gain against forgetting"
_GENERAL = "change of the general score"


def plane_figure(scores: Document, limit: float) -> Figure | None:
    """One run: the shares of the tuned weights that were tried on dev, and the result on test.

    Args:
        scores: what ``scores.json`` holds.
        limit: by how much the general score may fall.
    """
    primary, test, general = primary_metric(scores), scores.get("test") or {}, scores.get("general") or {}
    if primary is None or "score" not in (general.get("delta") or {}):
        return None
    merge = scores.get("merge") or {}
    tried = merge.get("trials", []) if "base" in merge else []
    points = [Point("base", 0.0, 0.0, merge.get("alpha") == 0, kind=2)]
    for trial in tried:
        x, y = trial["general"] - merge["base"]["general"], trial["dev"] - merge["base"]["dev"]
        name = "tuned" if trial["alpha"] == 1 else f"{trial['alpha']:g}"
        points.append(Point(name, x, y, trial["alpha"] == merge["alpha"]))
    points.append(measured("test", general["delta"]["score"], test["delta"][primary], kind=1))
    metric = primary if merge.get("metric", primary) == primary else f"{primary} (test), {merge['metric']} (dev)"
    note = "The result on test, with its 95% intervals; the base is the origin."
    if tried:
        note = (
            "Tuned weights, and shares of them in the average with the base, as dev scores them; ringed is the one "
            f"that was taken. {note}"
        )
    return plane(points, metric, limit, note, kinds=("on dev", "on test", "base") if tried else ())


def measured(
    name: str, general: Mapping[str, Any], target: Mapping[str, Any], *, ringed: bool = False, kind: int = 0
) -> Point:
    """A point of two differences with their intervals."""
    x_range, y_range = (tuple(delta["ci95"]) if delta.get("ci95") else None for delta in (general, target))
    return Point(name, general["value"], target["value"], ringed, x_range, y_range, kind)


def plane(points: Sequence[Point], metric: str, limit: float | None, note: str, kinds: Sequence[str] = ()) -> Figure:
    """The figure of some points.

    Args:
        points: general change and target change of each.
        metric: of the target.
        limit: by how much the general score may fall; None where it is not known.
        note: what stands under it.
        kinds: what the points' colors mean.
    """
    target = f"change of {metric}"
    level = None if limit is None else Level("limit", -limit)
    allowed = (
        f" Left of the dashed line more is forgotten than the gate allows ({limit:g})." if limit is not None else ""
    )
    chart = scatter_chart(HEADING, points, x_label=_GENERAL, y_label=target, kinds=kinds, level=level)
    rows = tuple((p.name, signed(p.x), _range(p.x_range), signed(p.y), _range(p.y_range)) for p in points)
    head = ("point", _GENERAL, "95% interval", target, "95% interval")
    return Figure(HEADING, chart, note + allowed, Table(HEADING, head, rows))


def _range(ends: tuple[float, float] | None) -> str:
    return "\u2014" if ends is None else f"{signed(ends[0])} to {signed(ends[1])}"
