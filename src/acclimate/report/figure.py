"""A chart with its words and its numbers."""

from dataclasses import dataclass

from markupsafe import Markup

from acclimate.report.tables import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its heading, a note, and its numbers."""

    heading: str
    chart: Markup
    note: str
    table: Table
