"""What the article says, measured again: ``python benchmarks/claims.py --data DIR``.

Each headline claim beside a figure of real data with its interval. Runs that ``ways.py`` and ``fewshot.py`` measured
are read from their cells, or measured. Every cell is a file under ``--out``; a second call measures what is missing.
About an hour on 2 cores beyond those two (``--quick``: minutes). DIR is what ``benchmarks/data.py`` builds.
"""

import argparse
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import fewshot
import numpy as np
import ways
from common import RESULTS, Cells, Result, table, write_table
from cuts import Sizes
from ways import Way

import acclimate
from acclimate.core.files import read_jsonl, write_jsonl
from acclimate.core.seeds import numpy_generator

BASE = ways.BASE
LEGAL = "scancode_legal"
SEEDS = ways.SEEDS
CHARACTERS = 200  # of a license text: its first sentences name it
LEGAL_SETTINGS = (*ways.ALWAYS, "training.epochs=1.5", "training.max_length=64")  # three minutes a run
RESAMPLES = 10_000
KNOB_SET = "icd10cm"
KNOBS = Sizes(pairs=1_000, characters=200, dev=(200, 600), test=(500, 2_000))
QUICK = Sizes(pairs=200, characters=200, dev=(50, 200), test=(100, 300))
EPOCHS = "training.epochs=3"  # for all: a third of what so few rows get by default, so that this takes half an hour
DEFAULT = Way("defaults", "full", (EPOCHS,))
TABLE = (Way("the full rate", "full", (EPOCHS, "method.table_lr_scale=1")),)
BATCH = (Way("batches of 16", "full", (EPOCHS, "training.batch_size=16")),)
L2 = (Way("none", "full", (EPOCHS, "training.weight_decay=0")),)
ADAPTERS = (Way("full", "full"), Way("adapter", "adapter"))


@dataclass(frozen=True, slots=True)
class Claim:
    """A line of the page."""

    about: str
    article: str
    measured: str
    reading: str


def main() -> None:
    """Measures what is missing, then writes docs/results/article-claims.md."""
    needed = sorted({LEGAL, fewshot.SET, "sts_sim", *ways.SETS})
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {', '.join(needed)}")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the folders of cells")
    parser.add_argument("--quick", action="store_true", help="one seed, tiny: shows that it works, no result")
    arguments = parser.parse_args()
    quick, data = arguments.quick, arguments.data
    suffix = "-quick" if quick else ""
    seeds = SEEDS[: 1 if quick else None]
    sizes, knobs = (QUICK, QUICK) if quick else (ways.FULL, KNOBS)
    general = fewshot.pairs_of_words(data, arguments.out / f"claims{suffix}" / "data")
    legal, cells = measure_legal(data, seeds, arguments.out / f"claims{suffix}", general, rows=100 if quick else None)
    knobs_ways = (DEFAULT, *TABLE, *BATCH, *L2)
    out = arguments.out / f"claims{suffix}"
    tuned, knob_cells = ways.measure(knobs_ways, [KNOB_SET], knobs, seeds, data, out, general)
    sets = ways.SETS[: 1 if quick else None]
    beside, method_cells = ways.measure(ADAPTERS, sets, sizes, seeds, data, arguments.out / f"methods{suffix}")
    out = arguments.out / f"fewshot{suffix}"
    tasks = fewshot.triples(data / fewshot.SET, out / "data")[: 1 if quick else None]
    few, few_cells = fewshot.measure(tasks, data, out)
    cells.done += [*knob_cells.done, *method_cells.done, *few_cells.done]
    lines = page([*_legal(legal), *_methods(beside), _prompts(few), *_knobs(tuned[KNOB_SET])], cells.provenance())
    print("\n".join(["", *lines]))
    if not quick:
        write_table("article-claims", lines)


# -- law ------------------------------------------------------------------------------------------------------------


def measure_legal(
    data: Path, seeds: Sequence[int], out: Path, general: Path, rows: int | None
) -> tuple[dict[str, Any], Cells]:
    """``pairs`` and ``labels``: a result for each seed."""
    cells = Cells(out / "cells", planned=2 * len(seeds))
    for name in ("train", "dev", "test"):
        examples = list(read_jsonl(data / LEGAL / f"{name}.jsonl"))[:rows]
        short = [{**row, "positive": row["positive"][:CHARACTERS]} for row in examples]
        fields = ("query", "positive", "doc_id", "group")
        write_jsonl(out / "data" / "pairs" / f"{name}.jsonl", [{key: row[key] for key in fields} for row in short])
        labels = [{"text": row["query"], "label": row["label"], "group": row["group"]} for row in short]
        write_jsonl(out / "data" / "labels" / f"{name}.jsonl", labels)
    about = {"set": LEGAL, "base": BASE, "characters": CHARACTERS, "rows": rows, "settings": list(LEGAL_SETTINGS)}
    work: dict[str, Callable[..., Result]] = {
        "pairs": partial(_tuned_on_pairs, data / LEGAL),
        "labels": _tuned_on_labels,
    }
    found = {
        kind: [
            cells.measure(
                f"legal-{kind}-{seed}",
                about | {"seed": seed},
                partial(work[kind], out / "data" / kind, general, seed, out / "runs" / f"legal-{kind}-{seed}"),
            )
            for seed in seeds
        ]
        for kind in work
    }
    return found, cells


