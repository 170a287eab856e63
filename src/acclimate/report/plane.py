"""Gain against forgetting: change of the target over change of the general score, with the base at the origin."""

from collections.abc import Mapping, Sequence
from typing import Any

from acclimate.report.charts import Level, Point, scatter_chart
from acclimate.report.figure import Figure
from acclimate.report.said import joined, t
from acclimate.report.source import Document
from acclimate.report.tables import Table
from acclimate.report.words import primary_metric, signed, span


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
    points = [Point(t("base"), 0.0, 0.0, merge.get("alpha") == 0, kind=2)]
    for trial in tried:
        x, y = trial["general"] - merge["base"]["general"], trial["dev"] - merge["base"]["dev"]
        name = t("tuned") if trial["alpha"] == 1 else f"{trial['alpha']:g}"
        points.append(Point(name, x, y, trial["alpha"] == merge["alpha"]))
    points.append(measured(t("test"), general["delta"]["score"], test["delta"][primary], kind=1))
    metric = primary
    if merge.get("metric", primary) != primary:
        metric = t("{test} (test), {dev} (dev)", test=primary, dev=merge["metric"])
    note = t("The result on test, with its 95% intervals; the base is the origin.")
    if tried:
        of_shares = t(
            "Tuned weights, and shares of them in the average with the base, as dev scores them; ringed is the one "
            "that was taken."
        )
        return plane(points, metric, limit, joined((of_shares, note)), kinds=(t("on dev"), t("on test"), t("base")))
    return plane(points, metric, limit, note)


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
    heading, general = t("Gain against forgetting"), t("change of the general score")
    target, interval = t("change of {name}", name=metric), t("95% interval")
    level = None if limit is None else Level(t("limit"), -limit)
    notes = [note]
    if limit is not None:
        notes.append(t("Left of the dashed line more is forgotten than the gate allows ({limit:g}).", limit=limit))
    chart = scatter_chart(heading, points, x_label=general, y_label=target, kinds=kinds, level=level)
    rows = tuple((p.name, signed(p.x), span(p.x_range), signed(p.y), span(p.y_range)) for p in points)
    return Figure(
        heading, chart, joined(notes), Table(heading, (t("point"), general, interval, target, interval), rows)
    )
