"""One encoder for two tasks beside one for each: ``python benchmarks/tasks.py --data DIR``.

Search (pairs) and classification (labels, by a head) on one set: tuned for each alone, for both, and for both with the
ways to weigh or to reconcile their losses. Every cell is a file under ``--out``; a second call measures what is
missing. About 80 minutes on one core (``--quick``: minutes). DIR is what ``benchmarks/data.py`` builds.
"""

import argparse
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from common import RESULTS, Cells, Result, change, points, spread, table, told_met, write_table
from cuts import Cut, Sizes, cut
from ways import ALWAYS, BASE, SEEDS

import acclimate
from acclimate.core.files import read_jsonl, sha256_file, write_jsonl
from acclimate.core.seeds import numpy_generator

SET = "icd10cm"
SIZES = Sizes(pairs=1_000, characters=200, dev=(300, 1_500), test=(1_000, 4_000))
QUICK = Sizes(pairs=200, characters=200, dev=(50, 200), test=(100, 300))
MARGIN = 0.01  # within which both tasks have to be of their own models
TOGETHER = "data.tasks_a_step=all"


def objectives(of_head: str = "", of_search: str = "") -> str:
    """The setting of both objectives, each with further settings of its own."""
    return f"objectives=[{{kind: infonce{of_search}}}, {{kind: softmax, task: chapters{of_head}}}]"


@dataclass(frozen=True, slots=True)
class Way:
    """What is trained, with which settings, and with how many seeds."""

    name: str
    trains: str  # pairs, labels, both
    settings: tuple[str, ...]
    seeds: Sequence[int] = SEEDS[:1]


WAYS = (
    Way("search alone", "pairs", ("objective=infonce",), SEEDS),
    Way("classification alone", "labels", ("objective=softmax",), SEEDS),
    Way("both, the head's loss at 0.1", "both", (objectives(", weight: 0.1"), TOGETHER), SEEDS),
    Way("both, the head's loss at 0.15", "both", (objectives(", weight: 0.15"), TOGETHER), SEEDS),
    Way("both, the head's loss at 0.2", "both", (objectives(", weight: 0.2"), TOGETHER)),
    Way("both, the head's loss at 0.3", "both", (objectives(", weight: 0.3"), TOGETHER)),
    Way("both", "both", (objectives(), TOGETHER)),
    Way("both, the head's loss at 0.3, pcgrad", "both", (objectives(", weight: 0.3"), TOGETHER, "gradients=pcgrad")),
    Way("both, a step for each", "both", (objectives(),)),
    Way("both, pcgrad", "both", (objectives(), TOGETHER, "gradients=pcgrad")),
    Way("both, gradnorm", "both", (objectives(), TOGETHER, "gradients=gradnorm")),
    Way("both, uncertainty", "both", (objectives(*2 * [", weight: uncertainty"]), TOGETHER)),
)

COMPARED = WAYS[:7]
"""Without these there is no page: the models of one task, and those of both by rising weight of the head's loss."""


