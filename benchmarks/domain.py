"""A new domain with few pairs or none: ``python benchmarks/domain.py --data DIR``.

Three targets, each with another domain as its source, and one more with texts alone: what source, weights, adversarial
training, adaptation to the texts, and queries made of the texts are worth with no pair of the target, and with 100.
Every cell is a file under ``--out``; a second call measures what is missing, and several may share the work
(``--part 1/2``, one on each core). About two hours on 2 cores (``--quick``: minutes). DIR is what
``benchmarks/data.py`` builds.
"""

import argparse
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from claims import interval
from common import RESULTS, Cells, Result, change, points, spread, table, told_met, write_table
from cuts import Cut, Sizes, cut
from ways import ALWAYS as WHOLE
from ways import BASE, SEEDS, gains

import acclimate
from acclimate.core.files import read_jsonl, sha256_file, write_jsonl
from acclimate.core.seeds import numpy_generator

SOURCES = {"icd10cm": "hpo", "hpo": "debian_pkgs", "docstrings": "debian_pkgs", "debian_pkgs": None}
"""Target -> source: terms of findings for names of diseases, programs for these terms and for functions, and none."""
SIZES = Sizes(pairs=1_000, characters=200, dev=(300, 1_500), test=(1_000, 4_000))
LONG = {"debian_pkgs": 1_000}
"""Characters a document where they are more: what has several sentences gives queries of other kinds."""
QUICK = Sizes(pairs=200, characters=200, dev=(50, 200), test=(100, 300))
TEXTS, FEW = 6_000, 100
OF_LONG = 3_000  # texts, where they are long
ALWAYS = (*WHOLE, "training.precision=fp32")
TSDAE = "adaptation={kind: tsdae, steps: 300, texts: TEXTS}"
ADVERSARIAL = "regularizers=[distill, domain_adversarial]"
_DRAWN = 23  # the seed of which texts and pairs are


@dataclass(frozen=True, slots=True)
class Way:
    """What trains, beside what, with which settings.

    Attributes:
        pairs: of the target, 0 or `FEW`.
        trains: TRAIN: source, texts or few.
        beside: whether the source stands beside it.
        settings: TEXTS stands for the file of the target's texts.
        seeds: more than one where something is claimed.
    """

    name: str
    pairs: int
    trains: str
    beside: bool = False
    settings: tuple[str, ...] = ()
    seeds: Sequence[int] = SEEDS[:1]

    def needs_source(self) -> bool:
        """Whether it reads the source."""
        return self.beside or self.trains == "source"


TAUGHT = (  # recipes/text_only_taught.yaml
    "data.mining={kind: ensemble, per_query: 4, range_min: 0, range_max: 50, relative_margin: 0.05}",
    "objectives=[infonce, margin_mse]",
)
WEIGHTED = "data.weighting=density_ratio"
TEXT_WAY = Way("texts alone, taught by base and BM25", 0, "texts", settings=TAUGHT, seeds=SEEDS)
UNTAUGHT = Way("texts alone, with no teacher", 0, "texts")
ALONE = Way("100 pairs", FEW, "few", seeds=SEEDS)
MIXED = Way("100 pairs, mixed with the source", FEW, "few", True, seeds=SEEDS)
WAYS = (
    Way("source", 0, "source"),
    Way("tsdae, then source", 0, "source", settings=(TSDAE,)),
    TEXT_WAY,
    UNTAUGHT,
    Way("tsdae, then texts", 0, "texts", settings=(*TAUGHT, TSDAE)),
    Way("texts, mixed with the source", 0, "texts", True, TAUGHT),
    Way("the same, weighted", 0, "texts", True, (*TAUGHT, WEIGHTED)),
    Way("the same, adversarial", 0, "texts", True, (*TAUGHT, ADVERSARIAL)),
    ALONE,
    Way("tsdae, then 100 pairs", FEW, "few", settings=(TSDAE,)),
    MIXED,
    Way("100 pairs, mixed, annealed", FEW, "few", True, ("data.mixing=annealed",)),
    Way("100 pairs, mixed and weighted", FEW, "few", True, (WEIGHTED,)),
    Way("100 pairs, mixed, adversarial", FEW, "few", True, (ADVERSARIAL,)),
)


@dataclass(frozen=True, slots=True)
class Files:
    """What a target's ways read."""

    target: Cut
    source: Cut | None
    texts: Path
    few: Path
    few_dev: Path

    def sha256(self) -> list[str]:
        """Of everything."""
        cuts = [self.target, *([self.source] if self.source else [])]
        return [*(one.sha256() for one in cuts), *(sha256_file(path) for path in (self.texts, self.few, self.few_dev))]


