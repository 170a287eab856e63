"""Figures of the training: a chart, the sentences under it, and the same numbers as a table."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from acclimate.report.charts import Interval, Level, Series, bar_chart, heat_map, interval_chart, line_chart
from acclimate.report.source import Document
from acclimate.report.tables import Table
from acclimate.report.words import METRICS, is_main, number, primary_metric, signed

_POINTS = 100  # points of a line: more than the eye tells apart at this size
_CELLS = 48  # columns of the heat-map

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its heading, a note, and its numbers."""

    heading: str
    chart: Markup
    note: str
    table: Table


def training_figures(metrics: Sequence[Document], resolved: Document) -> list[Figure]:
    """Losses and what they counted, dev score, learning rate and gradient norms over the steps, as far as logged."""
    kept = _without_what_was_in_vain(metrics)
    steps = [line for line in kept if "loss" in line]
    evaluations = [line for line in kept if isinstance(line.get("dev"), dict)]
    keep_best = str((resolved.get("evaluation") or {}).get("keep_best", ""))
    figures = (
        _loss_figure(steps, _events(metrics)),
        _weight_figure(steps),
        _dev_figure(evaluations, keep_best),
        _rate_figure(steps),
        _norm_figure(steps, (resolved.get("training") or {}).get("clip_norm")),
        _block_figure(steps),
    )
    return [figure for figure in figures if figure is not None]


def change_figure(scores: Document) -> Figure | None:
    """The test metrics' differences with their intervals, for metrics that are shares (so that one axis fits all)."""
    test, general = scores.get("test") or {}, scores.get("general") or {}
    named = [(name, name, test) for name in test.get("delta") or {}]
    named += [(_general_name(name), name, general) for name in general.get("delta") or {} if is_main(name)]
    intervals = [
        Interval(label, delta["value"], *delta["ci95"])
        for label, name, block in named
        if (delta := block["delta"][name]).get("ci95")
        and METRICS.get(name.rpartition("/")[2], ("", 0))[1] == 1
        and _is_share(name, block)
    ]
    if not intervals:
        return None
    rows = tuple((i.name, number(i.value), number(i.low), number(i.high)) for i in intervals)
    return Figure(
        "Change with its interval",
        interval_chart("Change of each metric with its 95% interval", intervals, x_label="tuned minus base"),
        "A line that does not cross zero is a difference that chance hardly explains.",
        Table("Change of each metric", ("metric", "change", "lower end", "upper end"), rows),
    )


def rank_figure(queries: Sequence[Document]) -> Figure | None:
    """How many test queries have their first relevant document at which rank, before and after."""
    ranks = [[q.get(side) for q in queries] for side in ("rank_before", "rank_after")]
    if not queries:
        return None
    before, after = ([_bucket_counts(side)[name] for name, _ in _BUCKETS] for side in ranks)
    names = [name for name, _ in _BUCKETS]
    rows = tuple((name, str(b), str(a)) for name, b, a in zip(names, before, after, strict=True))
    return Figure(
        "Rank of the first relevant document",
        bar_chart(
            "Test queries by the rank of their first relevant document, before and after",
            names,
            [("before", before), ("after", after)],
            y_label="test queries",
        ),
        _moves_sentence(queries),
        Table("Test queries by rank", ("rank", "before", "after"), rows),
    )


def merge_figure(scores: Document) -> Figure | None:
    """What dev said of the averages of base and tuned weights, against the base, and which one was taken."""
    merge = scores.get("merge") or {}
    if not merge.get("trials") or "base" not in merge:
        return None
    base, metric = merge["base"], merge["metric"]
    trials = [{"alpha": 0.0, **base}, *sorted(merge["trials"], key=lambda trial: float(trial["alpha"]))]
    read = {"dev": metric}
    if "score" in ((scores.get("general") or {}).get("delta") or {}):
        read["general"] = "general score"
    level = Level("least that is allowed", merge["floor"] - base["general"])
    charts = []
    for key, name in read.items():  # one above the other: a fall of 0.005 would be flat beside a gain of 0.1
        line = Series(name, tuple((trial["alpha"], trial[key] - base[key]) for trial in trials))
        taken = next(((x, y) for x, y in line.points if abs(x - merge["alpha"]) < 1e-9), None)
        charts.append(
            line_chart(
                f"Change of {name} on dev by the share of the tuned weights in the average with the base",
                [line],
                x_label="share of the tuned weights",
                y_label=f"change of {name}",
                mark=taken,
                level=level if key == "general" else None,
            )
        )
    rows = tuple(
        (f"{t['alpha']:g}", *(cell for key in read for cell in (number(t[key]), signed(t[key] - base[key]))))
        for t in trials
    )
    columns = [title for name in read.values() for title in (f"{name} on dev", "change")]
    note = (
        "Weights between the base (0) and the end of training (1), scored on dev halves, less what the base scores "
        f"there. Taken: {merge['alpha']:g}."
    )
    if "general" in read:
        note += f" The general score may fall to the dashed line, {signed(level.value)}: half of what the gate allows."
    table = Table("Dev scores by share of the tuned weights", ("share", *columns), rows)
    return Figure("Share of the tuned weights", Markup("").join(charts), note, table)


