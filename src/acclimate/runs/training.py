"""Puts a plan, an encoder and examples together into a trainer."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from torch import nn

from acclimate.core.nouns import ParamGroup
from acclimate.core.seeds import derive_seed
from acclimate.data.examples import Dataset, Example
from acclimate.data.features import build_store
from acclimate.data.pairs import TextNumbers, pair_table
from acclimate.engine.checkpoint import CheckpointStore
from acclimate.engine.inputs import Feed, Stream
from acclimate.engine.loop import Callbacks, LoopSettings, Trainer
from acclimate.engine.precision import check_precision
from acclimate.engine.unit import TrainingUnit
from acclimate.evaluation.probe import guard_texts
from acclimate.recipe.tree import Recipe
from acclimate.runs.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def build_trainer(
    recipe: Recipe,
    encoder: "Encoder",
    dataset: Dataset,
    train: Sequence[Example],
    workspace: Workspace,
    callbacks: Callbacks,
    checkpoints: CheckpointStore,
) -> tuple[Trainer, Sizes]:
    """A trainer for a recipe without ``auto``, ready to restore or to begin.

    Raises:
        UsageError: a setting that cannot act on this encoder or device.
    """
    training = recipe.training
    check_precision(training.device, training.precision)  # type: ignore[arg-type]
    encoder.to(training.device).eval()
    regularizers = dict(_named((r.kind, r.build()) for r in recipe.regularizers if r != "auto"))
    feed = _feed(recipe, encoder, dataset, train, workspace, list(regularizers.values()))
    groups = recipe.method.apply(encoder)  # type: ignore[union-attr]
    for regularizer in regularizers.values():
        regularizer.begin(groups)
    objectives = {name: (o.build(), o.weight) for name, o in _named((o.kind, o) for o in recipe.objectives)}  # type: ignore[union-attr]
    unit = TrainingUnit(encoder, objectives, regularizers).to(training.device)
    groups = [*groups, *_heads(unit)]
    steps = max(1, round(training.epochs * feed.steps_an_epoch))  # type: ignore[operator]
    settings = LoopSettings(
        lr=training.lr,  # type: ignore[arg-type]
        weight_decay=training.weight_decay,
        steps=steps,
        warmup_steps=round(training.warmup_share * steps),
        clip_norm=training.clip_norm,
        precision=training.precision,  # type: ignore[arg-type]
        device=training.device,
        dropout=training.dropout,
        evaluate_every=-(-steps // recipe.evaluation.evaluations),
        patience=recipe.evaluation.patience,
        keep_best=recipe.evaluation.keep_best,
    )
    sizes = Sizes(
        steps=steps,
        steps_an_epoch=feed.steps_an_epoch,
        tokens_an_epoch=int(feed.store.lengths.sum()),
        trainable_parameters=sum(p.numel() for group in groups for p in group.parameters.values()),
    )
    return Trainer(unit, groups, feed, settings, callbacks, checkpoints), sizes


def _feed(
    recipe: Recipe,
    encoder: "Encoder",
    dataset: Dataset,
    train: Sequence[Example],
    workspace: Workspace,
    regularizers: Sequence["Regularizer"],
) -> Feed:
    """Tokenizes once whatever a step can need, and asks the base what it says of the streams' texts."""
    numbers = TextNumbers({role: encoder.prompt(role) for role in ("query", "document")})
    table = pair_table(train, dataset.kind, numbers)
    wanted = {r.stream: r.stream_size for r in regularizers if r.stream is not None}
    features = {
        name: np.array([numbers.number(text, "document") for text in _STREAMS[name]()], dtype=np.int64)
        for name in wanted
    }
    evaluation_length, encoder.max_length = encoder.max_length, int(recipe.training.max_length)
    try:
        store = build_store(
            workspace.cache / "features",
            numbers.texts,
            numbers.roles,
            encoder.tokenize,
            {role: encoder.prompt_length(role) for role in ("query", "document")},
            _store_key(recipe, numbers),
        )
        precision = "bf16" if recipe.training.precision == "bf16" else "fp32"
        streams = {
            name: Stream(features[name], encoder.encode(_STREAMS[name](), precision=precision), size)  # type: ignore[arg-type]
            for name, size in wanted.items()
        }
    finally:
        encoder.max_length = evaluation_length
    data = recipe.data
    # Streams are numbered after the table was made, so their texts have no document key: none is an answer.
    return Feed(
        table=table,
        store=store,
        streams=streams,
        batch_size=int(recipe.training.batch_size),
        seed=derive_seed(recipe.training.seed, "feed"),
        positives=data.positives_a_row,
        negatives=data.negatives_a_row,
    )


def _store_key(recipe: Recipe, numbers: TextNumbers) -> str:
    digest = hashlib.sha256(f"{recipe.base}\0{recipe.training.max_length}\0{recipe.data!r}".encode())
    for text, role in zip(numbers.texts, numbers.roles, strict=True):
        digest.update(f"{role}\0{text}\0".encode())
    return digest.hexdigest()


def _named(members: "Iterable[tuple[str, T]]") -> list[tuple[str, T]]:
    """Members by kind; a second one of a kind is called KIND_2."""
    seen: dict[str, int] = {}
    result = []
    for kind, member in members:
        seen[kind] = seen.get(kind, 0) + 1
        result.append((kind if seen[kind] == 1 else f"{kind}_{seen[kind]}", member))
    return result


def _heads(unit: TrainingUnit) -> list[ParamGroup]:
    """What objectives and regularizers train of their own, at ten times the rate of the encoder."""
    parts: list[nn.Module] = [unit.objectives, unit.regularizers]
    names = {id(p): name for name, p in unit.named_parameters()}
    own = {names[id(p)]: p for part in parts for p in part.parameters()}
    return [ParamGroup("heads", own, lr_scale=10.0)] if own else []
