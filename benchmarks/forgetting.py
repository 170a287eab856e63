"""What is forgotten, and what keeps it: ``python benchmarks/forgetting.py --data DIR``.

On two sets of 2,000 pairs full fine-tuning alone, with each guard, and with several: how much of the gain on the target
is kept, and how the general score changes. Every cell is a file under ``--out``; a second call measures what is
missing. About five minutes a cell on one core, so take ``--only`` for a part (``--quick``: minutes). DIR is what
``benchmarks/data.py`` builds.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from claims import interval
from common import RESULTS, Result, change, points, spread, table, write_table
from cuts import Sizes
from ways import ALWAYS, BASE, FULL, QUICK, SEEDS, SETS, Way, gains, measure, share_of_gain

NOTHING = "regularizers=[]"


def guard(*regularizers: str) -> str:
    """The setting of some regularizers."""
    return f"regularizers=[{', '.join(regularizers)}]"


WAYS = (
    Way("nothing", "full", (NOTHING,)),
    Way("l2sp", "full", (guard("{kind: l2sp, weight: 0.1}"),)),
    Way("l2sp, decoupled", "full", (guard("{kind: l2sp, weight: 100, decoupled: true}"),)),
    Way("ewc, outputs", "full", (guard("{kind: ewc}"),)),
    Way("ewc, contrastive", "full", (guard("{kind: ewc, importance: contrastive}"),)),
    Way("distill (default)", "full"),
    Way("distill, relations", "full", (guard("{kind: distill, keep: relations, weight: 1}"),)),
    Way("distill, margins", "full", (guard("{kind: distill, keep: margins}"),)),
    Way("distill, fading", "full", (guard("{kind: distill, fading: true}"),)),
    Way("agem with distill", "full", ("gradients=agem",)),
    Way("merged at 0.5", "full", (NOTHING, "evaluation.merge=0.5")),
    Way("merged as dev says", "full", (NOTHING, "evaluation.merge=auto")),
    Way("distill, merged as dev says", "full", ("evaluation.merge=auto",)),
    Way("distill and ewc", "full", (guard("{kind: distill}", "{kind: ewc}"),)),
)


def main() -> None:
    """Measures what is missing, then writes docs/results/forgetting.md."""
    names = [way.name for way in WAYS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {', '.join(SETS)}")
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/forgetting]")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="WAY", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="one set, one seed, tiny: shows that it works, no result")
    arguments = parser.parse_args()
    out = arguments.out or RESULTS / ("forgetting-quick" if arguments.quick else "forgetting")
    sets, sizes = (SETS[:1], QUICK) if arguments.quick else (SETS, FULL)
    ways = [way for way in WAYS if way.name in (WAYS[0].name, *arguments.only)]
    found, cells = measure(ways, sets, sizes, SEEDS[: 1 if arguments.quick else None], arguments.data, out)
    lines = page(found, sizes, cells.provenance())
    print("\n".join(["", *lines]))
    if not arguments.quick and len(ways) == len(WAYS):
        write_table("forgetting", lines)


def page(found: Mapping[str, Mapping[Way, Sequence[Result]]], sizes: Sizes, provenance: Sequence[str]) -> list[str]:
    """The lines of the page."""
    return [
        "# What is forgotten",
        "",
        "Written by `python benchmarks/forgetting.py --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        "",
        f"Base {BASE}, {sizes.pairs:,} pairs, full fine-tuning with its defaults, but for "
        f"{' and '.join(f'`{setting}`' for setting in ALWAYS)} and what the table names. Test: {sizes.test[0]:,} "
        f"queries against {sizes.test[1]:,} documents. Scores are in points of 100, means over the seeds, with the "
        "least and the greatest. The share is of the gain of tuning without any guard, with its 95% interval over the "
        "test queries. General is the change of the built-in probe's test half, with the lowest and the highest end of "
        "the seeds' 95% intervals.",
        *(line for name, ways in found.items() for line in _section(name, ways)),
    ]


def _section(name: str, ways: Mapping[Way, Sequence[Result]]) -> list[str]:
    alone = next(iter(ways.values()))
    before = alone[0]["test"]["before"]["ndcg@10"]
    head = ("way", "nDCG@10", "gain", "share of the gain", "dev", "general", "seconds")
    rows = [_row(way, results, alone) for way, results in ways.items()]
    return ["", f"## {name}", "", f"The untuned base has {points(before)}.", "", *table(head, rows)]


def _row(way: Way, results: Sequence[Result], alone: Sequence[Result]) -> list[str]:
    gain, low, high = interval(gains(results))
    share, least, most = share_of_gain(gains(results), gains(alone))
    ends = np.array([result["general_ci95"] for result in results])
    return [
        way.name,
        spread([result["test"]["after"]["ndcg@10"] for result in results]),
        f"{gain:+.1f} ({low:+.1f} to {high:+.1f})",
        "" if results is alone else f"{100 * share:.0f}% ({100 * least:.0f} to {100 * most:.0f})",
        spread([result["dev"] for result in results]),
        f"{change(float(np.mean([r['general'] for r in results])))} "
        f"({change(float(ends[:, 0].min()))} to {change(float(ends[:, 1].max()))})",
        f"{np.mean([result['cost']['train_seconds'] for result in results]):.0f}",
    ]


if __name__ == "__main__":
    main()
