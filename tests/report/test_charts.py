"""Charts: positions that follow the numbers, inside the picture, and markup that is safe."""

import itertools
import re

import pytest

from acclimate.report.charts import (
    HEIGHT,
    WIDTH,
    Interval,
    Series,
    bar_chart,
    heat_map,
    interval_chart,
    line_chart,
    ticks,
)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.61, 0.74), (-3.2, -3.1), (0, 2e-5), (1, 1e6), (0, 7)])
def test_ticks_are_round_few_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 8
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)
    steps = {f"{b - a:.3g}" for a, b in itertools.pairwise(found)}
    assert len(steps) == 1
    assert f"{float(steps.pop()):e}"[0] in "125"


def test_one_value_gives_one_tick() -> None:
    assert ticks(3.0, 3.0) == [3.0]


def points(svg: str) -> list[tuple[float, float]]:
    (path,) = re.findall(r'points="([^"]*)"', svg)
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in path.split())]


def test_a_higher_value_is_drawn_higher_and_all_lie_inside() -> None:
    line = Series("loss", ((0, 3.0), (10, 1.0), (20, 2.0)))
    (first, low, middle) = points(line_chart("Loss", [line], x_label="step", y_label="loss"))
    assert first[1] < middle[1] < low[1]
    assert first[0] < low[0] < middle[0]
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in (first, low, middle))
    assert low[0] - first[0] == pytest.approx(middle[0] - low[0], abs=0.1)


def test_a_flat_line_and_a_single_point_can_be_drawn() -> None:
    for values in (((0, 0.0), (1, 0.0)), ((5, 2.5),)):
        chart = line_chart("Flat", [Series("x", values)], x_label="step", y_label="x")
        assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in points(chart))


def test_the_mark_sits_on_its_point() -> None:
    line = Series("dev", tuple((float(x), x % 7 / 7) for x in range(30)))
    chart = line_chart("Dev", [line], x_label="step", y_label="dev", mark=line.points[6])
    (ring,) = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="7"', chart)
    assert (float(ring[0]), float(ring[1])) == pytest.approx(points(chart)[6], abs=0.1)


def test_shades_grow_with_values_and_gaps_stay_empty() -> None:
    chart = heat_map(
        "Norms", [0, 10, 20], [("block.1", [0.01, 0.1, 1.0]), ("block.0", [None, 0.1, 0.0])], x_label="step"
    )
    shades = [float(s) for s in re.findall(r'fill-opacity="([\d.]+)"', chart)]
    assert len(shades) == 4
    assert shades[0] < shades[1] < shades[2] == 1.0
    assert shades[3] == shades[1]


def test_intervals_are_classed_by_the_side_of_zero() -> None:
    rows = [Interval("a", 0.1, 0.05, 0.15), Interval("b", 0.0, -0.1, 0.1), Interval("c", -0.2, -0.3, -0.1)]
    chart = interval_chart("Change", rows, x_label="change")
    assert re.findall(r'class="whisker (\w+)"', chart) == ["up", "open", "down"]
    zero = float(re.findall(r'<line x1="([\d.]+)"[^>]*class="zero"', chart)[0])
    ends = [(float(a), float(b)) for a, b in re.findall(r'<line x1="([\d.]+)" x2="([\d.]+)"[^>]*whisker', chart)]
    assert ends[0][0] > zero > ends[2][1]
    assert ends[1][0] < zero < ends[1][1]


def test_bars_are_as_high_as_their_counts() -> None:
    chart = bar_chart("Ranks", ["1", "2-3"], [("before", [10, 20]), ("after", [30, 0])], y_label="queries")
    drawn = re.findall(r'height="([\d.]+)" class="bar (s\d)"', chart)[:4]
    ten, thirty, twenty, none = (float(height) for height, _ in drawn)
    assert [color for _, color in drawn] == ["s0", "s1", "s0", "s1"]
    assert (thirty, twenty, none) == pytest.approx((3 * ten, 2 * ten, 0), abs=0.1)


def test_names_are_escaped() -> None:
    chart = line_chart("<a>", [Series("<b>", ((0, 1),)), Series("&", ((0, 2),))], x_label="<c>", y_label='"')
    assert "<a>" not in chart
    assert "<b>" not in chart
    assert "<c>" not in chart
    assert "&lt;b&gt;" in chart