def bucket_means(points: Points, limit: int) -> list[tuple[float, float]]:
    """At most ``limit`` points: means of equally long stretches, each at the stretch's first x."""
    length = math.ceil(len(points) / limit) or 1
    stretches = [points[i : i + length] for i in range(0, len(points), length)]
    return [(stretch[0][0], math.fsum(y for _, y in stretch) / len(stretch)) for stretch in stretches]


_BUCKETS: tuple[tuple[str, float], ...] = (("1", 1), ("2-3", 3), ("4-10", 10), ("11-100", 100), ("beyond", math.inf))


def _bucket_counts(ranks: Iterable[object]) -> Counter[str]:
    numbers = (rank if isinstance(rank, int | float) else math.inf for rank in ranks)
    return Counter(next(name for name, end in _BUCKETS if rank <= end) for rank in numbers)


def _moves_sentence(queries: Sequence[Document]) -> str:
    moves = Counter(
        (q["rank_after"] < q["rank_before"]) - (q["rank_after"] > q["rank_before"])
        for q in queries
        if q.get("rank_before") is not None and q.get("rank_after") is not None
    )
    return (
        f"Of {moves.total():,} test queries, {moves[1]:,} find their first relevant document at a better rank, "
        f"{moves[-1]:,} at a worse one, {moves[0]:,} at the same."
    )


def _general_name(name: str) -> str:
    return "general score" if name == "score" else name.rpartition("/")[0] or f"general {name}"


def _is_share(name: str, block: Mapping[str, Mapping[str, object]]) -> bool:
    values = [(block.get(side) or {}).get(name) for side in ("before", "after")]
    return all(isinstance(v, int | float) and -1 <= v <= 1 for v in values)


def _series(
    lines: Sequence[Document], read: Callable[[Document], Mapping[str, object]]
) -> dict[str, list[tuple[float, float]]]:
    """The finite values of each name over the steps."""
    series: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        for name, value in (read(line) or {}).items():
            if isinstance(value, int | float) and math.isfinite(value):
                series.setdefault(name, []).append((float(line["step"]), float(value)))
    return series


def _line_figure(
    heading: str, series: Mapping[str, Points], *, y_label: str, note: str = "", from_zero: bool = False
) -> Figure:
    thin = [Series(name, tuple(bucket_means(points, _POINTS))) for name, points in series.items()]
    longest = max(len(points) for points in series.values())
    means = f"Each point is the mean of {math.ceil(longest / _POINTS)} steps." if longest > _POINTS else ""
    chart = line_chart(f"{heading} over the steps", thin, x_label="step", y_label=y_label, from_zero=from_zero)
    return Figure(heading, chart, " ".join(filter(None, (means, note))), _points_table(heading, thin))


def _points_table(caption: str, series: Sequence[Series]) -> Table:
    columns = [dict(line.points) for line in series]
    xs = sorted({x for column in columns for x in column})
    rows = tuple((f"{x:g}", *(f"{c[x]:.4g}" if x in c else "—" for c in columns)) for x in xs)
    return Table(caption, ("step", *(line.name for line in series)), rows)


def _without_what_was_in_vain(metrics: Sequence[Document]) -> list[Document]:
    """The lines but for those that a rollback undid: steps from its goal on, evaluations after it."""
    kept: list[Document] = []
    for line in metrics:
        if "rollback" in line:
            goal = line["rollback"]["to"]
            kept = [other for other in kept if other["step"] + ("loss" in other) <= goal]
        else:
            kept.append(line)
    return kept


def _events(metrics: Sequence[Document]) -> str:
    """Skipped steps, rollbacks and new teachers in words, also those of steps that were repeated later."""
    skipped = [f"{line['step']} ({line['skipped']})" for line in metrics if line.get("skipped")]
    back = [
        f"from step {line['step']} to {line['rollback']['to']}, on with {line['rollback']['lr_factor']:g} of the rate"
        for line in metrics
        if "rollback" in line
    ]
    renewed = [f"{line['step']}" for line in metrics if "new_teacher" in line]
    sentences = (
        ("Skipped without an update: step", ", ", skipped),
        ("Gone back", "; ", back),
        ("A new stage, whose teacher is the encoder as it was then: from step", ", ", renewed),
    )
    return " ".join(
        f"{words} {mark.join(found[:10])}{' ...' * (len(found) > 10)}." for words, mark, found in sentences if found
    )


