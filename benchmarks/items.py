"""Item tables beside popularity and word2vec: ``python benchmarks/items.py --data DIR [--gensim DIR]``.

Which packages need each other (``debian_deps``): a pair is a package and what it depends on. A tenth of the pairs, at
most 10,000, is held out; recall@10 of these, among all packages but those that only need others, without what training
has shown. Beside the tuned table stand the table before training, popularity, and gensim's word2vec on the same pairs,
with 5 negatives and a window of 1, trained in turn with ours, for as many passes and on as many threads. It leaves no
pair out (``sample=0``) and takes the larger steps that dev pairs prefer (``alpha=0.1``; by default it is far behind).
Its vectors are compared among themselves, as is usual, and with those of its output layer, which is what it was trained
for. Every cell is a file under ``--out``; a second call measures what is missing. ``--quick`` takes 20,000 pairs and
two passes, and is no result. gensim is found in ``--gensim``, a folder of ``pip install --target DIR gensim``; without
it, it is left out.
"""

import argparse
import csv
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, Cells, Result, change, spread, table, write_table

import acclimate
from acclimate.core.seeds import numpy_generator
from acclimate.data.items import in_rows, read_ids, split_pairs
from acclimate.evaluation import RetrievalTask
from acclimate.evaluation import evaluate as score
from acclimate.runs.items import item_task

SET = "debian_deps"
DIMENSIONS, EPOCHS, SEEDS = 64, 10, (1, 2, 3)
SKIP_GRAM = {"window": 1, "min_count": 1, "sg": 1, "negative": 5, "sample": 0, "alpha": 0.1}
RESAMPLES = 2_000
OUTPUT = "word2vec, with its output layer"
QUICK_PAIRS = 20_000


