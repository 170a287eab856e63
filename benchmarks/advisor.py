"""Which way to tune is best, by set and by amount of data: ``python benchmarks/advisor.py --data DIR``.

On five sets with 100, 1,000 and 4,000 pairs, and with little time: no tuning, and each method with its defaults. Rules
that choose a method by the number of pairs and by time are judged on the sets that they were not made from; what
``method: auto`` takes is judged on all. Every cell is a file under ``--out``; a second call measures what is missing,
and several may share the work (``--part 1/2``, one on each core). About two hours on 2 cores for each seed
(``--quick``: minutes). DIR is what ``benchmarks/data.py`` builds.
"""

import argparse
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from common import RESULTS, Cells, Result, spread, table, told_met, write_table
from cuts import Sizes, cut
from ways import BASE, SEEDS, Way, tuned

from acclimate.advisor import Situation, advise

SETS = ("hpo", "icd10cm", "debian_pkgs", "docstrings", "wordnet")
METHODS = ("full", "adapter", "lora", "last_layers", "residual")
NONE = "none"
GRID = (NONE, *METHODS)
CHARACTERS, DEV, DOCUMENTS, TEST = 200, 300, 1_500, (1_000, 4_000)
ALWAYS = ("evaluation.merge=1.0", "evaluation.evaluations=3", "training.precision=fp32")
# What must not be forgotten has no part in the comparison; a hundred queries of another set are soon scored.
_NEXT = dict(zip(SETS, (*SETS[1:], SETS[0]), strict=True))
_OF_SEEDS = "of one seed", "means over the seeds, with the least and the greatest, and of one seed in little time"
_LITTLE = Sizes(pairs=10, characters=CHARACTERS, dev=(50, 200), test=(100, 300))


@dataclass(frozen=True, slots=True, order=True)
class Amount:
    """Of data, and of seconds that training may take."""

    pairs: int
    limit: int = 0

    @property
    def name(self) -> str:
        """As in names of files."""
        return f"{self.pairs}-{self.limit}s" if self.limit else str(self.pairs)

    @property
    def title(self) -> str:
        """As in headings."""
        return f"{self.pairs:,} pairs" + (f", {self.limit} seconds of training" if self.limit else "")

    @property
    def settings(self) -> tuple[str, ...]:
        """Of the recipe."""
        return (f"training.time_limit={self.limit}s",) if self.limit else ()


AMOUNTS = (Amount(100), Amount(1_000), Amount(4_000), Amount(4_000, limit=20))
Row = tuple[str, Amount]
Found = Mapping[Row, Mapping[str, Sequence[Result]]]
Scores = Mapping[Row, Mapping[str, Sequence[float]]]
"""nDCG@10 of each seed, by set and amount, and by way."""
Rule = Callable[[Row], str]
"""From a row of the tables to a way of the grid."""


