"""The map of the test's texts, before and after on one plane."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten

from markupsafe import Markup

from acclimate.report.said import attributes, t
from acclimate.report.source import Document
from acclimate.report.tables import Table

SIDE = 400  # of a drawing
_MARGIN = 12
_RANGE = 1_000  # of the coordinates in data/map.json
_NAMED = 8  # texts that moved most
_TEXT = 80  # characters of a text in the table of all


@dataclass(frozen=True, slots=True)
class EmbeddingMap:
    """Two drawings, what moved most, how far they can be trusted, and all points as a table.

    ``lines`` are for each row of the table the test queries that ask for it.
    """

    before: Markup
    after: Markup
    notes: tuple[str, ...]
    moved: Table
    table: Table
    lines: tuple[str, ...]
    has_queries: bool
    has_documents: bool


def embedding_map(document: Document, *, texts: bool) -> EmbeddingMap | None:
    """The map of ``data/map.json``; None where there is none. Without ``texts``, points are numbered."""
    points: Sequence[Document] = document.get("points") or []
    if not points:
        return None
    most = sorted(range(len(points)), key=lambda n: (-points[n]["moved"], n))[:_NAMED]
    drawings = {
        side: _drawing(points, side, {n: rank for rank, n in enumerate(most, 1)}) for side in ("before", "after")
    }
    rows = tuple((_name(point, texts), *_places(point), f"{point['moved']:.3f}") for point in points)
    head = (t("text"), t("place before"), t("place after"), t("moved by"))
    return EmbeddingMap(
        before=drawings["before"],
        after=drawings["after"],
        notes=_notes(document, len(points)),
        moved=Table(
            t("What moved most"),
            (t("text"), t("on the map"), t("moved by")),
            tuple((rows[n][0], f"{rank}", rows[n][3]) for rank, n in enumerate(most, 1)),
        ),
        table=Table(t("All points of the map"), head, rows),
        lines=tuple(" ".join(map(str, point["lines"])) for point in points),
        has_queries=any(point["role"] == "query" for point in points),
        has_documents=any(point["role"] == "document" for point in points),
    )


def _notes(document: Document, count: int) -> tuple[str, ...]:
    kept, chance = document["kept"], document["chance"]
    return (
        t(
            "The plane is that in which the base's vectors of these {count:,} texts spread most (PCA). The tuned "
            "model's vectors were turned onto the base's first (Procrustes): turning changes no neighbor, so what "
            "still lies elsewhere has moved against the others.",
            count=count,
        ),
        t(
            "A plane cannot show it all: it holds {explained:.0%} of the spread before, and of the {k} nearest of a "
            "text {before:.0%} are among the {k} nearest on the map before, {after:.0%} after; chance alone would "
            "keep {chance:.0%}.",
            explained=document["explained"], k=document["neighbors"], **kept, chance=chance,
        ),
    )  # fmt: skip


def _drawing(points: Sequence[Document], side: str, named: Mapping[int, int]) -> Markup:
    label = t("Map before: base") if side == "before" else t("Map after: tuned model")
    parts = [_point(*_pixels(point[side]), query=point["role"] == "query") for point in points]
    names = _labels({rank: _pixels(points[n][side]) for n, rank in named.items()})
    frame = Markup('<svg class="chart map" id="map-{}" role="img" {} viewBox="0 0 {} {}"><g>{}</g><g>{}</g></svg>')
    shown = (Markup("").join(parts), names)
    return frame.format(side, attributes("aria-label", label), SIDE, SIDE, *shown)


def _pixels(place: Sequence[float]) -> tuple[float, float]:
    x, y = (_MARGIN + (SIDE - 2 * _MARGIN) * value / _RANGE for value in place)
    return x, SIDE - y


def _point(x: float, y: float, *, query: bool) -> Markup:
    if query:
        return Markup('<rect class="q" x="{}" y="{}" width="5" height="5"/>').format(f"{x - 2.5:.1f}", f"{y - 2.5:.1f}")
    return Markup('<circle class="d" cx="{}" cy="{}" r="2.4"/>').format(f"{x:.1f}", f"{y:.1f}")


def _labels(places: Mapping[int, tuple[float, float]]) -> Markup:
    """A number beside each point, where no other number stands."""
    taken: list[tuple[float, float]] = []
    frame = Markup('<text class="named" x="{}" y="{}" text-anchor="middle">{}</text>')
    labels = []
    for rank, (x, y) in places.items():
        around = [
            (x + dx, y + dy) for far in (11, 24, 38, 52) for dx, dy in ((far, 5), (-far, 5), (0, 5 - far), (0, 5 + far))
        ]
        inside = [place for place in around if 12 <= place[0] <= SIDE - 12 and 18 <= place[1] <= SIDE - 6]
        free = [place for place in inside if all(abs(place[0] - u) > 19 or abs(place[1] - v) > 17 for u, v in taken)]
        across, down = (free or inside)[0]
        taken.append((across, down))
        labels.append(frame.format(f"{across:.1f}", f"{down:.1f}", rank))
    return Markup("").join(labels)


def _name(point: Document, texts: bool) -> str:
    if texts:
        return shorten(str(point["text"]), _TEXT, placeholder=" …") or "…"
    kind = "query {number}" if point["role"] == "query" else "document {number}"
    return t(kind, number=point["number"])


def _places(point: Document) -> tuple[str, str]:
    before, after = (", ".join(f"{value}" for value in point[side]) for side in ("before", "after"))
    return before, after
