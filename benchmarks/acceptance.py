"""Does ``acclimate fit`` without options gain on five domains? ``python benchmarks/acceptance.py --data DIR``.

Each run is the command line as a user types it, on the whole training file and the whole test folder of a set. Every
cell is a file under ``--out``; a second call measures what is missing. DIR is what ``benchmarks/data.py`` builds.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from common import RESULTS, Cells, Result, change, points, table, write_table

from acclimate.core.files import sha256_file

ACCLIMATE = Path(sys.executable).with_name("acclimate")
MULTILINGUAL = "multilingual-e5-small"


@dataclass(frozen=True, slots=True)
class Case:
    """A set, and how it is run.

    Attributes:
        seeds: one run each; no seed leaves the default.
        gains: every verdict has to be ``gained``. Otherwise: the mean over the seeds above zero, none below -1 point.
    """

    name: str
    seeds: tuple[int | None, ...]
    gains: bool
    base: str | None = None


CASES = (
    Case("hpo", (None,), gains=True),
    Case("icd10cm", (None,), gains=True),
    Case("debian_pkgs", (None,), gains=True),
    Case("scancode_legal", (1, 2, 3), gains=False),
    Case("zh_idiom", (1, 2, 3), gains=False, base=MULTILINGUAL),
)

_COLUMNS = (
    *("set", "seed", "nDCG@10 before", "after", "change (95% interval)", "verdict", "general score before", "after"),
    *("seconds of training", "pairs a second", "seconds in all"),
)


def main() -> None:
    """Measures what is missing, then writes docs/results/domains.md."""
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {', '.join(names)}")
    parser.add_argument("--out", type=Path, default=RESULTS / "acceptance", help="folder of the cells")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    arguments = parser.parse_args()
    cases = [case for case in CASES if case.name in arguments.only]
    cells = Cells(arguments.out / "cells", planned=sum(len(case.seeds) for case in cases))
    results = {case: [_cell(cells, case, seed, arguments.data, arguments.out) for seed in case.seeds] for case in cases}
    lines = page(results, cells.provenance())
    print("\n".join(["", *lines]))
    if len(cases) == len(CASES):
        write_table("domains", lines)


def _cell(cells: Cells, case: Case, seed: int | None, data: Path, out: Path) -> Result:
    folder = data / case.name
    options = [*(["--base", case.base] if case.base else []), *(["--seed", str(seed)] if seed is not None else [])]
    files = [folder / "train.jsonl", *sorted(path for path in (folder / "test").rglob("*") if path.is_file())]
    config = {"set": case.name, "options": options, "files": [sha256_file(file) for file in files]}
    name = case.name if seed is None else f"{case.name}-{seed}"
    return cells.measure(name, config, partial(_fit, folder, options, out / "runs" / name))


def _fit(data: Path, options: Sequence[str], run: Path) -> Result:
    """Runs the command line; what it says is kept beside the run."""
    command: list[str | Path] = [
        ACCLIMATE,
        "fit",
        data / "train.jsonl",
        "--test",
        data / "test",
        "--out",
        run,
        *options,
    ]
    log = run.with_name(f"{run.name}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with log.open("w", encoding="utf-8") as file:
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
    if status not in (0, 3):  # 3: a gate failed, which is a result
        raise SystemExit(f"{' '.join(map(str, command))}\nended with status {status}; see {log}")
    scores: Result = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    for weights in ("model", "rejected"):  # up to 470 MB each; the figures are what is kept
        shutil.rmtree(run / weights, ignore_errors=True)
    return {**scores, "status": status, "seconds": round(time.perf_counter() - started, 1)}


def page(results: dict[Case, list[Result]], provenance: Sequence[str]) -> list[str]:
    """The lines of the page."""
    command = "`acclimate fit DIR/NAME/train.jsonl --test DIR/NAME/test --out RUN`"
    return [
        "# Five domains, no options",
        "",
        "Written by `python benchmarks/acceptance.py --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        "",
        f"Each row is {command}, with the base {MULTILINGUAL} for the Chinese set and `--seed` where a seed stands. "
        "The whole test folder is ranked. Scores are in points of 100; the interval is the paired 95% interval over "
        "the test queries.",
        "",
        *table(
            _COLUMNS,
            [
                (case.name, "default" if seed is None else str(seed), *_figures(result))
                for case, of_case in results.items()
                for seed, result in zip(case.seeds, of_case, strict=True)
            ],
        ),
        "",
        *(f"- {_reading(case, of_case)}" for case, of_case in results.items()),
    ]


def _figures(result: Result) -> list[str]:
    test, general, cost = result["test"], result["general"], result["cost"]
    delta = test["delta"]["ndcg@10"]
    low, high = delta["ci95"]
    return [
        points(test["before"]["ndcg@10"]),
        points(test["after"]["ndcg@10"]),
        f"{change(delta['value'])} ({change(low)} to {change(high)})",
        result["gate"]["verdict"],
        points(general["before"]["score"]),
        points(general["after"]["score"]),
        f"{cost['train_seconds']:.0f}",
        f"{cost['examples_per_second']:.0f}",
        f"{result['seconds']:.0f}",
    ]


def _reading(case: Case, results: Sequence[Result]) -> str:
    """What was asked of the set, and whether it came."""
    changes = [result["test"]["delta"]["ndcg@10"]["value"] for result in results]
    mean, least = sum(changes) / len(changes), min(changes)
    if case.gains:
        met = all(result["gate"]["verdict"] == "gained" for result in results)
        return f"{case.name}: {change(mean)} points; the aim is the verdict `gained`: {'met' if met else 'NOT MET'}."
    met = mean > 0 and least >= -0.01
    asked = "a mean above zero and no seed below -1 point"
    return f"{case.name}: {change(mean)} points in the mean, {change(least)} at least; the aim is {asked}: " + (
        "met." if met else "NOT MET."
    )


if __name__ == "__main__":
    main()
