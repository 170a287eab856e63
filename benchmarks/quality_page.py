"""The page docs/results/quality.md: figures, and what they say in words, from the cells alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from common import Result, change, points, spread, table
from cuts import Sizes

from acclimate.evaluation.probe import general_tasks
from acclimate.evaluation.significance import paired_comparison


@dataclass(frozen=True, slots=True)
class Measured:
    """The results of one set, one a seed."""

    name: str
    sizes: Sizes
    ours: list[Result]
    peer_default: list[Result]
    peer_best: list[Result]
    best_rate: float


def page(
    measured: Sequence[Measured],
    base: str,
    rates: Sequence[float],
    default_rate: float,
    seeds: Sequence[int],
    provenance: Sequence[str],
) -> list[str]:
    """The lines of the page."""
    differs = max(one.ours[0]["differs"] for one in measured)
    intro = (
        "Ours is `acclimate.fit` with no option but files, seed and run folder. The peer is sentence-transformers' own "
        "trainer: MultipleNegativesRankingLoss, batch 64 without duplicates, a tenth of the steps to warm up, else "
        "its defaults (fp32, the model's dropout, linear decay); same base, pairs, epochs. Its best learning rate is "
        f"the best of {', '.join(f'{rate:g}' for rate in rates)} on dev with the first seed; {default_rate:g} is its "
        "default. The same functions score both, ranking all documents; the general score is the mean of the main "
        "metrics of the test half of the built-in probe. Our model read and encoded by the peer gives the same scores "
        f"(largest difference {100 * differs:.3f} points). Dev serves ours too: it decides which step and how much of "
        "the tuned weights is kept. Scores are in points of 100: the mean over the seeds, with least and greatest."
    )
    return [
        "# Quality beside sentence-transformers",
        "",
        "Written by `python benchmarks/quality.py --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        f"- Base: {base}; seeds {', '.join(map(str, seeds))}",
        "",
        intro,
        "",
        *(line for one in measured for line in _section(one, default_rate)),
    ]


def _section(one: Measured, default_rate: float) -> list[str]:
    first = one.ours[0]
    epochs, precision = (first["resolved"]["training"][key] for key in ("epochs", "precision"))
    before = first["general_before"]
    rows = {
        f"peer, default rate {default_rate:g}": one.peer_default,
        f"peer, best rate {one.best_rate:g}": one.peer_best,
        f"ours, no options ({precision})": one.ours,
    }
    base = [points(first["test_before"][metric]) for metric in ("ndcg@10", "mrr@10")]
    return [
        f"## {one.name}",
        "",
        f"{first['pairs']:,} training pairs ({one.peer_best[0]['pairs']:,} for the peer), {epochs:g} epochs, "
        f"{len(first['ndcg']):,} test queries, {one.sizes.test[1]:,} documents of at most "
        f"{one.sizes.characters} characters. Verdicts of our gate: "
        f"{', '.join(result['verdict'] for result in one.ours)}.",
        "",
        *table(
            ("", "nDCG@10", "MRR@10", "general score", "its change", "seconds of training"),
            [
                ("the base as it is", *base, points(before["score"]), "", ""),
                *((label, *_figures(results, before)) for label, results in rows.items()),
            ],
        ),
        "",
        *_reading(one),
        "",
        "The general tasks, and by how much each changed:",
        "",
        *table(
            ("task", "the base", *rows),
            [
                (
                    name,
                    points(before[name]),
                    *(spread(_changes(results, name, before), change) for results in rows.values()),
                )
                for name in (f"{task.name}/{task.main_metric}" for task in general_tasks("test"))
            ],
        ),
        "",
    ]


def _figures(results: Sequence[Result], before: dict[str, float]) -> list[str]:
    return [
        *(spread([result["test"][metric] for result in results]) for metric in ("ndcg@10", "mrr@10")),
        spread([result["general"]["score"] for result in results]),
        spread(_changes(results, "score", before), change),
        spread([result["train_seconds"] for result in results], "{:.0f}".format),
    ]


def _changes(results: Sequence[Result], name: str, before: dict[str, float]) -> list[float]:
    return [result["general"][name] - before[name] for result in results]


def _reading(one: Measured) -> list[str]:
    """The comparison with the peer's best, in a sentence each for the target and for what must not be forgotten."""
    queries = list(one.ours[0]["ndcg"])
    peer, ours = (_by_query(results, queries) for results in (one.peer_best, one.ours))
    target = paired_comparison(peer, ours, seed=0)
    low, high = target["ci95"]
    before = one.ours[0]["general_before"]
    our_change, peer_change = (float(np.mean(_changes(r, "score", before))) for r in (one.ours, one.peer_best))
    keeps = "keeps more" if our_change > peer_change else "does not keep more"
    return [
        f"**Ours is {_beside(target['value'])} the peer's best in mean nDCG@10** (95% interval over the test queries "
        f"{change(low)} to {change(high)}). The general score changes by {change(our_change)} with ours and by "
        f"{change(peer_change)} with the peer's best: **ours {keeps} of what the base knew**.",
    ]


def _by_query(results: Sequence[Result], queries: Sequence[str]) -> list[float]:
    """nDCG@10 of each query, the mean over the seeds."""
    return [float(np.mean([result["ndcg"][query] for result in results])) for query in queries]


def _beside(difference: float) -> str:
    size = f"{abs(100 * difference):.1f}"
    if size == "0.0":
        return "equal to"
    return f"{size} points {'above' if difference > 0 else 'below'}"
