"""Puts a plan, an encoder and examples together into a trainer."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar

import torch
from torch import nn

from acclimate.core.nouns import ParamGroup
from acclimate.core.seeds import derive_seed
from acclimate.data.examples import Example, Kind
from acclimate.data.features import build_store
from acclimate.data.pairs import TextNumbers, pair_table
from acclimate.engine.activations import Activations
from acclimate.engine.checkpoint import CheckpointStore
from acclimate.engine.inputs import Feed, Stream
from acclimate.engine.loop import Callbacks, LoopSettings, Trainer
from acclimate.engine.memory import give_back
from acclimate.engine.unit import TrainingUnit
from acclimate.evaluation.probe import guard_texts
from acclimate.model.backbone import hidden_size
from acclimate.recipe.resolve import Plan
from acclimate.runs.workspace import Workspace

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder
    from acclimate.regularizers import Regularizer

T = TypeVar("T")

#: Texts by stream name. A regularizer names the stream that it wants.
_STREAMS = {"general": guard_texts}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is to do and to train."""

    steps: int
    steps_an_epoch: int
    tokens_an_epoch: int
    trainable_parameters: int
    time_limit: float


def build_trainer(
    plan: Plan,
    encoder: "Encoder",
    kind: Kind,
    train: Sequence[Example],
    workspace: Workspace,
    callbacks: Callbacks,
    checkpoints: CheckpointStore,
    say: Callable[[str], None],
) -> tuple[Trainer, Sizes]:
    """A trainer for a plan, ready to restore or to begin.

    Raises:
        UsageError: a setting that cannot act on this encoder or device.
    """
    training, decided = plan.recipe.training, plan.decided
    encoder.to(decided.device).eval()
    regularizers = _named([(spec.kind, spec.build()) for spec in decided.regularizers])
    feed = _feed(plan, encoder, kind, train, workspace, list(regularizers.values()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(training.seed, "method"))  # of what the method adds
        groups = decided.method.apply(encoder)
    for regularizer in regularizers.values():
        regularizer.begin(groups)
    objectives = _named([(spec.kind, (spec.build(), spec.weight)) for spec in decided.objectives])
    unit = TrainingUnit(encoder, objectives, regularizers).to(decided.device)
    groups = [*groups, *_heads(unit)]
    steps = max(1, round(decided.epochs * feed.steps_an_epoch))
    settings = LoopSettings(
        lr=decided.lr,
        weight_decay=training.weight_decay,
        steps=steps,
        warmup_steps=round(training.warmup_share * steps),
        clip_norm=training.clip_norm,
        precision=decided.precision,
        device=decided.device,
        dropout=training.dropout,
        evaluate_every=-(-steps // plan.recipe.evaluation.evaluations),
        patience=plan.recipe.evaluation.patience,
        keep_best=decided.keep_best,
        micro_batch=decided.micro_batch,
        time_limit=math.inf if training.time_limit == "none" else training.time_limit,
    )
    sizes = Sizes(
        steps=steps,
        steps_an_epoch=feed.steps_an_epoch,
        tokens_an_epoch=int(feed.store.lengths.sum()),
        trainable_parameters=sum(p.numel() for group in groups for p in group.parameters.values()),
        time_limit=settings.time_limit,
    )
    keep_states = partial(_keep_states, plan, encoder, feed, workspace, say) if training.cache else None
    return Trainer(unit, groups, feed, settings, callbacks, checkpoints, keep_states), sizes


def _keep_states(
    plan: Plan, encoder: "Encoder", feed: Feed, workspace: Workspace, say: Callable[[str], None], depth: int
) -> Activations | None:
    """The store of what the lowest blocks say of each text, or None where the disk has no room for it."""
    width, precision = hidden_size(encoder.backbone), plan.decided.precision
    # The weights below are the base's and the texts are the run's, which does not go on with others.
    key = f"{depth} blocks, {precision}, at most {plan.decided.max_length} tokens"
    blocks = f"{depth} block{'s' if depth > 1 else ''} at the bottom do{'es' if depth == 1 else ''} not train"
    try:
        states = Activations(workspace.cache / "activations", feed.store.offsets, width, precision, key)
    except OSError as problem:
        say(f"{blocks}, and are computed anew each time: {problem}")
        return None
    say(f"{blocks}: what they say of each text is kept on disk, up to {states.size_bytes / 1e6:,.0f} MB")
    return states


def _feed(
    plan: Plan,
    encoder: "Encoder",
    kind: Kind,
    train: Sequence[Example],
    workspace: Workspace,
    regularizers: Sequence["Regularizer"],
) -> Feed:
    """Tokenizes once whatever a step can need, and asks the base what it says of the streams' texts."""
    numbers = TextNumbers({role: encoder.prompt(role) for role in ("query", "document")})
    table = pair_table(train, kind, numbers)
    wanted: dict[str, int] = {}  # one draw a stream serves all who want it, so it has to be large enough for each
    for regularizer in regularizers:
        if regularizer.stream is not None:
            wanted[regularizer.stream] = max(regularizer.stream_size, wanted.get(regularizer.stream, 0))
    features = {name: numbers.numbers(_STREAMS[name](), "document") for name in wanted}
    evaluation_length, encoder.max_length = encoder.max_length, plan.decided.max_length
    try:
        store = build_store(
            workspace.cache / "features",
            numbers.texts,
            numbers.roles,
            encoder.tokenize,
            {role: encoder.prompt_length(role) for role in ("query", "document")},
            _store_key(plan, numbers),
        )
        precision: Literal["fp32", "bf16"] = "bf16" if plan.decided.precision == "bf16" else "fp32"
        streams = {
            name: Stream(features[name], encoder.encode(_STREAMS[name](), precision=precision), size)
            for name, size in wanted.items()
        }
    finally:
        encoder.max_length = evaluation_length
    give_back()  # what reading, checking and tokenizing left scattered, before training adds to it
    data = plan.recipe.data
    # Streams are numbered after the table was made, so their texts have no document key: none is an answer.
    return Feed(
        table=table,
        store=store,
        streams=streams,
        batch_size=plan.decided.batch_size,
        seed=derive_seed(plan.recipe.training.seed, "feed"),
        positives=data.positives_a_row,
        negatives=data.negatives_a_row,
    )


def _store_key(plan: Plan, numbers: TextNumbers) -> str:
    digest = hashlib.sha256(f"{plan.recipe.base}\0{plan.decided.max_length}".encode())
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


def _heads(unit: TrainingUnit) -> list[ParamGroup]:
    """What objectives and regularizers train of their own, at ten times the rate of the encoder."""
    parts: list[nn.Module] = [unit.objectives, unit.regularizers]
    names = {id(p): name for name, p in unit.named_parameters()}
    own = {names[id(p)]: p for part in parts for p in part.parameters()}
    return [ParamGroup("heads", own, lr_scale=10.0)] if own else []
