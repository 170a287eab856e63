"""The stages of a run, from the base to the verdict."""

import json
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from acclimate.advisor import Advice, advise, headroom
from acclimate.core.errors import DivergedError, InterruptedRunError
from acclimate.core.files import replace_folder, write_atomic, write_json, write_jsonl
from acclimate.data.examples import Example, Kind
from acclimate.data.items import ItemRows
from acclimate.data.pairs import PairTable, TextNumbers
from acclimate.engine.checkpoint import CheckpointStore
from acclimate.engine.loop import Callbacks, Progress, Trainer
from acclimate.evaluation import (
    ClassificationTask,
    Encode,
    Outcome,
    RetrievalTask,
    Task,
    evaluate_together,
)
from acclimate.evaluation.classification import classification_metrics
from acclimate.evaluation.efficiency import latencies, model_bytes, peak_memory_bytes
from acclimate.methods.delta import write_delta
from acclimate.model.bases import fingerprint
from acclimate.model.license import stated_license
from acclimate.model.store import save_encoder
from acclimate.model.surgery import parts
from acclimate.recipe.read import write_recipe
from acclimate.recipe.tree import Recipe
from acclimate.report.build import write_report
from acclimate.runs.adaptation import DomainTexts, Reporting, adapt
from acclimate.runs.advising import refusal, situation_of
from acclimate.runs.beside import prompted
from acclimate.runs.card import model_card
from acclimate.runs.causes import CauseFacts, likely_causes
from acclimate.runs.check import language_notes
from acclimate.runs.cut import asked_of, size
from acclimate.runs.drift import drift_of
from acclimate.runs.machine import environment
from acclimate.runs.mapping import Watched
from acclimate.runs.merging import blend, choose_share, dev_scores
from acclimate.runs.mining import Mining, others_of
from acclimate.runs.planning import Request, encode_as, load_base, plan_for
from acclimate.runs.prepare import Prepared, write_prepared
from acclimate.runs.regularizers import write_importance
from acclimate.runs.scores import OF_WORDS, Scored, by_words, judged, scored, told_apart
from acclimate.runs.shift import distance_of_domains
from acclimate.runs.show import Show
from acclimate.runs.stopping import CTRL_C, Stop
from acclimate.runs.told import told_of_queries, unseen_words
from acclimate.runs.tracking import Tracking
from acclimate.runs.training import Sizes, TaskRows, build_trainer, heads_of
from acclimate.runs.vocabulary import Vocabulary
from acclimate.runs.weighing import weighed
from acclimate.runs.workspace import MetricsLog, Workspace

if TYPE_CHECKING:
    from acclimate.evaluation.retrieval import RetrievalScores
    from acclimate.model.encoder import Encoder

SCHEMA = 1
_TIMED = 30  # queries
_LOOKED_AT = 2_000  # rows, where nothing was gained: the base encodes them in seconds, if it has not done so
_SMALLER = 0.5  # of the model's weights; what trained more is no delta that anybody would keep beside it


