"""Methods side by side: the table, as Markdown and as one HTML page without scripts."""

from collections.abc import Mapping
from typing import Any

from acclimate.report.charts import Interval, Point, interval_chart, scatter_chart
from acclimate.report.figure import Figure
from acclimate.report.page import rendered
from acclimate.report.plane import measured, plane
from acclimate.report.tables import Table

Row = Mapping[str, Any]

_HEAD = ("change", "95% interval", "general", "weights", "delta", "seconds", "steps", "memory", "ms", "front")
_COLUMNS = (
    "Columns: the test figure after tuning, its change against the base and the interval of that change; the change "
    "of the general score; the share of the weights that trained; the size of what has to be kept beside the base; "
    "seconds and steps of training; memory of the process; milliseconds to encode one text; and whether no other row "
    "is at least as good on test, general score and seconds."
)


def comparison_table(document: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The head and the rows of the table that people read, best on the test first."""
    rows = _sorted(document)
    return ("method", rows[0]["primary_metric"], *_HEAD), [_cells(row) for row in rows]


def comparison_markdown(document: Mapping[str, Any]) -> str:
    """The table as Markdown, with what its columns mean."""
    head, rows = comparison_table(document)
    lines = [
        "# Methods side by side",
        "",
        f"{_conditions(document)} {_COLUMNS}",
        "",
        f"| {' | '.join(head)} |",
        f"| {' | '.join(['---'] * len(head))} |",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def comparison_page(document: Mapping[str, Any], name: str) -> str:
    """The HTML page.

    Args:
        document: what ``compare --json`` prints.
        name: of the comparison, for the title.
    """
    head, rows = comparison_table(document)
    figures = [_changes(document), _against_seconds(document), *_against_forgetting(document)]
    table = Table("Best on the test first", head, tuple(rows))
    note = f"{_conditions(document)} {_COLUMNS}"
    return rendered("compare.html.j2", name=name, note=note, table=table, figures=figures)


def _sorted(document: Mapping[str, Any]) -> list[Row]:
    return sorted(document["rows"], key=lambda row: -row["test"]["after"][row["primary_metric"]])


def _conditions(document: Mapping[str, Any]) -> str:
    seeds, limit = document["rows"][0]["seeds"], document.get("time_limit_seconds")
    equal = f"at most {limit:g} seconds of training" if limit else "steps"
    return f"The same rows, splits and {equal} for all; {len(seeds)} seed{'s' if len(seeds) > 1 else ''}."


def _change(row: Row) -> Mapping[str, Any]:
    found: Mapping[str, Any] = row["test"]["delta"][row["primary_metric"]]
    return found


def _general(row: Row) -> float:
    return float(row["general"]["delta"].get("score", {"value": 0.0})["value"])  # where no text is read, none is scored


def _cells(row: Row) -> tuple[str, ...]:
    cost, change = row["cost"], _change(row)
    low, high = change["ci95"]
    return (
        row["method"],
        f"{row['test']['after'][row['primary_metric']]:.4f}",
        f"{change['value']:+.4f}",
        f"{low:+.4f} .. {high:+.4f}",
        f"{_general(row):+.4f}",
        f"{cost['trainable_parameters'] / cost['total_parameters']:.1%}",
        f"{cost['delta_bytes'] / 1e6:.1f} MB",
        f"{cost['train_seconds']:.0f}",
        f"{cost['steps']:.0f}",
        f"{cost['peak_memory_bytes'] / 1e9:.1f} GB",
        f"{cost['latency_ms_p50']:.1f}",
        "yes" if row["pareto"] else "",
    )


def _changes(document: Mapping[str, Any]) -> Figure:
    rows = _sorted(document)
    metric = rows[0]["primary_metric"]
    intervals = [Interval(row["method"], _change(row)["value"], *_change(row)["ci95"]) for row in rows]
    heading = f"Change of {metric} against the base"
    numbers = tuple((i.name, f"{i.value:+.4f}", f"{i.low:+.4f}", f"{i.high:+.4f}") for i in intervals)
    chart = interval_chart(heading, intervals, x_label=f"{metric} after - before, 95% interval")
    return Figure(heading, chart, "", Table(heading, ("method", "change", "low", "high"), numbers))


_RINGED = "Ringed: no other row is at least as good on test, general score and seconds."


def _against_seconds(document: Mapping[str, Any]) -> Figure:
    rows, heading, x_label = _sorted(document), "Gain against time", "seconds of training"
    y_label = f"change of {rows[0]['primary_metric']}"
    points = [Point(row["method"], row["cost"]["train_seconds"], _change(row)["value"], row["pareto"]) for row in rows]
    numbers = tuple((point.name, f"{point.x:.4g}", f"{point.y:+.4f}") for point in points)
    chart = scatter_chart(heading, points, x_label=x_label, y_label=y_label)
    return Figure(heading, chart, _RINGED, Table(heading, ("method", x_label, y_label), numbers))


def _against_forgetting(document: Mapping[str, Any]) -> list[Figure]:
    """The plane of all methods; none where nothing general was scored."""
    rows = [row for row in _sorted(document) if "score" in row["general"]["delta"]]
    points = [
        measured(row["method"], row["general"]["delta"]["score"], _change(row), ringed=row["pareto"]) for row in rows
    ]
    base = Point("base", 0.0, 0.0, kind=2)
    note = f"{_RINGED} Lines are 95% intervals; the base is the origin."
    limit = document.get("general_drop_limit")
    return [plane([base, *points], rows[0]["primary_metric"], limit, note)] if rows else []
