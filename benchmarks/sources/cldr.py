"""Names and keywords of emoji and signs in many languages, from the Unicode CLDR annotations (Unicode-3.0)."""

import json
from dataclasses import dataclass
from pathlib import Path

from sources.fetch import npm


@dataclass(frozen=True, slots=True)
class Annotation:
    """The name of a sign in one language, and what else people call it."""

    name: str
    keywords: tuple[str, ...]


def folder(work: Path) -> Path:
    """The unpacked package; ``LICENSE`` lies in it."""
    return npm(work, "cldr-annotations-full", "48.2.0")


def annotations(work: Path, language: str) -> dict[str, Annotation]:
    """Sign -> annotation, for the signs that have a name in this language."""
    text = (folder(work) / "annotations" / language / "annotations.json").read_text(encoding="utf-8")
    return _named(json.loads(text)["annotations"]["annotations"])


def derived(work: Path, language: str) -> dict[str, Annotation]:
    """The same for sequences whose names follow from their parts, such as flags and skin tones."""
    path = npm(work, "cldr-annotations-derived-full", "48.2.0") / "annotationsDerived" / language / "annotations.json"
    return _named(json.loads(path.read_text(encoding="utf-8"))["annotationsDerived"]["annotations"])


def _named(rows: dict[str, dict[str, list[str]]]) -> dict[str, Annotation]:
    return {
        sign: Annotation(row["tts"][0], tuple(row.get("default", ()))) for sign, row in rows.items() if row.get("tts")
    }
