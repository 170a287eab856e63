"""How vectors lie: alignment against uniformity, over the evaluations and from base to tuned model."""

from collections.abc import Mapping, Sequence

from acclimate.report.charts import Series, line_chart
from acclimate.report.figure import Figure
from acclimate.report.said import joined, t
from acclimate.report.source import Document
from acclimate.report.tables import Table
from acclimate.report.words import number


def geometry_figure(evaluations: Sequence[Document], scores: Document) -> Figure | None:
    """The plane of both, with its path on dev and the two ends on test; None where neither was measured.

    Args:
        evaluations: lines of ``metrics.jsonl`` that hold ``dev``, in the order of the steps.
        scores: what ``scores.json`` holds.
    """
    test = scores.get("test") or {}
    ends = [(t(name), _place(test.get(side) or {})) for name, side in (("base", "before"), ("tuned", "after"))]
    of_dev = [(f"{line['step']:g}", _place(line["dev"])) for line in evaluations]
    dev, tested = ([(name, place) for name, place in found if place] for found in (of_dev, ends))
    if len(dev) + len(tested) < 2:
        return None
    named = [(t("on dev, evaluation by evaluation"), dev), (t("on test, from base to tuned model"), tested)]
    lines = [Series(name, tuple(place for _, place in found)) for name, found in named if found]
    heading = t("Alignment and uniformity")
    chart = line_chart(
        t("Alignment against uniformity: the path over the evaluations"),
        lines,
        x_label=t("uniformity (lower: spread more evenly)"),
        y_label=t("alignment"),
        mark=(tested or dev)[-1][1],
        padded=True,
    )
    note = joined(
        (
            t("Alignment is the squared distance of matching vectors; both are better the lower they are."),
            t("Ringed is the tuned model."),
        )
    )
    rows = tuple(
        (joined((where, name), ": ", "："), number(y), number(x))
        for where, found in ((t("dev, step"), dev), (t("test"), tested))
        for name, (x, y) in found
    )
    return Figure(heading, chart, note, Table(heading, (t("when"), t("alignment"), t("uniformity")), rows))


def _place(metrics: Mapping[str, float]) -> tuple[float, float] | None:
    x, y = metrics.get("uniformity"), metrics.get("alignment")
    return (float(x), float(y)) if isinstance(x, int | float) and isinstance(y, int | float) else None