class Stages:
    """The stages of one run, each of which can be repeated after an interruption."""

    def __init__(
        self,
        request: Request,
        workspace: Workspace,
        base: Path,
        prepared: Prepared,
        show: Show,
        tracking: Tracking,
    ) -> None:
        self.request, self.workspace, self.prepared, self.show = request, workspace, prepared, show
        self.base, self.tracking = base, tracking
        self.encoder = self._load_base()
        self._vocabulary = self._vocabulary_of(request.recipe)
        self._texts = self._texts_of(request.recipe)
        self._adapted: dict[str, Any] = {}
        self._words: RetrievalScores | None = None
        self._watched = Watched(prepared.test, request.recipe.training.seed, workspace.cache)
        self._drift: dict[str, Any] | None = None
        self.advice = self._advice()
        self.plan = plan_for(request.recipe, base, prepared, self.encoder, self._vocabulary, self.advice)
        self.recipe = self.plan.recipe
        self._mining = self._mining_of(self.recipe)

    def execute(self) -> dict[str, Any]:
        """All stages in order."""
        self._write_start()
        source = self._source_rows()
        train = self._with_negatives()
        before = self._score_base()
        domains = self._distance_of_base()
        self._add_words()
        self._adapt()
        trainer, sizes, progress = self._train(train, source)
        failed = progress.diverged and progress.best_step < 0  # nothing finite was left: the base stands for the result
        if failed:
            merged: dict[str, Any] = {"alpha": 0.0, "trials": []}
            self.encoder = self._load_base()
            after = before
        else:
            merged = self._merge(trainer)
            self._drift = drift_of(self.encoder, self._base_weights, self.workspace.cache / "features" / "ids.bin")
            self.encoder.heads = heads_of(trainer.unit)  # a head of the base's vectors would not tell these apart
            self._write_delta(trainer, sizes)
            self.plan.decided.method.fold(self.encoder)
            self.show.stage("after", "scoring the tuned model")
            after = scored(self.prepared, self._watched.watching("after", self._encode))
        self._leave_importance(trainer)
        scores = self._judge(before, after, progress, sizes, merged)
        if not failed:
            self._time(scores)
        self._explain(scores, progress)
        if domains:
            scores["domains"] = {"before": domains, "after": domains if failed else self._distance()}
        self._save(scores, before.test, after.test)
        self.tracking.end(scores)
        self.show.result(scores, self.workspace.path)
        return scores

    # -- stages --------------------------------------------------------------------------------------------------

    def _load_base(self) -> "Encoder":
        return load_base(self.request.recipe, self.base)

    def _mining_of(self, recipe: Recipe) -> Mining | None:
        miner, prepared, seed = recipe.data.mining, self.prepared, recipe.training.seed
        if miner == "none" or isinstance(prepared.train, ItemRows):
            return None
        return Mining(miner, prepared.train, others_of(prepared), self.workspace, seed, self.plan.decided.device)

    def _vocabulary_of(self, recipe: Recipe) -> Vocabulary | None:
        settings, train = recipe.vocabulary, self.prepared.train
        if settings == "none" or isinstance(train, ItemRows):  # of ids, the plan refuses it
            return None
        return Vocabulary(settings, train, self.encoder, self.workspace, recipe.training.seed)

    def _texts_of(self, recipe: Recipe) -> DomainTexts | None:
        settings, train = recipe.adaptation, self.prepared.train
        if settings == "none" or isinstance(train, ItemRows):  # of ids, the plan refuses it
            return None
        return DomainTexts.of(settings, train)

    def _advice(self) -> Advice | None:
        """What method ``auto`` means. A run that is taken up goes on with what was decided when it began."""
        if self.request.recipe.method != "auto":
            return None
        known = None if self.request.restart else self.workspace.claimed.get("advice")
        if known is not None:
            return Advice.from_dict(known)
        recipe = self.request.recipe
        situation = situation_of(recipe, self.base, self.prepared, self.encoder)
        return advise(situation, partial(refusal, recipe, self.base))

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the result beside recipe and data."""
        advice = {} if self.advice is None else {"advice": self.advice.as_dict()}
        return advice | ({} if self._texts is None else {"texts of adaptation": self._texts.sha256})

    def _write_start(self) -> None:
        path, prepared = self.workspace.path, self.prepared
        write_atomic(path / "recipe.yaml", write_recipe(self.request.recipe))
        write_atomic(path / "resolved.yaml", write_recipe(self.recipe))
        write_json(
            path / "environment.json", {**environment(), "command": self.request.command, "data": prepared.hashes}
        )
        if not (self.workspace.data / "profile.json").is_file():
            lengths: Callable[[Sequence[str]], list[int]] = lambda texts: [  # noqa: E731
                len(ids) for ids in self.encoder.tokenize(texts, None)
            ]
            write_prepared(self.workspace.data, prepared, lengths, self.plan.decided.max_length)
        self.show.run(path, self.recipe.training.seed, self.plan.decided.device)
        problems = json.loads((self.workspace.data / "profile.json").read_text()).get("problems", ())
        self.show.data(prepared, self.workspace.data / "quarantine.jsonl", problems)
        self.show.plan(self.plan)
        self.show.detail("acclimate plan with the same options measures time, memory and disk beforehand")

    def _score_base(self) -> Scored:
        before = Scored.kept(self.workspace.cache)
        self.show.stage(
            "before", "scoring the base" if before is None else "the base's scores, found by the run before"
        )
        if before is None:
            before = scored(self.prepared, self._watched.watching("before", self._encode_base()))
            self._watched.keep()
            before.keep(self.workspace.cache)  # last: what is kept by then is all there
        self._words = by_words(self.prepared.test) if self.encoder.reads == "texts" else None
        self.show.scores(before.test.metrics, before.general.metrics.get("score"), self._of_words)
        if (left := headroom(before.test)) and left.warning:
            self.show.detail(f"warning: {left.warning}")
        return before

    def _distance_of_base(self) -> dict[str, dict[str, float]]:
        """How well the base's vectors tell source from target, where something trains against that."""
        if not any(regularizer.compares_domains for regularizer in self.plan.decided.regularizers):
            return {}
        kept = self.workspace.cache / "domains_before.json"
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_json(kept, self._distance())
        found: dict[str, dict[str, float]] = json.loads(kept.read_text())
        return found

    def _distance(self) -> dict[str, dict[str, float]]:
        prepared = self.prepared
        assert prepared.source is not None
        assert not isinstance(prepared.train, ItemRows)
        return distance_of_domains(prepared.source.rows, prepared.train, self._encode)

    def _evaluate_dev(self) -> dict[str, float]:
        return evaluate_together(self.prepared.dev, self._dev_beside, self._encode_dev)

    @property
    def _dev_beside(self) -> dict[str, Task]:
        return {name: task.dev for name, task in self.prepared.tasks.items()}

    def _encode(self, texts: Sequence[str], role: str) -> np.ndarray:
        """Test vectors are always float32, so that `evaluate` finds the same figures on any machine."""
        return self.encoder.encode(texts, role, progress=self.show.encoding)

    def _encode_base(self, base: "Encoder | None" = None) -> Encode:
        """What encodes as the base does: the encoder, before it trains, or another one."""
        return encode_as(base or self.encoder, self.base, self.show, known=self.recipe.training.cache)

    def _encode_dev(self, texts: Sequence[str], role: str, encoder: "Encoder | None" = None) -> np.ndarray:
        precision: Literal["fp32", "bf16"] = "bf16" if self.plan.decided.precision == "bf16" else "fp32"
        vectors = (encoder or self.encoder).encode(texts, role, precision=precision)
        if not np.isfinite(vectors).all():
            raise DivergedError("vectors hold NaN or infinity", "take a smaller --lr")
        return vectors

    def _source_rows(self) -> Sequence[Example]:
        """The rows of a source, each with what it counts, and behind its prompts."""
        source, train, data = self.prepared.source, self.prepared.train, self.recipe.data
        if source is None:
            return ()
        rows = source.rows
        if data.weighting != "none" and not isinstance(train, ItemRows):
            self.show.stage("weigh", "looking how much rows of the source are like those of TRAIN")
            seed = self.recipe.training.seed
            rows = weighed(data.weighting, rows, train, self.workspace, self._encode_base(), seed)
            self.show.weighed(json.loads((self.workspace.data / "weighting.json").read_text()))
        return prompted(rows, data.source_query_prompt, data.source_document_prompt)

    def _with_negatives(self) -> Sequence[Example] | ItemRows:
        """The training rows, with mined negatives where the recipe asks for them."""
        if self._mining is None:
            return self.prepared.train
        self.show.stage("mine", "looking for wrong documents that look right")
        train = self._mining.first(self._encode_base(), self.show.mining)
        self.show.mined(json.loads((self.workspace.data / "mining.json").read_text()), self.workspace.data)
        return train

    def _add_words(self) -> None:
        """Gives the base, which is scored by now, the new words that the recipe asks for."""
        if self._vocabulary is not None:
            self.show.stage("words", "words of the training rows become tokens")
            precision: Literal["fp32", "bf16"] = "bf16" if self.plan.decided.precision == "bf16" else "fp32"
            self.show.vocabulary(self._vocabulary.begin(self.encoder.to(self.plan.decided.device), precision))

    def _adapt(self) -> None:
        """Gets the base, with its new words, used to the texts of the domain where the recipe asks for it."""
        settings, texts, limit = self.recipe.adaptation, self._texts, self.recipe.training.time_limit
        if settings == "none" or texts is None:
            return
        self.show.stage("adapt", f"{settings.summary}; Ctrl-C stops and saves")
        decided = self.plan.decided
        self._adapted = adapt(
            settings,
            texts,
            self.encoder.to(decided.device),
            self.workspace,
            max_length=decided.max_length,
            precision="bf16" if decided.precision == "bf16" else "fp32",
            seed=self.recipe.training.seed,
            time_limit=math.inf if limit == "none" else limit / 2,
            reporting=Reporting(self._evaluate_dev, self.show.adapting, self.show.detail),
        )
        self.show.adapted(self._adapted)

    def _renewal(self, table: PairTable, numbers: TextNumbers) -> Callable[[int], PairTable] | None:
        return (
            None if self._mining is None else self._mining.renewed(table, numbers, self._encode_dev, self.show.detail)
        )

    def _untuned(self) -> Encode:
        """What the base says, while the encoder becomes another."""
        self.show.detail("the base says of every text what it holds near")
        base = self._load_base()
        return self._encode_base(base.to(self.plan.decided.device))

    def _train(self, train: Sequence[Example] | ItemRows, source: Sequence[Example]) -> tuple[Trainer, Sizes, Progress]:
        self.show.stage("train", CTRL_C)
        checkpoints = CheckpointStore(self.workspace.checkpoints, self.show.detail)
        stop = Stop()
        log: list[MetricsLog] = []

        def take(record: dict[str, Any]) -> None:
            log[0].append(record)
            self.show.record(record)
            self.tracking.record(record)

        callbacks = Callbacks(evaluate=self._evaluate_dev, log=take, stop=stop.reason)
        trainer, sizes = build_trainer(
            self.plan,
            self.encoder,
            self.prepared.kind,
            train,
            self.workspace,
            callbacks,
            checkpoints,
            self.show.detail,
            self._untuned,
            self._renewal,
            source,
            () if self.prepared.replay is None else self.prepared.replay.rows,
            [TaskRows(name, task.dataset.kind, task.train) for name, task in self.prepared.tasks.items()],
            spent=self._adapted.get("seconds", 0.0),
        )
        base = self._other_end(trainer)
        self._base_weights = base
        restored = trainer.restore()
        self.tracking.begin()
        log.append(MetricsLog(self.workspace.metrics, trainer.progress.records))
        self.tracking.catch_up()
        self.show.training(sizes, trainer.progress.step)
        if restored:
            step = trainer.progress.step
            self.show.detail(
                f"resuming at step {step} of {sizes.steps}: the checkpoint is whole, data and recipe are unchanged"
            )
        try:
            with stop.listening():
                progress = trainer.train()
        finally:
            log[0].close()
            self.show.trained()
        if not progress.finished:
            raise InterruptedRunError(
                f"stopped and saved at step {progress.step} of {sizes.steps}", "run the same command to go on"
            )
        return trainer, sizes, progress

    def _other_end(self, trainer: Trainer) -> dict[str, torch.Tensor]:
        """What tuned weights are averaged with: those that training starts from.

        Where an adaptation has changed the base, and all that it changed trains, they are the base's own.
        """
        start = {name: p.detach().clone() for name, p in trainer.parameters.items()}
        if self._averages_with_base(trainer):
            own = dict(self._load_base().to(self.plan.decided.device).named_parameters())
            start |= {name: own[name].detach() for name in start.keys() & own.keys()}
        return start

    def _averages_with_base(self, trainer: Trainer) -> bool:
        """Whether a share of 0 of the tuned weights is the base."""
        if self._vocabulary is not None or not self.plan.decided.method.starts_as_base:
            return False
        return not self._adapted or parts(self.encoder).tunable.keys() <= trainer.parameters.keys()

    def _merge(self, trainer: Trainer) -> dict[str, Any]:
        """Leaves the weights between base and tuned that dev prefers in the encoder; what `scores.json` says of it."""
        wanted = self.recipe.evaluation.merge
        base = self._base_weights
        tuned = {name: p.detach().clone() for name, p in trainer.parameters.items()}
        if wanted != "auto":
            blend(trainer.parameters, base, tuned, float(wanted))
            return {"alpha": float(wanted), "trials": []}
        self.show.stage("merge", "choosing how much of the tuned weights to keep")
        prepared, keep = self.prepared, self.plan.decided.keep_best

        def score(encoder: "Encoder | None" = None) -> tuple[float, float]:
            reading = (encoder or self.encoder).reading
            encode = partial(self._encode_dev, encoder=encoder)
            return dev_scores(prepared.dev, keep, prepared.general_dev, encode, reading, self._dev_beside)

        if self._averages_with_base(trainer):
            blend(trainer.parameters, base, tuned, 0.0)
            of_base = score()
        else:
            of_base = score(self._load_base().to(self.plan.decided.device))
        curve = choose_share(
            trainer.parameters,
            base,
            tuned,
            score,
            metric=keep,
            of_base=of_base,
            drop_limit=self.recipe.evaluation.general_drop_limit,
        )
        self.show.merged(curve, general=bool(prepared.general_dev))
        return curve.as_dict()

    def _write_delta(self, trainer: Trainer, sizes: Sizes) -> None:
        """What trained, where that is less than the model. Before it is folded in: then it is no part of its own."""
        if self._adapted:
            return  # what trained is no change of the base alone
        if sizes.trainable_parameters < _SMALLER * sum(p.numel() for p in self.encoder.parameters()):
            base = {"name": self.recipe.base, "fingerprint": fingerprint(self.base)}
            own = {id(p) for p in self.encoder.parameters()}
            of_encoder = {name: p for name, p in trainer.parameters.items() if id(p) in own}
            write_delta(self._delta, self.plan.decided.method, self.encoder, of_encoder, base)

    def _leave_importance(self, trainer: Trainer) -> None:
        recipe = self.recipe
        about = {
            "base": recipe.base,
            "base_fingerprint": fingerprint(self.base),
            "method": self.plan.decided.method.kind,
            "seed": f"{recipe.training.seed}",
        }
        if write_importance(trainer.unit, self.workspace.importance, about):
            self.show.detail(f"how much each weight matters is in {self.workspace.importance}")

    @property
    def _delta(self) -> Path:
        """Where the delta waits for the verdict."""
        return self.workspace.cache / "delta"

    def _judge(
        self,
        before: Scored,
        after: Scored,
        progress: Progress,
        sizes: Sizes,
        merged: dict[str, Any],
    ) -> dict[str, Any]:
        limit = self.recipe.evaluation.general_drop_limit
        found, verdict = judged(
            before,
            after,
            seed=self.recipe.training.seed,
            general_drop_limit=limit,
            strict=self.request.strict,
            diverged=progress.diverged,
        )
        total = sum(p.numel() for p in self.encoder.parameters())
        return {
            "schema": SCHEMA,
            "method": self.plan.decided.method.kind,
            "base": self.recipe.base,
            "primary_metric": before.test.main_metric,
            **found,
            **({"bm25": self._of_words} if self._of_words else {}),
            **({"queries": queries} if (queries := told_apart(before.test, after.test)) else {}),
            **({"adaptation": self._adapted} if self._adapted else {}),
            **self._scores_of_heads(),
            "merge": merged,
            "cost": {
                "train_seconds": round(progress.seconds, 3),
                "examples_per_second": round(progress.examples / max(progress.seconds, 1e-9), 3),
                "steps": progress.step,
                "best_step": progress.best_step,
                **({"closure_calls": progress.closure_calls} if progress.closure_calls else {}),
                "peak_memory_bytes": peak_memory_bytes(),
                "trainable_parameters": sizes.trainable_parameters,
                "total_parameters": total,
                "delta_bytes": model_bytes(self._delta) if self._delta.is_dir() else 4 * sizes.trainable_parameters,
                "model_bytes": 4 * total,
            },
            "gate": {
                "verdict": verdict.verdict,
                "passed": verdict.passed,
                "reasons": [*verdict.reasons, *self._about_the_test()],
                "general_drop_limit": limit,
            },
        }

    def _time(self, scores: dict[str, Any]) -> None:
        """What a query takes with the tuned model and with the base."""
        queries, base = asked_of(self.prepared.test), self._load_base().to(self.plan.decided.device)
        own, tuned = latencies([base.encode, self.encoder.encode], queries[:_TIMED], clock=time.perf_counter)
        scores["cost"] |= {
            "latency_ms_p50": round(tuned, 3),
            "base_latency_ms_p50": round(own, 3),
            "base_bytes": 4 * sum(p.numel() for p in base.parameters()),
        }

    def _explain(self, scores: dict[str, Any], progress: Progress) -> None:
        """Why nothing is proven, where nothing is."""
        if scores["gate"]["verdict"] == "gained":
            return
        profile = json.loads((self.workspace.data / "profile.json").read_text())
        doubtful = self._doubtful() if scores["gate"]["verdict"] in ("no_gain", "unproven") else {}
        facts = CauseFacts(
            rows=len(self.prepared.train),
            tested=size(self.prepared.test),
            lr=self.plan.decided.lr,
            default_lr=self.plan.decided.default_lr,
            best_step=progress.best_step,
            file=str(self.prepared.dataset.path or "DATA"),
            base=self.recipe.base,
            max_length=self.plan.decided.max_length,
            problems={problem["kind"]: problem["rows"] for problem in profile.get("problems", ())} | doubtful,
            looked_at=min(_LOOKED_AT, len(self.prepared.dataset.examples)) if doubtful else 0,
            truncated={role: lengths.get("truncated", 0.0) for role, lengths in profile.get("lengths", {}).items()},
            notes=tuple(language_notes(profile.get("scripts", {}), self.recipe.base)),
            regularized=bool(self.plan.decided.regularizers),
        )
        scores["gate"]["causes"] = likely_causes(scores, facts)

    def _doubtful(self) -> dict[str, int]:
        """What the base's vectors say of some rows: how many have a suspect each."""
        dataset = self.prepared.dataset
        if self.encoder.reads != "texts" or dataset.kind not in (Kind.PAIRS, Kind.LABELED):
            return {}
        from acclimate.runs.doubts import doubts

        self.show.detail("looking for the reason: what the base's vectors say of the rows")
        encode = self._encode_base(self._load_base().to(self.plan.decided.device))
        found = doubts(dataset, encode, most=_LOOKED_AT, seed=self.recipe.training.seed)
        return {problem.kind: len(problem.rows) for problem in found.problems}

    def _about_the_test(self) -> list[str]:
        synthetic = self.prepared.synthetic
        if synthetic is None or synthetic.test is None:
            return []
        return ["these are queries made of the texts themselves, so what users ask is not tested: --test would"]

    def _scores_of_heads(self) -> dict[str, Any]:
        """What each head of the tuned model makes of the test texts."""
        prepared, found = self.prepared, {}
        for name in self.encoder.heads:
            task = prepared.tasks[name].test if name in prepared.tasks else prepared.test
            if isinstance(task, ClassificationTask):
                metrics = classification_metrics(self.encoder.predict(task.test_texts, name), task.test_labels)
                told = ", ".join(f"{metric} {value:.4f}" for metric, value in metrics.items())
                self.show.detail(f"head {name} on test: {told}")
                found[name] = metrics
        return {"heads": found} if found else {}

    def _save(self, scores: dict[str, Any], before: Outcome, after: Outcome) -> None:
        """Writes the models, then the figures, then the report; removes what only training needed."""
        workspace, request = self.workspace, self.request
        stated = stated_license(self.recipe.base, self.base)
        card = partial(model_card, scores, self.prepared.dataset.sha256, request.command, stated)
        of_tuned = card(standard=self.encoder.standard)
        tuned_wins = scores["gate"]["passed"] or scores["gate"]["verdict"] == "unproven" or request.keep_anyway
        if tuned_wins:
            save_encoder(self.encoder, workspace.model, of_tuned)
            if self._delta.is_dir():
                replace_folder(self._delta, workspace.delta)
        else:
            if scores["merge"]["alpha"]:
                save_encoder(self.encoder, workspace.rejected, of_tuned)
            base = self._load_base()
            save_encoder(base, workspace.model, card(standard=base.standard, side="before"))
        scores["cost"]["model_bytes"] = model_bytes(workspace.model)
        self._leave_for_report(before, after)
        write_json(workspace.scores, scores)
        write_report(workspace.path)
        workspace.remove_working_files()

    @property
    def _of_words(self) -> dict[str, float] | None:
        """What BM25 reaches on the test."""
        return None if self._words is None else {name: self._words.metrics[name] for name in OF_WORDS}

    def _leave_for_report(self, before: Outcome, after: Outcome) -> None:
        """Writes what the report shows of single queries, of the map and of the vocabulary."""
        data, test, train = self.workspace.data, self.prepared.test, self.prepared.train
        if isinstance(test, RetrievalTask):
            unseen = None if isinstance(train, ItemRows) else unseen_words(test.queries, train)
            told = told_of_queries(test, before, after, self._words, unseen, self.prepared.columns)
            write_jsonl(data / "queries.jsonl", told)
        for name, document in (("map", self._watched.document()), ("drift", self._drift)):
            if document is not None:
                write_json(data / f"{name}.json", document)
