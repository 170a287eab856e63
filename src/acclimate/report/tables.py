"""Tables of text cells, and JSON documents laid out as such."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from acclimate.report.said import joined, known, t
from acclimate.report.words import quantity, title_of


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, the column names, and rows of as many cells; the first cell names its row."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def pairs_table(caption: str, document: Mapping[str, Any]) -> Table:
    """Name and value of every leaf of a JSON document, units taken from the names."""
    rows = tuple((title_of(name), quantity(name.split(" · ")[-1], value)) for name, value in _leaves(document))
    return Table(caption, (t("what"), t("value")), rows)


def _leaves(document: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in document.items():
        name = f"{prefix} · {key}" if prefix else str(key)
        match value:
            case Mapping():
                yield from _leaves(value, name)
            case list() if any(isinstance(item, Mapping) for item in value):
                yield from _leaves({str(n): item for n, item in enumerate(value, start=1)}, name)
            case list():
                yield name, _joined(value)
            case _:
                yield name, value


def _joined(values: Sequence[Any]) -> str:
    return joined((quantity("", value) for value in values), ", ", "、") or known("none")
