"""A run in small, which finds out what it would take: every stage, on few rows, in a folder of its own.

A few steps are trained as the run would train them: as often over their rows, with its stages of unfreezing and its
cached states. What only has to be encoded is not: texts get the means of their token embeddings, their tokens are
counted, and a sample of them tells what a token costs.
"""

import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import psutil
import torch
from torch.nn import functional as F

from acclimate.core.seeds import numpy_generator
from acclimate.data.examples import Example, on_disk
from acclimate.data.items import ItemRows
from acclimate.engine.loop import Progress, Trainer
from acclimate.evaluation import Encode, Outcome
from acclimate.evaluation.efficiency import model_bytes, peak_memory_bytes
from acclimate.runs.known_vectors import KnownVectors
from acclimate.runs.planning import Request
from acclimate.runs.prepare import Prepared
from acclimate.runs.show import Show
from acclimate.runs.stages import Stages
from acclimate.runs.tracking import Tracking
from acclimate.runs.training import Sizes
from acclimate.runs.workspace import Workspace

if TYPE_CHECKING:
    from acclimate.model.embedder import Embedder
    from acclimate.model.encoder import Encoder

Arithmetic = Literal["fp32", "bf16"]

_STEPS = 12  # of a rehearsal, at least: the first takes longer, and stages of unfreezing need some each
_ADAPTED = 6  # steps of an adaptation
_PART = 2048  # texts whose tokens are in memory at a time
_SAMPLED = 32  # texts of each part whose encoding may be timed
_TIMED = 256  # texts that are
_BY_ROWS = frozenset({"mine", "weigh"})  # stages whose time grows with the rows that train
_OF_ROWS = "activations", "features", "guide.npy"  # in the cache: so does what they take
_MAPPED = "activations", "guide.npy"  # of these, what is read through memory
_KEPT = 1.25  # of what a dozen steps add to the memory: the allocator keeps more while sizes of batches change


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run is expected to take.

    Attributes:
        seconds: by stage.
        train_seconds: of the training loop, as `scores.json` counts them.
        steps: that it takes.
        peak_memory_bytes: resident at most.
        disk_bytes: in its folder at most.
        model_bytes: of the result.
        trainable_parameters: numbers that train.
        total_parameters: of the encoder.
        rehearsed_steps: that were timed.
        rehearsed_rows: on which.
    """

    seconds: dict[str, float]
    train_seconds: float
    steps: int
    peak_memory_bytes: int
    disk_bytes: int
    model_bytes: int
    trainable_parameters: int
    total_parameters: int
    rehearsed_steps: int
    rehearsed_rows: int

    def as_dict(self) -> dict[str, Any]:
        """As ``plan --json`` prints it."""
        return {
            "total_seconds": round(sum(self.seconds.values()), 1),
            "train_seconds": round(self.train_seconds, 1),
            "seconds": {stage: round(seconds, 1) for stage, seconds in self.seconds.items()},
            "steps": self.steps,
            "peak_memory_bytes": self.peak_memory_bytes,
            "disk_bytes": self.disk_bytes,
            "model_bytes": self.model_bytes,
            "trainable_parameters": self.trainable_parameters,
            "total_parameters": self.total_parameters,
            "rehearsed": {"steps": self.rehearsed_steps, "rows": self.rehearsed_rows},
        }


@dataclass
class _Stage:
    """What a stage took, and the tokens that it would have encoded."""

    seconds: float = 0.0
    tokens: Counter[Arithmetic] = field(default_factory=Counter)


class _Clock(Show):
    """Says nothing, and times the stages between which a run says what it does."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.stages: dict[str, _Stage] = {}
        self.sizes: Sizes | None = None
        self._now, self._since = "read", time.perf_counter()

    @property
    def now(self) -> _Stage:
        """The stage that goes on."""
        return self.stages.setdefault(self._now, _Stage())

    def stage(self, name: str, text: str) -> None:
        """See `Show.stage`. What is read is shown when it has been read."""
        self.turn("read" if name in ("data", "plan") else name)

    def turn(self, name: str) -> None:
        """Ends a stage, and begins one."""
        now = time.perf_counter()
        self.now.seconds += now - self._since
        self._now, self._since = name, now

    def training(self, sizes: Sizes, start: int) -> None:
        """See `Show.training`."""
        super().training(sizes, start)
        self.sizes = sizes

    def leave_out(self, seconds: float) -> None:
        """Takes time away that the run itself would not take."""
        self.now.seconds -= seconds


