"""Which way to tune is best, by set and by amount of data: ``python benchmarks/advisor.py --data DIR``.

On five sets with 100, 1,000 and 4,000 pairs: no tuning, and each method with its defaults. Rules that choose a method by
the number of pairs are judged on the sets that they were not made from; what ``method: auto`` takes is judged on all.
Every cell is a file under ``--out``; a second call measures what is missing, and several may share the work
(``--part 1/4``). About two hours on 2 cores for each seed (``--quick``: minutes). DIR is what ``benchmarks/data.py``
builds.
"""

import argparse
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from common import RESULTS, Cells, Result, points, spread, table, write_table
from cuts import Sizes, cut
from ways import BASE, SEEDS, Way, tuned

from acclimate.core.files import sha256_file

SETS = ("hpo", "icd10cm", "debian_pkgs", "docstrings", "wordnet")
PAIRS = (100, 1_000, 4_000)
CHARACTERS, DOCUMENTS, TEST = 200, 1_500, (1_000, 4_000)
ALWAYS = ("evaluation.merge=1.0", "evaluation.evaluations=3", "training.precision=fp32")
NONE = "none"
METHODS = ("full", "adapter", "lora", "last_layers", "residual")
GRID = (NONE, *METHODS)

# What must not be forgotten has no part in the comparison; a hundred queries of another set are soon scored.
_NEXT = dict(zip(SETS, (*SETS[1:], SETS[0]), strict=True))
_LITTLE = Sizes(pairs=10, characters=CHARACTERS, dev=(50, 200), test=(100, 300))

Scores = Mapping[tuple[str, int], Mapping[str, Sequence[float]]]
"""nDCG@10 of each seed, by set, pairs and way."""
Rule = Callable[[int], str]
"""From pairs to a way of the grid."""


def main() -> None:
    """Measures what is missing, then writes docs/results/advisor.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {', '.join(SETS)}")
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/advisor]")
    parser.add_argument("--seeds", nargs="+", type=int, choices=SEEDS, default=list(SEEDS), metavar="SEED")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="every N-th cell alone, and no page")
    parser.add_argument("--quick", action="store_true", help="one set, one seed, tiny: shows that it works, no result")
    arguments = parser.parse_args()
    part, parts = map(int, arguments.part.split("/"))
    out = arguments.out or RESULTS / ("advisor-quick" if arguments.quick else "advisor")
    sets, amounts, seeds = (SETS[:1], PAIRS[:1], SEEDS[:1]) if arguments.quick else (SETS, PAIRS, arguments.seeds)
    files = {
        (name, pairs): cut(arguments.data / name, _sizes(pairs, quick=arguments.quick), out / "data" / f"{name}-{pairs}")
        for name, pairs in itertools.product(sets, amounts)
    }
    others = {name: cut(arguments.data / other, _LITTLE, out / "data" / other) for name, other in _NEXT.items()}
    # Seeds outside: one seed is a whole grid. The largest first: parts of the work end together.
    wanted = list(itertools.product(seeds, reversed(amounts), sets, METHODS))[part - 1 :: parts]
    cells = Cells(out / "cells", planned=len(wanted))
    results: dict[tuple[str, int], dict[str, list[Result]]] = {}
    for seed, pairs, name, method in wanted:
        data = files[name, pairs]
        config = {"files": data.sha256(), "base": BASE, "method": method, "seed": seed}
        label = f"{name}-{pairs}-{method}-{seed}"
        work = partial(tuned, data, Way(method, method), seed, out / "runs" / label, others[name].test, always=ALWAYS)
        results.setdefault((name, pairs), {}).setdefault(method, []).append(cells.measure(label, config, work))
    if parts > 1:
        return
    lines = page(results, cells.provenance())
    print("\n".join(["", *lines]))
    if not arguments.quick and set(seeds) == set(SEEDS):
        write_table("advisor", lines)


def _sizes(pairs: int, *, quick: bool) -> Sizes:
    if quick:
        return replace(_LITTLE, pairs=pairs)
    # Who has a hundred pairs has no three hundred more to choose weights by.
    return Sizes(pairs=pairs, characters=CHARACTERS, dev=(min(300, pairs), DOCUMENTS), test=TEST)
