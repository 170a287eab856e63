"""The training loop: the only one, for every method, objective and regularizer."""

import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from acclimate.core.errors import DivergedError, ResourceError
from acclimate.core.heap import give_back_if_grown
from acclimate.core.nouns import Batch, ParamGroup
from acclimate.core.seeds import derive_seed
from acclimate.engine.checkpoint import Checkpoint, CheckpointStore
from acclimate.engine.gradients import settle
from acclimate.engine.inputs import Feed
from acclimate.engine.memory import out_of_memory, tokens_that_fit
from acclimate.engine.norms import (
    block_of_parameters,
    gradient_norms,
    norms_of,
    scale_gradients,
    update_ratios,
)
from acclimate.engine.optim import Moves
from acclimate.engine.optimizers import OPTIMIZERS
from acclimate.engine.passes import backward
from acclimate.engine.precision import LossScale, Precision, autocast
from acclimate.engine.pulling import pull_back
from acclimate.engine.spikes import find_spikes
from acclimate.engine.unit import Inputs, TrainingUnit
from acclimate.regularizers.base import stage_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch.nn import Parameter

    from acclimate.engine.activations import Activations
    from acclimate.gradient_rules import GradientRule
    from acclimate.gradient_rules.base import Memory
    from acclimate.model.encoder import Tokens
    from acclimate.objectives import Objective
    from acclimate.regularizers import Regularizer

T = TypeVar("T")

_TRIED = 16  # texts on which it is found what is frozen
_SAID = 64  # texts that a new teacher is asked of at a time
_READS = 1.5  # of each row, from which keeping what frozen blocks say is worth writing it
_SKIPS_IN_A_ROW = 3  # non-finite steps before training goes back to the last good checkpoint
_ROLLBACKS = 2  # without a completed evaluation between, before training is given up
_RATIOS_EVERY = 20  # steps from one measurement of how far weights move to the next: it takes a tenth of a step


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """How to train.

    ``evaluate_every`` counts steps; ``patience`` counts evaluations; ``micro_batch`` counts rows. ``time_limit`` is in
    seconds of training: where it comes before ``steps``, the run is as far as its time, and the schedule ends with it.
    ``checkpoint_every`` counts steps; besides, there is a checkpoint after each evaluation.

    ``optimizer`` is a name in the table of optimizers.
    """

    optimizer: str
    lr: float
    weight_decay: float
    steps: int
    warmup_steps: int
    clip_norm: float
    precision: Precision
    device: str
    dropout: bool
    evaluate_every: int
    patience: int
    keep_best: str
    micro_batch: int
    time_limit: float = math.inf
    checkpoint_every: int = 100


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the loop calls. None of them changes the maths.

    Attributes:
        evaluate: scores the encoder on dev; higher ``keep_best`` is better. Raises DivergedError when vectors are not
            finite, which rolls the run back as skipped steps do.
        log: takes a record, and the number of records before it, so that a resumed run cuts what it repeats.
        stop: asked after each step; a reason ends the run there, saved.
    """

    evaluate: Callable[[], dict[str, float]]
    log: Callable[[dict[str, Any]], None]
    stop: Callable[[], str | None]


@dataclass
class Progress:
    """Where a run stands; saved with every checkpoint.

    Attributes:
        good_step: of the checkpoint to roll back to; -1 before there is one. Never one that was saved because the run
            was stopped: a run ends the same whether it was stopped or not.
        lr_factor: multiplies the learning rate; halved by each rollback.
        rollbacks: since the last evaluation of good weights.
        log_norms: block -> logarithms of its last gradient norms, for the rule of spikes.
        closure_calls: of an optimizer that searches along a line.
        rule: what the gradient rule keeps from step to step.
        stages: stream -> the stage of its teacher, but for 0, whose teacher is the untuned encoder.
    """

    step: int = 0
    seconds: float = 0.0
    examples: int = 0
    records: int = 0
    best_step: int = -1
    best_score: float = -math.inf
    evaluations_without_gain: int = 0
    skipped_in_a_row: int = 0
    good_step: int = -1
    lr_factor: float = 1.0
    rollbacks: int = 0
    loss_scale: float = 0.0
    steps_at_loss_scale: int = 0
    tokens_a_pass: int = 0
    finished: bool = False
    diverged: bool = False
    dev: list[dict[str, float]] = field(default_factory=list)
    log_norms: dict[str, list[float]] = field(default_factory=dict)
    closure_calls: int = 0
    rule: "Memory" = field(default_factory=dict)
    stages: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As a JSON document; there is no best score before the first evaluation."""
        return asdict(self) | {"best_score": self.best_score if self.best_step >= 0 else None}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Progress":
        """The inverse of `to_json`."""
        score = document["best_score"]
        return cls(**(document | {"best_score": -math.inf if score is None else score}))


