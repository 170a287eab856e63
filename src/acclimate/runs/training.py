"""Puts a plan, an encoder and examples together into a trainer."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from acclimate.core.heap import give_back
from acclimate.core.nouns import ParamGroup
from acclimate.core.seeds import derive_seed
from acclimate.core.specs import by_kind
from acclimate.data.batches import Part, batch_count
from acclimate.data.examples import Example, Kind, on_disk
from acclimate.data.features import FeatureStore, build_store
from acclimate.data.items import ItemRows, item_table
from acclimate.data.pairs import PairTable, TextNumbers, labels_of, pair_table
from acclimate.engine.activations import Activations
from acclimate.engine.checkpoint import CheckpointStore
from acclimate.engine.inputs import Feed, Stream
from acclimate.engine.loop import Callbacks, LoopSettings, Trainer
from acclimate.engine.optimizers import OPTIMIZERS
from acclimate.engine.unit import TrainingUnit
from acclimate.evaluation import Encode
from acclimate.model.items import ItemTable
from acclimate.objectives import Facts, Objective
from acclimate.recipe.resolve import Plan
from acclimate.recipe.tree import DataSettings
from acclimate.runs.regularizers import StreamTexts, built, check_stages, measured, streams_of
from acclimate.runs.tokens import cut_at
from acclimate.runs.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from acclimate.model.encoder import Encoder
    from acclimate.model.heads import Head

#: (table of all rows, numbers of all texts) -> what gives the table of an epoch, or None where it stays.
Renewal = Callable[[PairTable, TextNumbers], Callable[[int], PairTable] | None]

_ENCODED = 20_000  # texts whose vectors are in memory at a time
_CHECKPOINT_EVERY = 100  # steps
_CHECKPOINT_EVERY_OF_TABLES = 1_000  # steps: a hundred take no longer than to write the table once
_HEADS_LR = 2e-3  # ten times that of full tuning
_LEAST_SECONDS = 1e-3  # of training: one step, where no time is left
_WEIGHTS_LR = 2e-2  # of learned weights of losses: a hundred steps move their logarithms by one


@dataclass(frozen=True, slots=True)
class TaskRows:
    """Rows of a task beside that of the training data, under the name by which objectives know it."""

    name: str
    kind: Kind
    rows: Sequence[Example]


@dataclass(frozen=True, slots=True)
class _Given:
    """All rows that train."""

    train: Sequence[Example] | ItemRows
    kind: Kind
    source: Sequence[Example]
    replay: Sequence[Example]
    tasks: Sequence[TaskRows]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is to do and to train."""

    steps: int
    trainable_parameters: int
    time_limit: float


