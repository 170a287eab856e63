"""Static models: made, tuned and read elsewhere: ``python benchmarks/static.py --data DIR``.

A transformer becomes a static model by ``acclimate export``; 20,000 pairs of hpo tune it by ``acclimate fit`` with its
defaults, once for each seed. Both are whole commands in processes of their own. Then sentence-transformers reads the
result. Every cell is a file under ``--out``; a second call measures what is missing. Some minutes on 2 cores
(``--quick``: 2,000 pairs, one seed, no result). DIR is what ``benchmarks/data.py`` builds.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, Cells, Result, change, points, spread, table, write_table

import acclimate
from acclimate.core.files import read_jsonl

ACCLIMATE = Path(sys.executable).with_name("acclimate")
BASE, SET = "all-MiniLM-L6-v2", "hpo"
SEEDS = (1, 2, 3)
PAIRS, QUICK_PAIRS = 20_000, 2_000
METRICS = ("ndcg@10", "recall@10")


def main() -> None:
    """Measures what is missing, then writes docs/results/static.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {SET}")
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/static]")
    parser.add_argument("--quick", action="store_true", help="2,000 pairs, one seed: shows that it works, no result")
    arguments = parser.parse_args()
    out = arguments.out or RESULTS / ("static-quick" if arguments.quick else "static")
    pairs, seeds = (QUICK_PAIRS, SEEDS[:1]) if arguments.quick else (PAIRS, SEEDS)
    cells = Cells(out / "cells", planned=1 + len(seeds))
    made = cells.measure("export", {"base": BASE}, partial(export, out / "base"))
    data, train = arguments.data / SET, out / "train.jsonl"
    with (data / "train.jsonl").open(encoding="utf-8") as lines:
        train.write_text("".join(islice(lines, pairs)), encoding="utf-8")
    tuned = []
    for seed in seeds:
        work = partial(fit, train, data, out / "base", out / str(seed), seed)
        tuned.append(cells.measure(f"fit-{seed}", {"pairs": pairs, "seed": seed}, work))
    lines = page(made, tuned, pairs, cells.provenance())
    print("\n".join(["", *lines]))
    if not arguments.quick:
        write_table("static", lines)


def command(*words: object) -> float:
    """Runs a command of Acclimate; its seconds from start to end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "from acclimate.cli import main; main()", *map(str, words)], check=True)
    return time.perf_counter() - started


def export(folder: Path) -> Result:
    """The transformer as a static model."""
    return {"seconds": command("export", BASE, "--to", "static", "--out", folder)}


def fit(train: Path, data: Path, base: Path, run: Path, seed: int) -> Result:
    """Tunes it with the defaults, and compares what the other library makes of the result."""
    given = ("--dev", data / "dev.jsonl", "--test", data / "test")
    seconds = command("fit", train, "--base", base, *given, "--out", run, "--seed", seed, "--keep", "anyway")
    scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    texts = [row["text"] for row in islice(read_jsonl(data / "test" / "corpus.jsonl"), 1000)]
    return {
        "seconds": seconds,
        "train_seconds": scores["cost"]["train_seconds"],
        "pairs_per_second": scores["cost"]["examples_per_second"],
        "test": scores["test"],
        "general": scores["general"],
        "verdict": scores["gate"]["verdict"],
        "apart": apart(run / "model", texts),
    }


def apart(model: Path, texts: Sequence[str]) -> float | None:
    """How far a number is from what sentence-transformers makes of the same texts at most; None without it."""
    if find_spec("sentence_transformers") is None:
        return None
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(model), device="cpu").encode(list(texts))
    return float(np.abs(acclimate.load(model).encode(texts) - theirs).max())


def page(made: Result, tuned: Sequence[Result], pairs: int, provenance: Sequence[str]) -> list[str]:
    """The lines of the page."""
    seconds = partial(spread, show=lambda value: f"{value:.0f}")
    rows = [
        (f"`acclimate export {BASE} --to static`, the whole command", f"{made['seconds']:.0f} s"),
        (f"tuning {pairs:,} pairs, `train_seconds`", f"{seconds([r['train_seconds'] for r in tuned])} s"),
        ("`acclimate fit`, the whole command", f"{seconds([r['seconds'] for r in tuned])} s"),
        ("pairs a second in training", seconds([r["pairs_per_second"] for r in tuned])),
        *((metric, scores_of(metric, tuned)) for metric in METRICS),
        ("general score", f"{points(tuned[0]['general']['before']['score'])} to {spread(general_of(tuned))}"),
        ("verdicts", ", ".join(dict.fromkeys(r["verdict"] for r in tuned))),
        ("vectors in sentence-transformers", told(tuned)),
    ]
    return [
        "# Static models",
        "",
        "Written by `python benchmarks/static.py --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        "",
        f"{BASE} as a static model of 256 dimensions, tuned with the defaults on the first {pairs:,} pairs of {SET}, "
        "scored on its whole test folder; commands in processes of their own, scoring, report and all. Scores in "
        "points, mean and range over seeds; the interval is of the first seed, over queries.",
        "",
        *table(("", "measured"), rows),
    ]


def scores_of(metric: str, tuned: Sequence[Result]) -> str:
    """Before, after, and the interval of the difference."""
    delta: dict[str, Any] = tuned[0]["test"]["delta"][metric]
    low, high = delta["ci95"]
    after = spread([result["test"]["after"][metric] for result in tuned])
    before = points(tuned[0]["test"]["before"][metric])
    return f"{before} to {after}; {change(delta['value'])} ({change(low)} to {change(high)})"


def general_of(tuned: Sequence[Result]) -> list[float]:
    """The general score after tuning."""
    return [result["general"]["after"]["score"] for result in tuned]


def told(tuned: Sequence[Result]) -> str:
    """What the other library made of the results."""
    differences = [result["apart"] for result in tuned if result["apart"] is not None]
    if not differences:
        return "it is not installed"
    return f"the same within {max(differences):.0e} a number" if max(differences) else "the same to the last bit"


if __name__ == "__main__":
    main()
