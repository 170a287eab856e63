"""Gradient norms by block and step, with what opened when and what was out of proportion."""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from acclimate.report.charts import heat_map
from acclimate.report.figure import Figure
from acclimate.report.said import joined, t
from acclimate.report.source import Document
from acclimate.report.tables import Table

_CELLS = 48  # columns of the heat map
_NAMED = 8  # spikes that are told in words

Norms = Mapping[str, Mapping[float, float]]


def block_figure(steps: Sequence[Document]) -> Figure | None:
    """The heat map of the steps of a run; None where no norms were logged."""
    norms = _norms(steps)
    if not norms:
        return None
    names = sorted(norms, key=_height, reverse=True)
    first, last = (float(steps[end]["step"]) for end in (0, -1))
    width = max(1.0, math.ceil((last - first + 1) / _CELLS))
    starts = [first + width * i for i in range(math.ceil((last - first + 1) / width))]

    def cell(step: float) -> int:
        return int((step - first) // width)

    cells = {name: _means(norms[name], cell, len(starts)) for name in names}
    opened = {name: min(norms[name]) for name in names if min(norms[name]) > _begin(norms)}
    spikes = {name: found for name in names if (found := _spikes(steps, name))}
    marked = {name: {cell(step) for step in found} for name, found in spikes.items()}
    heading = t("Gradient norm of each block")
    chart = heat_map(
        t("Gradient norm of each block over the steps"),
        starts,
        list(cells.items()),
        x_label=t("step"),
        opened={name: cell(step) for name, step in opened.items()},
        spikes=marked,
    )
    rows = tuple(
        (f"{start:g}", *(_cell(cells[name][n], n in marked.get(name, ())) for name in names))
        for n, start in enumerate(starts)
    )
    return Figure(heading, chart, _note(width, opened, spikes), Table(heading, (t("step"), *names), rows))


def _norms(steps: Sequence[Document]) -> dict[str, dict[float, float]]:
    """Block -> step -> its norm, where that is a number above 0."""
    found: dict[str, dict[float, float]] = defaultdict(dict)
    for line in steps:
        for name, value in (line.get("grad_norm_by_block") or {}).items():
            if isinstance(value, int | float) and math.isfinite(value) and value > 0:
                found[name][float(line["step"])] = float(value)
    return dict(found)


def _begin(norms: Norms) -> float:
    return min(step for of_block in norms.values() for step in of_block)


def _spikes(steps: Sequence[Document], name: str) -> list[float]:
    return [float(line["step"]) for line in steps if name in (line.get("spike") or ())]


def _note(width: float, opened: Mapping[str, float], spikes: Mapping[str, Collection[float]]) -> str:
    notes = [t("The top of the encoder is on top. Each cell is the mean of {width:g} steps.", width=width)]
    if width == 1:
        notes = [t("The top of the encoder is on top. Each cell is a step.")]
    if opened:
        told = joined((f"{name} ({step:g})" for name, step in opened.items()), ", ", "、")
        notes.append(t("An upright line: from here on the block trains ({blocks}).", blocks=told))
    if spikes:
        by_step = sorted((step, name) for name, found in spikes.items() for step in found)
        told = joined([*(f"{name} ({step:g})" for step, name in by_step[:_NAMED]), *["..."] * (len(by_step) > _NAMED)])
        sentence = "A triangle: a norm out of all proportion to those before it, {count} in all: {blocks}."
        notes.append(t(sentence, count=len(by_step), blocks=told))
    return joined(notes)


def _means(points: Mapping[float, float], cell: Callable[[float], int], count: int) -> list[float | None]:
    cells: list[list[float]] = [[] for _ in range(count)]
    for step, value in points.items():
        cells[cell(step)].append(value)
    return [math.fsum(values) / len(values) if values else None for values in cells]


def _cell(value: float | None, spiked: bool) -> str:
    return "—" if value is None else f"{value:.3g}" + " ▲" * spiked


def _height(block: str) -> tuple[int, int, str]:
    """Sorts blocks from the input side up: table, other embeddings, block.0 .., heads."""
    kind, _, index = block.rpartition(".")
    if index.isdigit():
        return (1, int(index), kind)
    return (0, -1 if block == "embedding_table" else 0, block) if block.startswith("embedding") else (2, 0, block)