def _fitted(files: Path, general: Path, seed: int, folder: Path) -> Any:
    options: dict[str, Any] = {
        "dev": files / "dev.jsonl",
        "test": files / "test.jsonl",
        "seed": seed,
        "base": BASE,
        "general": general,
    }
    options |= {"method": "full", "out": folder, "keep": "anyway", "settings": list(LEGAL_SETTINGS)}
    return acclimate.fit(files / "train.jsonl", **options)


def _tuned_on_pairs(data: Path, files: Path, general: Path, seed: int, folder: Path) -> Result:
    """Does a notice belong to a license? Right pairs, and as many with another license of the same category."""
    run = _fitted(files, general, seed, folder)
    pairs = {name: judged_pairs(list(read_jsonl(data / f"{name}.jsonl"))) for name in ("dev", "test")}
    encoders = {"before": acclimate.load(BASE), "after": run.model}
    shutil.rmtree(folder / "model")
    right = {}
    for side, encoder in encoders.items():
        scores = {name: cosines(encoder, [(a, b) for a, b, _ in rows]) for name, rows in pairs.items()}
        gold = {name: np.array([same for _, _, same in rows]) for name, rows in pairs.items()}
        threshold = best_threshold(scores["dev"], gold["dev"])
        right[side] = ((scores["test"] >= threshold) == gold["test"]).tolist()
    return {"right": right, "seconds": run.scores["cost"]["train_seconds"]}


def judged_pairs(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, bool]]:
    """Each right pair, and its query with a document of another license, of the same category where there is one."""
    generator, found = numpy_generator(7, "wrong pairs"), []
    for row in rows:
        others = [other for other in rows if other["group"] != row["group"]]
        alike = [other for other in others if other["label"] == row["label"]] or others
        wrong = alike[int(generator.integers(len(alike)))]
        found += [
            (row["query"], row["positive"][:CHARACTERS], True),
            (row["query"], wrong["positive"][:CHARACTERS], False),
        ]
    return found


