"""The map in the report: as many points as rows, where the numbers say, and no text when told so."""

import re

import pytest

from acclimate.report.embedding import SIDE, EmbeddingMap, embedding_map
from fake_run import map_document


def drawn(found: EmbeddingMap, side: str) -> list[tuple[float, float]]:
    svg = getattr(found, side)
    circles = [
        (m[0], float(m[1]), float(m[2])) for m in re.findall(r'<(circle) class="d" cx="([\d.]+)" cy="([\d.]+)"', svg)
    ]
    assert len(circles) == len(re.findall("<rect", svg))
    marks = re.findall(r'<(rect|circle) class="[qd]" c?x="([\d.]+)" c?y="([\d.]+)"', svg)
    return [(float(x) + 2.5 * (kind == "rect"), float(y) + 2.5 * (kind == "rect")) for kind, x, y in marks]


@pytest.fixture(scope="module")
def found() -> EmbeddingMap:
    made = embedding_map(map_document(), texts=True)
    assert made is not None
    return made


def test_each_point_is_drawn_on_both_sides_and_is_a_row(found: EmbeddingMap) -> None:
    count = len(map_document()["points"])
    assert (
        len(drawn(found, "before")) == len(drawn(found, "after")) == len(found.table.rows) == len(found.lines) == count
    )
    assert all(0 < x < SIDE and 0 < y < SIDE for side in ("before", "after") for x, y in drawn(found, side))


@pytest.mark.parametrize("side", ["before", "after"])
def test_points_lie_where_the_table_says_with_y_upwards(found: EmbeddingMap, side: str) -> None:
    places = [point[side] for point in map_document()["points"]]
    (x0, y0), (x1, y1) = (drawn(found, side)[n] for n in (0, 7))
    scale = (x1 - x0) / (places[7][0] - places[0][0])
    assert scale > 0
    assert (y0 - y1) / (places[7][1] - places[0][1]) == pytest.approx(scale, rel=0.01)
    column = 1 if side == "before" else 2
    assert found.table.rows[7][column] == f"{places[7][0]}, {places[7][1]}"


def test_what_moved_most_is_named_and_numbered_on_both_sides(found: EmbeddingMap) -> None:
    assert [row[2] for row in found.moved.rows] == ["0.160"] * 8
    assert [row[1] for row in found.moved.rows] == [str(n) for n in range(1, 9)]
    for side in ("before", "after"):
        assert re.findall(r'class="named"[^>]*>(\d)<', getattr(found, side)) == [str(n) for n in range(1, 9)]


def test_how_far_the_plane_can_be_trusted_is_said(found: EmbeddingMap) -> None:
    said = found.notes[1]
    assert "35% of the spread" in said
    assert "41% are among the 10 nearest on the map before, 38% after; chance alone would keep 8%" in said


def test_without_texts_points_are_numbered() -> None:
    document = map_document()
    hidden = embedding_map(document, texts=False)
    assert hidden is not None
    assert str(hidden.table.rows[0][0]) == "query 1"
    assert str(hidden.table.rows[1][0]) == "document 1"
    assert not [point for point in document["points"] if point["text"] in str(hidden)]


def test_no_points_no_map() -> None:
    assert embedding_map({}, texts=True) is None
