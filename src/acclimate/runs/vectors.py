"""``fit_vectors``: an adapter of vectors that come from anywhere, such as an API whose model nobody else has.

The engine, the losses, the split and the gate are those of ``fit``; a text is the number of a row of the vectors.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from acclimate.core.errors import DataError, DivergedError, InterruptedRunError, Place, UsageError
from acclimate.core.files import replace_folder, write_json
from acclimate.data.roles import TEACHER
from acclimate.data.split import split
from acclimate.data.vectors import NamedVectors, pairs_of_rows
from acclimate.engine.checkpoint import CheckpointStore
from acclimate.engine.loop import Callbacks, Progress, Trainer
from acclimate.evaluation import Outcome, compare, evaluate, judge, passes
from acclimate.evaluation.efficiency import count_peak_from_here, model_bytes, peak_memory_bytes
from acclimate.model.adapter_folder import save_adapter
from acclimate.model.residual import Residual, ResidualLayer
from acclimate.model.vector_table import VectorTable
from acclimate.recipe import Recipe
from acclimate.recipe.resolve import Facts, Plan, resolve
from acclimate.regularizers.distill import mean_distance
from acclimate.runs.cut import MIN_ROWS
from acclimate.runs.merging import blend
from acclimate.runs.show import Show
from acclimate.runs.stopping import CTRL_C, Stop
from acclimate.runs.tasks import smaller, task_of
from acclimate.runs.training import Sizes, build_trainer
from acclimate.runs.workspace import MetricsLog, Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from acclimate.data.examples import Dataset, Example
    from acclimate.evaluation import Task
    from acclimate.model.encoder import Encoder

SCHEMA = 1
_SAMPLE = 1000  # vectors that say how far apart all are


@dataclass(frozen=True, slots=True)
class VectorRequest:
    """One call of ``fit_vectors``.

    Attributes:
        named: the vectors by id.
        pairs: a path, or rows in memory, of ids.
        columns: role -> column of the pairs.
        recipe: what decides the result.
        out: the run folder.
        keep_anyway: ``adapter/`` is the tuned one whatever the gate says.
        strict: ``unproven`` does not pass.
        restart: forget an earlier run in the same folder.
    """

    named: NamedVectors
    pairs: Any
    columns: "Mapping[str, str]"
    recipe: Recipe
    out: Path
    keep_anyway: bool = False
    strict: bool = False
    restart: bool = False


def fit_vectors(request: VectorRequest, show: Show) -> dict[str, Any]:
    """Splits, scores the vectors as they are, trains, scores the result, judges, saves. Resumes where it stopped.

    Returns:
        what ``scores.json`` holds.

    Raises:
        AcclimateError: see its kinds; nothing is half-written.
    """
    count_peak_from_here()
    dataset = pairs_of_rows(request.pairs, request.named, request.columns)
    workspace = Workspace(request.out)
    run = _Run(request, workspace, dataset, show)
    digest = hashlib.sha256(request.named.vectors.reshape(-1).view(np.uint8).data).hexdigest()
    identity = request.recipe.model_dump(mode="json") | {"vectors": digest, "pairs data": dataset.sha256}
    with workspace.locked():
        workspace.claim(identity, restart=request.restart)
        if workspace.scores.is_file() and workspace.adapter.is_dir():
            return _finished(request, workspace, show)
        return run.execute()


def _finished(request: VectorRequest, workspace: Workspace, show: Show) -> dict[str, Any]:
    scores: dict[str, Any] = json.loads(workspace.scores.read_text())
    show.say(f"{workspace.path} is finished; restart trains again")
    if request.keep_anyway and workspace.rejected.is_dir():
        replace_folder(workspace.rejected, workspace.adapter)
    scores["gate"]["passed"] = passes(scores["gate"]["verdict"], strict=request.strict)
    write_json(workspace.scores, scores)
    show.verdict(scores)
    return scores


class _Run:
    """The stages of one run."""

    def __init__(self, request: VectorRequest, workspace: Workspace, dataset: "Dataset", show: Show) -> None:
        self.request, self.workspace, self.dataset, self.show = request, workspace, dataset, show
        data, seed = request.recipe.data, request.recipe.training.seed
        parts = split(dataset, seed=seed, dev=data.dev_share, test=data.test_share)
        if len(parts.train) < MIN_ROWS:
            where = Place(dataset.path) if dataset.path else None
            problem = f"{len(parts.train)} usable rows are too few to train on"
            raise DataError(problem, f"give at least {MIN_ROWS}, better 200 and more", where)
        self.train: Sequence[Example] = parts.train
        self.test: Task = task_of("test", dataset, parts.test)
        self.dev: Task = smaller(task_of("dev", dataset, parts.dev), seed)
        self.table = VectorTable(request.named.vectors)
        self.plan = self._plan()

    def execute(self) -> dict[str, Any]:
        """All stages in order."""
        show = self.show
        decided = self.plan.decided
        show.stage("plan", f"method {decided.method.kind}: {decided.method.summary}")
        show.detail(f"{decided.epochs:g} epochs of {len(self.train)} rows, learning rate {decided.lr:g}")
        show.stage("before", "scoring the vectors as they are")
        before = evaluate(self.test, self.table.encode)
        trainer, sizes, progress, base = self._train()
        show.stage("after", "scoring the adapted vectors")
        if progress.diverged and progress.best_step < 0:
            blend(trainer.parameters, base, base, 0.0)
        scores = self._judge(before, evaluate(self.test, self.table.encode), progress, sizes)
        self._save(scores, trainer, base)
        return scores

    def _plan(self) -> Plan:
        if self.request.recipe.data.replay != "none":
            raise UsageError("data.replay reads texts, and there are only vectors", "give its pairs beside the others")
        if self.request.recipe.data.source != "none":
            raise UsageError("data.source reads texts, and there are only vectors", "give its pairs beside the others")
        if self.request.recipe.data.feedback != "none":
            raise UsageError(
                "data.feedback is of texts, and there are only vectors", "give its pairs beside the others"
            )
        if self.request.recipe.data.tasks:
            raise UsageError("data.tasks are of texts, and there are only vectors", "leave it out")
        if self.request.recipe.data.mining != "none":
            raise UsageError("data.mining reads texts, and there are only vectors", "give negatives in the pairs")
        if self.request.recipe.vocabulary != "none":
            raise UsageError("vocabulary finds words in texts, and there are only vectors", "leave it out")
        step = max(1, len(self.table.table.weight) // _SAMPLE)
        some = torch.nn.functional.normalize(self.table.table.weight[::step], dim=-1)
        facts = Facts(
            rows=len(self.train),
            kind="pairs",
            main_metric=self.dev.main_metric,
            base_max_length=self.table.max_length,
            base_distance=float(mean_distance(some)) if len(some) > 1 else 1.0,
            device="cpu",
            precision="fp32",
            packs=False,
            taught=not set(TEACHER).isdisjoint(self.dataset.roles.values()),
        )
        return resolve(self.request.recipe, facts)

    def _encode_dev(self, texts: Any, role: str) -> np.ndarray:
        vectors = self.table.encode(texts, role)
        if not np.isfinite(vectors).all():
            raise DivergedError("vectors hold NaN or infinity", "take a smaller lr")
        return vectors

    def _train(self) -> tuple[Trainer, Sizes, Progress, dict[str, torch.Tensor]]:
        stop = Stop()
        log: list[MetricsLog] = []
        callbacks = Callbacks(
            evaluate=lambda: evaluate(self.dev, self._encode_dev).metrics,
            log=lambda record: (log[0].append(record), self.show.record(record))[0],  # type: ignore[func-returns-value]
            stop=stop.reason,
        )
        trainer, sizes = build_trainer(
            self.plan,
            cast("Encoder", self.table),  # it has what training and methods on vectors ask of one
            self.dataset.kind,
            self.train,
            self.workspace,
            callbacks,
            CheckpointStore(self.workspace.checkpoints, self.show.detail),
            self.show.detail,
            lambda: VectorTable(self.request.named.vectors).encode,
        )
        base = {name: p.detach().clone() for name, p in trainer.parameters.items()}
        trainer.restore()
        log.append(MetricsLog(self.workspace.metrics, trainer.progress.records))
        self.show.stage("train", CTRL_C)
        self.show.training(sizes, trainer.progress.step)
        try:
            with stop.listening():
                progress = trainer.train()
        finally:
            log[0].close()
            self.show.trained()
        if not progress.finished:
            problem = f"stopped and saved at step {progress.step} of {sizes.steps}"
            raise InterruptedRunError(problem, "make the same call to go on")
        return trainer, sizes, progress, base

    def _judge(self, before: Outcome, after: Outcome, progress: Progress, sizes: Sizes) -> dict[str, Any]:
        delta = compare(before, after, self.request.recipe.training.seed)
        verdict = judge(delta[before.main_metric], None, strict=self.request.strict, diverged=progress.diverged)
        return {
            "schema": SCHEMA,
            "method": self.plan.decided.method.kind,
            "base": self.request.recipe.base,
            "primary_metric": before.main_metric,
            "test": {"before": before.metrics, "after": after.metrics, "delta": delta},
            "general": {"before": {}, "after": {}, "delta": {}},
            "cost": {
                "train_seconds": round(progress.seconds, 3),
                "examples_per_second": round(progress.examples / max(progress.seconds, 1e-9), 3),
                "steps": progress.step,
                "best_step": progress.best_step,
                "peak_memory_bytes": peak_memory_bytes(),
                "trainable_parameters": sizes.trainable_parameters,
                "total_parameters": sizes.trainable_parameters,
            },
            "gate": {"verdict": verdict.verdict, "passed": verdict.passed, "reasons": verdict.reasons},
        }

    def _save(self, scores: dict[str, Any], trainer: Trainer, base: dict[str, torch.Tensor]) -> None:
        """The adapter, or where it did not pass one that changes nothing, with the tuned one in ``rejected/``."""
        passed = scores["gate"]["passed"] or scores["gate"]["verdict"] == "unproven" or self.request.keep_anyway
        if not passed:
            self._write(self.workspace.rejected)
            blend(trainer.parameters, base, base, 0.0)
        self._write(self.workspace.adapter)
        scores["cost"]["delta_bytes"] = scores["cost"]["model_bytes"] = model_bytes(self.workspace.adapter)
        write_json(self.workspace.scores, scores)
        self.workspace.remove_working_files()
        self.show.verdict(scores)
        self.show.titled("adapter", f"{self.workspace.adapter}")

    def _write(self, folder: Path) -> None:
        staged = folder.with_name(f".{folder.name}.tmp")
        (settings,), (layer,) = self.table.extensions, self.table.vector_adapters
        save_adapter(staged, cast("Residual", settings), cast("ResidualLayer", layer))
        replace_folder(staged, folder)