def cosines(encoder: Any, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """Of each pair: [N]."""
    queries, documents = (list(column) for column in zip(*pairs, strict=True))
    product: np.ndarray = (encoder.encode(queries, "query") * encoder.encode(documents)).sum(axis=1)
    return product


def best_threshold(scores: np.ndarray, gold: np.ndarray) -> float:
    """The score from which on pairs count as right, with the best accuracy."""
    candidates = np.sort(scores)
    return float(max(candidates, key=lambda threshold: ((scores >= threshold) == gold).mean()))


def _tuned_on_labels(files: Path, general: Path, seed: int, folder: Path) -> Result:
    scores = _fitted(files, general, seed, folder).scores
    shutil.rmtree(folder / "model")
    return {"test": scores["test"], "seconds": scores["cost"]["train_seconds"]}


def _legal(found: Mapping[str, Sequence[Result]]) -> list[Claim]:
    article = "68% to 82% (+14)"
    sides = {
        side: np.mean([result["right"][side] for result in found["pairs"]], axis=0) for side in ("before", "after")
    }
    gain, low, high = interval(sides["after"] - sides["before"])
    pairs = f"{_percent(sides['before'].mean())} to {_percent(sides['after'].mean())}"
    pairs += f" ({gain:+.1f}; {low:+.1f} to {high:+.1f})"
    deltas = [result["test"]["delta"]["accuracy"] for result in found["labels"]]
    before, after = (
        np.mean([result["test"][side]["accuracy"] for result in found["labels"]]) for side in ("before", "after")
    )
    change, low_l, high_l = (
        100 * float(np.mean(values))
        for values in ([d["value"] for d in deltas], [d["ci95"][0] for d in deltas], [d["ci95"][1] for d in deltas])
    )
    labels = f"{_percent(before)} to {_percent(after)} ({change:+.1f}; {low_l:+.1f} to {high_l:+.1f})"
    return [
        Claim(
            "Legal similarity: does a notice belong to this license text? (threshold chosen on dev)",
            article,
            pairs,
            _against(gain, low, high, 14.0),
        ),
        Claim(
            "Legal category of a notice (logistic regression on the vectors)",
            article,
            labels,
            _against(change, low_l, high_l, 14.0),
        ),
    ]


# -- methods, prompts, knobs ----------------------------------------------------------------------------------------


def _methods(found: Mapping[str, Mapping[Way, Sequence[Result]]]) -> list[Claim]:
    full, adapter = ADAPTERS
    claims = []
    for name, of_set in found.items():
        before, after = (
            np.mean([result["test"][side]["mrr"] for result in of_set[full]]) for side in ("before", "after")
        )
        ends = np.mean([result["test"]["delta"]["mrr"]["ci95"] for result in of_set[full]], axis=0)
        gain, low, high = (100 * float(value / before) for value in (after - before, *ends))
        claims.append(
            Claim(
                f"MRR by full tuning in a domain ({name}, 2,000 pairs)",
                "+15 to 20%",
                f"{before:.3f} to {after:.3f} ({gain:+.1f}%; {low:+.1f} to {high:+.1f})",
                "in its range" if 15 <= gain <= 20 else "more" if gain > 20 else "less",
            )
        )
    for name, of_set in found.items():
        cost = of_set[adapter][0]["cost"]
        reached = np.mean([r["test"]["after"]["ndcg@10"] for r in of_set[full]])
        score = np.mean([r["test"]["after"]["ndcg@10"] for r in of_set[adapter]]) / reached
        share, low, high = ways.share_of_gain(ways.gains(of_set[adapter]), ways.gains(of_set[full]))
        zero = of_set[full][0]["test"]["before"]["ndcg@10"] / reached
        claims.append(
            Claim(
                f"Adapters of {_percent(cost['trainable_parameters'] / cost['total_parameters'])} ({name})",
                "92% of full tuning, 3 to 5% of the weights, 87% less to store",
                f"{_percent(score)} of its nDCG@10 (the untuned base has {_percent(zero)}); {_percent(share)} of its "
                f"gain ({_percent(low)} to {_percent(high)}); "
                f"{_percent(1 - cost['delta_bytes'] / cost['model_bytes'])} less to store",
                "better" if score > 0.92 else "worse",
            )
        )
    return claims


def _prompts(found: Mapping[str, Sequence[Result]]) -> Claim:
    reached = 100 * fewshot.accuracy(found["prompt, L-BFGS"])
    zero = 100 * fewshot.accuracy(found["zero-shot"])
    gain, low, high = (100 * value for value in fewshot.difference(found["prompt, L-BFGS"], found["zero-shot"]))
    return Claim(
        f"Prompts by L-BFGS, {fewshot.EXAMPLES} examples of each of 3 classes, frozen encoder",
        "33% to 68%",
        f"chance 33%, untuned {zero:.1f}%, prompt {reached:.1f}% "
        f"({gain:+.1f} against untuned; {low:+.1f} to {high:+.1f})",
        "better" if reached > 68 else "worse",
    )


def _knobs(found: Mapping[Way, Sequence[Result]]) -> list[Claim]:
    texts = (
        ("The table at a tenth of the rate", "better than the full rate", TABLE),
        ("Batches of 64 to 256 (64 here, one rate for both)", "better than smaller ones", BATCH),
        ("L2 of 0.001 to 0.01 (0.01 here)", "better than without", L2),
    )
    claims = []
    for about, article, others in texts:
        parts, clear = [], []
        for way in others:
            worse, low, high = interval(ways.gains(found[DEFAULT]) - ways.gains(found[way]))
            parts.append(f"against {way.name}: {worse:+.1f} ({low:+.1f} to {high:+.1f})")
            clear.append("yes" if low > 0 else "no" if high < 0 else "not to be told")
        reading = "; ".join(f"{way.name}: {word}" for way, word in zip(others, clear, strict=True))
        claims.append(Claim(about, article, "; ".join(parts), reading))
    return claims


def interval(differences: np.ndarray) -> tuple[float, float, float]:
    """Mean of differences by item, in points of 100, with the 95% interval of resampled items."""
    drawn = numpy_generator(0, "claims").integers(0, len(differences), (RESAMPLES, len(differences)))
    low, high = np.quantile(differences[drawn].mean(axis=1), (0.025, 0.975))
    return 100 * float(differences.mean()), 100 * float(low), 100 * float(high)


def _against(gain: float, low: float, high: float, claimed: float) -> str:
    if low > claimed:
        return "better"
    if high < claimed:
        return "worse" if low > 0 else "worse, and not proven to gain at all"
    return f"{'above' if gain > claimed else 'below'} it, but its interval holds the claim"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def page(claims: Sequence[Claim], provenance: Sequence[str]) -> list[str]:
    """The lines of the page."""
    return [
        "# What the article says, measured",
        "",
        "Written by `python benchmarks/claims.py --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        "",
        f"Base {BASE}, {len(SEEDS)} seeds. Every figure is of a test set that nothing was chosen on; intervals are "
        f"95%, over the test items, of means over the seeds. Law: {LEGAL}, license texts cut at {CHARACTERS} "
        "characters, both at 64 tokens in training, 1.5 epochs, 127 test notices. The last three: "
        f"{KNOB_SET}, {KNOBS.pairs:,} pairs, 3 epochs of full tuning, "
        "points of nDCG@10 by which the default is ahead. What `ways.py` and `fewshot.py` measured in full is in "
        "[methods](methods.md) and [fewshot](fewshot.md).",
        "",
        *table(
            ("claim", "the article", "measured", "reading"),
            [(claim.about, claim.article, claim.measured, claim.reading) for claim in claims],
        ),
    ]


if __name__ == "__main__":
    main()
