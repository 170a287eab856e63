"""Every way to tune, side by side: ``python benchmarks/ways.py --data DIR``.

On two sets of 2,000 pairs each method tunes with its defaults, the whole of what training made of it is kept (no
merging with the base), and the gain over the untuned base is put beside full fine-tuning's. Every cell is a file under
``--out``; a second call measures what is missing. About two hours on 2 cores (``--quick``: minutes). DIR is what
``benchmarks/data.py`` builds.
"""

import argparse
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, Cells, Result, change, points, spread, table, write_table
from cuts import Cut, Sizes, cut

import acclimate
from acclimate.core.files import read_jsonl, sha256_file
from acclimate.core.seeds import numpy_generator
from acclimate.data.examples import RetrievalSet
from acclimate.data.readers import read_test
from acclimate.evaluation import evaluate
from acclimate.runs.tasks import retrieval_task

BASE = "all-MiniLM-L6-v2"
SETS = ("hpo", "icd10cm")
SEEDS = (1, 2, 3)
FULL = Sizes(pairs=2_000, characters=200, dev=(300, 1_500), test=(1_000, 4_000))
QUICK = Sizes(pairs=200, characters=200, dev=(50, 200), test=(100, 300))
ALWAYS = ("evaluation.merge=1.0", "evaluation.evaluations=3")
RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Way:
    """A method with settings of its own. The first one is what the others are put beside.

    ``sizes`` are numbers of leading dimensions at which the tuned vectors are scored too. In ``settings``, CUTS stands
    for the folder of the cut sets.
    """

    name: str
    method: str
    settings: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()


WAYS = (
    Way("full", "full"),
    Way("unfreeze", "unfreeze"),
    Way("adapter", "adapter"),
    Way("residual", "residual"),
)


def main() -> None:
    """Measures what is missing, then writes docs/results/methods.md."""
    names = [way.name for way in WAYS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {', '.join(SETS)}")
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/methods]")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="WAY", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="one set, one seed, tiny: shows that it works, no result")
    arguments = parser.parse_args()
    out = arguments.out or RESULTS / ("methods-quick" if arguments.quick else "methods")
    sets, sizes = (SETS[:1], QUICK) if arguments.quick else (SETS, FULL)
    ways = [way for way in WAYS if way.name in arguments.only]
    found, cells = measure(ways, sets, sizes, SEEDS[: 1 if arguments.quick else None], arguments.data, out)
    lines = page(found, sizes, cells.provenance())
    print("\n".join(["", *lines]))
    if not arguments.quick and len(ways) == len(WAYS):
        write_table("methods", lines)


def measure(
    ways: Sequence[Way],
    sets: Sequence[str],
    sizes: Sizes,
    seeds: Sequence[int],
    data: Path,
    out: Path,
    general: Path | None = None,
    beside: Sequence[str] = (),
    also: Callable[[Way, Cut, acclimate.Run], Result] | None = None,
) -> tuple[dict[str, dict[Way, list[Result]]], Cells]:
    """Set -> way -> a result for each seed; what lies in ``out`` is not measured again.

    Args:
        ways: what is compared.
        sets: what it is compared on.
        sizes: of the cuts.
        seeds: of the trainings.
        data: folder of the sets.
        out: folder of the cells.
        general: what must not be forgotten, the built-in probe by default.
        beside: sets that settings of the ways name.
        also: what else a cell tells of a run, while its model is there.
    """
    cells = Cells(out / "cells", planned=len(sets) * len(ways) * len(seeds))
    found: dict[str, dict[Way, list[Result]]] = {name: {way: [] for way in ways} for name in sets}
    files = {name: cut(data / name, sizes, out / "data" / name) for name in (*sets, *beside)}
    for seed in seeds:  # seeds outside, ways inside: what slows the machine for a while slows all of them
        for name in sets:
            for way in ways:
                config = {"files": files[name].sha256(), "base": BASE, "method": way.method, "seed": seed}
                config |= {"settings": [*ALWAYS, *way.settings]}
                label = f"{name}-{''.join(c if c.isalnum() else '_' for c in way.name)}-{seed}"
                config |= {} if general is None else {"general": sha256_file(general)}
                work = partial(tuned, files[name], way, seed, out / "runs" / label, general, also)
                found[name][way].append(cells.measure(label, config, work))
    return found, cells