class Rehearsal(Stages):
    """The stages of a run in small.

    Args:
        request: as of the run, with an empty folder for ``out``.
        base: the folder of the base.
        prepared: all data of the run.
        reading: seconds that it took to read.

    Attributes:
        whole: the plan of the run itself.
        clock: what each stage took.
    """

    def __init__(self, request: Request, base: Path, prepared: Prepared, reading: float) -> None:
        self.clock = _Clock()
        self.clock.leave_out(-reading)
        workspace = Workspace(request.out)
        super().__init__(request, workspace, base, prepared, self.clock, Tracking((), workspace, self.clock.say))
        self.whole = self.plan
        training = self.recipe.training.model_copy(update={"time_limit": "none"})
        self.recipe = self.recipe.model_copy(update={"training": training})
        if self.recipe.adaptation != "none":
            adaptation = self.recipe.adaptation.model_copy(
                update={"steps": min(_ADAPTED, self.recipe.adaptation.steps)}
            )
            self.recipe = self.recipe.model_copy(update={"adaptation": adaptation})
        decided, rows = self.plan.decided, len(prepared.train)
        decided = replace(decided, epochs=min(_STEPS, decided.epochs))
        few = min(rows, decided.batch_size * max(1, math.ceil(_STEPS / decided.epochs)))
        if decided.batch_size == rows:  # every step takes all of them
            few = min(rows, max(64, rows // _STEPS))
            decided = replace(decided, batch_size=few, micro_batch=min(few, decided.micro_batch))
        self.plan = replace(self.plan, recipe=self.recipe, decided=decided)
        self.prepared, self._rows = _some(prepared, few, self.recipe.training.seed), rows / few
        self._factor = self._rows * self.whole.decided.epochs / decided.epochs
        self._mining = self._mining_of(self.recipe)
        self._sample: dict[str, list[str]] = {}
        self._evaluations = 0
        self._progress: Progress | None = None
        self._disk = self._mapped = self._model = self._resting = 0
        self._of_rows = 1.0  # of the tokens that are kept, those of the rows; the others are general texts

    def cost(self) -> Cost:
        """Rehearses, and says what the run would take."""
        self.execute()
        clock, progress, sizes = self.clock, self._progress, self.clock.sizes
        clock.turn("over")
        assert progress is not None
        assert sizes is not None
        rates = {kind: self._seconds_a_token(kind) for kind in _kinds(clock.stages)}
        seconds = {}
        for name, stage in clock.stages.items():
            found = stage.seconds + sum(rates[kind] * count for kind, count in stage.tokens.items())
            seconds[name] = found * (self._rows if name in _BY_ROWS else 1)
        seconds["adapt"] = seconds.get("adapt", 0.0) + self._adapting()
        train, limit = progress.seconds * self._factor, self.whole.recipe.training.time_limit
        if limit != "none":
            train = min(train, limit)
        seconds["train"] += train - progress.seconds
        return Cost(
            seconds={name: found for name, found in seconds.items() if round(found, 1) > 0},
            train_seconds=train,
            steps=round(progress.step * self._factor),
            peak_memory_bytes=round(self._resting + _KEPT * (peak_memory_bytes() - self._resting)) + self._mapped,
            disk_bytes=self._disk,
            model_bytes=self._model,
            trainable_parameters=sizes.trainable_parameters,
            total_parameters=sum(p.numel() for p in self.encoder.parameters()),
            rehearsed_steps=progress.step,
            rehearsed_rows=len(self.prepared.train),
        )

    def _adapting(self) -> float:
        """Seconds of the steps of an adaptation that were not rehearsed."""
        wanted, limit = self.whole.recipe.adaptation, self.whole.recipe.training.time_limit
        if wanted == "none" or not self._adapted:
            return 0.0
        took = self._adapted["seconds"]
        whole = took / self._adapted["steps"] * wanted.steps
        return float(min(whole, math.inf if limit == "none" else limit / 2) - took)

    # -- what is done otherwise ------------------------------------------------------------------------------------

    def _train(self, train: Sequence[Example] | ItemRows, source: Sequence[Example]) -> tuple[Trainer, Sizes, Progress]:
        self.clock.turn("train")
        self._resting = psutil.Process().memory_info().rss
        trainer, sizes, progress = super()._train(train, source)
        self._progress = replace(progress)
        lengths, streams = trainer.feed.store.lengths, trainer.feed.streams.values()
        beside = np.unique(np.concatenate([np.zeros(0, np.int64), *(stream.features for stream in streams)]))
        self._of_rows = 1 - float(lengths[beside].sum() / max(1, lengths.sum()))
        return trainer, sizes, progress

    def _evaluate_dev(self) -> dict[str, float]:
        found, keep = super()._evaluate_dev(), self.plan.decided.keep_best
        self._evaluations += 1  # better each time, so that no patience ends
        return {**found, keep: found[keep] + self._evaluations}

    def _time(self, scores: dict[str, Any]) -> None:
        """A rehearsal's model serves nobody."""

    def _explain(self, scores: dict[str, Any], progress: Progress) -> None:
        """Nor is it judged."""

    def _save(self, scores: dict[str, Any], before: Outcome, after: Outcome) -> None:
        cache = self.workspace.cache
        kept, mapped = (sum(_bytes(cache / name) for name in names) for names in (_OF_ROWS, _MAPPED))
        more = self._of_rows * (self._rows - 1)
        self._disk = model_bytes(self.workspace.path) + round(kept * more)
        self._mapped = round(mapped * more)
        super()._save({**scores, "gate": {**scores["gate"], "passed": True}}, before, after)
        self._model = model_bytes(self.workspace.model)
        self._disk += self._model

    def _encode(self, texts: Sequence[str], role: str) -> np.ndarray:
        return self._counted(texts, role, "fp32", self.encoder)

    def _encode_base(self, base: "Encoder | None" = None) -> Encode:
        encoder = base or self.encoder
        if not self.recipe.training.cache or encoder.depth == 1:
            return partial(self._counted, precision="fp32", encoder=encoder)
        known = KnownVectors(encoder, self.base)
        return lambda texts, role: known.known(texts, role, lambda part: self._counted(part, role, "fp32", encoder))

    def _untuned(self) -> Encode:
        encode, factor = super()._untuned(), self._rows

        def of_rows(texts: Sequence[str], role: str) -> np.ndarray:
            before = self.clock.now.tokens["fp32"]
            vectors: np.ndarray = encode(texts, role)
            counted = self.clock.now.tokens["fp32"] - before
            self.clock.now.tokens["fp32"] += round(counted * (factor - 1))
            return vectors

        return of_rows

    def _encode_dev(self, texts: Sequence[str], role: str, encoder: "Encoder | None" = None) -> np.ndarray:
        precision: Arithmetic = "bf16" if self.plan.decided.precision == "bf16" else "fp32"
        return self._counted(texts, role, precision, encoder or self.encoder)

    def _counted(self, texts: Sequence[str], role: str, precision: Arithmetic, encoder: "Embedder") -> np.ndarray:
        """Vectors of texts without the layers above the table; what encoding them takes is counted."""
        if encoder.depth == 1:  # there are none
            return encoder.encode(texts, role)
        with self._not_counted():
            table = encoder.token_embedding().weight.detach()
            vectors = np.zeros((len(texts), encoder.dimension), np.float32)
            width = min(table.shape[1], encoder.dimension)
            for start in range(0, len(texts), _PART):
                part = list(texts[start : start + _PART])
                tokens = [torch.as_tensor(ids) for ids in encoder.tokenize(part, role)]
                lengths = torch.tensor([len(ids) for ids in tokens])
                offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)[:-1]])
                ids = torch.cat(tokens).clamp_max(len(table) - 1)  # a continuous prompt has rows of its own, behind
                means = F.embedding_bag(ids.to(table.device), table, offsets.to(table.device))
                vectors[start : start + len(part), :width] = F.normalize(means[:, :width]).cpu().numpy()
                self.clock.now.tokens[precision] += int(lengths.sum())
                drawn = numpy_generator(self.recipe.training.seed, "timed", start).permutation(len(part))[:_SAMPLED]
                self._sample.setdefault(role, []).extend(part[row] for row in drawn.tolist())
        return vectors

    def _seconds_a_token(self, precision: Arithmetic) -> float:
        """Of encoding, timed on texts of every part that was counted."""
        tokens, seconds = 0, 0.0
        for role, texts in self._sample.items():
            some = numpy_generator(self.recipe.training.seed, "timed", role).permutation(len(texts))[:_TIMED]
            chosen = [texts[row] for row in some.tolist()]
            distinct = list(dict.fromkeys(chosen))
            self.encoder.encode(distinct[:_SAMPLED], role, precision=precision)
            began = time.perf_counter()
            self.encoder.encode(distinct, role, precision=precision)
            seconds += time.perf_counter() - began
            tokens += sum(map(len, self.encoder.tokenize(distinct, role)))
        return seconds / max(1, tokens)

    @contextmanager
    def _not_counted(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.clock.leave_out(time.perf_counter() - began)


def _kinds(stages: dict[str, _Stage]) -> set[Arithmetic]:
    return {kind for stage in stages.values() for kind in stage.tokens}


def _some(prepared: Prepared, rows: int, seed: int) -> Prepared:
    """The same data, of which fewer rows train: the same share of each part."""
    share = rows / len(prepared.train)

    def fewer(given: Sequence[Example]) -> Sequence[Example]:
        chosen = _drawn(len(given), max(1, round(share * len(given))), seed)
        return on_disk(given).select(chosen)

    chosen = _drawn(len(prepared.train), rows, seed)
    train = prepared.train
    return replace(
        prepared,
        train=train.select(chosen) if isinstance(train, ItemRows) else on_disk(train).select(chosen),
        source=prepared.source and replace(prepared.source, rows=fewer(prepared.source.rows)),
        replay=prepared.replay and replace(prepared.replay, rows=fewer(prepared.replay.rows)),
        tasks={name: replace(task, train=fewer(task.train)) for name, task in prepared.tasks.items()},
    )


def _drawn(count: int, wanted: int, seed: int) -> np.ndarray:
    return np.sort(numpy_generator(seed, "rehearsal", count).permutation(count)[:wanted])


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else model_bytes(path)
