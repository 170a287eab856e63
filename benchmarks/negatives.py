"""What the data is given: ``python benchmarks/negatives.py --data DIR``.

On two sets of 2,000 pairs the plain loss, mined hard negatives with and without a filter, a guide that drops what it
takes for right, Matryoshka sizes, and words as tokens, everything else being equal; the gain of each over the plain
loss with its interval, and what is left of vectors that are cut. What training made of the model is kept whole. Every
cell is a file under ``--out``; a second call measures what is missing. Two to three hours on one core (``--quick``:
minutes). DIR is what ``benchmarks/data.py`` builds.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from claims import interval
from common import RESULTS, Result, points, spread, table, write_table
from cuts import Sizes
from fewshot import pairs_of_words
from ways import ALWAYS, BASE, FULL, QUICK, SEEDS, SETS, Way, gains, measure

#: Without what keeps general texts, which has the same part in every way and half of the time.
ALONE = "regularizers=[]"
NEAREST = "data.mining={kind: base, per_query: 1, range_min: 0, relative_margin: none}"
FILTERED = "data.mining={kind: base, per_query: 1}"
DIMENSIONS = (384, 256, 128, 64, 32)
WAYS = (
    Way("InfoNCE", "full", (ALONE, "objective=infonce"), DIMENSIONS),
    Way("+ mined, unfiltered", "full", (ALONE, "objective=infonce", NEAREST)),
    Way("+ mined, filtered", "full", (ALONE, "objective=infonce", FILTERED)),
    Way("GIST", "full", (ALONE, "objective=gist")),
    Way("GIST + mined, unfiltered", "full", (ALONE, "objective=gist", NEAREST)),
    Way("Matryoshka", "full", (ALONE, f"objective={{kind: infonce, matryoshka: {list(DIMENSIONS[1:])}}}"), DIMENSIONS),
    Way("vocabulary", "full", (ALONE, "objective=infonce", "vocabulary=extend")),
)


def main() -> None:
    """Measures what is missing, then writes docs/results/negatives.md."""
    names = [way.name for way in WAYS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {', '.join(SETS)}")
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/negatives]")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="WAY", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="one set, one seed, tiny: shows that it works, no result")
    arguments = parser.parse_args()
    out = arguments.out or RESULTS / ("negatives-quick" if arguments.quick else "negatives")
    sets, sizes = (SETS[:1], QUICK) if arguments.quick else (SETS, FULL)
    ways = [way for way in WAYS if way.name in (WAYS[0].name, *arguments.only)]
    seeds, general = SEEDS[: 1 if arguments.quick else None], pairs_of_words(arguments.data, out / "data")
    found, cells = measure(ways, sets, sizes, seeds, arguments.data, out, general)
    lines = page(found, sizes, cells.provenance())
    print("\n".join(["", *lines]))
    if not arguments.quick and len(ways) == len(WAYS):
        write_table("negatives", lines)


def page(found: Mapping[str, Mapping[Way, Sequence[Result]]], sizes: Sizes, provenance: Sequence[str]) -> list[str]:
    """The lines of the page."""
    settings = ", ".join(f"`{setting}`" for setting in (*ALWAYS, ALONE))
    return [
        "# Negatives",
        "",
        "Written by `python benchmarks/negatives.py --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        "",
        f"Base {BASE}, {sizes.pairs:,} pairs, full fine-tuning with its defaults, but for {settings} and what the "
        f"table names. Test: {sizes.test[0]:,} queries against {sizes.test[1]:,} documents. Scores are in points of "
        "100, means over the seeds, with the least and the greatest. The gain over the first way has its 95% "
        "interval over the test queries, each query's gain being the mean over the seeds. One negative is mined "
        "for a row. Unfiltered: the document that the base holds nearest. Filtered: the nearest of its ranks 11 to "
        "100 with at most 95% of the right one's score. Suspects are documents above that, among its first 100. "
        "Vocabulary: words of three pieces or more become tokens; a training text has so many before and after. "
        "Seconds are those of the training loop on one thread; mining and new words come before it.",
        *(line for name, ways in found.items() for line in _section(name, ways)),
    ]


def _section(name: str, ways: Mapping[Way, Sequence[Result]]) -> list[str]:
    plain = next(iter(ways.values()))
    before = plain[0]["test"]["before"]["ndcg@10"]
    head = ("way", "nDCG@10", "gain over the first", "dev", "seconds", "negatives", "suspects", "mining s", "tokens")
    rows = [_row(way, results, plain) for way, results in ways.items()]
    lines = ["", f"## {name}", "", f"The untuned base has {points(before)}.", "", *table(head, rows)]
    cut = {way: results for way, results in ways.items() if way.sizes}
    if len(cut) > 1:
        lines += ["", "Vectors cut to their leading dimensions and scaled to length one again:", "", *_cut(cut, plain)]
    return lines


def _cut(ways: Mapping[Way, Sequence[Result]], plain: Sequence[Result]) -> list[str]:
    """nDCG@10 at every size, and the gain over the first way at the same size."""
    rows = []
    for way, results in ways.items():
        rows.append([way.name, *(spread([_mean_at(size, result) for result in results]) for size in way.sizes)])
        if results is not plain:
            apart = [interval(_at(size, results) - _at(size, plain)) for size in way.sizes]
            rows.append(["gain", *(f"{gain:+.1f} ({low:+.1f} to {high:+.1f})" for gain, low, high in apart)])
    return table(("way", *map(str, DIMENSIONS)), rows)


def _mean_at(size: int, result: Result) -> float:
    return float(np.mean(result["ndcg_by_size"][str(size)]))


def _at(size: int, results: Sequence[Result]) -> np.ndarray:
    """nDCG@10 of each query at a size, the mean over the seeds [Q]."""
    return np.mean([result["ndcg_by_size"][str(size)] for result in results], axis=0)


def _row(way: Way, results: Sequence[Result], plain: Sequence[Result]) -> list[str]:
    gain, low, high = interval(gains(results) - gains(plain))
    mined, tokens = results[0].get("mining"), results[0].get("vocabulary", {}).get("tokens_a_text")
    return [
        way.name,
        spread([result["test"]["after"]["ndcg@10"] for result in results]),
        "" if results is plain else f"{gain:+.1f} ({low:+.1f} to {high:+.1f})",
        spread([result["dev"] for result in results]),
        f"{np.mean([result['cost']['train_seconds'] for result in results]):.0f}",
        *([f"{mined['negatives']:,}", f"{mined['suspects']:,}", f"{mined['seconds']:.0f}"] if mined else [""] * 3),
        f"{tokens['before']:.1f} to {tokens['after']:.1f}" if tokens else "",
    ]


if __name__ == "__main__":
    main()