def tuned(
    files: Cut,
    way: Way,
    seed: int,
    folder: Path,
    general: Path | None = None,
    also: Callable[[Way, Cut, acclimate.Run], Result] | None = None,
    always: Sequence[str] = ALWAYS,
) -> Result:
    """One run: scores, what each query got, costs; its model is removed."""
    given = [*always, *(setting.replace("CUTS", str(files.folder.parent)) for setting in way.settings)]
    settings: dict[str, Any] = {"method": way.method, "seed": seed, "keep": "anyway", "base": BASE}
    settings |= {"dev": files.dev, "test": files.test, "out": folder, "settings": given}
    run = acclimate.fit(files.train, general=general, **settings)
    scores = run.scores
    metrics = list(read_jsonl(folder / "metrics.jsonl"))
    queries = list(read_jsonl(folder / "data" / "queries.jsonl"))
    told = {name: folder / "data" / f"{name}.json" for name in ("mining", "vocabulary")}
    by_size = at_sizes(run.model, files.test, way.sizes)
    more = also(way, files, run) if also else {}
    shutil.rmtree(folder / "model")  # 90 MB; the figures are what is kept
    return {
        "dev": max(line["dev"]["ndcg@10"] for line in metrics if "dev" in line and line["step"]),
        "test": scores["test"],
        "ndcg_before": [query["ndcg_before"] for query in queries],
        "ndcg": [query["ndcg_after"] for query in queries],
        "general": scores["general"]["delta"]["score"]["value"],
        "general_ci95": scores["general"]["delta"]["score"]["ci95"],
        "cost": scores["cost"],
        **({"ndcg_by_size": by_size} if by_size else {}),
        **more,
        **{name: json.loads(path.read_text(encoding="utf-8")) for name, path in told.items() if path.is_file()},
    }


def at_sizes(encoder: Any, test: Path, sizes: Sequence[int]) -> dict[str, list[float]]:
    """nDCG@10 of each test query with vectors cut to their leading dimensions, by how many."""
    if not sizes:
        return {}
    data = read_test(test)
    assert isinstance(data, RetrievalSet)
    task, known = retrieval_task("test", data), dict[str, np.ndarray]()

    def cut_to(size: int, texts: Sequence[str], role: str) -> np.ndarray:
        if role not in known:  # the texts of a role are the same each time
            known[role] = encoder.encode(texts, role)
        return known[role][:, :size]

    return {str(size): evaluate(task, partial(cut_to, size)).per_item["ndcg@10"].tolist() for size in sizes}


def gains(results: Sequence[Result]) -> np.ndarray:
    """Gain in nDCG@10 of each test query, the mean over the seeds: [Q]."""
    return np.mean([np.subtract(result["ndcg"], result["ndcg_before"]) for result in results], axis=0)


def share_of_gain(ours: np.ndarray, full: np.ndarray, seed: int = 0) -> tuple[float, float, float]:
    """One gain as a share of the other, with the 95% interval of resampled queries."""
    rows = numpy_generator(seed, "share of gain").integers(0, len(full), (RESAMPLES, len(full)))
    shares = ours[rows].mean(1) / full[rows].mean(1)
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(ours.mean() / full.mean()), float(low), float(high)


def page(found: Mapping[str, Mapping[Way, Sequence[Result]]], sizes: Sizes, provenance: Sequence[str]) -> list[str]:
    """The lines of the page."""
    return [
        "# Every way to tune",
        "",
        "Written by `python benchmarks/ways.py --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        "",
        f"Base {BASE}, {sizes.pairs:,} pairs, the defaults of `acclimate fit --method NAME`, but for "
        f"{' and '.join(f'`{setting}`' for setting in ALWAYS)}: what training made of the model is scored as it is. "
        f"Test: {sizes.test[0]:,} queries against {sizes.test[1]:,} documents. Scores are in points of 100, means over "
        "the seeds, with the least and the greatest. The share is of full fine-tuning's gain over the base, with its "
        "95% interval over the test queries. Seconds are those of the training loop on one thread, what it keeps of "
        "frozen blocks included. Bytes are those of the delta folder beside the model's.",
        *(line for name, ways in found.items() for line in _section(name, ways)),
    ]


def _section(name: str, ways: Mapping[Way, Sequence[Result]]) -> list[str]:
    full = next(iter(ways.values()))
    before = full[0]["test"]["before"]["ndcg@10"]
    head = ("way", "weights", "delta", "nDCG@10", "share of full's gain", "dev", "general", "seconds", "of full's")
    rows = [_row(way, results, full) for way, results in ways.items()]
    return ["", f"## {name}", "", f"The untuned base has {points(before)}.", "", *table(head, rows)]


def _row(way: Way, results: Sequence[Result], full: Sequence[Result]) -> list[str]:
    cost = results[0]["cost"]
    share, low, high = share_of_gain(gains(results), gains(full))
    seconds, of_full = (float(np.mean([r["cost"]["train_seconds"] for r in some])) for some in (results, full))
    trained = cost["trainable_parameters"] / cost["total_parameters"]
    return [
        way.name,
        f"{100 * trained:.1f}%",
        f"{100 * cost['delta_bytes'] / cost['model_bytes']:.1f}%",
        spread([result["test"]["after"]["ndcg@10"] for result in results]),
        f"{100 * share:.0f}% ({100 * low:.0f} to {100 * high:.0f})",
        spread([result["dev"] for result in results]),
        spread([result["general"] for result in results], change),
        f"{seconds:.0f}",
        f"{100 * seconds / of_full:.0f}%",
    ]


if __name__ == "__main__":
    main()
