"""Does ``acclimate fit`` without options gain on five domains? ``python benchmarks/acceptance.py --data DIR``.

Each run is the command line as a user types it, on the whole test folder of a set and its training file, or with
``--few`` on 200, on 400 and on all pairs of it. Every cell is a file under ``--out``; a second call measures what is
missing. About three hours, on one core. DIR is what ``benchmarks/data.py`` builds.
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

import numpy as np
from common import RESULTS, Cells, Result, change, points, table, told_met, write_table

from acclimate.core.files import read_jsonl, sha256_file, write_jsonl
from acclimate.core.seeds import numpy_generator

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

ALL = 0
FEW = (200, 400, ALL)  # training pairs: with few of them forgetting is worst
_DRAWN = 22  # the seed of which they are

_COLUMNS = (
    *("set", "seed", "nDCG@10 before", "after", "change (95% interval)", "verdict", "general score before", "after"),
    *("seconds of training", "pairs a second", "seconds in all"),
)


def main() -> None:
    """Measures what is missing, then writes docs/results/domains.md or few_pairs.md."""
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {', '.join(names)}")
    parser.add_argument("--out", type=Path, default=RESULTS / "acceptance", help="folder of the cells")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--few", action="store_true", help="200, 400 and all pairs: is anything forgotten?")
    arguments = parser.parse_args()
    cases = [case for case in CASES if case.name in arguments.only]
    data, out = arguments.data, arguments.out
    cells = Cells(out / "cells", planned=sum(len(FEW) if arguments.few else len(case.seeds) for case in cases))
    if arguments.few:
        few = {case: [_few(cells, case, pairs, data, out) for pairs in FEW] for case in cases}
        name, lines = "few_pairs", few_page(few, cells.provenance())
    else:
        results = {case: [_cell(cells, case, seed, data, out) for seed in case.seeds] for case in cases}
        name, lines = "domains", page(results, cells.provenance())
    print("\n".join(["", *lines]))
    if len(cases) == len(CASES):
        write_table(name, lines)


def _cell(cells: Cells, case: Case, seed: int | None, data: Path, out: Path) -> Result:
    options = [*_base(case), *(["--seed", str(seed)] if seed is not None else [])]
    name = case.name if seed is None else f"{case.name}-{seed}"
    return _measured(cells, case, name, options, data / case.name / "train.jsonl", data, out)


def _few(cells: Cells, case: Case, pairs: int, data: Path, out: Path) -> Result:
    """A run on some pairs of the training file."""
    if pairs == ALL:
        return _measured(
            cells, case, f"{case.name}-all-pairs", _base(case), data / case.name / "train.jsonl", data, out
        )
    rows = list(read_jsonl(data / case.name / "train.jsonl"))
    drawn = np.sort(numpy_generator(_DRAWN, case.name).permutation(len(rows))[:pairs])
    name = f"{case.name}-{pairs}-pairs"
    train = out / "data" / f"{name}.jsonl"
    write_jsonl(train, (rows[place] for place in drawn))
    return _measured(cells, case, name, _base(case), train, data, out)


def _base(case: Case) -> list[str]:
    return ["--base", case.base] if case.base else []


def _measured(
    cells: Cells, case: Case, name: str, options: Sequence[str], train: Path, data: Path, out: Path
) -> Result:
    test = data / case.name / "test"
    files = [train, *sorted(path for path in test.rglob("*") if path.is_file())]
    config = {"set": case.name, "options": options, "files": [sha256_file(file) for file in files]}
    return cells.measure(name, config, partial(_fit, train, test, options, out / "runs" / name))


def _fit(train: Path, test: Path, options: Sequence[str], run: Path) -> Result:
    """Runs the command line; what it says is kept beside the run."""
    command: list[str | Path] = [
        ACCLIMATE,
        "fit",
        train,
        "--test",
        test,
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


def few_page(few: dict[Case, list[Result]], provenance: Sequence[str]) -> list[str]:
    """The lines of the page of the runs on few pairs."""
    columns = (
        *("set", "pairs", "nDCG@10 before", "after", "change (95% interval)", "verdict", "share of the tuned weights"),
        *("general before", "after", "change (95% interval)", "forgetting limit"),
    )
    rows = [
        [
            case.name,
            str(pairs) if pairs != ALL else "all",
            *_figures(result)[:4],
            f"{result['merge']['alpha']:g}",
            *_general(result),
        ]
        for case, of_case in few.items()
        for pairs, result in zip(FEW, of_case, strict=True)
    ]
    return [
        "# Five domains, few pairs and all of them",
        "",
        "Written by `python benchmarks/acceptance.py --few --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        "",
        f"Each row is `acclimate fit PAIRS --test DIR/NAME/test --out RUN` without options (the base {MULTILINGUAL} "
        f"for the Chinese set), where PAIRS are DIR/NAME/train.jsonl, or {' or '.join(map(str, FEW[:-1]))} of its rows "
        "drawn at random: where forgetting is worst. The whole test folder is ranked. Scores are in points of 100; the "
        "intervals are paired 95% intervals over the test queries, and over what the general probe asks. Passed: the "
        "general score fell by no more than the gate allows, whatever the target did.",
        "",
        *table(columns, rows),
    ]


def _general(result: Result) -> list[str]:
    general, limit = result["general"], result["gate"]["general_drop_limit"]
    delta = general["delta"]["score"]
    low, high = delta["ci95"]
    return [
        points(general["before"]["score"]),
        points(general["after"]["score"]),
        f"{change(delta['value'])} ({change(low)} to {change(high)})",
        "passed" if delta["value"] >= -limit else "NOT PASSED",
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
        return f"{case.name}: {change(mean)} points; the aim is the verdict `gained`: {told_met(met)}."
    met = mean > 0 and least >= -0.01
    asked = "a mean above zero and no seed below -1 point"
    return f"{case.name}: {change(mean)} points in the mean, {change(least)} at least; the aim is {asked}: " + (
        "met." if met else "NOT MET."
    )


if __name__ == "__main__":
    main()
