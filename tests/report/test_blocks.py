"""The heat map's marks: where a block opens, and where its norm is out of proportion."""

import re

from acclimate.report.blocks import block_figure


def steps(count: int = 96) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = []
    for n in range(count):
        norms = {"block.1": 1.0} | ({"block.0": 0.5} if n >= 40 else {})
        lines.append({"step": n, "loss": {}, "grad_norm_by_block": norms})
    lines[61]["spike"] = ["block.1"]
    return lines


def test_a_line_stands_where_a_block_opens_and_a_triangle_where_it_spikes() -> None:
    figure = block_figure(steps())
    assert figure is not None
    cells = [float(x) for x in re.findall(r'<rect x="([\d.]+)"', figure.chart)]
    top, late = cells[:48], cells[48:]  # two steps a cell
    (opened,) = re.findall(r'<line x1="([\d.]+)"[^>]*class="opened"', figure.chart)
    assert float(opened) == late[0] == top[20]
    (spike,) = re.findall(r'<path d="M([\d.]+) [^"]*" class="spike"', figure.chart)
    assert top[30] < float(spike) < top[31]


def test_both_are_told_in_words_and_numbers() -> None:
    figure = block_figure(steps())
    assert figure is not None
    assert "from here on the block trains (block.0 (40))" in figure.note
    assert "1 in all: block.1 (61)" in figure.note
    marked = [row for row in figure.table.rows if "▲" in "".join(row)]
    assert marked == [("60", "1 ▲", "0.5")]


def test_without_either_nothing_is_said_of_them() -> None:
    figure = block_figure(steps()[45:60])
    assert figure is not None
    assert "triangle" not in figure.note
    assert "upright" not in figure.note
    assert 'class="opened"' not in figure.chart
