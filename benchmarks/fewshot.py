"""A few examples of each class: ``python benchmarks/fewshot.py --data DIR``.

Ten random triples of sections of ``debian_pkgs``, 16 examples a class: a package's one-line synopsis is told by the
section whose name is nearest. Beside the untuned encoder and logistic regression on its vectors stand continuous
prompts on the frozen encoder (AdamW, L-BFGS on the full batch, and one with a head that tells the label) and full
fine-tuning. Every cell is a file under ``--out``; a second call measures what is missing. About 25 minutes on 2 cores
(``--quick``: two). DIR is what ``benchmarks/data.py`` builds.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, Cells, Result, table, write_table
from sklearn.linear_model import LogisticRegressionCV

import acclimate
from acclimate.core.files import read_jsonl, write_jsonl
from acclimate.core.seeds import numpy_generator

BASE = "all-MiniLM-L6-v2"
SET = "debian_pkgs"
TRIPLES, EXAMPLES, LEAST = 10, 16, 50  # triples, examples a class, test rows a class
SEED = 11
RESAMPLES = 10_000
ALWAYS = ('data.label_texts="{}"', "data.dev_share=0.2", "evaluation.merge=1.0")
NEAR_START = (
    "regularizers=[{kind: l2sp, weight: 0.1}]"  # of 0, 0.01 and 0.1, on three triples that are not in the table
)


@dataclass(frozen=True, slots=True)
class Way:
    """How the classes are learned: settings of a run."""

    name: str
    method: str
    settings: tuple[str, ...]


WAYS = (
    Way("prompt, AdamW", "prompt", ("training.epochs=60", NEAR_START)),
    Way("prompt, L-BFGS", "prompt", ("training.epochs=20", "training.optimizer=lbfgs", NEAR_START)),
    Way("prompt and head", "prompt", ("training.epochs=60", NEAR_START, "data.label_texts=none", "objective=softmax")),
    Way("full, AdamW", "full", ("training.epochs=20", "regularizers=[]")),
)


@dataclass(frozen=True, slots=True)
class Task:
    """Three sections: files of their examples."""

    labels: tuple[str, ...]
    train: Path
    test: Path


def main() -> None:
    """Measures what is missing, then writes docs/results/fewshot.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {SET} and sts_sim")
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/fewshot]")
    parser.add_argument("--quick", action="store_true", help="one triple: shows that it works, no result")
    arguments = parser.parse_args()
    out = arguments.out or RESULTS / ("fewshot-quick" if arguments.quick else "fewshot")
    tasks = triples(arguments.data / SET, out / "data")[: 1 if arguments.quick else TRIPLES]
    results, cells = measure(tasks, arguments.data, out)
    lines = page(tasks, results, cells.provenance())
    print("\n".join(["", *lines]))
    if not arguments.quick:
        write_table("fewshot", lines)


def measure(tasks: Sequence[Task], data: Path, out: Path) -> tuple[dict[str, list[Result]], Cells]:
    """Way -> a result for each task; ways that tune nothing come first."""
    cells = Cells(out / "cells", planned=len(tasks) * (1 + len(WAYS)))
    found: dict[str, list[Result]] = {}
    general = pairs_of_words(data, out / "data")
    for number, task in enumerate(tasks):
        about = {"base": BASE, "labels": list(task.labels), "examples": EXAMPLES, "seed": SEED}
        frozen = cells.measure(f"{number}-frozen", about, partial(_frozen, task))
        for name, result in frozen.items():
            found.setdefault(name, []).append(result)
        for way in WAYS:
            config = about | {"method": way.method, "settings": [*ALWAYS, *way.settings]}
            label = f"{number}-{''.join(c if c.isalnum() else '_' for c in way.name)}"
            work = partial(_tuned, task, way, general, out / "runs" / label)
            found.setdefault(way.name, []).append(cells.measure(label, config, work))
    return found, cells


