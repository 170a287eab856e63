"""What is forgotten, and what keeps it: ``python benchmarks/forgetting.py --data DIR``.

On two sets of 2,000 pairs full fine-tuning alone, with each guard, and with several: how much of the gain on the target
is kept, and how the general score changes. Every cell is a file under ``--out``; a second call measures what is
missing. About four hours for the guards with three seeds on both sets, and fifteen minutes for the variants with one
on the second set, on one core (``--quick``: minutes; ``--sets`` and ``--seeds`` cut it into parts). DIR is what
``benchmarks/data.py`` builds.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from claims import interval
from common import RESULTS, Result, change, points, spread, table, told_met, write_table
from cuts import Cut, Sizes
from ways import ALWAYS, BASE, FULL, QUICK, SEEDS, SETS, Way, gains, measure, share_of_gain

import acclimate
from acclimate.data.examples import RetrievalSet
from acclimate.data.readers import read_test
from acclimate.evaluation import (
    GeneralOutcome,
    RetrievalTask,
    compare_general,
    evaluate,
    evaluate_general,
)
from acclimate.evaluation.probe import general_tasks
from acclimate.runs.tasks import retrieval_task

EARLIER = "debian_pkgs"  # what the way that replays replays
LIMIT = 0.005  # the general score may fall by so much, at the lower end of its interval
SHARE = 0.9  # of the gain that the best setting has to keep


def guard(*regularizers: str) -> str:
    """The setting of some regularizers."""
    return f"regularizers=[{', '.join(regularizers)}]"


NOTHING = guard()
GUARDS = (
    Way("nothing", "full", (NOTHING,)),
    Way("l2sp", "full", (guard("{kind: l2sp, weight: 100, decoupled: true}"),)),
    Way("ewc", "full", (guard("{kind: ewc}"),)),
    Way("distill", "full", (guard("{kind: distill}"),)),
    Way("replay", "full", (NOTHING, f"data.replay=CUTS/{EARLIER}/train.jsonl")),
    Way("distill and ewc", "full", (guard("{kind: distill}", "{kind: ewc}"),)),
    Way("distill with agem", "full", (guard("{kind: distill}"), "gradients=agem")),
)
VARIANTS = (
    Way("ewc, contrastive", "full", (guard("{kind: ewc, importance: contrastive}"),)),
    Way("distill, relations", "full", (guard("{kind: distill, keep: relations, weight: 1}"),)),
    Way("distill, margins", "full", (guard("{kind: distill, keep: margins}"),)),
    Way("distill, fading", "full", (guard("{kind: distill, fading: true}"),)),
    Way("distill, in three stages", "full", (guard("{kind: distill, stages: 3}"),)),
)
MERGED = ("nothing", "distill")
"""The ways whose model is merged with the base too, in the share that `fit` would choose."""


def main() -> None:
    """Measures what is missing, then writes docs/results/forgetting.md."""
    names = [way.name for way in (*GUARDS, *VARIANTS)]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {', '.join((*SETS, EARLIER))}")
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/forgetting]")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="WAY", help=", ".join(names))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS, metavar="SET", help=", ".join(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, choices=SEEDS, default=SEEDS, metavar="SEED")
    parser.add_argument("--quick", action="store_true", help="one set, one seed, tiny: shows that it works, no result")
    arguments = parser.parse_args()
    out = arguments.out or RESULTS / ("forgetting-quick" if arguments.quick else "forgetting")
    sets, sizes = (SETS[:1], QUICK) if arguments.quick else (tuple(arguments.sets), FULL)
    seeds = tuple(arguments.seeds[:1] if arguments.quick else arguments.seeds)
    chosen = [[way for way in ways if way.name in arguments.only] for ways in (GUARDS, VARIANTS)]
    measured = [
        measure(ways, of_sets, sizes, of_seeds, arguments.data, out, beside=[EARLIER], also=_also)
        for ways, of_sets, of_seeds in zip(chosen, (sets, sets[-1:]), (seeds, seeds[:1]), strict=True)
    ]
    complete = sets == SETS and seeds == SEEDS and len(arguments.only) == len(names)
    if complete or arguments.quick:
        cells = measured[0][1]
        cells.done += measured[1][1].done
        found = {name: _lines(name, *(of_ways for of_ways, _ in measured)) for name in sets}
        lines = page(found, sizes, cells.provenance())
        print("\n".join(["", *lines]))
        if not arguments.quick:
            write_table("forgetting", lines)


def _also(way: Way, files: Cut, run: acclimate.Run) -> Result:
    """The dev half of the general probe, and what merging makes of the model."""
    base_dev = _of_base("dev")
    tuned = evaluate_general(general_tasks("dev"), run.model.encode)
    merged = {"merged": _merged(files, run)} if way.name in MERGED else {}
    return {"general_dev": tuned.score - base_dev.score, **merged}


def _merged(files: Cut, run: acclimate.Run) -> Result:
    """What a tuned model is worth in the average with its base that dev prefers."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model"
        curve = acclimate.merge(run.path, BASE, alpha="auto", out=out, target=files.dev)["curve"]
        encode = acclimate.load(out).encode
        after, general = evaluate(_task(files.test), encode), evaluate_general(general_tasks("test"), encode)
    delta = compare_general(_of_base("test"), general, seed=0)["score"]
    taken = next(trial for trial in curve["trials"] if trial["alpha"] == curve["alpha"])
    return {
        "alpha": curve["alpha"],
        "general_dev": taken["general"] - curve["base"]["general"],
        "test": {"after": after.metrics},
        "ndcg": after.per_item["ndcg@10"].tolist(),
        "general": delta["value"],
        "general_ci95": list(delta["ci95"]),
    }


