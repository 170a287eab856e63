"""Scores of an encoder on all that a run is judged by, and what they say beside those of the base."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.data.bm25 import Bm25
from acclimate.evaluation import (
    Encode,
    GeneralOutcome,
    Outcome,
    RetrievalTask,
    Task,
    Verdict,
    compare,
    compare_general,
    evaluate,
    evaluate_general,
    judge,
)
from acclimate.evaluation.gate import ROUNDING
from acclimate.evaluation.retrieval import RetrievalScores, metrics_from_scores
from acclimate.runs.prepare import Prepared

OF_WORDS = ("ndcg@10", "mrr@10", "recall@10", "recall@100")
_MOST_DOCUMENTS, _QUERIES, _DEPTH = 200_000, 32, 100  # of BM25: what takes seconds, and megabytes at a time


@dataclass(frozen=True, slots=True)
class Scored:
    """An encoder's scores on test, on the tests of further tasks, and on what must not be forgotten."""

    test: Outcome
    tasks: tuple[Outcome, ...]
    general: GeneralOutcome

    def keep(self, folder: Path) -> None:
        """Writes them for a resumed run."""
        paths = _kept(folder)
        _save_arrays(paths["test"], self.test.to_arrays())
        _save_arrays(paths["tasks"], GeneralOutcome(self.tasks).to_arrays())
        _save_arrays(paths["general"], self.general.to_arrays())

    @classmethod
    def kept(cls, folder: Path) -> "Scored | None":
        """What `keep` wrote, if it wrote all."""
        if not all(path.is_file() for path in _kept(folder).values()):
            return None
        found = {}
        for name, path in _kept(folder).items():
            with np.load(path, allow_pickle=False) as arrays:
                found[name] = dict(arrays)
        tasks, general = (GeneralOutcome.from_arrays(found[name]) for name in ("tasks", "general"))
        return cls(Outcome.from_arrays(found["test"]), tasks.outcomes, general)


def scored(prepared: Prepared, encode: Encode) -> Scored:
    """The scores of what encodes."""
    test, tasks = evaluate(prepared.test, encode), [evaluate(t.test, encode) for t in prepared.tasks.values()]
    general = prepared.general_test  # none: no text is read, so none is forgotten
    return Scored(test, tuple(tasks), evaluate_general(general, encode) if general else GeneralOutcome(()))


def judged(
    before: Scored, after: Scored, *, seed: int, general_drop_limit: float, strict: bool, diverged: bool
) -> tuple[dict[str, Any], Verdict]:
    """What ``scores.json`` says of test, tasks and general score of base and tuned encoder, and the gate's verdict."""
    delta = compare(before.test, after.test, seed)
    general_delta = compare_general(before.general, after.general, seed) if before.general.outcomes else {}
    both = list(zip(before.tasks, after.tasks, strict=True))
    deltas = {one.task: compare(one, other, seed) for one, other in both}
    verdict = judge(
        delta[before.test.main_metric],
        general_delta.get("score"),
        delta_tasks={one.task: deltas[one.task][one.main_metric] for one in before.tasks},
        general_drop_limit=general_drop_limit,
        strict=strict,
        diverged=diverged,
    )
    tasks = {
        one.task: {
            "primary_metric": one.main_metric,
            "before": one.metrics,
            "after": other.metrics,
            "delta": deltas[one.task],
        }
        for one, other in both
    }
    document = {
        "test": {"before": before.test.metrics, "after": after.test.metrics, "delta": delta},
        **({"tasks": tasks} if tasks else {}),
        "general": {"before": before.general.metrics, "after": after.general.metrics, "delta": general_delta},
    }
    return document, verdict


def by_words(task: Task) -> RetrievalScores | None:
    """What BM25 reaches on a test of queries, with its first hundred documents: `OF_WORDS` are its metrics.

    None where that says nothing or takes long: other tasks, documents that are left out for some queries, and very
    many of them.
    """
    if not isinstance(task, RetrievalTask) or task.excluded or len(task.documents) > _MOST_DOCUMENTS:
        return None
    words, run = Bm25(task.documents), {}
    for start in range(0, len(task.queries), _QUERIES):
        some = slice(start, start + _QUERIES)
        scores = words.scores(task.queries[some])
        for row, name in enumerate(task.query_ids[some]):
            part = slice(scores.indptr[row], scores.indptr[row + 1])
            found, value = scores.indices[part], scores.data[part]
            if len(found) > _DEPTH:
                best = value >= np.partition(value, len(value) - _DEPTH)[len(value) - _DEPTH]
                found, value = found[best], value[best]
            run[name] = {task.document_ids[d]: float(s) for d, s in zip(found, value, strict=True)}
    relevant = {
        name: {task.document_ids[row]: grade for row, grade in of_query.items()}
        for name, of_query in zip(task.query_ids, task.relevant, strict=True)
    }
    return metrics_from_scores(run, relevant)


def told_apart(before: Outcome, after: Outcome) -> dict[str, int] | None:
    """How many test queries are better, the same and worse by nDCG@10, and how many of these left the first 10."""
    if before.kind != "retrieval":
        return None
    change = after.per_item["ndcg@10"] - before.per_item["ndcg@10"]
    found = [outcome.per_item["mrr@10"] > 0 for outcome in (before, after)]
    worse = change < -ROUNDING
    return {
        "better": int((change > ROUNDING).sum()),
        "same": int((np.abs(change) <= ROUNDING).sum()),
        "worse": int(worse.sum()),
        "lost": int((worse & found[0] & ~found[1]).sum()),
    }


def _kept(folder: Path) -> dict[str, Path]:
    return {name: folder / f"{name}_before.npz" for name in ("test", "tasks", "general")}


def _save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".tmp.npz")
    np.savez(staged, **arrays)  # type: ignore[arg-type]
    staged.replace(path)
