"""What ``plan`` says a run takes beside what ``fit`` took: ``python benchmarks/plan.py --data DIR``.

A run is planned and then done, each in a process of its own that finds no vectors of an earlier one. Every cell
is a file under ``--out``; a second call measures what is missing. 40 to 80 minutes on one core (``--quick``:
minutes). DIR is what ``benchmarks/data.py`` builds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from common import RESULTS, Cells, Result, table, told_met, write_table
from cuts import Sizes, cut
from ways import BASE

SEED = 1
LIMITS = {"seconds": 0.25, "memory": 0.20}

_TIMED = """
import json, sys, time
import acclimate.runs.plan, acclimate.runs.fit
asked = json.loads(sys.argv[1])
began = time.perf_counter()
if asked.pop("verb") == "plan":
    found = acclimate.plan(**asked)
else:
    found = acclimate.fit(**asked, keep="anyway").scores
print(json.dumps({"seconds": time.perf_counter() - began, "cost": found["cost"]}))
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A run: so many pairs of a set, whose texts have at most so many characters, by a method."""

    set: str
    pairs: int
    method: str
    characters: int = 200

    @property
    def name(self) -> str:
        """As the page has it."""
        return f"{self.method}, {self.pairs:,} pairs of {self.set}"


CASES = (
    Case("hpo", 400, "full"),
    Case("hpo", 2_000, "last_layers"),
    Case("hpo", 1_000, "residual"),
    Case("icd10cm", 1_000, "unfreeze"),
    Case("icd10cm", 1_000, "adapter"),
    Case("debian_pkgs", 400, "full", characters=1_000),
)


def main() -> None:
    """Measures what is missing, then writes docs/results/plan.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    sets = sorted({case.set for case in CASES})
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {', '.join(sets)}")
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/plan]")
    parser.add_argument("--quick", action="store_true", help="one tiny run: shows that it works, no result")
    arguments = parser.parse_args()
    out = arguments.out or RESULTS / ("plan-quick" if arguments.quick else "plan")
    cases = [Case("hpo", 200, "full")] if arguments.quick else CASES
    cells = Cells(out / "cells", planned=2 * len(cases))
    results = []
    for case in cases:
        label = "".join(c if c.isalnum() else "_" for c in case.name)
        sizes = Sizes(pairs=case.pairs, characters=case.characters, dev=(200, 1_000), test=(500, 2_000))
        files = cut(arguments.data / case.set, sizes, out / "data" / label)
        config = {"files": files.sha256(), "base": BASE, "method": case.method, "seed": SEED}
        asked = {"train": files.train, "dev": files.dev, "test": files.test, "base": BASE, "method": case.method}
        given = {name: str(value) for name, value in asked.items()} | {"seed": SEED}
        # Two cells: what is expected can be found anew beside a run that was measured.
        run = {"plan": {"verb": "plan", **given}, "fit": {"verb": "fit", **given, "out": str(out / "runs" / label)}}
        results.append({verb: cells.measure(f"{label}-{verb}", config, partial(_timed, run[verb])) for verb in run})
    lines = page(cases, results, cells.provenance())
    print("\n".join(["", *lines]))
    if not arguments.quick:
        write_table("plan", lines)


def _timed(asked: Result) -> Result:
    """What it took, in a process of its own, with a cache of its own."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "ACCLIMATE_CACHE": cache}
        command = [sys.executable, "-c", _TIMED, json.dumps(asked)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: Result = json.loads(done.stdout.splitlines()[-1])
    return found


def page(cases: Sequence[Case], results: Sequence[Result], provenance: Sequence[str]) -> list[str]:
    """The lines of the page."""
    head = (
        "run",
        "steps",
        "seconds",
        "expected",
        "training alone",
        "expected",
        "memory, GB",
        "expected",
        "plan took, s",
    )
    off = [_off(result) for result in results]
    aims = [
        f"- {name}: {max(abs(one[name]) for one in off):.0%} off at most; the aim is {limit:.0%}: "
        f"{told_met(all(abs(one[name]) <= limit for one in off))}."
        for name, limit in LIMITS.items()
    ]
    return [
        "# What a run takes, and what was expected",
        "",
        "Written by `python benchmarks/plan.py --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        "",
        f"Base {BASE}, defaults, dev of 200 queries, test of 500 against 2,000 documents, the built-in probe. `plan` "
        "and then `fit`, each in a process of its own that finds no vectors of an earlier run. Seconds are those from "
        "the call to its end, without the start of Python; memory is the most that was resident. By how much `plan` "
        "raises the memory of its rehearsal was chosen on these six runs; what others are off by may be more.",
        "",
        *table(head, [_row(case, result) for case, result in zip(cases, results, strict=True)]),
        "",
        *aims,
    ]


def _off(result: Result) -> dict[str, float]:
    """By which share of what it was the expectation was off."""
    expected, cost = result["plan"]["cost"], result["fit"]["cost"]
    return {
        "seconds": expected["total_seconds"] / result["fit"]["seconds"] - 1,
        "memory": expected["peak_memory_bytes"] / cost["peak_memory_bytes"] - 1,
    }


def _row(case: Case, result: Result) -> list[str]:
    expected, cost, off = result["plan"]["cost"], result["fit"]["cost"], _off(result)
    training = expected["train_seconds"] / cost["train_seconds"] - 1
    return [
        case.name,
        str(cost["steps"]),
        f"{result['fit']['seconds']:.0f}",
        f"{expected['total_seconds']:.0f} ({off['seconds']:+.0%})",
        f"{cost['train_seconds']:.0f}",
        f"{expected['train_seconds']:.0f} ({training:+.0%})",
        f"{cost['peak_memory_bytes'] / 1e9:.2f}",
        f"{expected['peak_memory_bytes'] / 1e9:.2f} ({off['memory']:+.0%})",
        f"{result['plan']['seconds']:.0f}",
    ]


if __name__ == "__main__":
    main()