def main() -> None:
    """Measures what is missing, then writes docs/results/tasks.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {SET}")
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/tasks]")
    names = [way.name for way in WAYS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="WAY", help="; ".join(names))
    parser.add_argument("--quick", action="store_true", help="one seed, tiny: shows that it works, no result")
    arguments = parser.parse_args()
    out, sizes = arguments.out or RESULTS / ("tasks-quick" if arguments.quick else "tasks"), SIZES
    if arguments.quick:
        sizes = QUICK
    files = cut(arguments.data / SET, sizes, out / "data" / SET)
    labels = _labels(arguments.data / SET, sizes, out / "data" / "chapters")
    ways = [way for way in WAYS if way.name in arguments.only]
    seeds = {way: way.seeds[: 1 if arguments.quick else None] for way in ways}
    cells = Cells(out / "cells", planned=sum(map(len, seeds.values())))
    digest = [files.sha256(), *(sha256_file(path) for path in labels.values())]
    found: dict[Way, list[Result]] = {way: [] for way in ways}
    # Seeds outside, ways inside: what slows the machine for a while slows all of them. Those with one seed come last.
    planned = [(way, seed) for seed in SEEDS for way in ways if seed in seeds[way]]
    for way, seed in sorted(planned, key=lambda one: len(one[0].seeds) == 1):
        config = {"files": digest, "base": BASE, "trains": way.trains, "seed": seed}
        config |= {"settings": [*ALWAYS, *way.settings]}
        name = f"{''.join(c if c.isalnum() else '_' for c in way.name)}-{seed}"
        work = partial(_tuned, way, files, labels, seed, out / "runs" / name)
        found[way].append(cells.measure(name, config, work))
    if not set(COMPARED) <= set(ways):
        return
    lines = page(found, sizes, cells.provenance())
    print("\n".join(["", *lines]))
    if not arguments.quick:
        write_table("tasks", lines)


def _labels(data: Path, sizes: Sizes, folder: Path) -> dict[str, Path]:
    """Texts with the number of their chapter: as many as there are pairs and queries of dev and test."""
    paths = {}
    for part, count in (("train", sizes.pairs), ("dev", sizes.dev[0]), ("test", sizes.test[0])):
        rows = list(read_jsonl(data / f"{part}.jsonl"))
        drawn = numpy_generator(21, "labels", part).permutation(len(rows))[:count].tolist()
        paths[part] = folder / f"{part}.jsonl"
        write_jsonl(paths[part], ({"text": rows[place]["query"], "label": rows[place]["label"]} for place in drawn))
    return paths


def _tuned(way: Way, files: Cut, labels: Mapping[str, Path], seed: int, folder: Path) -> Result:
    settings = [*ALWAYS, *way.settings]
    if way.trains == "both":
        parts = {"train": "", "dev": ".dev", "test": ".test"}
        settings += [f"data.tasks.chapters{key}={labels[part]}" for part, key in parts.items()]
    train, dev, test = (
        (labels["train"], labels["dev"], labels["test"])
        if way.trains == "labels"
        else (files.train, files.dev, files.test)
    )
    run = acclimate.fit(
        train, dev=dev, test=test, base=BASE, method="full", seed=seed, keep="anyway", out=folder, settings=settings
    )
    scores = run.scores
    shutil.rmtree(folder / "model")  # 90 MB; the figures are what is kept
    found: Result = {
        "seconds": scores["cost"]["train_seconds"],
        "general": scores["general"]["delta"]["score"]["value"],
    }
    kept = best(list(read_jsonl(folder / "metrics.jsonl")))
    names = {"ndcg@10": "search", "macro_f1": "vectors", "chapters/macro_f1": "vectors"}
    found["dev"] = {names[name]: value for name, value in kept.items() if name in names}
    if way.trains != "labels":
        found["search"] = {side: scores["test"][side]["ndcg@10"] for side in ("before", "after")}
    if way.trains != "pairs":
        of_labels = scores["test"] if way.trains == "labels" else scores["tasks"]["chapters"]
        found["vectors"] = {side: of_labels[side]["macro_f1"] for side in ("before", "after")}
        (head,) = scores["heads"].values()
        found["head"] = head["macro_f1"]
    return found


def best(metrics: Sequence[Result]) -> Result:
    """What dev says of the weights that are kept: the best of the evaluations after the first step."""
    main = ("mean", "ndcg@10", "macro_f1")  # the first of these that there is decides
    dev = [line["dev"] for line in metrics if "dev" in line and line["step"]]
    return max(dev, key=lambda found: next(found[name] for name in main if name in found))


def _cost(both: Result, search: Result) -> float:
    """What search loses on dev beside the model of search alone, with the same seed."""
    return float(search["dev"]["search"] - both["dev"]["search"])


def page(found: Mapping[Way, Sequence[Result]], sizes: Sizes, provenance: Sequence[str]) -> list[str]:
    """The lines of the page."""
    search, labels = (found[way] for way in COMPARED[:2])
    costs = {way: _cost(found[way][0], search[0]) for way in COMPARED[2:]}
    chosen = max((way for way in costs if costs[way] <= MARGIN), key=COMPARED.index, default=COMPARED[2])
    both = found[chosen]
    on_vectors = float(np.mean(of_vectors(both)) - np.mean(of_vectors(labels)))
    head = (
        *("tuned for", "seeds", "search: nDCG@10", "classification: head", "on the vectors", "search on dev"),
        *("vectors on dev", "general", "seconds"),
    )
    return [
        "# One encoder for two tasks",
        "",
        "Written by `python benchmarks/tasks.py --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        "",
        f"Base {BASE}, full fine-tuning with {' and '.join(f'`{setting}`' for setting in ALWAYS)}. Search: "
        f"{sizes.pairs:,} pairs of {SET}, tested on {sizes.test[0]:,} queries against {sizes.test[1]:,} documents. "
        f"Classification: {sizes.pairs:,} other texts of it with the chapter that each belongs to, tested on "
        f"{sizes.test[0]:,}: macro F1 of the head that is trained with the encoder, and of a logistic regression on "
        "its vectors. Scores are in points of 100, means over the seeds, with the least and the greatest; general is "
        "the change of the built-in probe's test half. A model of both sees as many rows of each task as the models "
        "of one: a batch of each in every step, with equal weights, unless said otherwise. On dev, vectors are judged "
        "by a logistic regression. Seconds are those of the training loop on one thread.",
        "",
        f"The untuned base has {points(search[0]['search']['before'])} in search and "
        f"{points(labels[0]['vectors']['before'])} by a logistic regression on its vectors.",
        "",
        *table(head, [_row(way, results) for way, results in found.items()]),
        "",
        f"Search pays for the head. Of {len(costs)} weights of the head's loss the largest is taken with which search "
        f"loses at most {100 * MARGIN:.0f} point on dev, with seed {SEEDS[0]}: "
        f"**{chosen.name}** ({', '.join(f'{change(-cost)} with {way.name}' for way, cost in costs.items())}). "
        "What test says of it:",
        "",
        _reading("search", [r["search"]["after"] for r in both], [r["search"]["after"] for r in search]),
        _reading("classification, by the head", [r["head"] for r in both], [r["head"] for r in labels]),
        f"- a logistic regression on the vectors, which neither model was trained for: {change(on_vectors)} points.",
    ]


def of_vectors(results: Sequence[Result]) -> list[float]:
    """Macro F1 by a logistic regression on the tuned vectors, for each seed."""
    return [r["vectors"]["after"] for r in results]


def _row(way: Way, results: Sequence[Result]) -> list[str]:
    columns = [
        [r["search"]["after"] for r in results if "search" in r],
        [r["head"] for r in results if "head" in r],
        [r["vectors"]["after"] for r in results if "vectors" in r],
    ]
    return [
        way.name,
        str(len(results)),
        *(spread(column) if column else "" for column in columns),
        *(
            spread([r["dev"][task] for r in results]) if task in results[0]["dev"] else ""
            for task in ("search", "vectors")
        ),
        spread([r["general"] for r in results], change),
        f"{np.mean([r['seconds'] for r in results]):.0f}",
    ]


def _reading(name: str, both: Sequence[float], alone: Sequence[float]) -> str:
    difference = float(np.mean(both) - np.mean(alone))
    met = told_met(difference >= -MARGIN)
    return (
        f"- {name}: {change(difference)} points beside the model of that task alone; the aim is at most "
        f"{100 * MARGIN:.0f} point less: {met}."
    )


if __name__ == "__main__":
    main()
