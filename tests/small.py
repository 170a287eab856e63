"""Small data of every kind in files, and the command line in this process or in one of its own."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_WORDS = [
    "dog",
    "cat",
    "bird",
    "fish",
    "horse",
    "doctor",
    "teacher",
    "player",
    "market",
    "bank",
    "ship",
    "car",
    "house",
    "river",
    "flower",
    "program",
]
_DEEDS = ("has pain in the left", "is under the", "finds water near the", "asks a question about the", "sells the old")
_PLACES = ("heart", "bone", "mountain", "table", "school", "street", "window", "bridge")


def sentences(seed: int = 0) -> list[tuple[str, str, str]]:
    """All (subject, sentence, place), in an order that depends on the seed."""
    texts = [(a, f"{a} {deed} {place}", place) for a in _WORDS for deed in _DEEDS for place in _PLACES]
    random.Random(seed).shuffle(texts)
    return texts


def pairs(count: int, seed: int = 0, name: str = "") -> list[dict[str, Any]]:
    """Questions about a sentence and the sentence; a name keeps two sets apart."""
    chosen = enumerate(sentences(seed)[:count])
    return [
        {"query": f"what {name} {subject} near {place} {row}", "positive": f"{name} {text} {row}"}
        for row, (subject, text, place) in chosen
    ]


def scored(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Two sentences and how many words they share; no two scores are equal."""
    first, second = sentences(seed)[:count], sentences(seed + 1)[:count]
    rows = enumerate(zip(first, second, strict=True))
    return [
        {
            "sentence1": f"{a} {row}",
            "sentence2": f"{b} {row}",
            "score": len({*a.split()} & {*b.split()}) / 6 + row / 1000,
        }
        for row, ((_, a, _), (_, b, _)) in rows
    ]


def labeled(count: int, seed: int = 0, labels: int = 4) -> list[dict[str, Any]]:
    """Sentences, classed by their subject."""
    return [
        {"text": f"{text} {row}", "label": f"class {_WORDS.index(subject) % labels}"}
        for row, (subject, text, _) in enumerate(sentences(seed)[:count])
    ]


def jsonl(path: Path, rows: Sequence[Any]) -> Path:
    """Writes a row a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def beir(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Writes pairs as a BEIR folder."""
    jsonl(folder / "corpus.jsonl", [{"_id": f"d{i}", "text": row["positive"]} for i, row in enumerate(rows)])
    jsonl(folder / "queries.jsonl", [{"_id": f"q{i}", "text": row["query"]} for i, row in enumerate(rows)])
    (folder / "qrels").mkdir()
    lines = [f"q{i}\td{i}\t1\n" for i in range(len(rows))]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    return folder


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    status: int
    out: str
    err: str


class CommandLine:
    """``acclimate ARGUMENTS`` in this process: seconds faster, for torch is imported once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> Result:
        from acclimate.cli import main

        self._capsys.readouterr()
        self._monkeypatch.setattr(sys, "argv", ["acclimate", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        said = self._capsys.readouterr()
        return Result(int(stop.value.code or 0), said.out, said.err)


def start(*arguments: object, **options: Any) -> "subprocess.Popen[str]":
    """``acclimate ARGUMENTS`` in a process of its own, on one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **options.pop("environment", {})}
    command = [sys.executable, "-c", "from acclimate.cli import main; main()", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    return subprocess.Popen(command, env=environment, **(pipes | options))


def run(*arguments: object, **options: Any) -> Result:
    """`start`, and its end."""
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=300)
    return Result(process.returncode, out, err)
