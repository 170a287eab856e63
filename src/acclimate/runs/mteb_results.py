"""A run's test as results of MTEB, which its tools read beside those of other models and tasks."""

import hashlib
import importlib.util
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acclimate.core.errors import UsageError
from acclimate.core.files import sha256_file
from acclimate.model.bases import hub_id

#: Metrics that both have, by the name of ours.
NAMES = {
    **{f"{name}@{k}": f"{name}_at_{k}" for name, k in (("ndcg", 10), ("mrr", 10), ("map", 100))},
    **{f"recall@{k}": f"recall_at_{k}" for k in (1, 5, 10, 100)},
    "spearman": "cosine_spearman",
    "pearson": "cosine_pearson",
    "accuracy": "accuracy",
    "macro_f1": "f1",
}
_UNKNOWN = "und-Zyyy"  # a language and a script that nobody has determined, by ISO 639-3 and 15924
_REVISION = 40  # hexadecimal digits, as git has


def write_mteb_results(run: Path, out: Path) -> list[Path]:
    """Writes what ``mteb.ResultCache(out).load_results()`` reads: the base and the tuned model as two models.

    The test set is a task with the name of the run, and each further task ``RUN-TASK``; the revision of its data is the
    SHA-256 of what was scored. Metrics that MTEB has no name for are left out.

    Args:
        run: its folder.
        out: the folder of results, which may hold others.

    Returns:
        the files, a model and task each.

    Raises:
        UsageError: no finished run on texts, or mteb is not installed.
    """
    if importlib.util.find_spec("mteb") is None:
        raise UsageError("--to mteb needs the library mteb", 'pip install "acclimate[mteb]"')
    scored = run / "data" / "test.jsonl"
    if not (run / "scores.json").is_file() or not scored.is_file():
        raise UsageError(f"{run} is no finished run of fit", "give the folder that fit wrote, as runs/terms")
    from mteb.cache import ResultCache
    from mteb.models.model_meta import ModelMeta, ScoringFunction
    from mteb.results import TaskResult

    scores: dict[str, Any] = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    decided: dict[str, Any] = json.loads((run / "data" / "fingerprint.json").read_text(encoding="utf-8"))
    name, base = _plain(run.resolve().name), scores["base"]
    known = hub_id(base)
    tasks = {name: (scores["primary_metric"], scores["test"], scored)}
    for task, part in scores.get("tasks", {}).items():
        tasks[f"{name}-{task}"] = (part["primary_metric"], part, run / "data" / "tasks" / task / "test.jsonl")
    models = {
        "before": (known or f"local/{_plain(Path(base).name)}", decided["weights of the base"], None),
        "after": (f"acclimate/{name}", decided, known),
    }
    cache, files = ResultCache(out), []
    for side, (model, revision, adapted_from) in models.items():
        about = {
            "name": model,
            "revision": hashlib.sha256(json.dumps(revision, sort_keys=True).encode()).hexdigest()[:_REVISION],
            "n_parameters": scores["cost"]["total_parameters"],
            "adapted_from": adapted_from,
            "similarity_fn_name": ScoringFunction.COSINE,
        }
        meta = ModelMeta.create_empty(overwrites=about)
        for task, (metric, part, data) in tasks.items():
            result = TaskResult(
                task_name=task,
                dataset_revision=sha256_file(data),
                mteb_version=None,  # of what scored it, and that was not MTEB
                evaluation_time=None,
                scores={"test": [_scores(metric, part[side])]},
            )
            cache.save_to_cache(result, meta)
            files.append(cache.get_task_result_path(task, model, about["revision"]))
    return files


def _scores(metric: str, metrics: Mapping[str, float]) -> dict[str, Any]:
    told = {NAMES[name]: float(value) for name, value in metrics.items() if name in NAMES}
    return {**told, "main_score": told[NAMES[metric]], "hf_subset": "default", "languages": [_UNKNOWN]}


def _plain(text: str) -> str:
    """A name that is a file's name on any machine."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "run"
