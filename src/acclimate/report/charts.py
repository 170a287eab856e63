"""Charts as inline SVG: pure functions from numbers to markup, colored by the page's style sheet alone."""

import math
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType

from markupsafe import Markup

from acclimate.report.said import Said, attributes, t

WIDTH, HEIGHT = 480, 260
LEFT, RIGHT, TOP, BOTTOM = 78, 14, 12, 44
NAMES = 228  # room for names on the left, for charts with one row a name
COLORS = 6  # classes s0 .. s5 in the style sheet, each with its own dash pattern


@dataclass(frozen=True, slots=True)
class Series:
    """A line: its name and its (x, y) points in drawing order."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the lower and upper end of its interval."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Point:
    """A named point, ringed or not, with the intervals of its coordinates where they are known.

    ``kind`` is the number of its color.
    """

    name: str
    x: float
    y: float
    ringed: bool = False
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    kind: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """A line across the whole chart, at a value of one axis."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class _Scale:
    """Maps data in [low, high] to pixels; pixel axes of SVG run downward, so ``start`` may exceed ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) within [low, high], about ``count`` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def line_chart(
    label: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    mark: tuple[float, float] | None = None,
    level: Level | None = None,
    from_zero: bool = False,
    padded: bool = False,
) -> Markup:
    """Lines over a common x axis.

    Args:
        label: what a screen reader says instead of the picture.
        series: one or more lines; colors repeat after six.
        x_label: name of the x axis.
        y_label: name of the y axis.
        mark: a point to ring.
        level: a value of y to draw a line at.
        from_zero: whether the y axis starts at 0.
        padded: whether room is left at both ends of the x axis.
    """
    xs = [x for line in series for x, _ in line.points]
    ys = [y for line in series for _, y in line.points] + ([0.0] if from_zero else [])
    ys += [level.value] if level else []
    x = _Scale(*(_padded(min(xs), max(xs)) if padded else (min(xs), max(xs))), LEFT, WIDTH - RIGHT)
    y = _Scale(*_padded(min(ys), max(ys), from_zero=from_zero), HEIGHT - BOTTOM, TOP)
    parts = [_grid(x, y, x_label, y_label)]
    if level:
        down = y(level.value)
        parts.append(_tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=down, y2=down, class_="limit"))
        parts.append(_text(WIDTH - RIGHT, down - 5, level.name, "end"))
    for number, line in enumerate(series):
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line.points)
        parts.append(_tag("polyline", points=path, class_=f"line s{number % COLORS}"))
        if len(line.points) <= 12:
            parts += [_tag("circle", cx=x(a), cy=y(b), r=3, class_=f"dot s{number % COLORS}") for a, b in line.points]
    if mark:
        parts.append(_tag("circle", cx=x(mark[0]), cy=y(mark[1]), r=7, class_="ring"))
    return _svg(label, parts, HEIGHT) + _legend([line.name for line in series])


def scatter_chart(
    label: str,
    points: Sequence[Point],
    *,
    x_label: str,
    y_label: str,
    kinds: Sequence[str] = (),
    level: Level | None = None,
) -> Markup:
    """Named points in a plane.

    Args:
        label: what a screen reader says instead of the picture.
        points: one or more.
        x_label: name of the x axis.
        y_label: name of the y axis.
        kinds: what the points' colors mean, by number.
        level: a value of x to draw a line at.
    """
    xs = [x for point in points for x in (point.x, *(point.x_range or ()))] + ([level.value] if level else [])
    ys = [y for point in points for y in (point.y, *(point.y_range or ()))]
    x = _Scale(*_padded(min(xs), max(xs)), LEFT, WIDTH - RIGHT)
    y = _Scale(*_padded(min(ys), max(ys)), HEIGHT - BOTTOM, TOP)
    parts = [_grid(x, y, x_label, y_label)]
    if level:
        across = x(level.value)
        parts.append(_tag("line", x1=across, x2=across, y1=TOP, y2=HEIGHT - BOTTOM, class_="limit"))
    ranges: list[_Box] = []
    for point in points:
        across, down, color = x(point.x), y(point.y), f"s{point.kind % COLORS}"
        low, high = point.x_range or (point.x, point.x)
        bottom, top = point.y_range or (point.y, point.y)
        for box in ((x(low), down, x(high), down), (across, y(top), across, y(bottom))):
            if box[:2] != box[2:]:
                ranges.append(box)
                ends = dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
                parts.append(_tag("line", **ends, class_=f"range {color}"))
        parts.append(_tag("circle", cx=across, cy=down, r=4, class_=f"dot {color}"))
        if point.ringed:
            parts.append(_tag("circle", cx=across, cy=down, r=7, class_="ring"))
    named = [(point.name, x(point.x), y(point.y)) for point in points]
    lines = [(level.name, x(level.value))] if level else []
    parts += _names(named, lines, ranges)
    return _svg(label, parts, HEIGHT) + _legend(kinds, bars=True)


def heat_map(
    label: str,
    columns: Sequence[float],
    rows: Sequence[tuple[str, Sequence[float | None]]],
    *,
    x_label: str,
    opened: Mapping[str, int] = MappingProxyType({}),
    spikes: Mapping[str, Collection[int]] = MappingProxyType({}),
) -> Markup:
    """Positive values as shades on a logarithmic scale, one row a name; None leaves a gap.

    Args:
        label: what a screen reader says instead of the picture.
        columns: the x value at each column's start.
        rows: name and one value a column, drawn from the top down.
        x_label: name of the x axis.
        opened: name -> the column at whose start a line stands.
        spikes: name -> columns that get a triangle.
    """
    values = [v for _, row in rows for v in row if v is not None and v > 0]
    shade = _Scale(math.log10(min(values)), math.log10(max(values)), 0.08, 1.0)
    left, cell = NAMES, 20
    width, height = (WIDTH - left - RIGHT) / len(columns), TOP + cell * len(rows) + BOTTOM
    parts: list[Markup] = []
    marks: list[Markup] = []
    for r, (name, row) in enumerate(rows):
        top = TOP + r * cell
        parts.append(_text(left - 8, top + cell * 0.7, _fitting(name), "end"))
        parts += [
            _tag(
                "rect", x=left + c * width, y=top, width=width + 0.3, height=cell - 2, fill_opacity=shade(math.log10(v))
            )
            for c, v in enumerate(row)
            if v is not None and v > 0
        ]
        if name in opened:
            across = left + opened[name] * width
            marks.append(_tag("line", x1=across, x2=across, y1=top - 1, y2=top + cell - 1, class_="opened"))
        for c in sorted(spikes.get(name, ())):
            corner = left + (c + 0.5) * width
            marks.append(_tag("path", d=f"M{corner:.1f} {top + 3}l4.5 9h-9z", class_="spike"))
    bottom = TOP + cell * len(rows)
    for c in sorted({0, len(columns) // 2, len(columns) - 1}):
        parts.append(_text(left + (c + 0.5) * width, bottom + 16, _short(columns[c]), "middle"))
    parts.append(_text((left + WIDTH - RIGHT) / 2, bottom + 36, x_label, "middle", "axis-name"))
    said = t("faint: {low}, strong: {high} (logarithmic)", low=_short(min(values)), high=_short(max(values)))
    scale = Markup('<p class="legend">{}</p>').format(said)
    return _svg(label, [Markup('<g class="heat">{}</g>').format(Markup("").join(parts)), *marks], height) + scale


def interval_chart(label: str, intervals: Sequence[Interval], *, x_label: str) -> Markup:
    """Values with their intervals, one a row, around a line at zero."""
    left, row = NAMES, 26
    low, high = min(0.0, *(i.low for i in intervals)), max(0.0, *(i.high for i in intervals))
    bottom = TOP + row * len(intervals)
    x = _Scale(*_padded(low, high), left, WIDTH - RIGHT)
    parts = _x_axis(x, bottom, x_label)
    parts.append(_tag("line", x1=x(0), x2=x(0), y1=TOP, y2=bottom, class_="zero"))
    for number, item in enumerate(intervals):
        middle = TOP + (number + 0.5) * row
        sign = "up" if item.low > 0 else "down" if item.high < 0 else "open"
        parts += [
            _text(left - 8, middle + 4, _fitting(item.name), "end"),
            _tag("line", x1=x(item.low), x2=x(item.high), y1=middle, y2=middle, class_=f"whisker {sign}"),
            _tag("circle", cx=x(item.value), cy=middle, r=4.5, class_=f"value {sign}"),
        ]
    return _svg(label, parts, bottom + BOTTOM)


def bar_chart(
    label: str,
    names: Sequence[str],
    series: Sequence[tuple[str, Sequence[float]]],
    *,
    y_label: str,
    x_label: str = "",
) -> Markup:
    """Groups of bars: one group a name, one bar a series."""
    highest = max((v for _, values in series for v in values), default=0) or 1
    y = _Scale(0, highest * 1.08, HEIGHT - BOTTOM, TOP)
    slot = (WIDTH - LEFT - RIGHT) / len(names)
    bar = slot * 0.8 / len(series)
    parts = _y_axis(y, y_label)
    for n, name in enumerate(names):
        start = LEFT + n * slot + slot * 0.1
        parts.append(_text(start + slot * 0.4, HEIGHT - BOTTOM + 18, name, "middle"))
        for s, (_, values) in enumerate(series):
            top = y(values[n])
            parts.append(
                _tag("rect", x=start + s * bar, y=top, width=bar - 2, height=y(0) - top, class_=f"bar s{s % COLORS}")
            )
    if x_label:
        parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 36, x_label, "middle", "axis-name"))
    return _svg(label, parts, HEIGHT) + _legend([name for name, _ in series], bars=True)


_NAME = 26  # letters of a name
_LETTER, _LINE = 8.5, 15  # room for a letter, at the size that narrow screens have
_SIDES = tuple(  # where a name stands from its point: near ones first
    (across, down, side) for down in (4, -11, 20, -26, 35) for across, side in ((11, "start"), (-11, "end"))
)


def _names(
    points: Sequence[tuple[str, float, float]], lines: Sequence[tuple[str, float]], drawn: "Sequence[_Box]"
) -> list[Markup]:
    """Names beside their points (name, x, y) and at the foot of upright lines (name, x), where nothing else stands.

    ``drawn`` are lines that no name should lie on.
    """
    taken = [*drawn, *((x - 6, y - 6, x + 6, y + 6) for _, x, y in points)]
    parts = []
    for name, x in lines:
        side = "start" if x < (LEFT + WIDTH) / 2 else "end"
        bottom = HEIGHT - BOTTOM - 6
        x += 5 if side == "start" else -5
        taken.append(_box(x, bottom, name, side))
        parts.append(_text(x, bottom, name, side))
    for name, x, y in points:
        fitting = _fitting(name)
        boxes = [(_box(x + dx, y + dy, fitting, side), x + dx, y + dy, side) for dx, dy, side in _SIDES]
        inside = [found for found in boxes if found[0][0] >= LEFT and found[0][2] <= WIDTH and found[0][1] >= 0]
        free = [found for found in inside if not any(_overlap(found[0], other) for other in taken)]
        box, across, down, side = (free or inside or boxes)[0]
        taken.append(box)
        parts.append(_text(across, down, fitting, side))
    return parts


_Box = tuple[float, float, float, float]


def _box(x: float, y: float, text: str, anchor: str) -> _Box:
    """What a text covers: left, top, right, bottom."""
    width = _LETTER * len(text)
    left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    return left, y - _LINE * 0.8, left + width, y + _LINE * 0.2


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _padded(low: float, high: float, *, from_zero: bool = False) -> tuple[float, float]:
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return (low if from_zero else low - margin, high + margin)


def _grid(x: _Scale, y: _Scale, x_label: str, y_label: str) -> Markup:
    return Markup("").join([*_y_axis(y, y_label), *_x_axis(x, HEIGHT - BOTTOM, x_label)])


def _y_axis(y: _Scale, name: str) -> list[Markup]:
    parts = []
    for tick in ticks(y.low, y.high):
        parts.append(_tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(tick), y2=y(tick), class_="grid"))
        parts.append(_text(LEFT - 6, y(tick) + 4, _short(tick), "end"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = Markup('<text class="axis-name" text-anchor="middle" transform="translate(13 {}) rotate(-90)"{}>{}</text>')
    return [*parts, turned.format(f"{middle:.1f}", _chinese(name), str(name))]


def _x_axis(x: _Scale, bottom: float, name: str) -> list[Markup]:
    parts = [_tag("line", x1=x.start, x2=x.end, y1=bottom, y2=bottom, class_="axis")]
    for tick in ticks(x.low, x.high, 4):
        text = _short(tick)
        parts.append(_text(min(x(tick), WIDTH - _LETTER * len(text) / 2), bottom + 16, text, "middle"))
    return [*parts, _text((x.start + x.end) / 2, bottom + 36, name, "middle", "axis-name")]


def _legend(names: Sequence[str], *, bars: bool = False) -> Markup:
    """Names beside a sample of their line or bar; one name needs none, the axis says it."""
    if len(names) < 2:
        return Markup("")
    frame = Markup('<li><svg viewBox="0 0 26 8" width="26" height="8" aria-hidden="true">{}</svg>{}</li>')
    line = {"x1": 0.0, "x2": 26.0, "y1": 4.0, "y2": 4.0}
    bar = {"x": 8.0, "y": 0.0, "width": 10.0, "height": 8.0}
    items = []
    for number, name in enumerate(names):
        color = f"s{number % COLORS}"
        sample = _tag("rect", **bar, class_=f"bar {color}") if bars else _tag("line", **line, class_=f"line {color}")
        items.append(frame.format(sample, name))
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items))


def _svg(label: str, parts: Sequence[Markup], height: float) -> Markup:
    frame = Markup('<svg class="chart" role="img" {} viewBox="0 0 {} {}">{}</svg>')
    return frame.format(attributes("aria-label", label), WIDTH, f"{height:g}", Markup("").join(parts))


def _text(x: float, y: float, text: str, anchor: str, class_: str = "tick") -> Markup:
    frame = Markup('<text x="{}" y="{}" text-anchor="{}" class="{}"{}>{}</text>')
    return frame.format(f"{x:.1f}", f"{y:.1f}", anchor, class_, _chinese(text), str(text))


def _tag(name: str, **attributes: float | str) -> Markup:
    """An empty element; numbers get one decimal, so that equal data gives equal bytes everywhere."""
    written = (
        Markup('{}="{}"').format(
            key.rstrip("_").replace("_", "-"),
            value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip("."),
        )
        for key, value in attributes.items()
    )
    return Markup("<{} {}/>").format(name, Markup(" ").join(written))


def _chinese(text: str) -> Markup:
    """What an element of a drawing says of its text in Chinese; it can hold no element as other text does."""
    return Markup(' data-zh="{}"').format(text.chinese) if isinstance(text, Said) else Markup("")


def _fitting(name: str) -> str:
    cut = _cut(str(name))
    return Said(cut, _cut(name.chinese)) if isinstance(name, Said) else cut


def _cut(name: str) -> str:
    """As much of a name as there is room for; Chinese signs are twice as wide as letters."""
    ends = accumulate(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in name)
    fits = sum(end <= _NAME for end in ends)
    return name if fits == len(name) else name[: fits - 1] + "…"


def _short(value: float) -> str:
    if 1e-12 <= abs(value) < 1e-3:  # 1.5e-4 leaves more room than 0.00015
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{0 if abs(value) < 1e-12 else value:.3g}"