def pairs_of_words(data: Path, folder: Path) -> Path:
    """A small file of what must not be forgotten, for runs in which that is not the question."""
    file, words = folder / "general.jsonl", read_jsonl(data / "sts_sim" / "wordsim353.jsonl")
    write_jsonl(file, [{"sentence1": row["a"], "sentence2": row["b"], "score": row["score"]} for row in words])
    return file


def triples(data: Path, folder: Path, seed: int = SEED) -> list[Task]:
    """The tasks: sections drawn at random from those with enough rows, examples drawn at random from ``train``."""
    train, test = _by_label(data / "train.jsonl"), _by_label(data / "test.jsonl")
    known = sorted(label for label in test if len(test[label]) >= LEAST and len(train.get(label, [])) >= EXAMPLES)
    tasks = []
    for number in range(TRIPLES):
        generator = numpy_generator(seed, "triple", number)
        labels = tuple(sorted(known[place] for place in generator.choice(len(known), 3, replace=False)))
        rows = [
            (label, train[label][place])
            for label in labels
            for place in generator.choice(len(train[label]), EXAMPLES, replace=False)
        ]
        task = Task(labels, folder / f"{number}-train.jsonl", folder / f"{number}-test.jsonl")
        write_jsonl(task.train, [{"text": text, "label": label} for label, text in rows])
        seen = {text for _, text in rows}
        asked = [(label, text) for label in labels for text in test[label] if text not in seen]
        write_jsonl(task.test, [{"text": text, "label": label} for label, text in asked])
        tasks.append(task)
    return tasks


def _by_label(file: Path) -> dict[str, list[str]]:
    """Label -> distinct synopses."""
    found: dict[str, dict[str, None]] = {}
    for row in read_jsonl(file):
        found.setdefault(row["label"], {})[row["query"]] = None
    return {label: list(texts) for label, texts in found.items()}


def _frozen(task: Task) -> dict[str, Result]:
    """What the untuned encoder's vectors say, by the labels' names and by logistic regression."""
    encoder = acclimate.load(BASE)
    train, test = list(read_jsonl(task.train)), list(read_jsonl(task.test))
    started = time.perf_counter()
    vectors = encoder.encode([row["text"] for row in test], "query")
    nearest = (vectors @ encoder.encode(list(task.labels)).T).argmax(axis=1)
    matched = time.perf_counter() - started
    gold = [row["label"] for row in test]
    started = time.perf_counter()
    model = LogisticRegressionCV(
        Cs=[0.1, 1, 10, 100], cv=4, l1_ratios=(0,), use_legacy_attributes=False, scoring="accuracy"
    )
    model.fit(encoder.encode([row["text"] for row in train], "query"), [row["label"] for row in train])
    fitted = time.perf_counter() - started
    told = {"zero-shot": [task.labels[place] for place in nearest], "logistic regression": model.predict(vectors)}
    seconds = {"zero-shot": matched, "logistic regression": fitted}
    return {
        name: {"right": [bool(a == b) for a, b in zip(labels, gold, strict=True)], "seconds": seconds[name], "calls": 0}
        for name, labels in told.items()
    }


def _tuned(task: Task, way: Way, general: Path, folder: Path) -> Result:
    options: dict[str, Any] = {"base": BASE, "method": way.method, "test": task.test, "general": general, "seed": SEED}
    run = acclimate.fit(
        task.train, out=folder, keep="anyway", settings=[*ALWAYS, *way.settings], no_cache=True, **options
    )
    test = list(read_jsonl(task.test))
    encoder = run.model
    texts = [row["text"] for row in test]
    if encoder.heads:
        told = encoder.predict(texts)
    else:
        nearest = (encoder.encode(texts, "query") @ encoder.encode(list(task.labels)).T).argmax(1)
        told = [task.labels[place] for place in nearest]
    cost = run.scores["cost"]
    return {
        "right": [label == row["label"] for label, row in zip(told, test, strict=True)],
        "seconds": cost["train_seconds"],
        "calls": cost.get("closure_calls", cost["steps"]),
        "weights": cost["trainable_parameters"],
    }


