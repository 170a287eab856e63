"""Gain against forgetting: every point stands where its figures say, and the limit where the gate has it."""

import re
from typing import Any

import pytest

from acclimate.report.charts import BOTTOM, HEIGHT, LEFT, TOP, WIDTH, Point, scatter_chart
from acclimate.report.comparison import comparison_page
from acclimate.report.plane import plane_figure
from fake_run import scores


def circles(chart: str, radius: int) -> list[tuple[float, float, str]]:
    found = re.findall(rf'<circle cx="([\d.]+)" cy="([\d.]+)" r="{radius}" class="([^"]*)"', chart)
    return [(float(x), float(y), kind) for x, y, kind in found]


def line(chart: str, kind: str) -> list[dict[str, float]]:
    found = re.findall(rf'<line ([^>]*)class="{kind}"', chart)
    return [{name: float(value) for name, value in re.findall(r'(\w+)="([\d.]+)"', text)} for text in found]


def test_a_run_shows_base_tuned_weights_every_share_and_the_test() -> None:
    figure = plane_figure(scores(), 0.01)
    assert figure is not None
    assert [row[0] for row in figure.table.rows] == ["base", "tuned", "0.8", "0.6", "test"]
    rows = {row[0]: row[1:] for row in figure.table.rows}
    assert rows["base"] == ("+0.0000", "—", "+0.0000", "—")
    assert rows["tuned"] == ("-0.0060", "—", "+0.1500", "—")
    assert rows["0.8"] == ("-0.0048", "—", "+0.1200", "—")
    assert rows["test"] == ("-0.0021", "-0.0074 to +0.0031", "+0.1281", "+0.1025 to +0.1537")
    dots = circles(figure.chart, 4)
    assert len(dots) == 5
    (ring,) = circles(figure.chart, 7)
    assert ring[:2] == dots[2][:2]  # 0.8 was taken


def test_the_limit_stands_where_the_gate_has_it() -> None:
    figure = plane_figure(scores(), 0.01)
    assert figure is not None
    (limit,) = line(figure.chart, "limit")
    dots = circles(figure.chart, 4)
    base, tuned = dots[0], dots[1]
    pixels = (tuned[0] - base[0]) / -0.006  # for a change of 1
    assert limit["x1"] == limit["x2"] == pytest.approx(base[0] - 0.01 * pixels, abs=0.1)
    assert "more is forgotten than the gate allows (0.01)" in figure.note


def test_intervals_are_drawn_through_their_point() -> None:
    figure = plane_figure(scores(), 0.01)
    assert figure is not None
    x, y, _ = circles(figure.chart, 4)[-1]
    across, upright = line(figure.chart, "range s1")
    assert across["y1"] == across["y2"] == y
    assert across["x1"] < x < across["x2"]
    assert upright["x1"] == upright["x2"] == x
    assert upright["y1"] < y < upright["y2"]


def test_another_metric_on_dev_is_said() -> None:
    document = scores()
    document["merge"]["metric"] = "mrr@10"
    figure = plane_figure(document, 0.01)
    assert figure is not None
    assert "ndcg@10 (test), mrr@10 (dev)" in figure.table.head[3]


def test_a_run_without_trials_shows_base_and_test_and_one_without_general_tasks_nothing() -> None:
    document = scores() | {"merge": {"alpha": 1.0, "trials": []}}
    figure = plane_figure(document, 0.01)
    assert figure is not None
    assert [row[0] for row in figure.table.rows] == ["base", "test"]
    assert plane_figure(document | {"general": {"before": {}, "after": {}, "delta": {}}}, 0.01) is None
    assert plane_figure({}, 0.01) is None


def row(method: str, **changed: Any) -> dict[str, Any]:
    document = scores()
    cost = {"latency_ms_p50": 1.0, **document["cost"]}
    parts = {"test": document["test"], "general": document["general"], "cost": cost}
    return {"method": method, "seeds": [1], "primary_metric": "ndcg@10", "pareto": method == "full", **parts, **changed}


def test_all_methods_stand_in_one_plane() -> None:
    worse = {"score": {"value": -0.02, "ci95": [-0.03, -0.01], "p": 0.001}}
    rows = [row("full"), row("lora", general={"before": {}, "after": {}, "delta": worse})]
    page = comparison_page({"rows": rows, "general_drop_limit": 0.01}, "x")
    chart = page[page.index('aria-label="Gain against forgetting"') :].partition("</svg>")[0]
    base, full, lora = circles(chart, 4)
    assert lora[0] < full[0] < base[0]
    (limit,) = line(chart, "limit")
    assert lora[0] < limit["x1"] < full[0]  # lora forgot too much
    assert len(line(chart, "range s0")) == 4
    assert circles(chart, 7)[0][:2] == full[:2]
    assert "-0.0300 to -0.0100" in page


def test_where_nothing_general_was_scored_there_is_no_plane() -> None:
    rows = [row("full", general={"before": {}, "after": {}, "delta": {}})]
    assert "Gain against forgetting" not in comparison_page({"rows": rows}, "x")


def test_names_of_points_that_lie_close_do_not_cover_each_other() -> None:
    points = [Point(f"{n / 10:g}", 0.001 * n, 0.001 * (n % 2)) for n in range(4)]
    far = Point("far", 1.0, 1.0)
    chart = scatter_chart("Near", [*points, far], x_label="x", y_label="y")
    texts = re.findall(r'<text x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)" class="tick">(0|0\.\d|far)</text>', chart)
    boxes = []
    for x, y, anchor, text in texts[-5:]:
        width = 7 * len(text)
        left = float(x) - {"start": 0, "middle": width / 2, "end": width}[anchor]
        boxes.append((left, float(y) - 10, left + width, float(y)))
    assert len(boxes) == 5
    for n, one in enumerate(boxes):
        assert LEFT <= one[0] <= one[2] <= WIDTH
        assert 0 <= one[1] <= HEIGHT - BOTTOM + TOP
        for two in boxes[:n]:
            assert one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