class _NonFiniteError(ArithmeticError):
    """A loss or gradient that is not a number; raised before the optimizer's state is touched."""


class Trainer:
    """One run's unit, groups, data and optimizer. `train` is the loop.

    Args:
        unit: encoder, objectives, regularizers, on the device.
        groups: what trains; all of it open.
        feed: the steps' data.
        settings: how to train.
        callbacks: evaluation, log, stop.
        checkpoints: where the state is kept.
        keep_states: opens the store for what a number of frozen blocks say of each text, where that is wanted.
        rule: makes one gradient of those of the loss terms; None for their sum.
    """

    def __init__(
        self,
        unit: TrainingUnit,
        groups: Sequence[ParamGroup],
        feed: Feed,
        settings: LoopSettings,
        callbacks: Callbacks,
        checkpoints: CheckpointStore,
        keep_states: "Callable[[int], Activations | None] | None" = None,
        rule: "GradientRule | None" = None,
    ) -> None:
        self.unit, self.groups, self.feed = unit, list(groups), feed
        self.settings, self.callbacks, self.checkpoints = settings, callbacks, checkpoints
        self.parameters: dict[str, Parameter] = {n: p for g in groups for n, p in g.parameters.items()}
        self.optimizer = OPTIMIZERS[settings.optimizer](self.groups, settings.lr, settings.weight_decay)
        self.scale = LossScale(settings.precision)
        penalties = [cast("Regularizer", regularizer) for regularizer in unit.regularizers.values()]
        self._pulls = [pull for penalty in penalties for pull in penalty.pulls().items()]
        self._group_of = {name: group.name for group in self.groups for name in group.parameters}
        self.progress = Progress()
        self._block_of = block_of_parameters(unit.encoder)
        self._keep_states, self._rule = keep_states, rule
        self._open: set[str] | None = None
        self._depth = 0  # blocks at the bottom in which nothing trains at present
        self._states: Activations | None = None
        self._teachers: dict[str, NDArray[np.float32]] = {}  # of the streams that Progress.stages names

    def train(self) -> Progress:
        """Trains from where the run stands to its end and leaves the best weights in the encoder.

        Returns:
            where the run ended; ``finished`` is False when ``stop`` gave a reason.
        """
        if self.progress.step == 0 and not self.progress.dev:
            self._begin()
        while not self.progress.finished and self._position() < self.settings.steps:
            if self._train_on():
                return self.progress
        self._restore_best()
        return self.progress

    def _begin(self) -> None:
        """Scores the base, and saves it as the first weights to roll back to."""
        if self._evaluate(epoch=0):
            self.progress.good_step = 0
            self.save()
        else:
            self.progress.diverged = self.progress.finished = True

    def _train_on(self) -> bool:
        """Trains to the end or to a rollback; True when ``stop`` gave a reason before the end."""
        settings, progress = self.settings, self.progress
        for asked, (step, epoch, batches) in _timed(self.feed.steps(progress.step)):
            before = self._position()
            self._open_groups(before / settings.steps)
            self._log(self._take_step(asked, step, epoch, batches))
            give_back_if_grown()
            progress.step = step + 1
            after = self._position()
            progress.finished = after >= settings.steps
            evaluates = after // settings.evaluate_every > before // settings.evaluate_every or progress.finished
            sound = progress.skipped_in_a_row < _SKIPS_IN_A_ROW and (not evaluates or self._evaluate(epoch))
            if not sound and self._roll_back(epoch):
                stopped = self.callbacks.stop() is not None
                if stopped:  # else there is no need: from the checkpoints that lie there it comes to this again
                    self.save()
                return stopped
            planned = evaluates or progress.finished or progress.step % self.settings.checkpoint_every == 0
            if sound and planned and self._is_good():
                progress.good_step = progress.step
                progress.rollbacks = 0 if evaluates else progress.rollbacks
            reason = self.callbacks.stop()
            if planned or reason:
                self.save()
            if reason or progress.finished:
                break
        return not progress.finished

    def _position(self) -> float:
        """How far the run is, in steps of its plan."""
        by_time = self.progress.seconds / self.settings.time_limit
        return max(self.progress.step, min(1.0, by_time) * self.settings.steps)

    def _take_step(self, asked: float, step: int, epoch: int, batches: Sequence[Batch]) -> dict[str, Any]:
        """One optimizer step, whose batches were asked for at that time; returns its record."""
        settings, progress = self.settings, self.progress
        record = self._record(step, epoch)
        self.optimizer.schedule(self._position(), settings.steps, settings.warmup_steps, progress.lr_factor)
        moves: Moves | None = {} if step % _RATIOS_EVERY == 0 else None
        if renewed := self._renew_teachers(step, record["progress"]):
            record["new_teacher"] = renewed
        inputs = self.feed.inputs(batches, step, record["progress"], settings.device, self._teachers)
        inputs = replace(inputs, tokens=self._with_states(inputs.texts, inputs.tokens))
        figures: list[dict[str, Any]] = []  # of each call of the closure
        try:
            told = self.optimizer.step(lambda: self._closure(step, inputs, figures), moves)
            record |= figures[told]
            if self._pulls:
                rates = self.optimizer.rates()
                pull_back(self.parameters, self._pulls, {name: rates[group] for name, group in self._group_of.items()})
            of = ", ".join(filter(None, self.feed.tasks(batches)))
            if spikes := find_spikes(progress.log_norms, record["grad_norm_by_block"], of):
                record["spike"] = spikes
            progress.skipped_in_a_row = 0
        except _NonFiniteError as problem:
            record |= figures[-1]
            record["skipped"] = str(problem)
            progress.skipped_in_a_row += 1
        if self.optimizer.line_search:
            record["closure_calls"] = len(figures)
            progress.closure_calls += len(figures)
        if moves:
            ratios = update_ratios(moves, self._block_of)
            record["update_ratio_by_block"] = {block: _json_number(ratio) for block, ratio in ratios.items()}
        record["lr"] = self.optimizer.rates()
        record["rows"] = self.feed.ids(batches)
        progress.seconds += time.perf_counter() - asked
        progress.examples += len(record["rows"]) * len(figures)
        record["seconds"] = round(progress.seconds, 4)
        return record

    def _record(self, step: int, epoch: int) -> dict[str, Any]:
        """What every record has."""
        share, seconds = self._position() / self.settings.steps, round(self.progress.seconds, 4)
        return {"step": step, "epoch": epoch, "progress": share, "seconds": seconds}

    def _log(self, record: dict[str, Any]) -> None:
        self.callbacks.log(record)
        self.progress.records += 1

    def _closure(self, step: int, inputs: Inputs, figures: list[dict[str, Any]]) -> float:
        """Leaves clipped gradients on the parameters; adds what a record tells of the weights as they are."""
        settings = self.settings
        self.optimizer.zero_grad(set_to_none=True)
        norms: dict[str, float] = {}
        terms = self._backward(step, inputs, norms)
        settle(self.parameters.values())
        scale_gradients(list(self.parameters.values()), 1 / self.scale.value)
        norm, by_block = gradient_norms(self.parameters, self._block_of)
        losses = torch.stack(list(terms.values()))
        values = dict(zip(["total", *terms], torch.stack([losses.sum(), *losses]).tolist(), strict=True))
        finite = math.isfinite(norm) and math.isfinite(values["total"])
        self.scale.update(finite=finite)
        figures.append(
            {
                "loss": {name: _json_number(value) for name, value in values.items()},
                **self._weights(terms),
                "grad_norm": _json_number(norm),
                "grad_norm_by_block": {block: _json_number(value) for block, value in by_block.items()},
            }
        )
        if not finite:
            raise _NonFiniteError(_what_is_not_finite(values, by_block))
        if self._rule is not None and norms:
            self.progress.rule = self._rule.learned(self.progress.rule, {name: values[name] for name in norms}, norms)
        scale_gradients(list(self.parameters.values()), min(1.0, settings.clip_norm / (norm + 1e-6)))
        return float(values["total"])

    def _weights(self, terms: Collection[str]) -> dict[str, dict[str, float]]:
        """For the record: what counts how much in this step, where the run finds that out itself."""
        objectives = {n: cast("Objective", o).log_variance() for n, o in self.unit.objectives.items() if n in terms}
        found = {name: math.exp(-s.item()) for name, s in objectives.items() if s is not None}
        if self._rule is not None:
            found |= self._rule.weights(self.progress.rule, objectives)
        return {"weights": found} if found else {}

    def _backward(self, step: int, inputs: Inputs, norms: dict[str, float]) -> dict[str, Tensor]:
        """Leaves scaled gradients. Memory that runs out makes the passes smaller, which leaves the loss as it is.

        ``norms`` takes those of the objectives' gradients where the rule asks for them.
        """
        settings, progress = self.settings, self.progress
        within = partial(self._surroundings, step)
        combine = None if self._rule is None else partial(self._combined, self._rule, step, norms)
        if not progress.tokens_a_pass:
            progress.tokens_a_pass = tokens_that_fit(self.unit, inputs.tokens, within, settings.device)
        tokens, rows = len(inputs.tokens.ids), sum(len(rows.weight) for rows in inputs.rows)
        while True:
            passes = max(-(-tokens // progress.tokens_a_pass), -(-rows // settings.micro_batch))
            try:
                return backward(self.unit, inputs, passes, within, self.scale.value, combine)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if passes >= len(inputs.tokens.lengths):
                    raise ResourceError("no memory for one text at a time", "lower training.max_length") from None
            progress.tokens_a_pass = max(1, tokens // (2 * passes))
            self.optimizer.zero_grad(set_to_none=True)

    def _combined(
        self,
        rule: "GradientRule",
        step: int,
        norms: dict[str, float],
        gradients: Mapping[str, Sequence[Tensor | None]],
    ) -> Sequence[Tensor | None]:
        guards = list(self.unit.regularizers)
        if rule.weighs:
            objectives = {name: gradient for name, gradient in gradients.items() if name not in guards}
            shared = sum(p.requires_grad for p in self.unit.encoder.parameters())  # they come first; then heads
            found = norms_of({name: gradient[:shared] for name, gradient in objectives.items()})
            norms |= {name: norm / self.scale.value for name, norm in found.items()}
            weights = rule.weights(self.progress.rule, objectives)
            weighed = {n: [None if g is None else g * weights[n] for g in parts] for n, parts in objectives.items()}
            gradients = {**gradients, **weighed}
        generator = torch.Generator().manual_seed(derive_seed(self.feed.seed, "gradient rule", step))
        return rule.combine(gradients, guards, generator)

    @contextmanager
    def _surroundings(self, step: int, part: str | int) -> Iterator[None]:
        """Dropout on where the run wants it, drawn from (seed, step, part) alone. Norms behave alike in both modes.

        Autocast begins anew for each part: what it casts without a graph, it would hand out without one later.
        """
        settings = self.settings
        self.unit.train(settings.dropout)
        if settings.dropout and self._depth:  # what is frozen says the same of a text every time
            self.unit.encoder.backbone.eval()
            if self._depth < self.unit.encoder.depth:
                for _, block in self.unit.encoder.blocks()[self._depth :]:
                    block.train()
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            _seed(derive_seed(self.feed.seed, "dropout", step, part), settings.device)
            with autocast(settings.device, settings.precision):
                yield
        self.unit.eval()

    def _open_groups(self, share: float) -> None:
        """Opens groups whose time has come. A closed one has no gradient at all: a zero one would be decayed.

        Each opening begins a stage: what is frozen is found anew, and its states are kept where they will be read
        more than once.
        """
        opened = {group.name for group in self.groups if share >= group.starts_at}
        if opened == self._open:
            return
        self._open = opened
        for group in self.groups:
            for parameter in group.parameters.values():
                parameter.requires_grad_(group.name in opened)
        some = self.feed.tokens(np.arange(min(_TRIED, len(self.feed.store))), self.settings.device)
        self._depth = self.unit.encoder.frozen_depth(some)
        # A vector a text costs nothing to keep, and texts beside the batch are read again sooner than its rows.
        keep = self._keep_states if self._depth > 0 else None
        if keep is not None and self._reads_in_stage(share) < _READS and self._depth < self.unit.encoder.depth:
            keep = None
        self._states = None if keep is None else keep(self._depth)

    def _reads_in_stage(self, share: float) -> float:
        """How often each row is read from the last opening of a group to the next one."""
        times = [0.0, *(group.starts_at for group in self.groups), 1.0]
        began, ends = max(t for t in times if t <= share), min(t for t in times if t > share)
        return (ends - began) * self.settings.steps / self.feed.steps_until(1)

    def _with_states(self, texts: "NDArray[np.int64]", tokens: "Tokens") -> "Tokens":
        """The tokens of texts, with what the frozen blocks say of each token or text when that is kept."""
        settings, encoder = self.settings, self.unit.encoder
        if self._states is None:
            return tokens

        def compute(texts: "NDArray[np.int64]") -> Tensor:
            with autocast(settings.device, settings.precision):
                return encoder.lower_states(self.feed.tokens(texts, settings.device), self._depth)

        states = self._states.take(texts, compute).to(settings.device)
        return encoder.going_on(tokens, self._depth, states)

    def _renew_teachers(self, step: int, share: float) -> list[str]:
        """Makes the encoder as it is the teacher of each stream of which a stage begins; their names."""
        stages = {name: stage_of(share, stream.stages) for name, stream in self.feed.streams.items()}
        begun = [name for name, stage in stages.items() if stage != self.progress.stages.get(name, 0)]
        for name in begun:
            self._teachers[name] = self._said_of(name, self._drawn_in_stage(name, step, stages[name]))
            self.progress.stages[name] = stages[name]
        return begun

    def _drawn_in_stage(self, name: str, step: int, stage: int) -> "NDArray[np.int64]":
        """Which texts of a stream the steps from this one to the end of the stage take, at most."""
        stream, steps = self.feed.streams[name], self.settings.steps
        drawn = np.zeros(len(stream.features), dtype=bool)
        for later in range(step, steps):
            if stage_of(later / steps, stream.stages) > stage or drawn.all():
                break
            drawn[self.feed.drawn(name, later)] = True
        return np.flatnonzero(drawn)

    def _said_of(self, name: str, rows: "NDArray[np.int64]") -> "NDArray[np.float32]":
        """What the encoder says of texts of a stream as it is [G, D], read as in training, but without dropout.

        Of those that are not asked for it says NaN.
        """
        settings, stream = self.settings, self.feed.streams[name]
        assert stream.frozen is not None  # nobody else has stages
        said = np.full_like(stream.frozen, np.nan)
        self.unit.eval()
        for part in np.array_split(rows, -(-len(rows) // _SAID)):
            texts = stream.features[part]
            tokens = self._with_states(texts, self.feed.tokens(texts, settings.device))
            with torch.no_grad(), autocast(settings.device, settings.precision):
                said[part] = self.unit(tokens).float().cpu().numpy()
        return said

    def _evaluate(self, epoch: int) -> bool:
        """Scores dev, remembers the best step, ends the run when patience is over. False: vectors are not finite."""
        progress = self.progress
        try:
            scores = self.callbacks.evaluate()
        except DivergedError:
            return False
        progress.dev.append({"step": progress.step} | scores)
        self._log(self._record(progress.step, epoch) | {"dev": scores})
        if progress.step == 0:
            return True  # the base: shown in the curve, but not a result of training
        if scores[self.settings.keep_best] > progress.best_score:
            progress.best_step, progress.best_score = progress.step, scores[self.settings.keep_best]
            progress.evaluations_without_gain = 0
        else:
            progress.evaluations_without_gain += 1
            if progress.evaluations_without_gain >= self.settings.patience:
                progress.finished = True
        return True

    # -- going back ----------------------------------------------------------------------------------------------

    def _is_good(self) -> bool:
        """Whether the weights of this step are worth going back to."""
        norms = torch.stack(torch._foreach_norm([p.detach() for p in self.parameters.values()]))
        return self.progress.skipped_in_a_row == 0 and bool(norms.isfinite().all())

    def _roll_back(self, epoch: int) -> bool:
        """Takes up the last good checkpoint at half the learning rate. False: that did not help, the run is over.

        It ends: an evaluation that forgives rollbacks also moves ``good_step`` on. What describes the process and not
        the weights goes on: the log with the steps that were in vain, time, the passes that fit into memory, the
        scale under which float16 does not overflow.
        """
        now = self.progress
        if now.good_step < 0 or now.rollbacks == _ROLLBACKS:
            now.diverged = now.finished = True
            return False
        factor = now.lr_factor / 2
        self._log(self._record(now.step, epoch) | {"rollback": {"to": now.good_step, "lr_factor": factor}})
        scale = self.scale.value
        self._take_up(self._load(now.good_step, "last good"))
        self.scale.value = scale
        self.progress = replace(
            self.progress,
            lr_factor=factor,
            rollbacks=now.rollbacks + 1,
            records=now.records,
            seconds=now.seconds,
            examples=now.examples,
            closure_calls=now.closure_calls,
            tokens_a_pass=now.tokens_a_pass,
        )
        return True

    # -- state ---------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Writes a checkpoint; keeps the newest two, those to roll back to from either, and the best weights of all."""
        progress = self.progress
        progress.loss_scale, progress.steps_at_loss_scale = self.scale.value, self.scale.good_steps
        heads = {f"{k}": v for k, v in self.unit.state_dict().items() if not k.startswith("encoder.")}
        tensors: dict[str, Mapping[str, torch.Tensor]] = {
            "weights": dict(self.parameters),
            "optimizer": self.optimizer.state_tensors(),
        }
        if heads:
            tensors["heads"] = heads
        if self._teachers:
            tensors["teachers"] = {name: torch.from_numpy(said) for name, said in self._teachers.items()}
        self.checkpoints.save(progress.step, tensors, progress.to_json())
        # A later folder is of a future that was given up: damaged, or in need of one that was.
        newest = [step for step in self.checkpoints.steps() if step <= progress.step][-2:]
        kept = {*newest, *self._named_by(newest, "good_step")}
        self.checkpoints.keep_only(kept | self._named_by(kept, "best_step"))

    def _named_by(self, steps: Iterable[int], name: str) -> set[int]:
        """The checkpoints that those of some steps name in their state."""
        return {int(self.checkpoints.state(step).get(name, -1)) for step in steps} - {-1}

    def restore(self) -> bool:
        """Takes up the newest intact checkpoint; False when there is none."""
        found = self.checkpoints.newest(needs=_needs)
        if found is None:
            return False
        self._take_up(found)
        return True

    def _take_up(self, checkpoint: Checkpoint) -> None:
        self._load_weights(checkpoint)
        self.optimizer.load_state_tensors(checkpoint.tensors["optimizer"])
        self._teachers = {name: said.numpy() for name, said in checkpoint.tensors.get("teachers", {}).items()}
        self.progress = Progress.from_json(checkpoint.state)
        self.scale.value, self.scale.good_steps = self.progress.loss_scale, self.progress.steps_at_loss_scale

    def _load(self, step: int, what: str) -> Checkpoint:
        """A checkpoint that this run needs."""
        checkpoint = self.checkpoints.load(step)
        if checkpoint is None:
            raise ResourceError(
                f"the checkpoint of the {what} step {step} was damaged while the run went on",
                "run the same command with --restart",
            )
        return checkpoint

    def _load_weights(self, checkpoint: Checkpoint) -> None:
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(checkpoint.tensors["weights"][name])
        if "heads" in checkpoint.tensors:
            self.unit.load_state_dict(checkpoint.tensors["heads"], strict=False)

    def _restore_best(self) -> None:
        """Puts the best weights into the encoder."""
        best = self.progress.best_step
        if best in (-1, self.progress.step):
            return
        self._load_weights(self._load(best, "best"))


def _timed(steps: Iterator[T]) -> Iterator[tuple[float, T]]:
    """Endless steps, each with the time at which it was asked for: putting a batch together is part of training."""
    while True:
        yield time.perf_counter(), next(steps)


def _seed(seed: int, device: str) -> None:
    """As `torch.manual_seed`, which writes down the stack at each call for every kind of device that is not there."""
    torch.default_generator.manual_seed(seed)
    if torch.device(device).type == "cuda":
        torch.cuda.manual_seed_all(seed)


def _needs(state: Mapping[str, Any]) -> list[int]:
    """The other checkpoints that one with this state may come to need."""
    return [step for step in (state["best_step"], state.get("good_step", -1)) if step >= 0]


def _what_is_not_finite(losses: Mapping[str, float], norms: Mapping[str, float]) -> str:
    """Names the loss term or, where the loss is finite, the first block from the input up."""
    terms = [*(name for name in losses if name != "total"), "total"]  # the sum alone, where it overflows
    for name in terms:
        if not math.isfinite(losses[name]):
            return f"loss {name} is not finite"
    block = next((block for block, norm in norms.items() if not math.isfinite(norm)), "all blocks together")
    return f"gradient of {block} is not finite"


def _json_number(value: float) -> float | None:
    """The number, or None where JSON has no word for it."""
    return value if math.isfinite(value) else None
