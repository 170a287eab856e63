"""What the measurements share: cells that are measured once and kept, where and when that was, and Markdown."""

import os

# Read when packages are imported: nothing comes from a network, and cells have their own progress.
os.environ |= {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from acclimate.core.files import write_atomic
from acclimate.runs.machine import environment

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = REPOSITORY / "benchmarks" / "results"
TABLES = REPOSITORY / "docs" / "results"

Result = dict[str, Any]


class Cells:
    """Measurements in a folder, a JSON file each. What is there already is not measured again."""

    def __init__(self, folder: Path, planned: int) -> None:
        self.folder = folder
        self.planned = planned
        self.done: list[dict[str, Any]] = []

    def measure(self, name: str, config: dict[str, Any], work: Callable[[], Result]) -> Result:
        """What ``work`` returns, from its file if it was measured before with the same ``config``."""
        path = self.folder / f"{name}.json"
        kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        if kept is not None and kept["config"] != config:
            raise SystemExit(f"{path} was measured with other settings or data; remove it, or give another --out")
        if kept is None:
            print(f"[{len(self.done) + 1}/{self.planned}] {name} ...", flush=True)
            kept = _measured(name, config, work)
            write_atomic(path, json.dumps(kept, ensure_ascii=False, allow_nan=False) + "\n")
        self.done.append(kept)
        mean = sum(cell["wall_seconds"] for cell in self.done) / len(self.done)
        left = max(0, self.planned - len(self.done)) * mean
        print(
            f"[{len(self.done)}/{self.planned}] {name}: {kept['wall_seconds']:.0f} s, about {left / 60:.0f} min left",
            flush=True,
        )
        result: Result = kept["result"]
        return result

    def provenance(self) -> list[str]:
        """Machine, versions, dates and load of all cells, as a Markdown list."""
        machines = [cell["machine"] for cell in self.done]
        days = sorted(cell["measured_on"] for cell in self.done)
        loads = [load for cell in self.done for load in cell["load_average"]]
        minutes = sum(cell["wall_seconds"] for cell in self.done) / 60
        return [
            f"- Machine: {_distinct(_hardware(machine) for machine in machines)}",
            f"- Versions: {_distinct(_versions(machine) for machine in machines)}",
            f"- Code: {_distinct(cell['commit'] for cell in self.done)}",
            f"- Measured: {_distinct([days[0], days[-1]], ' to ')}, {len(self.done)} cells, "
            f"{minutes:.0f} minutes in all, load average {min(loads):.1f} to {max(loads):.1f}",
        ]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *rows)]


def write_table(name: str, lines: Sequence[str]) -> None:
    """Writes a page of docs/results and says where."""
    path = TABLES / f"{name}.md"
    write_atomic(path, "\n".join(lines) + "\n")
    print(f"\n{path.relative_to(REPOSITORY)} is written")


def points(value: float) -> str:
    """A score from 0 to 1 as points of 100."""
    return f"{100 * value:.1f}"


def change(value: float) -> str:
    """A difference of scores as signed points of 100."""
    return f"{100 * value:+.1f}"


def spread(values: Sequence[float], show: Callable[[float], str] = points) -> str:
    """Mean, and least and greatest over the seeds."""
    mean = show(sum(values) / len(values))
    return mean if len(values) == 1 else f"{mean} ({show(min(values))} to {show(max(values))})"


def told_met(reached: bool) -> str:
    """Whether an aim is reached, as a page says it."""
    return "met" if reached else "NOT MET"


def _measured(name: str, config: dict[str, Any], work: Callable[[], Result]) -> dict[str, Any]:
    load, started = psutil.getloadavg()[0], time.perf_counter()
    result = work()
    return {
        "name": name,
        "config": config,
        "result": result,
        "wall_seconds": round(time.perf_counter() - started, 1),
        "load_average": [round(load, 2), round(psutil.getloadavg()[0], 2)],
        "measured_on": datetime.now(UTC).date().isoformat(),
        "machine": environment(),
        "commit": _commit(),
    }


def _commit() -> str:
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "not from a git checkout"


def _hardware(machine: dict[str, Any]) -> str:
    memory = f"{machine['memory_bytes'] / 2**30:.0f} GiB"
    device = machine["cuda"] or "no GPU"
    return f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, {memory}, {device}"


def _versions(machine: dict[str, Any]) -> str:
    names = ("acclimate", "torch", "transformers", "sentence-transformers", "numpy")
    return ", ".join(
        [f"Python {machine['python']}", *(f"{name} {machine['packages'].get(name, '-')}" for name in names)]
    )


def _distinct(texts: Iterable[str], join: str = "; ") -> str:
    return join.join(dict.fromkeys(texts))
