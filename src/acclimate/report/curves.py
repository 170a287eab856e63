"""Figures of the training: a chart, the sentences under it, and the same numbers as a table."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from markupsafe import Markup

from acclimate.report.blocks import block_figure
from acclimate.report.charts import Interval, Level, Series, bar_chart, interval_chart, line_chart
from acclimate.report.figure import Figure
from acclimate.report.said import joined, known, t
from acclimate.report.source import Document
from acclimate.report.tables import Table
from acclimate.report.words import METRICS, is_main, number, primary_metric, signed

_POINTS = 100  # points of a line: more than the eye tells apart at this size

Points = Sequence[tuple[float, float]]


def training_figures(metrics: Sequence[Document], resolved: Document) -> list[Figure]:
    """Losses and what they counted, dev score, learning rate and gradient norms over the steps, as far as logged."""
    kept = _without_what_was_in_vain(metrics)
    steps = [line for line in kept if "loss" in line]
    evaluations = evaluations_of(metrics)
    keep_best = str((resolved.get("evaluation") or {}).get("keep_best", ""))
    figures = (
        _loss_figure(steps, _events(metrics)),
        _weight_figure(steps),
        _dev_figure(evaluations, keep_best),
        _rate_figure(steps),
        _norm_figure(steps, (resolved.get("training") or {}).get("clip_norm")),
        block_figure(steps),
    )
    return [figure for figure in figures if figure is not None]


def evaluations_of(metrics: Sequence[Document]) -> list[Document]:
    """The lines that hold scores of dev, but for those that a rollback undid."""
    return [line for line in _without_what_was_in_vain(metrics) if isinstance(line.get("dev"), dict)]


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
        t("Change with its interval"),
        interval_chart(t("Change of each metric with its 95% interval"), intervals, x_label=t("tuned minus base")),
        t("A line that does not cross zero is a difference that chance hardly explains."),
        Table(t("Change of each metric"), (t("metric"), t("change"), t("lower end"), t("upper end")), rows),
    )


def rank_figure(queries: Sequence[Document]) -> Figure | None:
    """How many test queries have their first relevant document at which rank, before and after."""
    ranks = [[q.get(side) for q in queries] for side in ("rank_before", "rank_after")]
    if not queries:
        return None
    before, after = ([_bucket_counts(side)[name] for name, _ in _BUCKETS] for side in ranks)
    names = [name for name, _ in _BUCKETS]
    rows = tuple((known(name), str(b), str(a)) for name, b, a in zip(names, before, after, strict=True))
    return Figure(
        t("Rank of the first relevant document"),
        bar_chart(
            t("Test queries by the rank of their first relevant document, before and after"),
            [known(name) for name in names],
            [(t("before"), before), (t("after"), after)],
            y_label=t("test queries"),
        ),
        _moves_sentence(queries),
        Table(t("Test queries by rank"), (t("rank"), t("before"), t("after")), rows),
    )


def merge_figure(scores: Document) -> Figure | None:
    """What dev said of the averages of base and tuned weights, against the base, and which one was taken."""
    merge = scores.get("merge") or {}
    if not merge.get("trials") or "base" not in merge:
        return None
    base, metric = merge["base"], merge["metric"]
    trials = [{"alpha": 0.0, **base}, *sorted(merge["trials"], key=lambda trial: float(trial["alpha"]))]
    read: dict[str, str] = {"dev": metric}
    if "score" in ((scores.get("general") or {}).get("delta") or {}):
        read["general"] = t("general score")
    level = Level(t("least that is allowed"), merge["floor"] - base["general"])
    charts = []
    for key, name in read.items():  # one above the other: a fall of 0.005 would be flat beside a gain of 0.1
        line = Series(name, tuple((trial["alpha"], trial[key] - base[key]) for trial in trials))
        taken = next(((x, y) for x, y in line.points if abs(x - merge["alpha"]) < 1e-9), None)
        charts.append(
            line_chart(
                t("Change of {name} on dev by the share of the tuned weights in the average with the base", name=name),
                [line],
                x_label=t("share of the tuned weights"),
                y_label=t("change of {name}", name=name),
                mark=taken,
                level=level if key == "general" else None,
            )
        )
    rows = tuple(
        (f"{t['alpha']:g}", *(cell for key in read for cell in (number(t[key]), signed(t[key] - base[key]))))
        for t in trials
    )
    columns = [title for name in read.values() for title in (t("{name} on dev", name=name), t("change"))]
    notes = [
        t(
            "Weights between the base (0) and the end of training (1), scored on dev halves, less what the base scores "
            "there. Taken: {alpha:g}.",
            alpha=merge["alpha"],
        )
    ]
    if "general" in read:
        notes.append(
            t(
                "The general score may fall to the dashed line, {level}: half of what the gate allows.",
                level=signed(level.value),
            )
        )
    table = Table(t("Dev scores by share of the tuned weights"), (t("share"), *columns), rows)
    return Figure(t("Share of the tuned weights"), Markup("").join(charts), joined(notes), table)


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
    return t(
        "Of {total:,} test queries, {better:,} find their first relevant document at a better rank, {worse:,} at a "
        "worse one, {same:,} at the same.",
        total=moves.total(), better=moves[1], worse=moves[-1], same=moves[0],
    )  # fmt: skip


def _general_name(name: str) -> str:
    return t("general score") if name == "score" else name.rpartition("/")[0] or t("general {name}", name=name)


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
    steps = math.ceil(longest / _POINTS)
    means = t("Each point is the mean of {steps} steps.", steps=steps) if steps > 1 else ""
    label = t("{name} over the steps", name=heading)
    chart = line_chart(label, thin, x_label=t("step"), y_label=y_label, from_zero=from_zero)
    return Figure(heading, chart, joined(filter(None, (means, note))), _points_table(heading, thin))


def _points_table(caption: str, series: Sequence[Series]) -> Table:
    columns = [dict(line.points) for line in series]
    xs = sorted({x for column in columns for x in column})
    rows = tuple((f"{x:g}", *(f"{c[x]:.4g}" if x in c else "—" for c in columns)) for x in xs)
    return Table(caption, (t("step"), *(line.name for line in series)), rows)


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
    skipped = [t("{step} ({why})", step=line["step"], why=line["skipped"]) for line in metrics if line.get("skipped")]
    back = [
        t(
            "from step {step} to {to}, on with {factor:g} of the rate",
            step=line["step"], to=line["rollback"]["to"], factor=line["rollback"]["lr_factor"],
        )
        for line in metrics
        if "rollback" in line
    ]  # fmt: skip
    renewed = [f"{line['step']}" for line in metrics if "new_teacher" in line]
    told = (
        ("Skipped without an update: step {steps}.", (", ", "、"), skipped),
        ("Gone back {steps}.", ("; ", "；"), back),
        ("A new stage, whose teacher is the encoder as it was then: from step {steps}.", (", ", "、"), renewed),
    )
    return joined(
        t(sentence, steps=joined([*found[:10], *["..."] * (len(found) > 10)], *marks))
        for sentence, marks, found in told
        if found
    )


def _loss_figure(steps: Sequence[Document], note: str) -> Figure | None:
    series = _series(steps, lambda line: line["loss"])
    if len(series) == 2:
        series = {"total": series["total"]} if "total" in series else series  # one term: its sum is itself
    if not series:
        return None
    return _line_figure(t("Training loss"), series, y_label=t("loss"), note=note)


def _weight_figure(steps: Sequence[Document]) -> Figure | None:
    series = _series(steps, lambda line: line.get("weights", {}))
    if not series:
        return None
    note = t("What the run found that each objective should count.")
    return _line_figure(t("Weights of the losses"), series, y_label=t("weight"), note=note, from_zero=True)


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
        t("Dev score"),
        line_chart(
            t("{name} on dev over the steps", name=decisive), lines, x_label=t("step"), y_label=decisive, mark=best
        ),
        t(
            "Ringed: the best {name} on dev after training began, {value} at step {step:g}. Step 0 is the base. Test "
            "data plays no part here.",
            name=decisive,
            value=number(best[1]),
            step=best[0],
        ),
        _points_table(t("Dev scores"), every),
    )


def _rate_figure(steps: Sequence[Document]) -> Figure | None:
    by_group = _series(steps, lambda line: line.get("lr", {}))
    together: dict[tuple[tuple[float, float], ...], list[str]] = {}
    for name, points in by_group.items():
        together.setdefault(tuple(points), []).append(name)
    series = {", ".join(names): points for points, names in together.items()}
    return _line_figure(t("Learning rate"), series, y_label=t("learning rate"), from_zero=True) if series else None


def _norm_figure(steps: Sequence[Document], clip: object) -> Figure | None:
    name = t("gradient norm")
    series = _series(steps, lambda line: {name: line.get("grad_norm")})
    if not series:
        return None
    note: str = ""
    if isinstance(clip, int | float):
        clipped = sum(norm > clip for _, norm in series[name])
        note = t(
            "Before clipping. {clipped:,} of {steps:,} steps were clipped to {clip:g}.",
            clipped=clipped, steps=len(series[name]), clip=clip,
        )  # fmt: skip
    return _line_figure(t("Gradient norm"), series, y_label=name, note=note, from_zero=True)
