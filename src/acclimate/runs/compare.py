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
from acclimate.report.comparison import comparison_markdown, comparison_page

SCHEMA = 1
_TIMED = 50  # texts that are encoded one by one for the latency
#: What a row may not be beaten in by another one on all counts: name, and whether more is better.
_CRITERIA = (("test", True), ("general", True), ("train_seconds", False))

#: Runs one method with one seed in a folder: method, seed, folder -> what ``scores.json`` holds.
Fit = Callable[[str, int, Path], Mapping[str, Any]]


def compare_methods(
    methods: Sequence[str], seeds: Sequence[int], out: Path, fit: Fit, time_limit_seconds: float | None = None
) -> dict[str, Any]:
    """Runs every method with every seed, in turn, and puts the figures side by side. Finished runs are not run again.

    Args:
        methods: kinds of the table of methods.
        seeds: of each method; with several, figures are means.
        out: a run lies in ``out/METHOD-SEED``; ``compare.json``, ``compare.md`` and ``compare.html`` beside them.
        fit: does a run.
        time_limit_seconds: of training, where that is equal for all and not the steps.

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
    document = {"schema": SCHEMA, "rows": rows, "time_limit_seconds": time_limit_seconds}
    document["general_drop_limit"] = found[methods[0]][0]["gate"].get("general_drop_limit")
    write_json(out / "compare.json", document)
    write_atomic(out / "compare.md", comparison_markdown(document))
    write_atomic(out / "compare.html", comparison_page(document, out.resolve().name))
    return document


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
    changes["general"] = [run["general"]["delta"].get("score", {"value": 0.0})["value"] for run in runs]
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
            return float(row["general"]["after"].get("score", 0.0))
        case _:
            return float(row["cost"][name])