def build_trainer(
    plan: Plan,
    encoder: "Encoder",
    kind: Kind,
    train: Sequence[Example] | ItemRows,
    workspace: Workspace,
    callbacks: Callbacks,
    checkpoints: CheckpointStore,
    say: Callable[[str], None],
    untuned: Callable[[], Encode],
    renewal: Renewal | None = None,
    source: Sequence[Example] = (),
    replay: Sequence[Example] = (),
    tasks: Sequence["TaskRows"] = (),
    spent: float = 0.0,
) -> tuple[Trainer, Sizes]:
    """A trainer for a plan, ready to restore or to begin.

    Args:
        plan: what to do.
        encoder: the base, which is edited in place.
        kind: of the rows.
        train: the rows.
        workspace: where features, states and vectors are kept.
        callbacks: what the loop calls.
        checkpoints: where its state is kept.
        say: takes a line for the user.
        untuned: gives what encodes as the base does, for objectives that ask it of every text.
        renewal: makes of the table of all rows what gives the table of an epoch, where negatives change.
        source: rows of another domain, in batches of their own.
        replay: rows of earlier data, in batches of their own.
        tasks: rows of other tasks.
        spent: seconds of ``training.time_limit`` that are gone.

    Raises:
        UsageError: a setting that cannot act on this encoder or device.
    """
    training, decided = plan.recipe.training, plan.decided
    encoder.to(decided.device).eval()
    regularizers = built(decided.regularizers)
    adapted = len(encoder.vector_adapters) > 0
    given = _Given(train, kind, source, replay, tasks)
    # What does not start as the base is asked before it becomes another encoder.
    known = None if decided.method.starts_as_base else streams_of(plan, encoder, regularizers, train, source)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(training.seed, "method"))  # of what the method adds
        groups = decided.method.apply(encoder)  # it may read queries and documents apart, which the feed has to know
    streams = streams_of(plan, encoder, regularizers, train, source) if known is None else known
    taught = any(spec.taught for spec in decided.objectives)
    # Scores of all of them have one scale.
    own = on_disk(chain(train, source, replay)) if kind is Kind.SCORED and not isinstance(train, ItemRows) else train
    facts = {"": facts_of(own, kind, encoder, taught=taught)}
    facts |= {task.name: facts_of(task.rows, task.kind, encoder, taught=taught) for task in tasks}
    specs = by_kind([(spec.name, spec) for spec in decided.objectives])
    objectives = {name: (spec.at_all_sizes(facts[spec.task]), spec.fixed_weight) for name, spec in specs.items()}
    wanted = [(specs[name].task, objective) for name, (objective, _) in objectives.items()]
    feed = _feed(plan, encoder, given, workspace, streams, wanted, untuned, renewal)
    steps = max(1, feed.steps_until(decided.epochs))
    check_stages(feed.streams, steps)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(training.seed, "regularizers"))  # of what they add
        for regularizer in regularizers.values():
            regularizer.prepare(encoder.dimension, feed.streams)
            regularizer.begin(groups)
    of_task = {name: spec.task for name, spec in specs.items()}
    unit = TrainingUnit(encoder, objectives, regularizers, of_task).to(decided.device)
    for name, regularizer in regularizers.items():
        if regularizer.measured_on is not None:
            stream = feed.streams[regularizer.measured_on]
            embed = partial(_embedded, unit, feed, stream.features, decided.device)
            regularizer.take(measured(name, regularizer, embed, len(stream.features), training.seed, workspace, say))
    groups = [*groups, *groups_beside(unit, decided.default_lr)]
    searches = OPTIMIZERS[decided.optimizer].line_search
    settings = LoopSettings(
        optimizer=decided.optimizer,
        lr=decided.lr,
        weight_decay=decided.weight_decay,
        steps=steps,
        warmup_steps=round(decided.warmup_share * steps),
        clip_norm=math.inf if searches else training.clip_norm,
        precision=decided.precision,
        device=decided.device,
        dropout=training.dropout,
        evaluate_every=-(-steps // plan.recipe.evaluation.evaluations),
        patience=plan.recipe.evaluation.patience,
        keep_best=decided.keep_best,
        micro_batch=decided.micro_batch,
        time_limit=math.inf if training.time_limit == "none" else max(training.time_limit - spent, _LEAST_SECONDS),
        checkpoint_every=_CHECKPOINT_EVERY_OF_TABLES if encoder.depth == 1 else _CHECKPOINT_EVERY,
    )
    sizes = Sizes(
        steps=steps,
        trainable_parameters=sum(p.numel() for group in groups for p in group.parameters.values()),
        time_limit=settings.time_limit,
    )
    keep_states = partial(_keep_states, plan, encoder, feed, workspace, say, adapted) if training.cache else None
    rule = None if plan.recipe.gradients == "sum" else plan.recipe.gradients
    return Trainer(unit, groups, feed, settings, callbacks, checkpoints, keep_states, rule), sizes


def facts_of(train: Sequence[Example] | ItemRows, kind: Kind, encoder: "Encoder", *, taught: bool = False) -> Facts:
    """What objectives may know of the rows and of the encoder before the first step.

    ``taught`` says whether they ask what a teacher says, which takes a look at every row.
    """
    match train, kind:
        case ItemRows(), _:
            return Facts(encoder.dimension)
        case _, Kind.LABELED:
            return Facts(encoder.dimension, labels=labels_of(train))
        case _, Kind.SCORED:
            scores = np.fromiter((e.score for e in train), np.float64, len(train))
            low, high = float(scores.min()), float(scores.max())
            return Facts(encoder.dimension, scores=(low, high), binary=len(np.unique(scores)) == 2)
        case _ if taught:
            return Facts(encoder.dimension, widest_margin=_widest_margin(train))
        case _:
            return Facts(encoder.dimension)


def _widest_margin(train: Sequence[Example]) -> float:
    """Between what a teacher says of a right and of a wrong document of one row; 1 where all are alike."""
    margins = (
        abs(right - wrong)
        for example in train
        for right in example.positive_scores
        for wrong in example.negative_scores
        if not (math.isnan(right) or math.isnan(wrong))
    )
    return max(margins, default=0.0) or 1.0


def heads_of(unit: TrainingUnit) -> "dict[str, Head]":
    """The heads that objectives trained, by the name of the objective, or of its task where that has one head."""
    found = {name: cast("Objective", objective).head() for name, objective in unit.objectives.items()}
    heads = {name: head for name, head in found.items() if head is not None}
    tasks = Counter(unit.tasks[name] for name in heads)
    return {(task if (task := unit.tasks[name]) and tasks[task] == 1 else name): head for name, head in heads.items()}


def _keep_states(
    plan: Plan,
    encoder: "Encoder",
    feed: Feed,
    workspace: Workspace,
    say: Callable[[str], None],
    adapted: bool,
    depth: int,
) -> Activations | None:
    """The store of what the lowest blocks say of each text, or None where the disk has no room for it.

    ``adapted`` says whether the base has adapters of its own, so that its vectors are not those below them.
    """
    precision = plan.decided.precision
    # The weights below are the base's and the texts are the run's, which does not go on with others.
    key = f"{depth} blocks, {precision}, at most {plan.decided.max_length} tokens"
    below = f"{depth} block{'s' if depth > 1 else ''} at the bottom do{'es' if depth == 1 else ''} not train"
    if depth == encoder.depth:
        below = "the encoder itself does not train"
    try:
        states = Activations.at_depth(workspace.cache / "activations", encoder, depth, feed.store, precision, key)
    except OSError as problem:
        say(f"{below}, and texts go through it anew each time: {problem}")
        return None
    say(f"{below}: what it says of each text is kept on disk, up to {states.size_bytes / 1e6:,.0f} MB")
    if depth == encoder.depth and not adapted:
        for stream in feed.streams.values():  # known by now, but for the length, which adapters do not see
            if stream.frozen is None:
                continue
            known = dict(zip(stream.features.tolist(), torch.from_numpy(stream.frozen), strict=True))
            states.take(stream.features, lambda texts, known=known: torch.stack([known[int(t)] for t in texts]))  # type: ignore[misc]
    return states


def _embedded(
    unit: TrainingUnit, feed: Feed, features: "NDArray[np.int64]", device: str, rows: "NDArray[np.int64]"
) -> Tensor:
    """Embeddings of some texts of a stream, with a graph [B, D]."""
    vectors: Tensor = unit(feed.tokens(features[rows], device))
    return vectors


def _feed(
    plan: Plan,
    encoder: "Encoder",
    given: _Given,
    workspace: Workspace,
    streams: Mapping[str, StreamTexts],
    objectives: Sequence[tuple[str, Objective]],
    untuned: Callable[[], Encode],
    renewal: Renewal | None,
) -> Feed:
    """Tokenizes once whatever a step can need."""
    match given.train:
        case ItemRows() as pairs:
            assert isinstance(encoder, ItemTable)
            differ = encoder.reading("query") != encoder.reading("document")
            found = _Numbered(*item_table(pairs, roles_differ=differ, first_query=encoder.first_query))
        case _:
            found = _in_numbers(plan, encoder, given, workspace, streams, objectives, untuned, renewal)
    give_back()  # what reading, checking and tokenizing left scattered, before training adds to it
    data = plan.recipe.data
    return Feed(
        table=found.table,
        store=found.store,
        streams={
            name: Stream(found.streams[name], stream.frozen, stream.size, stream.stages, stream.starts_at)
            for name, stream in streams.items()
        },
        batch_size=plan.decided.batch_size,
        seed=derive_seed(plan.recipe.training.seed, "feed"),
        positives=_positives(data, objectives, ""),
        negatives=data.negatives_a_row,
        fixed=OPTIMIZERS[plan.decided.optimizer].line_search,
        guide=found.guide,
        renewed=found.renewed,
        beside=found.beside,
    )


def _positives(data: DataSettings, objectives: Sequence[tuple[str, Objective]], task: str) -> int:
    """How many right answers a row of a task brings: none where no objective of it reads them."""
    return data.positives_a_row if any("positive" in o.columns for of, o in objectives if of == task) else 0


@dataclass(frozen=True, slots=True)
class _Numbered:
    """Rows as numbers of texts or items: with their tokens, each stream's numbers, what the guide says, new rows.

    ``beside`` are rows of other tasks, of a source and of earlier data.
    """

    table: PairTable
    store: FeatureStore
    streams: Mapping[str, "NDArray[np.int64]"] = field(default_factory=dict)
    guide: "NDArray[np.float32] | None" = None
    renewed: Callable[[int], PairTable] | None = None
    beside: tuple[Part, ...] = ()


def _in_numbers(
    plan: Plan,
    encoder: "Encoder",
    given: _Given,
    workspace: Workspace,
    streams: Mapping[str, StreamTexts],
    objectives: Sequence[tuple[str, Objective]],
    untuned: Callable[[], Encode],
    renewal: Renewal | None,
) -> _Numbered:
    readings = {role: encoder.reading(role) for role in ("query", "document")}
    numbers = TextNumbers(readings)
    table, beside = _tables(plan, given, numbers, objectives)
    # Streams are numbered after the table was made, so their texts have no document key: none is an answer.
    features = {name: numbers.numbers(stream.texts, stream.role) for name, stream in streams.items()}
    renewed = None if renewal is None else renewal(table, numbers)
    with cut_at(encoder, plan.decided.max_length):
        store = build_store(
            workspace.cache / "features",
            numbers.texts,
            numbers.roles,
            encoder.tokenize,
            {role: encoder.prompt_length(role) for role in readings},
            _store_key(plan, readings, numbers),
        )
    guided = any(objective.guided for _, objective in objectives)
    guide = _said_by(untuned(), numbers, workspace.cache / "guide.npy") if guided else None
    return _Numbered(table, store, features, guide, renewed, beside)


def _tables(
    plan: Plan, given: _Given, numbers: TextNumbers, objectives: Sequence[tuple[str, Objective]]
) -> tuple[PairTable, tuple[Part, ...]]:
    """The table of the training rows, and those of the rows beside them."""
    assert not isinstance(given.train, ItemRows)
    data, rows = plan.recipe.data, len(given.train)
    together = [given.train, given.source, given.replay]
    all_rows = on_disk(chain(*together)) if given.source or given.replay else given.train
    # One table: what is known to be right for a query of several of them is no negative in any.
    table = pair_table(all_rows, given.kind, numbers)
    beside = [
        Part(
            name=task.name,
            table=pair_table(task.rows, task.kind, numbers),
            task=task.name,
            ratio=(len(task.rows) / rows) ** (1 / data.task_temperature),
            joins=data.tasks_a_step == "all",
            positives=_positives(data, objectives, task.name),
        )
        for task in given.tasks
    ]
    if not (given.source or given.replay):
        return table, tuple(beside)
    own, end = _positives(data, objectives, ""), rows + len(given.source)
    batches = 1 + sum(part.ratio for part in beside if not part.joins)  # that share the steps, for each of TRAIN
    if given.source:
        assert plan.decided.mixing is not None
        size, epochs = plan.decided.batch_size, plan.decided.epochs
        counts = batch_count(rows, size), batch_count(len(given.source), size)
        pace = partial(plan.decided.mixing.had, epochs=epochs, train=counts[0], source=counts[1])
        beside.append(Part("source", table.part(rows, end), pace=pace, positives=own))
        batches += pace(epochs) / epochs
    if given.replay:
        ratio = batches * data.replay_share / (1 - data.replay_share)
        beside.append(Part("replay", table.part(end, len(table)), ratio=ratio, positives=own))
    return table.part(0, rows), tuple(beside)


def _said_by(encode: Encode, numbers: TextNumbers, path: Path) -> "NDArray[np.float32]":
    """The vectors of all texts by number [F, D], on disk."""
    roles = np.array(numbers.roles)
    vectors: NDArray[np.float32] | None = None
    for role in np.unique(roles):
        of_role = np.flatnonzero(roles == role)
        for start in range(0, len(of_role), _ENCODED):
            some = of_role[start : start + _ENCODED]
            found = encode(numbers.texts.select(some), str(role))
            if vectors is None:
                vectors = np.lib.format.open_memmap(path, "w+", np.float32, (len(roles), found.shape[1]))
            vectors[some] = found
    assert vectors is not None
    return vectors


def _store_key(plan: Plan, readings: Mapping[str, object], numbers: TextNumbers) -> str:
    said = "\0".join(f"{role}\0{reading}" for role, reading in readings.items())
    digest = hashlib.sha256(f"{plan.recipe.base}\0{plan.decided.max_length}\0{said}".encode())
    for text, role in zip(numbers.texts, numbers.roles, strict=True):
        digest.update(f"{role}\0{text}\0".encode())
    return digest.hexdigest()


def groups_beside(unit: TrainingUnit, default_lr: float) -> list[ParamGroup]:
    """What objectives and regularizers train of their own; by default at rates that do not depend on the encoder's."""
    parts: list[nn.Module] = [unit.objectives, unit.regularizers]
    names = {id(p): name for name, p in unit.named_parameters()}
    learned = [cast("Objective", objective).log_variance() for objective in unit.objectives.values()]
    weights = {names[id(s)]: s for s in learned if s is not None}
    own = {name: p for part in parts for p in part.parameters() if (name := names[id(p)]) not in weights}
    groups = (
        ParamGroup("heads", own, lr_scale=_HEADS_LR / default_lr),
        ParamGroup("loss_weights", weights, lr_scale=_WEIGHTS_LR / default_lr, decay=False),
    )
    return [group for group in groups if group.parameters]
