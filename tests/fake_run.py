"""A run folder with invented numbers and the shapes of a real one, for tests of what reads run folders."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acclimate.data import check
from acclimate.data.readers import read

BLOCKS = ("embedding_table", "embeddings", *(f"block.{n}" for n in range(6)))

RESOLVED = """\
base: all-MiniLM-L6-v2
data: {train: train.jsonl, query_prompt: null}
method: {kind: full, table_lr_scale: 0.1}
objectives:
- {kind: infonce, temperature: 0.05}
training: {lr: 2.0e-05, batch_size: 64, epochs: 2.0, clip_norm: 1.0, seed: 42}
evaluation: {keep_best: ndcg@10, general_drop_limit: 0.01}
"""


def scores(verdict: str = "gained", gain: float = 0.1281) -> dict[str, Any]:
    """``scores.json`` of a retrieval run."""
    before = {
        "ndcg@10": 0.6119, "mrr": 0.5702, "mrr@10": 0.5611, "recall@1": 0.4821, "recall@5": 0.6802, "recall@10": 0.7418,
        "recall@100": 0.9021, "map@100": 0.5689, "mean_rank": 38.41, "median_rank": 2.0,
        "alignment": 0.8123, "uniformity": -3.2210, "effective_rank": 171.92,
    }  # fmt: skip
    scale = {
        "mean_rank": -100,
        "median_rank": -10,
        "alignment": -1,
        "uniformity": 0.2,
        "effective_rank": 20,
        "recall@100": 0.3,
    }
    after = {name: value + gain * scale.get(name, 1) for name, value in before.items()}
    delta = {
        name: {
            "value": after[name] - value,
            "ci95": sorted((after[name] - value + gain * s) for s in (-0.2, 0.2)),
            "p": 0.0001,
        }
        for name, value in before.items()
        if name not in scale or name == "recall@100"
    }
    general = {
        "score": 0.5031,
        "words/spearman": 0.6021,
        "words/pearson": 0.59,
        "dictionary/ndcg@10": 0.4723,
        "chinese/spearman": 0.4349,
    }
    return {
        "schema": 1,
        "method": "full",
        "base": "all-MiniLM-L6-v2",
        "test": {"before": before, "after": after, "delta": delta},
        "general": {
            "before": general,
            "after": {name: value - 0.0021 for name, value in general.items()},
            "delta": {"score": {"value": -0.0021, "ci95": [-0.0074, 0.0031], "p": 0.4312}},
        },
        "primary_metric": "ndcg@10",
        "bm25": {name: 0.93 * before[name] for name in ("ndcg@10", "mrr@10", "recall@10", "recall@100")},
        "merge": {
            "alpha": 0.8,
            "metric": "ndcg@10",
            "base": {"dev": 0.6, "general": 0.503},
            "floor": 0.498,
            "trials": [{"alpha": a / 5, "dev": 0.6 + 0.03 * a, "general": 0.503 - 0.0012 * a} for a in (5, 4, 3)],
        },
        "cost": {
            "train_seconds": 184.2, "examples_per_second": 108.6, "steps": 312, "peak_memory_bytes": 1_912_000_000,
            "trainable_parameters": 22_713_216, "total_parameters": 22_713_216, "delta_bytes": 90_852_864,
            "model_bytes": 90_868_376, "base_bytes": 90_852_864, "latency_ms_p50": 4.2, "base_latency_ms_p50": 4.1,
        },
        "gate": {"verdict": verdict, "passed": verdict in {"gained", "unproven"}, "reasons": [],
                 "general_drop_limit": 0.01},
    }  # fmt: skip


def metrics(steps: int = 312) -> list[dict[str, Any]]:
    """``metrics.jsonl``: a line a step, and six evaluations."""
    lines: list[dict[str, Any]] = [_evaluation(0, steps)]
    for step in range(steps):
        share = step / steps
        contrast = 1.1 * math.exp(-3 * share) + 0.15 + 0.05 * math.sin(step * 1.7)
        norms = {b: (0.15 + 0.1 * n) * math.exp(-share) * (1.2 + math.sin(step + n)) for n, b in enumerate(BLOCKS)}
        rate = 2e-5 * min((step + 1) / 31, 1 - share)
        lines.append(
            {
                "step": step,
                "epoch": step * 2 // steps,
                "progress": share,
                "seconds": round(0.59 * (step + 1), 4),
                "loss": {"total": contrast + 0.1 * share, "infonce": contrast, "distill": 0.1 * share},
                "grad_norm": math.sqrt(sum(v * v for v in norms.values())),
                "grad_norm_by_block": norms,
                "lr": {"encoder": rate, "encoder.no_decay": rate, "embedding_table": rate / 10},
                "rows": [str(step * 64 + n) for n in range(4)],
            }
        )
        if (step + 1) % 52 == 0:
            lines.append(_evaluation(step + 1, steps))
    for line in lines:
        if "loss" in line and line["step"] < steps // 3:  # the lower half opens later
            for block in ("block.0", "block.1", "block.2"):
                line["grad_norm_by_block"].pop(block)
    lines[steps // 2]["spike"] = ["block.5"]
    lines[40]["loss"] = dict.fromkeys(lines[40]["loss"])
    lines[40]["grad_norm"] = None
    lines[40]["skipped"] = "loss is not finite"
    return lines


def queries(count: int = 60) -> list[dict[str, Any]]:
    """``data/queries.jsonl``: two thirds rise, a sixth falls, the rest stays."""
    lines = []
    for n in range(count):
        before, after = (4 + n * 3, 1 + n % 3) if n % 6 < 4 else (2, 9 + n) if n % 6 == 4 else (1, 1)
        relevant = {"id": f"d{n}", "text": f"Persistent elevation of serum marker {n} above the upper limit of normal."}
        others = [
            {"id": f"x{n}-{k}", "text": f"An unrelated finding, number {k}, of the nervous system. " * (1 + 3 * k)}
            for k in range(3)
        ]
        lines.append(
            {
                "query_id": f"q{n}",
                "query": f"why is my blood value {n} too high" if n % 5 else f"血液指标{n}为什么偏高",
                "relevant": [relevant],
                "rank_before": before,
                "rank_after": after,
                "ndcg_before": 1 / math.log2(1 + before) if before <= 10 else 0.0,
                "ndcg_after": 1 / math.log2(1 + after) if after <= 10 else 0.0,
                "rank_bm25": 1 + n % 7,
                "ndcg_bm25": 1 / math.log2(2 + n % 7),
                "label": f"private-topic-{n % 3}",
                "unseen_words": [f"unheard{n}"] if n % 4 == 0 else [],
                "top_before": _top(relevant, others, before),
                "top_after": _top(relevant, others, after),
            }
        )
    return lines


def map_document(count: int = 60) -> dict[str, Any]:
    """``data/map.json``: the queries of `queries`, and a document for each."""
    points = []
    for n, line in enumerate(queries(count)):
        for kind, text in (("query", line["query"]), ("document", line["relevant"][0]["text"])):
            before = [(n * 37) % 1000, (n * 53 + 11 * (kind == "query")) % 1000]
            after = [(before[0] + 40 * (n % 5)) % 1000, before[1]]
            points.append(
                {"role": kind, "number": n + 1, "text": text, "lines": [n + 1], "before": before, "after": after,
                 "moved": 0.04 * (n % 5)}
            )  # fmt: skip
    kept = {"before": 0.41, "after": 0.38}
    return {"neighbors": 10, "kept": kept, "chance": 0.08, "explained": 0.35, "points": points}


DRIFT: Mapping[str, Any] = {
    "trained": True,
    "rows": 30522,
    "moved": 7012,
    "mean": 0.011,
    "by_count": [
        {"seen": "0", "tokens": 23510, "mean": 0.0, "p90": 0.0},
        {"seen": "4-10", "tokens": 4000, "mean": 0.02, "p90": 0.04},
        {"seen": "101-", "tokens": 3012, "mean": 0.07, "p90": 0.11},
    ],
    "most": [{"token": "secrettoken", "drift": 0.21, "seen": 412}, {"token": "##itis", "drift": 0.19, "seen": 97}],
}


def write_run(folder: Path, **replaced: Any) -> Path:
    """Writes a whole run folder. ``scores=``, ``metrics=``, ``queries=`` ... replace a file; None leaves it out."""
    documents: dict[str, Any] = {
        "scores": scores(), "metrics": metrics(), "queries": queries(), "resolved": RESOLVED,
        "recipe": "base: all-MiniLM-L6-v2\n",
        "environment": ENVIRONMENT, "profile": profile(), "quarantine": QUARANTINE,
        "map": map_document(), "drift": DRIFT,
    } | replaced  # fmt: skip
    paths = {
        "scores": "scores.json", "metrics": "metrics.jsonl", "queries": "data/queries.jsonl",
        "resolved": "resolved.yaml",
        "recipe": "recipe.yaml", "environment": "environment.json", "profile": "data/profile.json",
        "quarantine": "data/quarantine.jsonl", "synthetic": "data/synthetic.jsonl",
        "map": "data/map.json", "drift": "data/drift.json",
    }  # fmt: skip
    (folder / "data").mkdir(parents=True)
    for name, document in documents.items():
        if document is not None:
            (folder / paths[name]).write_text(_as_text(document), encoding="utf-8")
    return folder


ENVIRONMENT: Mapping[str, Any] = {
    "python": "3.11.7",
    "platform": "Linux-6.1",
    "cores": 2,
    "threads": 2,
    "memory_bytes": 24_000_000_000,
    "cuda": None,
    "packages": {"acclimate": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0"},
    "command": "acclimate fit 'my train.jsonl' --test test/ --out runs/labs",
    "data": {"train": "3b1f" * 16, "dev": "split", "test": "9c0e" * 16, "general": "builtin"},
}

QUARANTINE: list[dict[str, Any]] = [
    {"file": "my train.jsonl", "line": 17, "column": 1, "reason": "not a JSON object", "raw": "{a private row"},
    {"file": "my train.jsonl", "line": 204, "column": 12, "reason": "positive is empty", "raw": '{"query": "secret"}'},
    {"file": "my train.jsonl", "line": 205, "column": None, "reason": "query is missing", "raw": None},
]


def profile() -> dict[str, Any]:
    """``data/profile.json`` as the data room makes it, of rows with a duplicate and a query with two positives."""
    rows = [{"question": q["query"], "answer": q["relevant"][0]["text"], "label": "a private class"} for q in queries()]
    rows += [rows[0], rows[1] | {"answer": "Another answer to the same question."}]
    dataset = read(rows)
    document = check.profile(dataset, lambda texts: [len(text.split()) + 2 for text in texts], max_length=12)
    return document | {"splits": {"train": 40, "dev": 10, "test": 10}, "leaks_removed": 2}


def _evaluation(step: int, steps: int) -> dict[str, Any]:
    share = step / steps
    rise = 0.13 * math.sin(2.2 * share)
    dev = {"ndcg@10": 0.6003 + rise, "mrr@10": 0.5521 + rise, "general": 0.5012 - 0.004 * share}
    dev |= {"alignment": 0.81 - 0.3 * rise, "uniformity": -3.2 - 0.5 * share}
    return {"step": step, "epoch": min(step * 2 // steps, 1), "progress": share, "seconds": 0.59 * step, "dev": dev}


def _top(relevant: dict[str, str], others: list[dict[str, str]], rank: int) -> list[dict[str, Any]]:
    documents = [*others[: rank - 1], relevant, *others[rank - 1 :]] if rank <= 3 else others
    return [d | {"score": 0.81 - 0.07 * n, "relevant": d["id"] == relevant["id"]} for n, d in enumerate(documents[:3])]


def _as_text(document: Any) -> str:
    if isinstance(document, str):
        return document
    if isinstance(document, list):
        return "".join(json.dumps(line) + "\n" for line in document)
    return json.dumps(document)