def main() -> None:
    """Measures what is missing, then writes docs/results/advisor.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {', '.join(SETS)}")
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/advisor]")
    parser.add_argument("--seeds", nargs="+", type=int, choices=SEEDS, default=[SEEDS[0]], metavar="SEED")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="every N-th cell alone, and no page")
    parser.add_argument("--quick", action="store_true", help="one set, one amount: shows that it works, no result")
    arguments = parser.parse_args()
    part, parts = map(int, arguments.part.split("/"))
    out = arguments.out or RESULTS / ("advisor-quick" if arguments.quick else "advisor")
    sets, amounts = (SETS[:1], AMOUNTS[:1]) if arguments.quick else (SETS, AMOUNTS)
    files = {
        (name, pairs): cut(
            arguments.data / name, _sizes(pairs, quick=arguments.quick), out / "data" / f"{name}-{pairs}"
        )
        for name, pairs in itertools.product(sets, {amount.pairs for amount in amounts})
    }
    others = {name: cut(arguments.data / _NEXT[name], _LITTLE, out / "data" / _NEXT[name]).test for name in sets}
    # Seeds outside: one seed is a whole grid. The largest first: parts of the work end together. What is reached in
    # little time depends on the machine more than on the seed.
    each = itertools.product(arguments.seeds, reversed(amounts), sets, METHODS)
    wanted = [one for one in each if one[0] == SEEDS[0] or not one[1].limit][part - 1 :: parts]
    cells = Cells(out / "cells", planned=len(wanted))
    found: dict[Row, dict[str, list[Result]]] = {}
    for seed, amount, name, method in wanted:
        data, settings = files[name, amount.pairs], [*ALWAYS, *amount.settings]
        config = {"files": data.sha256(), "base": BASE, "method": method, "seed": seed, "settings": settings}
        label = f"{name}-{amount.name}-{method}-{seed}"
        work = partial(tuned, data, Way(method, method), seed, out / "runs" / label, others[name], always=settings)
        found.setdefault((name, amount), {}).setdefault(method, []).append(cells.measure(label, config, work))
    if parts > 1:
        return
    lines = page(found, cells.provenance())
    print("\n".join(["", *lines]))
    if not arguments.quick:
        write_table("advisor", lines)


def _sizes(pairs: int, *, quick: bool) -> Sizes:
    if quick:
        return replace(_LITTLE, pairs=pairs)
    # Who has a hundred pairs has no three hundred more to choose weights by.
    return Sizes(pairs=pairs, characters=CHARACTERS, dev=(min(DEV, pairs), DOCUMENTS), test=TEST)


def page(found: Found, provenance: Sequence[str]) -> list[str]:
    """The lines of the page."""
    scores = {row: _scores(ways) for row, ways in found.items()}
    seeds = max(len(results) for ways in found.values() for results in ways.values())
    amounts = sorted({amount for _, amount in scores})
    return [
        "# Which way to tune",
        "",
        "Written by `python benchmarks/advisor.py --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        "",
        f"Base {BASE}, the defaults of `acclimate fit --method NAME`, but for "
        f"{', '.join(f'`{setting}`' for setting in ALWAYS)}: what training made of the model is scored as it is. "
        f"Documents have up to {CHARACTERS} characters. Dev: as many queries as there are pairs, {DEV} at most, "
        f"against {DOCUMENTS:,} documents. Test: up to {TEST[0]:,} queries against {TEST[1]:,} documents. nDCG@10 in "
        f"points of 100, {_OF_SEEDS[seeds > 1]}; the best of a row is bold. The 95% interval of a difference is about "
        "a point wide to both sides, so that the best of a row is often so by chance.",
        *(line for amount in amounts for line in _amount(amount, scores)),
        "",
        "## Regret",
        "",
        "How many points a choice is below the best of its row, which nobody knows before: the mean over the rows, and "
        "the greatest. The rules that the others gave are one way always, or one below a number of pairs and another "
        "from there on, with a way of its own where time is short: of all of these, for each set the one that is best "
        "on the other sets.",
        "",
        *_regrets(scores, _advised(found), amounts),
    ]


def _scores(ways: Mapping[str, Sequence[Result]]) -> dict[str, Sequence[float]]:
    before = next(iter(ways.values()))[0]["test"]["before"]["ndcg@10"]
    found = {way: [result["test"]["after"]["ndcg@10"] for result in results] for way, results in ways.items()}
    return {NONE: [before], **found}


def _amount(amount: Amount, scores: Scores) -> list[str]:
    rows = []
    for name in SETS:
        if (name, amount) in scores:
            ways = scores[name, amount]
            best = max(ways, key=lambda way: float(np.mean(ways[way])))
            shown = {way: spread(values) for way, values in ways.items()}
            rows.append([name, *(f"**{shown[way]}**" if way == best else shown[way] for way in GRID)])
    return ["", f"## {amount.title}", "", *table(("set", *GRID), rows)]


def _regrets(scores: Scores, advised: Rule, amounts: Sequence[Amount]) -> list[str]:
    left_out = _left_out(scores)
    choices: dict[str, Rule] = {f"always {way}": partial(_always, way) for way in GRID}
    choices |= {"rules that the other sets gave": lambda row: left_out[row[0]][1](row), "`method: auto`": advised}
    regrets = {choice: {row: _regret(scores, row, rule) for row in scores} for choice, rule in choices.items()}
    lines = table(
        ("choice", *(amount.title for amount in amounts), "all", "greatest"),
        [
            [
                choice,
                *(f"{np.mean([value for row, value in of.items() if row[1] == amount]):.2f}" for amount in amounts),
                f"{np.mean([*of.values()]):.2f}",
                f"{max(of.values()):.1f}",
            ]
            for choice, of in regrets.items()
        ],
    )
    mean = {choice: float(np.mean([*of.values()])) for choice, of in regrets.items()}
    told = "; ".join(f"without {name}: {rule}" for name, (rule, _) in sorted(left_out.items()))
    lines += [
        "",
        f"The rules that the other sets gave are, {told}.",
        "",
        f"`method: auto`: {_told(scores, advised)}.",
        "",
    ]
    for choice in ("rules that the other sets gave", "`method: auto`"):
        least = min(mean["always full"], mean["always adapter"])
        lines.append(
            f"- {choice}: a mean regret of {mean[choice]:.2f}; the aim is 1 point at most: "
            f"{told_met(mean[choice] <= 1)}; and less than {least:.2f}, the lesser of always full and always adapter: "
            f"{told_met(mean[choice] < least)}."
        )
    return lines


def _regret(scores: Scores, row: Row, rule: Rule) -> float:
    ways = scores[row]
    return 100 * float(max(np.mean(values) for values in ways.values()) - np.mean(ways[rule(row)]))


def _rules() -> list[tuple[str, Rule]]:
    """The simplest come first."""
    ways = (*METHODS, NONE)
    rules: list[tuple[str, Rule]] = [(f"always {way}", partial(_always, way)) for way in ways]
    limits = sorted({amount.pairs for amount in AMOUNTS})[1:]
    for many, short in itertools.permutations(ways, 2):
        rules.append((f"{many}, in short time {short}", partial(_by_amount, 0, many, many, short)))
    for limit, few, many, short in itertools.product(limits, ways, ways, ways):
        if few != many:
            name = f"{few} below {limit:,} pairs, {many} from there on, in short time {short}"
            rules.append((name, partial(_by_amount, limit, few, many, short)))
    return rules


def _always(way: str, row: Row) -> str:
    return way


def _by_amount(limit: int, few: str, many: str, short: str, row: Row) -> str:
    return short if row[1].limit else few if row[1].pairs < limit else many


def _left_out(scores: Scores) -> dict[str, tuple[str, Rule]]:
    """For each set the rule that is best on the others."""
    rules = _rules()
    found = {}
    for name in {name for name, _ in scores}:
        others = [row for row in scores if row[0] != name] or list(scores)
        means = [float(np.mean([_regret(scores, row, rule) for row in others])) for _, rule in rules]
        found[name] = rules[int(np.argmin(np.round(means, 6)))]  # the first of equal ones
    return found


def _advised(found: Found) -> Rule:
    """What ``method: auto`` takes, with the time that an epoch of full tuning took here."""

    def rule(row: Row) -> str:
        amount = row[1]
        if not amount.limit:
            return advise(Situation(rows=amount.pairs)).method.kind
        pace = float(np.mean([result["cost"]["examples_per_second"] for result in found[row]["full"]]))
        situation = Situation(rows=amount.pairs, limit_seconds=amount.limit, epoch_seconds=amount.pairs / pace)
        return advise(situation).method.kind

    return rule


def _told(scores: Scores, rule: Rule) -> str:
    return "; ".join(dict.fromkeys(f"{row[1].title}: {rule(row)}" for row in sorted(scores, key=lambda row: row[1])))


if __name__ == "__main__":
    main()