def _task(folder: Path) -> RetrievalTask:
    data = read_test(folder)
    assert isinstance(data, RetrievalSet)
    return retrieval_task("test", data)


@cache
def _of_base(half: Any) -> GeneralOutcome:
    return evaluate_general(general_tasks(half), acclimate.load(BASE).encode)


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table: its name, a result for each seed, and whether dev may choose it.

    It may when there are several seeds and dev scored it as it scored the others: merging cuts its own dev set.
    """

    name: str
    results: Sequence[Result]
    chosen_from: bool

    @property
    def dev(self) -> float:
        """The dev score, the mean over the seeds."""
        return float(np.mean([result["dev"] for result in self.results]))

    @property
    def general_dev(self) -> float:
        """The change of the general score on its dev half, the mean over the seeds."""
        return float(np.mean([result["general_dev"] for result in self.results]))


def _lines(
    name: str, guards: Mapping[str, Mapping[Way, list[Result]]], variants: Mapping[str, Mapping[Way, list[Result]]]
) -> list[Line]:
    found = []
    for of_sets, several in ((guards, True), (variants, False)):
        for way, results in of_sets.get(name, {}).items():
            found.append(Line(way.name, results, several))
            if way.name in MERGED:
                merged = [{**result, **result["merged"], "dev": None} for result in results]
                found.append(Line(f"{way.name}, merged as dev says", merged, chosen_from=False))
    return found


def page(found: Mapping[str, Sequence[Line]], sizes: Sizes, provenance: Sequence[str]) -> list[str]:
    """The lines of the page."""
    return [
        "# What is forgotten",
        "",
        "Written by `python benchmarks/forgetting.py --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        "",
        f"Base {BASE}, {sizes.pairs:,} pairs, full fine-tuning with its defaults, but for "
        f"{' and '.join(f'`{setting}`' for setting in ALWAYS)} and the guard that the table names. Test: "
        f"{sizes.test[0]:,} queries against {sizes.test[1]:,} documents. Scores are in points of 100, means over the "
        "seeds, with the least and the greatest. The share is of the gain of tuning without any guard (with the same "
        "seeds), with its 95% interval over the test queries. General is the change of the built-in probe's test half, "
        f"{_probe_size():,} queries, pairs and words in 7 tasks, with the lowest and the highest end of the seeds' 95% "
        "intervals; general on dev is that of its dev half, which guards and merging may see. `l2sp` and `ewc` act "
        f"after each step (decoupled) unless said otherwise. `replay` replays {sizes.pairs:,} pairs of {EARLIER} in a "
        "tenth of the batches. Seconds are those of the training loop on one thread; merging trains nothing, and takes "
        "the share that `fit` would take, with a cut of dev of its own, so that its dev score is not shown.",
        *(line for name, lines in found.items() for line in _section(name, lines)),
        "",
        "## The setting that dev chooses",
        "",
        *_choice(found),
    ]


def _probe_size() -> int:
    return sum(len(task.queries) if isinstance(task, RetrievalTask) else len(task.scores) for task in _probe())


def _probe() -> list[Any]:
    return list(general_tasks("test"))


def _section(name: str, lines: Sequence[Line]) -> list[str]:
    alone = lines[0].results
    before = alone[0]["test"]["before"]["ndcg@10"]
    head = ("guard", "seeds", "nDCG@10", "gain", "share of the gain", "dev", "general on dev", "general", "seconds")
    return [
        *("", f"## {name}", "", f"The untuned base has {points(before)}.", ""),
        *table(head, [_row(line, alone) for line in lines]),
    ]


def _row(line: Line, alone: Sequence[Result]) -> list[str]:
    results = line.results
    gain, low, high = interval(gains(results))
    share, least, most = share_of_gain(gains(results), gains(alone[: len(results)]))
    mean, lowest, highest = general_change(line)
    seconds = np.mean([result["cost"]["train_seconds"] for result in results])
    return [
        line.name,
        str(len(results)),
        spread([result["test"]["after"]["ndcg@10"] for result in results]),
        f"{gain:+.1f} ({low:+.1f} to {high:+.1f})",
        "" if results is alone else f"{100 * share:.0f}% ({100 * least:.0f} to {100 * most:.0f})",
        "" if results[0]["dev"] is None else spread([result["dev"] for result in results]),
        spread([result["general_dev"] for result in results], change),
        f"{change(mean)} ({change(lowest)} to {change(highest)})",
        f"{seconds:.0f}",
    ]


def general_change(line: Line) -> tuple[float, float, float]:
    """The mean over the seeds, and the lowest and the highest end of their intervals."""
    ends = np.array([result["general_ci95"] for result in line.results])
    return float(np.mean([r["general"] for r in line.results])), float(ends[:, 0].min()), float(ends[:, 1].max())


def _choice(found: Mapping[str, Sequence[Line]]) -> list[str]:
    """Which one setting for all sets dev chooses, and what test says of it."""
    names = [line.name for line in next(iter(found.values())) if line.chosen_from]
    by_name = {name: [next(line for line in lines if line.name == name) for lines in found.values()] for name in names}
    kept = {name: lines for name, lines in by_name.items() if min(line.general_dev for line in lines) >= -LIMIT}
    best = max(kept, key=lambda name: float(np.mean([line.dev for line in kept[name]])))
    said = [
        f"One setting for all sets, of {', '.join(names)}: the highest mean dev score among those whose general score "
        f"on dev falls by no more than {change(LIMIT).removeprefix('+')} points on any set: **{best}**. "
        "What test says of it:",
        "",
    ]
    for name, lines in found.items():
        line = next(line for line in lines if line.name == best)
        share, least, _ = share_of_gain(gains(line.results), gains(lines[0].results))
        _, lowest, _ = general_change(line)
        met = share >= SHARE and lowest >= -LIMIT
        said.append(
            f"- {name}: {100 * share:.0f}% of the gain (at least {100 * least:.0f}%), general {change(lowest)} at the "
            f"lowest end; the aim is {100 * SHARE:.0f}% and {change(-LIMIT)}: {told_met(met)}."
        )
    return said


if __name__ == "__main__":
    main()
