"""``compare``: several methods on the same data, splits and steps, one table."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from acclimate.core.errors import UsageError
from acclimate.core.files import read_jsonl, write_atomic, write_json
from acclimate.core.specs import closest
from acclimate.evaluation.efficiency import efficiency_metrics
from acclimate.methods import METHODS
from acclimate.model.store import load_encoder

SCHEMA = 1
_TIMED = 50  # texts that are encoded one by one for the latency
#: What a row may not be beaten in by another one on all counts: name, and whether more is better.
_CRITERIA = (("test", True), ("general", True), ("train_seconds", False))

#: Runs one method with one seed in a folder: method, seed, folder -> what ``scores.json`` holds.
Fit = Callable[[str, int, Path], Mapping[str, Any]]


def compare_methods(methods: Sequence[str], seeds: Sequence[int], out: Path, fit: Fit) -> dict[str, Any]:
    """Runs every method with every seed, in turn, and puts the figures side by side. Finished runs are not run again.

    Args:
        methods: kinds of the table of methods.
        seeds: of each method; with several, figures are means.
        out: a run lies in ``out/METHOD-SEED``; ``compare.json`` and ``compare.md`` beside them.
        fit: does a run.

    Returns:
        what ``compare --json`` prints. Each row has ``method``, ``seeds``, ``primary_metric``, ``test``, ``general``
        and ``cost`` as in ``scores.json`` (of an interval the mean of both ends, of p the greatest), ``spread`` (least
        and greatest change of the main metrics over the seeds), ``verdicts``, and ``pareto``: no other row is at least
        as good on the test, the general score and the seconds of training, and better on one of them.

    Raises:
        UsageError: a method that there is not, or one named twice.
    """
    for method in methods:
        if method not in METHODS:
            hint = closest(method, list(METHODS)) or f"known are {', '.join(METHODS)}"
            raise UsageError(f"unknown method {method!r}", hint)
        if methods.count(method) > 1:
            raise UsageError(f"method {method} is named twice", "name each once; --seeds repeats all of them")
    if not methods:
        raise UsageError("no method to compare", f"name some of {', '.join(METHODS)}")
    found: dict[str, list[Mapping[str, Any]]] = {method: [] for method in methods}
    for seed in seeds:  # seeds outside: what slows the machine for a while slows all methods
        for method in methods:
            folder = out / f"{method}-{seed}"
            found[method].append(_with_latency(fit(method, seed, folder), folder))
    rows = [_row(method, list(seeds), runs) for method, runs in found.items()]
    for row in rows:
        row["pareto"] = not any(_dominates(other, row) for other in rows)
    document = {"schema": SCHEMA, "rows": rows}
    write_json(out / "compare.json", document)
    write_atomic(out / "compare.md", markdown(document))
    return document


def table_of(document: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The head and the rows of the table that people read, best on the test first."""
    rows = sorted(document["rows"], key=lambda row: -row["test"]["after"][row["primary_metric"]])
    metric = rows[0]["primary_metric"]
    head = ("method", metric, "change", "95% interval", "general", "weights", "delta", "seconds", "memory", "ms")
    return (*head, "front"), [_cells(row) for row in rows]


def markdown(document: Mapping[str, Any]) -> str:
    """The table as Markdown, with what its columns mean."""
    head, rows = table_of(document)
    seeds = document["rows"][0]["seeds"]
    lines = [
        "# Methods side by side",
        "",
        f"The same rows, splits and steps for all; {_plural(len(seeds), 'seed')}. Columns: the test figure after "
        "tuning, its change against the base and the interval of that change; the change of the general score; the "
        "share of the weights that trained; the size of what has to be kept beside the base; seconds of training; "
        "memory of the process; milliseconds to encode one text; and whether no other row is at least as good on test, "
        "general score and seconds.",
        "",
        f"| {' | '.join(head)} |",
        f"| {' | '.join(['---'] * len(head))} |",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def _with_latency(scores: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The scores, with the milliseconds that the result takes for one text; measured once, kept beside the run."""
    kept = folder / "latency.json"
    if not kept.is_file():
        items = list(read_jsonl(folder / "data" / "test.jsonl"))[:_TIMED]
        texts = [str(item.get("query") or item.get("first") or item.get("text")) for item in items]
        model = folder / "model"
        encode = load_encoder(model).encode
        timed = efficiency_metrics(encode, texts, texts, model_folder=model, clock=time.perf_counter)
        write_json(kept, {name: value for name, value in timed.items() if name.startswith("latency")})
    return {**scores, "cost": {**scores["cost"], **json.loads(kept.read_text(encoding="utf-8"))}}


def _row(method: str, seeds: list[int], runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    metric = runs[0]["primary_metric"]
    changes = {"test": [run["test"]["delta"][metric]["value"] for run in runs]}
    changes["general"] = [run["general"]["delta"]["score"]["value"] for run in runs]
    return {
        "method": method,
        "seeds": seeds,
        "primary_metric": metric,
        **{part: _mean([run[part] for run in runs]) for part in ("test", "general", "cost")},
        "spread": {part: [min(values), max(values)] for part, values in changes.items()},
        "verdicts": [run["gate"]["verdict"] for run in runs],
    }


def _mean(values: Sequence[Any], name: str = "") -> Any:
    """The mean of JSON documents of one shape, number by number; of p the greatest."""
    match values[0]:
        case Mapping():
            return {key: _mean([value[key] for value in values], key) for key in values[0]}
        case list():
            return [_mean(list(items)) for items in zip(*values, strict=True)]
        case int() | float():
            if len(values) == 1:
                return values[0]
            return max(values) if name == "p" else fmean(values)
        case _:
            return values[0]


def _dominates(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    pairs = [(_criterion(one, name), _criterion(other, name), more) for name, more in _CRITERIA]
    return all(a >= b if more else a <= b for a, b, more in pairs) and any(a != b for a, b, _ in pairs)


def _criterion(row: Mapping[str, Any], name: str) -> float:
    match name:
        case "test":
            return float(row["test"]["after"][row["primary_metric"]])
        case "general":
            return float(row["general"]["after"]["score"])
        case _:
            return float(row["cost"][name])


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    metric, cost = row["primary_metric"], row["cost"]
    delta = row["test"]["delta"][metric]
    low, high = delta["ci95"]
    return (
        row["method"],
        f"{row['test']['after'][metric]:.4f}",
        f"{delta['value']:+.4f}",
        f"{low:+.4f} .. {high:+.4f}",
        f"{row['general']['delta']['score']['value']:+.4f}",
        f"{cost['trainable_parameters'] / cost['total_parameters']:.1%}",
        f"{cost['delta_bytes'] / 1e6:.1f} MB",
        f"{cost['train_seconds']:.0f}",
        f"{cost['peak_memory_bytes'] / 1e9:.1f} GB",
        f"{cost['latency_ms_p50']:.1f}",
        "yes" if row["pareto"] else "",
    )


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count > 1 else ''}"
