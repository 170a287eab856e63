"""Puts a plan, an encoder and examples together into a trainer."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, cast

import numpy as np
import torch
from safetensors.torch import load_file, save, save_file
from torch import Tensor, nn

from acclimate.core.errors import UsageError
from acclimate.core.files import write_atomic
from acclimate.core.nouns import ParamGroup
from acclimate.core.seeds import derive_seed
from acclimate.data.batches import Part, batch_count
from acclimate.data.examples import Example, Kind, documents_of, on_disk, queries_of
from acclimate.data.features import FeatureStore, build_store
from acclimate.data.items import ItemRows, item_table
from acclimate.data.pairs import PairTable, TextNumbers, labels_of, pair_table
from acclimate.engine.activations import Activations
from acclimate.engine.checkpoint import CheckpointStore
from acclimate.engine.inputs import Feed, Stream
from acclimate.engine.loop import Callbacks, LoopSettings, Trainer
from acclimate.engine.memory import give_back
from acclimate.engine.optimizers import OPTIMIZERS
from acclimate.engine.unit import TrainingUnit
from acclimate.evaluation import Encode
from acclimate.evaluation.probe import guard_texts
from acclimate.model.items import ItemTable
from acclimate.objectives import Facts, Objective
from acclimate.recipe.resolve import Plan
from acclimate.recipe.tree import DataSettings
from acclimate.runs.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from acclimate.model.encoder import Encoder
    from acclimate.model.heads import Head
    from acclimate.regularizers import Regularizer, RegularizerSpec
    from acclimate.regularizers.base import Embed

T = TypeVar("T")

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
    known = None if decided.method.starts_as_base else _streams(plan, encoder, regularizers, given)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(training.seed, "method"))  # of what the method adds
        groups = decided.method.apply(encoder)  # it may read queries and documents apart, which the feed has to know
    streams = _streams(plan, encoder, regularizers, given) if known is None else known
    taught = any(spec.taught for spec in decided.objectives)
    # Scores of all of them have one scale.
    own = on_disk(chain(train, source, replay)) if kind is Kind.SCORED and not isinstance(train, ItemRows) else train
    facts = {"": facts_of(own, kind, encoder, taught=taught)}
    facts |= {task.name: facts_of(task.rows, task.kind, encoder, taught=taught) for task in tasks}
    specs = _named([(spec.name, spec) for spec in decided.objectives])
    objectives = {name: (spec.at_all_sizes(facts[spec.task]), spec.fixed_weight) for name, spec in specs.items()}
    wanted = [(specs[name].task, objective) for name, (objective, _) in objectives.items()]
    feed = _feed(plan, encoder, given, workspace, streams, wanted, untuned, renewal)
    steps = max(1, feed.steps_until(decided.epochs))
    _check_stages(feed.streams, steps)
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
            regularizer.take(_measured(name, regularizer, embed, len(stream.features), training.seed, workspace, say))
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


def _measured(
    name: str,
    regularizer: "Regularizer",
    embed: "Embed",
    texts: int,
    seed: int,
    workspace: Workspace,
    say: Callable[[str], None],
) -> dict[str, Tensor]:
    """What a regularizer finds in the untuned encoder; kept, so that a resumed run has not to look again."""
    path = workspace.cache / f"measured-{name}.safetensors"
    if not path.is_file():
        say(f"        regularizer {name} looks at what the base says of general texts")
        generator = torch.Generator().manual_seed(derive_seed(seed, "measured", name))
        found = regularizer.measure(embed, texts, generator)
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_suffix(".tmp")
        save_file({key: tensor.cpu().contiguous() for key, tensor in found.items()}, staged)
        staged.replace(path)
    return load_file(path)


@dataclass(frozen=True, slots=True)
class _Texts:
    """A stream before its texts have numbers. For the rest see `Stream`."""

    texts: Sequence[str]
    role: str
    frozen: "NDArray[np.float32] | None"
    size: int
    stages: int
    starts_at: float


def built(specs: Sequence["RegularizerSpec"]) -> dict[str, "Regularizer"]:
    """The regularizers of a run by name.

    Raises:
        UsageError: two that cannot have the same teacher, or that would leave the same file.
    """
    regularizers = _named([(spec.kind, spec.build()) for spec in specs])
    first: dict[str, str] = {}
    for name, regularizer in regularizers.items():
        for stream in regularizer.streams if regularizer.asks_teacher else ():
            other = first.setdefault(stream, name)
            if regularizers[other].stages != regularizer.stages:
                problem = f"{other} and {name} read the same {stream} texts, which have one teacher at a time"
                raise UsageError(f"regularizers {problem}", "give both the same stages, or leave one out")
    leaving = [name for name, regularizer in regularizers.items() if regularizer.leaves_importance]
    if len(leaving) > 1:
        problem = f"regularizers {' and '.join(leaving)} would both leave their importance"
        raise UsageError(problem, "let one of them keep it")
    return regularizers


def begin_on_trial(
    plan: Plan, encoder: "Encoder", train: Sequence[Example] | ItemRows, source: Sequence[Example]
) -> list[ParamGroup]:
    """Makes of a base what will train, and has the regularizers look at it, to find what cannot act.

    ``train`` and ``source`` are the rows of both domains.

    Raises:
        UsageError, DataError: a setting, or a file that it names.
    """
    regularizers, own = built(plan.decided.regularizers), {name for name, _ in encoder.named_parameters()}
    groups = plan.decided.method.apply(encoder)
    added = [name for group in groups for name in group.parameters if name not in own]
    for name, regularizer in regularizers.items():
        if regularizer.leaves_importance and added:
            problem = (
                f"regularizer {name} leaves importance to later runs, and method {plan.decided.method.kind} trains"
            )
            raise UsageError(f"{problem} what it adds itself, which these do not have", "take a method such as full")
        there = [name for name in regularizer.streams if any(True for _ in _texts(name, train, source))]
        regularizer.prepare(encoder.dimension, there)
        regularizer.begin(groups)
    return groups


def write_importance(unit: TrainingUnit, path: Path, about: Mapping[str, str]) -> bool:
    """Writes what a regularizer leaves to later runs, with what it was made of and ``about``; whether there is any."""
    for regularizer in unit.regularizers.values():
        left = cast("Regularizer", regularizer).leaves()
        if left is None:
            continue
        tensors = {name: weights.cpu().contiguous() for name, weights in left.weights.items()}
        told = {**about, **left.about, **_texts_of(cast("Regularizer", regularizer).measured_on)}
        write_atomic(path, save(tensors, told))
        return True
    return False


def _texts_of(stream: str | None) -> dict[str, str]:
    """Which texts a regularizer could draw those from that it was measured on."""
    if stream is None:
        return {}
    texts = list(_texts(stream, (), ()))
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    return {"drawn_from": stream, "drawn_from_texts": f"{len(texts)}", "drawn_from_sha256": digest}


def _check_stages(streams: Mapping[str, Stream], steps: int) -> None:
    """A teacher that is the encoder itself, at the only step of its stage, has nothing to teach."""
    for name, stream in streams.items():
        if stream.stages > max(1, steps // 2):
            problem = f"{stream.stages} stages of a teacher of {name} texts are too many for {steps} steps"
            raise UsageError(problem, f"take at most {max(1, steps // 2)}, or more training.epochs")


#: Which texts of the run's data a stream has, by its name. A regularizer names the streams that it wants.
_OF_ROWS: Mapping[str, Callable[[Sequence[Example]], Iterator[str]]] = {
    "queries": queries_of,
    "documents": documents_of,
}
_ROLES = {"queries": "query", "documents": "document"}
_GENERAL = "general"


def _texts(stream: str, train: Sequence[Example] | ItemRows, source: Sequence[Example]) -> Iterable[str]:
    """The texts of a stream: general ones, or those that rows of the source or of the target hold, as they come."""
    if stream == _GENERAL:
        return guard_texts()
    domain, kind = stream.split("_")
    rows = source if domain == "source" else train
    return () if isinstance(rows, ItemRows) else _OF_ROWS[kind](rows)


def _role(stream: str, encoder: "Encoder") -> str:
    """As what the texts of a stream are read."""
    if stream == _GENERAL:  # documents cannot move where queries alone are adapted: nothing to keep
        return "query" if encoder.adapts_queries_alone else "document"
    return _ROLES[stream.split("_")[1]]


def _streams(
    plan: Plan, encoder: "Encoder", regularizers: Mapping[str, "Regularizer"], given: _Given
) -> dict[str, _Texts]:
    """What the regularizers want beside the batches, where there is some, and what the base says of it if asked."""
    precision: Literal["fp32", "bf16"] = "bf16" if plan.decided.precision == "bf16" else "fp32"
    found = {}
    for name in dict.fromkeys(name for r in regularizers.values() for name in (*r.streams, r.measured_on) if name):
        wanted = [regularizer for regularizer in regularizers.values() if name in regularizer.streams]
        taught = [regularizer for regularizer in wanted if regularizer.asks_teacher]
        texts, role = list(dict.fromkeys(_texts(name, given.train, given.source))), _role(name, encoder)
        if not texts:
            continue
        with cut_at(encoder, plan.decided.max_length):
            frozen = encoder.encode(texts, role, precision=precision) if taught else None
        found[name] = _Texts(
            texts,
            role,
            frozen,
            size=max((r.streams[name] for r in wanted), default=0),  # one draw serves all, so it is enough for each
            stages=taught[0].stages if taught else 1,
            starts_at=min((r.starts_at for r in wanted), default=0.0),
        )
    return found


def _feed(
    plan: Plan,
    encoder: "Encoder",
    given: _Given,
    workspace: Workspace,
    streams: Mapping[str, _Texts],
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
    streams: Mapping[str, _Texts],
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


@contextmanager
def cut_at(encoder: "Encoder", length: int) -> Iterator[None]:
    """Within it, texts are cut as in training."""
    evaluation_length, encoder.max_length = encoder.max_length, length
    try:
        yield
    finally:
        encoder.max_length = evaluation_length


def _store_key(plan: Plan, readings: Mapping[str, object], numbers: TextNumbers) -> str:
    said = "\0".join(f"{role}\0{reading}" for role, reading in readings.items())
    digest = hashlib.sha256(f"{plan.recipe.base}\0{plan.decided.max_length}\0{said}".encode())
    for text, role in zip(numbers.texts, numbers.roles, strict=True):
        digest.update(f"{role}\0{text}\0".encode())
    return digest.hexdigest()


def _named(members: Sequence[tuple[str, T]]) -> dict[str, T]:
    """Members by kind; a second one of a kind is called KIND_2."""
    named: dict[str, T] = {}
    for kind, member in members:
        number = 1 + sum(other == kind for other, _ in members[: len(named)])
        named[kind if number == 1 else f"{kind}_{number}"] = member
    return named


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