def _loss_figure(steps: Sequence[Document], note: str) -> Figure | None:
    series = _series(steps, lambda line: line["loss"])
    if len(series) == 2:
        series = {"total": series["total"]} if "total" in series else series  # one term: its sum is itself
    if not series:
        return None
    return _line_figure("Training loss", series, y_label="loss", note=note)


def _weight_figure(steps: Sequence[Document]) -> Figure | None:
    series = _series(steps, lambda line: line.get("weights", {}))
    note = "What the run found that each objective should count."
    return (
        _line_figure("Weights of the losses", series, y_label="weight", note=note, from_zero=True) if series else None
    )


def _dev_figure(evaluations: Sequence[Document], keep_best: str) -> Figure | None:
    series = _series(evaluations, lambda line: line["dev"])
    if not series:
        return None
    decisive = keep_best if keep_best in series else primary_metric({"test": {"delta": series}}) or next(iter(series))
    shown = {
        name: points for name, points in series.items() if name == decisive or "general" in name or name == "score"
    }
    trained = [point for point in shown[decisive] if point[0] > 0] or shown[decisive]
    best = max(trained, key=lambda point: (point[1], -point[0]))
    lines = [
        Series(name, tuple(points)) for name, points in sorted(shown.items(), key=lambda item: item[0] != decisive)
    ]
    every = [Series(name, tuple(points)) for name, points in series.items()]
    return Figure(
        "Dev score",
        line_chart(f"{decisive} on dev over the steps", lines, x_label="step", y_label=decisive, mark=best),
        f"Ringed: the best {decisive} on dev after training began, {number(best[1])} at step {best[0]:g}. "
        "Step 0 is the base. Test data plays no part here.",
        _points_table("Dev scores", every),
    )


def _rate_figure(steps: Sequence[Document]) -> Figure | None:
    by_group = _series(steps, lambda line: line.get("lr", {}))
    together: dict[tuple[tuple[float, float], ...], list[str]] = {}
    for name, points in by_group.items():
        together.setdefault(tuple(points), []).append(name)
    series = {", ".join(names): points for points, names in together.items()}
    return _line_figure("Learning rate", series, y_label="learning rate", from_zero=True) if series else None


def _norm_figure(steps: Sequence[Document], clip: object) -> Figure | None:
    series = _series(steps, lambda line: {"gradient norm": line.get("grad_norm")})
    if not series:
        return None
    note = ""
    if isinstance(clip, int | float):
        clipped = sum(norm > clip for _, norm in series["gradient norm"])
        note = f"Before clipping. {clipped:,} of {len(series['gradient norm']):,} steps were clipped to {clip:g}."
    return _line_figure("Gradient norm", series, y_label="gradient norm", note=note, from_zero=True)


def _block_figure(steps: Sequence[Document]) -> Figure | None:
    by_block = {
        name: [(x, y) for x, y in points if y > 0]
        for name, points in _series(steps, lambda line: line.get("grad_norm_by_block", {})).items()
    }
    names = sorted((name for name, points in by_block.items() if points), key=_height, reverse=True)
    if not names:
        return None
    first, last = (float(steps[end]["step"]) for end in (0, -1))
    width = max(1.0, math.ceil((last - first + 1) / _CELLS))
    starts = [first + width * i for i in range(math.ceil((last - first + 1) / width))]
    cells = {name: _cell_means(by_block[name], first, width, len(starts)) for name in names}
    rows = tuple(
        (f"{start:g}", *(f"{v:.3g}" if (v := cells[name][n]) is not None else "—" for name in names))
        for n, start in enumerate(starts)
    )
    return Figure(
        "Gradient norm of each block",
        heat_map("Gradient norm of each block over the steps", starts, list(cells.items()), x_label="step"),
        f"The top of the encoder is on top. Each cell is the mean of {width:g} step{'s' * (width > 1)}.",
        Table("Gradient norm of each block", ("step", *names), rows),
    )


def _cell_means(points: Points, first: float, width: float, count: int) -> list[float | None]:
    cells: list[list[float]] = [[] for _ in range(count)]
    for x, y in points:
        cells[int((x - first) // width)].append(y)
    return [math.fsum(cell) / len(cell) if cell else None for cell in cells]


def _height(block: str) -> tuple[int, int, str]:
    """Sorts blocks from the input side up: table, other embeddings, block.0 .., heads."""
    kind, _, index = block.rpartition(".")
    if index.isdigit():
        return (1, int(index), kind)
    return (0, -1 if block == "embedding_table" else 0, block) if block.startswith("embedding") else (2, 0, block)