def main() -> None:
    """Measures what is missing, then writes docs/results/domain.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {', '.join(SOURCES)}")
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/domain]")
    parser.add_argument("--part", default="1/1", metavar="I/N", help="every N-th cell alone, and no page")
    parser.add_argument("--quick", action="store_true", help="one set, one seed, tiny: shows that it works, no result")
    arguments = parser.parse_args()
    part, parts = map(int, arguments.part.split("/"))
    out = arguments.out or RESULTS / ("domain-quick" if arguments.quick else "domain")
    sets, sizes = (list(SOURCES)[:1], QUICK) if arguments.quick else (list(SOURCES), SIZES)
    files = {name: _files(arguments.data, name, sizes, out / "data") for name in sets}
    # A set without a source shows what texts alone are worth, and nothing else.
    wanted = [
        (name, way, seed)
        for seed in SEEDS
        for name in sets
        for way in WAYS
        if seed in way.seeds and (SOURCES[name] or way in (TEXT_WAY, UNTAUGHT))
    ]
    if arguments.quick:
        wanted = [one for one in wanted if one[2] == SEEDS[0]]
    # What has several seeds comes first: the claims are about these.
    wanted = sorted(wanted, key=lambda one: len(one[1].seeds) == 1)[part - 1 :: parts]
    cells = Cells(out / "cells", planned=len(wanted))
    found: dict[str, dict[Way, list[Result]]] = {name: {} for name in sets}
    for name, way, seed in wanted:
        label, config = cell(name, way, seed, files[name])
        work = partial(tuned, way, files[name], seed, out / "runs" / label)
        found[name].setdefault(way, []).append(cells.measure(label, config, work))
    if parts > 1:
        return
    lines = page(found, sizes, cells.provenance())
    print("\n".join(["", *lines]))
    if not arguments.quick:
        write_table("domain", lines)


def cell(name: str, way: Way, seed: int, files: Files) -> tuple[str, dict[str, Any]]:
    """The name of a measurement, and what it is of."""
    config = {"files": files.sha256(), "base": BASE, "trains": way.trains, "beside": way.beside}
    config |= {"seed": seed, "settings": [*ALWAYS, *way.settings]}
    return f"{name}-{''.join(c if c.isalnum() else '_' for c in way.name)}-{seed}", config


def _files(data: Path, name: str, sizes: Sizes, folder: Path) -> Files:
    source = SOURCES[name]
    # A set is the same cut as a target and as a source: both lie in one place.
    cuts = {one: cut(data / one, _sizes(one, sizes), folder / one) for one in (name, source) if one}
    target, sizes = cuts[name], _sizes(name, sizes)
    rows = list(read_jsonl(data / name / "train.jsonl"))
    texts = list(dict.fromkeys(row["positive"] for row in rows if len(row["positive"]) <= sizes.characters))
    drawn = np.sort(numpy_generator(_DRAWN, name, "texts").permutation(len(texts))[: _texts(name, sizes)])
    paths = {part: folder / f"{name}-{part}.jsonl" for part in ("texts", "few", "few_dev")}
    write_jsonl(paths["texts"], ({"text": texts[place]} for place in drawn.tolist()))
    pairs = list(read_jsonl(target.train))  # in a random order
    write_jsonl(paths["few"], pairs[:FEW])
    write_jsonl(paths["few_dev"], pairs[FEW : 2 * FEW])
    return Files(target, cuts[source] if source else None, **paths)


def _sizes(name: str, sizes: Sizes) -> Sizes:
    return replace(sizes, characters=LONG.get(name, sizes.characters))


def _texts(name: str, sizes: Sizes) -> int:
    return min(OF_LONG if name in LONG else TEXTS, 6 * sizes.pairs)


def tuned(way: Way, files: Files, seed: int, folder: Path) -> Result:
    """One run: scores, and what each query got; its model is removed."""
    settings = [*ALWAYS, *(setting.replace("TEXTS", str(files.texts)) for setting in way.settings)]
    source = files.source
    # Without pairs of the target nobody has any to choose weights by either.
    dev: Path | None = files.few_dev if way.pairs else None
    train = {"texts": files.texts, "few": files.few}.get(way.trains)
    if train is None:
        assert source is not None
        train, dev = source.train, source.dev
    if way.beside:
        assert source is not None
        settings.append(f"data.source={source.train}")
    test = files.target.test
    run = acclimate.fit(
        train, dev=dev, test=test, base=BASE, method="full", seed=seed, keep="anyway", out=folder, settings=settings
    )
    scores, queries = run.scores, list(read_jsonl(folder / "data" / "queries.jsonl"))
    shutil.rmtree(folder / "model")  # 90 MB; the figures are what is kept
    return {
        "test": scores["test"],
        "ndcg_before": [query["ndcg_before"] for query in queries],
        "ndcg": [query["ndcg_after"] for query in queries],
        "general": scores["general"]["delta"]["score"]["value"],
        "domains": scores.get("domains"),
        "cost": scores["cost"],
    }


def page(found: Mapping[str, Mapping[Way, Sequence[Result]]], sizes: Sizes, provenance: Sequence[str]) -> list[str]:
    """The lines of the page."""
    return [
        "# A new domain",
        "",
        "Written by `python benchmarks/domain.py --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        "",
        f"Base {BASE}, full fine-tuning with its defaults, but for {', '.join(f'`{one}`' for one in ALWAYS)}. The "
        f"source has {sizes.pairs:,} pairs; the target {TEXTS:,} documents without a query ({OF_LONG:,} of "
        f"{' and '.join(LONG)}, whose documents, a source's too, have up to {max(LONG.values()):,} characters, others "
        f"up to {sizes.characters}), and {FEW} pairs to train with {FEW} to choose weights by, or none. Without pairs, "
        "weights are chosen by the source's dev pairs, or by queries made of texts that were held out. Mixed, batches "
        "of a larger source come by turns with those of the target, and those of a smaller one as there are rows of "
        "each: what `auto` takes, and chosen on dev queries. "
        f"Test: {sizes.test[0]:,} queries of the target against {sizes.test[1]:,} documents. `tsdae` is 300 steps on "
        "the target's texts. Rows are weighted by `data.weighting: density_ratio`. Scores are in points of 100, means "
        "over the seeds, with the least and the greatest; a gain has its 95% interval over the test queries. General "
        "is the change of the built-in probe's test half. Told apart: how often a fresh classifier tells queries of "
        "source and target by their vectors, before and after. Steps are without those of `tsdae`.",
        *(line for name, ways in found.items() for line in _section(name, ways)),
        "",
        "## What is claimed",
        "",
        *_claims(found),
    ]


def _section(name: str, ways: Mapping[Way, Sequence[Result]]) -> list[str]:
    before = next(iter(ways.values()))[0]["test"]["before"]["ndcg@10"]
    head = ("tuned on", "seeds", "nDCG@10", "gain", "general", "told apart", "steps")
    source = f", with {SOURCES[name]} for a source" if SOURCES[name] else ""
    rows = [_row(way, ways[way]) for way in WAYS if way in ways]
    return ["", f"## {name}{source}", "", f"The untuned base has {points(before)}.", "", *table(head, rows)]


def _row(way: Way, results: Sequence[Result]) -> list[str]:
    domains = results[0]["domains"]
    apart = (
        [f"{100 * domains[side]['queries']['domain_accuracy']:.0f}%" for side in ("before", "after")] if domains else []
    )
    return [
        way.name,
        str(len(results)),
        spread([result["test"]["after"]["ndcg@10"] for result in results]),
        _told(gains(results)),
        spread([result["general"] for result in results], change),
        " to ".join(apart),
        str(results[0]["cost"]["steps"]),
    ]


def _told(differences: np.ndarray) -> str:
    mean, low, high = interval(differences)
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _claims(found: Mapping[str, Mapping[Way, Sequence[Result]]]) -> list[str]:
    """What texts alone gain, and whether a source helps few pairs."""
    of_texts = {name: gains(ways[TEXT_WAY]) for name, ways in found.items()}
    proven = sum(interval(gain)[1] > 0 for gain in of_texts.values())
    told = ", ".join(f"{name} {_told(gain)}" for name, gain in of_texts.items())
    lines = [
        f"- Texts alone: {told}. The aim is an interval above zero on two of three "
        f"sets; it is above on {proven} of these {len(of_texts)}."
    ]
    further = {
        name: gains(ways[MIXED]) - gains(ways[ALONE]) for name, ways in found.items() if MIXED in ways and ALONE in ways
    }
    if len(further) > 1:
        further["all of these, a query counted as one"] = np.concatenate([*further.values()])
    for name, more in further.items():
        lines.append(
            f"- {name}, {FEW} pairs: mixed with the source {_told(more)} beside these alone; the aim is an interval "
            f"above zero: {told_met(interval(more)[1] > 0)}."
        )
    return lines


if __name__ == "__main__":
    main()
