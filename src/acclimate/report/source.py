"""Reads what a run left in its folder. Only ``scores.json`` must be there."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from acclimate.core.errors import DataError, Place

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The documents of a run folder; an optional one that is missing is empty."""

    name: str
    scores: Document
    metrics: list[Document]
    resolved: Document
    resolved_text: str
    environment: Document
    profile: Document
    mining: Document
    vocabulary: Document
    adaptation: Document
    weighting: Document
    map: Document
    drift: Document
    synthetic: list[Document]
    quarantine: list[Document]
    queries: list[Document]
    has_rejected_model: bool


def read_run(run: Path) -> RunFiles:
    """Reads a run folder.

    Raises:
        DataError: when there is no ``scores.json``, or a file cannot be understood.
    """
    if not (run / "scores.json").is_file():
        raise DataError("this folder has no scores.json", "name the folder of a finished run", Place(run))
    resolved_text = _text(run / "resolved.yaml")
    return RunFiles(
        name=run.resolve().name,
        scores=_json(run / "scores.json"),
        metrics=_lines(run / "metrics.jsonl", without="rows"),  # ids of all examples, which no figure shows
        resolved=_yaml(run / "resolved.yaml", resolved_text),
        resolved_text=resolved_text,
        environment=_json(run / "environment.json"),
        profile=_json(run / "data" / "profile.json"),
        mining=_json(run / "data" / "mining.json"),
        vocabulary=_json(run / "data" / "vocabulary.json"),
        adaptation=_json(run / "data" / "adaptation.json"),
        weighting=_json(run / "data" / "weighting.json"),
        map=_json(run / "data" / "map.json"),
        drift=_json(run / "data" / "drift.json"),
        synthetic=_lines(run / "data" / "synthetic.jsonl", without="document"),  # which no table shows
        quarantine=_lines(run / "data" / "quarantine.jsonl"),
        queries=_lines(run / "data" / "queries.jsonl"),
        has_rejected_model=(run / "rejected").is_dir(),
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _json(path: Path) -> Document:
    try:
        document: object = json.loads(_text(path) or "{}")
    except json.JSONDecodeError as problem:
        raise _damaged(path, problem.lineno) from None
    if not isinstance(document, dict):
        raise _damaged(path, 1)
    return document


def _lines(path: Path, *, without: str = "") -> list[Document]:
    """The documents of a JSON Lines file, less one key.

    A torn last line is left out: that is how a killed run ends.
    """
    documents: list[Document] = []
    if not path.is_file():
        return documents
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                document: Document = json.loads(line)
            except json.JSONDecodeError:
                if line.endswith("\n"):
                    raise _damaged(path, number) from None
                continue
            documents.append({name: value for name, value in document.items() if name != without})
    return documents


def _yaml(path: Path, text: str) -> Document:
    try:
        document: object = yaml.safe_load(text)
    except yaml.YAMLError:
        raise _damaged(path, None) from None
    return document if isinstance(document, dict) else {}


def _damaged(path: Path, line: int | None) -> DataError:
    return DataError("the file is damaged", "run the same `acclimate fit` again", Place(path, line))