def main() -> None:
    """Measures what is missing, then writes docs/results/items.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {SET}")
    parser.add_argument("--gensim", type=Path, help="folder in which gensim was installed")
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/items]")
    parser.add_argument("--quick", action="store_true", help="20,000 pairs, two passes: shows that it works, no result")
    arguments = parser.parse_args()
    if arguments.gensim:
        sys.path.append(str(arguments.gensim))  # last: numpy stays the one that is installed
    out = arguments.out or RESULTS / ("items-quick" if arguments.quick else "items")
    seeds, epochs = ((1,), 2) if arguments.quick else (SEEDS, EPOCHS)
    cells = Cells(out / "cells", planned=len(seeds) * (2 + bool(arguments.gensim)))
    found: dict[str, list[Result]] = {}
    for seed in seeds:
        parts = split(arguments.data / SET / "pairs.csv", out / f"data-{seed}", seed, quick=arguments.quick)
        about = {"dimensions": DIMENSIONS, "epochs": epochs, "seed": seed, "pairs": rows_in(parts["train"])}
        ways = {"popularity": partial(popularity, parts)}
        ways["acclimate"] = partial(tuned, parts, epochs, seed, out / "runs" / str(seed))
        if arguments.gensim:
            ways["word2vec"] = partial(word2vec, parts, epochs, seed)
        for way, work in ways.items():  # in turn: what slows the machine for a while slows all of them
            found.setdefault(way, []).append(cells.measure(f"{way}-{seed}", about, work))
    if arguments.gensim:
        found[OUTPUT] = [{"recall": result["recall_with_output"]} for result in found["word2vec"]]
    lines = page(found, cells.provenance())
    print("\n".join(["", *lines]))
    if not arguments.quick:
        write_table("items", lines)


def split(source: Path, folder: Path, seed: int, *, quick: bool) -> dict[str, Path]:
    """The files of the pairs that train, choose and test."""
    pairs = read_ids(source, {})
    rows = in_rows(pairs, {name: row for row, name in enumerate(pairs.names)})
    if quick:
        rows = rows.select(np.arange(QUICK_PAIRS))
    parts = split_pairs(rows, seed=seed, dev=0.02, test=0.1)
    files = {}
    for name, part in (("train", parts.train), ("dev", parts.dev), ("test", parts.test)):
        files[name] = folder / f"{name}.csv"
        folder.mkdir(parents=True, exist_ok=True)
        with files[name].open("w", encoding="utf-8", newline="") as file:
            named = ((pairs.names[q], pairs.names[p]) for q, p in zip(part.query, part.positive, strict=True))
            csv.writer(file, lineterminator="\n").writerows([("query", "positive"), *named])
    return files


def rows_in(file: Path) -> int:
    """How many pairs a file has."""
    return len(read_ids(file, {}))


def tuned(parts: dict[str, Path], epochs: int, seed: int, folder: Path) -> Result:
    """Our table, before and after training."""
    started = time.perf_counter()
    run = acclimate.fit(
        parts["train"], base=f"items:{DIMENSIONS}", dev=parts["dev"], test=parts["test"], out=folder, epochs=epochs,
        seed=seed, keep="anyway", settings=["evaluation.merge=1"],
    )  # fmt: skip
    whole = time.perf_counter() - started
    scores, cost = run.scores["test"], run.scores["cost"]
    task = task_of(parts, run.path / "model")
    return {
        "before": scores["before"]["recall@10"],
        "against_before": scores["delta"]["recall@10"],
        "recall": recall_of(task, run.model.encode),
        "pairs_per_second": cost["examples_per_second"],
        "seconds": cost["train_seconds"],
        "whole_seconds": whole,
    }


def task_of(parts: dict[str, Path], model: Path) -> RetrievalTask:
    """What is asked of all: held-out pairs, without those that training has shown."""
    return item_task(parts["test"], parts["train"], {}, model)


def recall_of(task: RetrievalTask, encode: Any) -> dict[str, float]:
    """Recall@10 by query."""
    return dict(zip(task.queries, score(task, encode).per_item["recall@10"].tolist(), strict=True))


def popularity(parts: dict[str, Path]) -> Result:
    """Everybody is recommended what most pairs of training have."""
    train, test = read_ids(parts["train"], {}), read_ids(parts["test"], {})
    times = np.bincount(train.positive, minlength=len(train.names))
    best = [train.names[place] for place in np.argsort(-times, kind="stable")]
    known: dict[str, set[str]] = {}
    for q, p in zip(train.query, train.positive, strict=True):
        known.setdefault(train.names[q], set()).add(train.names[p])
        known.setdefault(train.names[p], set()).add(train.names[q])
    right: dict[str, set[str]] = {}
    for q, p in zip(test.query, test.positive, strict=True):
        right.setdefault(test.names[q], set()).add(test.names[p])
    recall = {}
    for query, wanted in right.items():
        left_out = known.get(query, set()) - wanted | {query}
        first = [name for name in best[: 10 + len(left_out)] if name not in left_out][:10]
        recall[query] = len(wanted & set(first)) / len(wanted)
    return {"recall": recall}


def word2vec(parts: dict[str, Path], epochs: int, seed: int) -> Result:
    """Skip-gram of gensim with negative sampling, a pair a sentence: it takes both directions."""
    from gensim.models import Word2Vec

    pairs = read_ids(parts["train"], {})
    sentences = [[pairs.names[q], pairs.names[p]] for q, p in zip(pairs.query, pairs.positive, strict=True)]
    model = Word2Vec(vector_size=DIMENSIONS, workers=torch.get_num_threads(), seed=seed, **SKIP_GRAM)
    model.build_vocab(sentences)
    started = time.perf_counter()
    model.train(sentences, total_examples=len(sentences), epochs=epochs)
    seconds = time.perf_counter() - started
    folder = parts["train"].parent / "word2vec"
    folder.mkdir(exist_ok=True)
    np.save(folder / "items.npy", model.wv.vectors)
    (folder / "items.ids.txt").write_text("\n".join(model.wv.index_to_key) + "\n", encoding="utf-8")
    encoder = acclimate.load(folder / "items.npy")
    task = item_task(parts["test"], parts["train"], {}, folder / "items.npy")

    def by_layer(names: Sequence[str], role: str) -> Any:
        """Of any length: products of the two layers are what training made."""
        layer = model.wv.vectors if role == "query" else model.syn1neg
        return layer[[model.wv.key_to_index[name] for name in names]]

    return {
        "recall": recall_of(task, encoder.encode),
        "recall_with_output": recall_of(task, by_layer),
        "pairs_per_second": epochs * len(sentences) / seconds,
        "seconds": seconds,
    }


def difference(ours: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """Mean difference over queries and its 95% interval."""
    apart = np.subtract(ours, other)
    generator = numpy_generator(0, "items")
    drawn = [apart[generator.integers(0, len(apart), len(apart))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(apart.mean()), float(low), float(high)


def page(found: dict[str, list[Result]], provenance: Sequence[str]) -> list[str]:
    """The lines of the page."""
    ours = found["acclimate"]
    recalls: dict[str, list[float]] = {"acclimate": [float(np.mean(values_of(result))) for result in ours]}
    rows = []
    for way in ("popularity", "word2vec", OUTPUT):
        if way in found:
            recalls[way] = [float(np.mean(values_of(result))) for result in found[way]]
    for way, values in {**recalls, "untrained table": [result["before"] for result in ours]}.items():
        rows.append((way, spread(values), against(way, found), speed(way, found)))
    return [
        "# Item tables",
        "",
        "Written by `python benchmarks/items.py --data DIR --gensim DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        "",
        f"Which packages of Debian need each other; {DIMENSIONS} dimensions, the same passes over the same pairs for "
        "all. Recall@10 of held-out pairs in points, mean and range over seeds; the intervals are over queries, the "
        "least and the greatest end of all seeds. Pairs are those of training, with all that the loop does; word2vec "
        "takes each in both directions. Its settings: "
        f"{', '.join(f'{name} {value}' for name, value in SKIP_GRAM.items())}. Beside the output layer it is compared "
        "by products of vectors of any length, as it was trained, which suits it better than cosines.",
        "",
        *table(("way", "recall@10", "acclimate's gain over it (95% interval)", "million pairs a minute"), rows),
        "",
        f"The whole run of ours, reading, scoring and report included, took "
        f"{spread([result['whole_seconds'] for result in ours], lambda value: f'{value:.0f}')} s, of which "
        f"{spread([result['seconds'] for result in ours], lambda value: f'{value:.0f}')} s were training.",
    ]


def values_of(result: Result) -> list[float]:
    """The recall of each query in the order of their names."""
    recall: dict[str, float] = result["recall"]
    return [recall[name] for name in sorted(recall)]


def against(way: str, found: dict[str, list[Result]]) -> str:
    """What the tuned table gains over another way: mean over seeds, and the outermost ends of their intervals."""
    if way == "acclimate":
        return ""
    ours = found["acclimate"]
    if way == "untrained table":
        deltas = [result["against_before"] for result in ours]
        gains = [(delta["value"], *delta["ci95"]) for delta in deltas]
    else:
        both = zip(ours, found[way], strict=True)
        gains = [difference(values_of(mine), values_of(other)) for mine, other in both]
    values, lows, highs = zip(*gains, strict=True)
    return f"{change(float(np.mean(values)))} ({change(min(lows))} to {change(max(highs))})"


def speed(way: str, found: dict[str, list[Result]]) -> str:
    """Million pairs a minute, where there is training."""
    values = [result["pairs_per_second"] for result in found.get(way, []) if "pairs_per_second" in result]
    return spread(values, lambda value: f"{60e-6 * value:.2f}") if values else ""


if __name__ == "__main__":
    main()