def accuracy(results: Sequence[Result]) -> float:
    """Mean over the tasks."""
    return float(np.mean([np.mean(result["right"]) for result in results]))


def difference(ours: Sequence[Result], other: Sequence[Result]) -> tuple[float, float, float]:
    """Mean difference of accuracy and its 95% interval: tasks are resampled, and texts within each."""
    pairs = [np.subtract(a["right"], b["right"], dtype=float) for a, b in zip(ours, other, strict=True)]
    generator = numpy_generator(SEED, "difference")
    drawn = []
    for _ in range(RESAMPLES // 10):
        chosen = [pairs[place] for place in generator.integers(0, len(pairs), len(pairs))]
        drawn.append(np.mean([pair[generator.integers(0, len(pair), len(pair))].mean() for pair in chosen]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(np.mean([pair.mean() for pair in pairs])), float(low), float(high)


def page(tasks: Sequence[Task], results: Mapping[str, Sequence[Result]], provenance: Sequence[str]) -> list[str]:
    """The lines of the page."""
    sizes = [len(next(iter(results.values()))[number]["right"]) for number in range(len(tasks))]
    return [
        "# A few examples of each class",
        "",
        "Written by `python benchmarks/fewshot.py --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        "",
        f"Base {BASE}. {len(tasks)} random triples of Debian's package sections, {EXAMPLES} examples a class (a fifth "
        f"of them chooses the step that is kept), {min(sizes)} to {max(sizes)} test texts each. Chance is 33%. A text "
        "has the section whose name is nearest, but for the head, trained with its prompt, and for logistic "
        "regression, whose strength is chosen by cross-validation. Prompts are 10 vectors in front of every text and "
        "every name, on the frozen encoder, held near the rows of the table that they start from. The interval "
        "resamples triples, and texts within them. Calls are passes over the batch with gradients; seconds are those "
        "of training.",
        "",
        *table(
            ("way", "accuracy", "least to greatest", "against zero-shot (95% interval)", "calls", "seconds"),
            [_row(name, of_way, results["zero-shot"]) for name, of_way in results.items()],
        ),
        "",
        _reading(results),
        "",
        "## By triple",
        "",
        *table(
            ("sections", *results),
            [
                (", ".join(task.labels), *(f"{100 * np.mean(of_way[n]['right']):.1f}" for of_way in results.values()))
                for n, task in enumerate(tasks)
            ],
        ),
    ]


def _row(name: str, results: Sequence[Result], zero: Sequence[Result]) -> list[str]:
    each = [100 * float(np.mean(result["right"])) for result in results]
    change, low, high = (100 * value for value in difference(results, zero))
    return [
        name,
        f"{np.mean(each):.1f}%",
        f"{min(each):.1f} to {max(each):.1f}",
        "" if name == "zero-shot" else f"{change:+.1f} ({low:+.1f} to {high:+.1f})",
        f"{np.mean([result['calls'] for result in results]):.0f}" if results[0]["calls"] else "",
        f"{np.mean([result['seconds'] for result in results]):.1f}",
    ]


def _reading(results: Mapping[str, Sequence[Result]]) -> str:
    """Who wins, and by how much of it one can be sure."""
    best = max(results, key=lambda name: accuracy(results[name]))
    prompt, regression = results["prompt, L-BFGS"], results["logistic regression"]
    change, low, high = (100 * value for value in difference(prompt, regression))
    sure = "ahead of" if low > 0 else "behind" if high < 0 else "level with"
    return (
        f"Best in the mean: {best}. The prompt tuned by L-BFGS is {sure} logistic regression on the frozen vectors "
        f"({change:+.1f} points, {low:+.1f} to {high:+.1f})."
    )


if __name__ == "__main__":
    main()
