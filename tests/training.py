"""A whole training run of seconds: the real loop, data and encoder, on a tiny model and a few sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from acclimate.core.nouns import Batch, Step
from acclimate.data.examples import Example, Kind
from acclimate.data.features import build_store
from acclimate.data.pairs import TextNumbers, pair_table
from acclimate.engine.activations import Activations
from acclimate.engine.checkpoint import CheckpointStore
from acclimate.engine.inputs import Feed, Stream
from acclimate.engine.loop import Callbacks, LoopSettings, Trainer
from acclimate.engine.unit import TrainingUnit
from acclimate.gradient_rules import GRADIENT_RULES
from acclimate.methods import METHODS
from acclimate.model.encoder import Encoder
from acclimate.objectives import OBJECTIVES, Objective
from acclimate.regularizers import REGULARIZERS
from acclimate.runs.training import facts_of, groups_beside
from tiny import tiny_encoder

_WORDS = "dog cat bird fish horse doctor teacher player market bank ship car house river flower program"
_SUBJECTS = _WORDS.split()
_DEEDS = ("has pain in the left", "is under the", "finds water near the", "asks a question about the")
_PLACES = ["heart", "bone", "mountain", "table", "school", "street", "window", "bridge"]
#: Texts of a second domain.
ELSEWHERE = [f"a {a} near {b}" for a in _SUBJECTS for b in _PLACES]
GENERAL = [f"the {a} and the {b} say {c}" for a in _PLACES for b in _SUBJECTS[:4] for c in ("yes", "no")]


def pairs(count: int = 24, seed: int = 0, negatives: int = 0) -> list[Example]:
    """Distinct (query, document) pairs of mixed lengths, with some hard negatives in every second row."""
    generator = np.random.default_rng(seed)
    texts = [f"{s} {d} {p}" for s in _SUBJECTS for d in _DEEDS for p in _PLACES]
    chosen = generator.permutation(len(texts))[: count * 2]
    rows = []
    for row in range(count):
        wrong = tuple(texts[i] + " not" for i in generator.integers(0, len(texts), negatives)) if row % 2 else ()
        document = f"the {texts[chosen[row * 2]]}" + " and more of the same" * (row % 3)
        rows.append(
            Example(f"row:{row}", row + 1, query=texts[chosen[row * 2 + 1]], positives=(document,), negatives=wrong)
        )
    return rows


def scored(count: int = 24, seed: int = 0) -> list[Example]:
    """Pairs of sentences with a score in [0, 1]."""
    scores = np.random.default_rng(seed).random(count).round(2)
    return [
        Example(e.id, e.line, e.query, e.positives, score=float(s))
        for e, s in zip(pairs(count, seed), scores, strict=True)
    ]


def kind_of(examples: Sequence[Example]) -> Kind:
    """What rows made here are."""
    return Kind.SCORED if examples[0].score is not None else Kind.LABELED if examples[0].label else Kind.PAIRS


def make_feed(
    encoder: Encoder,
    examples: Sequence[Example],
    folder: Path,
    streams: Mapping[str, Mapping[str, Any]],
    frozen: np.ndarray,
    *,
    guided: bool = False,
    **options: Any,
) -> Feed:
    """The feed of examples and of texts for each stream, of which the settings are given.

    ``frozen`` is what the base says of the general texts; ``guided`` asks what the encoder says of all texts.
    """
    numbers = TextNumbers({role: encoder.reading(role) for role in ("query", "document")})
    table = pair_table(examples, kind_of(examples), numbers)
    role = "query" if encoder.adapts_queries_alone else "document"
    texts = {"general": (GENERAL, role)}
    for domain, some in (("source", ELSEWHERE), ("target", GENERAL)):
        texts |= {f"{domain}_queries": (some, "query"), f"{domain}_documents": (some, "document")}
    numbered = {name: numbers.numbers(*texts[name]) for name in streams}
    lengths = {role: encoder.prompt_length(role) for role in ("query", "document")}
    store = build_store(folder, numbers.texts, numbers.roles, encoder.tokenize, lengths, "tests")
    said = [encoder.encode([text], role) for text, role in zip(numbers.texts, numbers.roles, strict=True) if guided]
    return Feed(
        table,
        store,
        {
            name: Stream(numbered[name], frozen if name == "general" else None, **given)
            for name, given in streams.items()
        },
        **{"batch_size": 6, "seed": 7, "guide": np.concatenate(said) if guided else None, **options},
    )


@dataclass
class Rig:
    """A trainer and what it was heard to say."""

    trainer: Trainer
    records: list[dict[str, Any]]
    lines: list[str]
    stop_at: set[int] = field(default_factory=set)
    evaluations: int = 0
    depths: list[int] = field(default_factory=list)

    @property
    def encoder(self) -> Encoder:
        return self.trainer.unit.encoder

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The records of training steps."""
        return [record for record in self.records if "loss" in record]

    def restore(self) -> bool:
        """Restores, and cuts the records as a resumed run cuts its log."""
        found = self.trainer.restore()
        del self.records[self.trainer.progress.records :]
        return found


def make_rig(
    folder: Path,
    *,
    method: Any = "full",
    objectives: Sequence[Any] = ("infonce",),
    regularizers: Sequence[Any] = (),
    examples: Sequence[Example] | None = None,
    encoder: Encoder | None = None,
    records: list[dict[str, Any]] | None = None,
    scores: Sequence[float] | None = None,
    feed: Mapping[str, Any] | None = None,
    opens_at: Mapping[str, float] | None = None,
    cache: bool = False,
    gradients: Any = None,
    **settings: Any,
) -> Rig:
    """A trainer of a fresh tiny encoder, equal for equal arguments. ``scores`` replaces what dev says, in order.

    ``opens_at`` delays groups by name. ``cache`` keeps what frozen blocks say in ``folder / "states"``.
    """
    encoder = encoder or tiny_encoder()
    penalties = {spec.kind: spec.build() for spec in map(REGULARIZERS.parse, regularizers)}
    streams: dict[str, dict[str, Any]] = {r.measured_on: {"size": 0} for r in penalties.values() if r.measured_on}
    for penalty in penalties.values():
        own = {"stages": penalty.stages, "starts_at": penalty.starts_at}
        streams |= {name: {"size": size, **own} for name, size in penalty.streams.items()}
    given = examples if examples is not None else pairs(negatives=1)
    parsed = METHODS.parse(method)
    before = encoder.encode(GENERAL)
    groups = [replace(g, starts_at=(opens_at or {}).get(g.name, g.starts_at)) for g in parsed.apply(encoder)]
    queries_alone = parsed.starts_as_base and encoder.adapts_queries_alone
    frozen = encoder.encode(GENERAL, "query") if queries_alone else before
    facts = facts_of(given, kind_of(given), encoder)
    losses: dict[str, tuple[Objective, float]] = {
        s.kind: (s.at_all_sizes(facts), s.fixed_weight) for s in map(OBJECTIVES.parse, objectives)
    }
    guided = any(objective.guided for objective, _ in losses.values())
    data = make_feed(encoder, given, folder / "features", streams, frozen, guided=guided, **(feed or {}))
    unit = TrainingUnit(encoder, losses, penalties)
    for penalty in penalties.values():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            penalty.prepare(encoder.dimension, data.streams)
        penalty.begin(groups)
        if penalty.measured_on:
            texts = data.streams[penalty.measured_on].features

            def embed(rows: np.ndarray, texts: np.ndarray = texts) -> Tensor:
                return unit(data.tokens(texts[rows], "cpu"))

            penalty.take(penalty.measure(embed, len(texts), torch.Generator().manual_seed(3)))
    rig = Rig(None, records if records is not None else [], [])  # type: ignore[arg-type]
    queries, documents = [e.query for e in given[:8]], [e.positives[0] for e in given[:8] if e.positives]

    def evaluate() -> dict[str, float]:
        rig.evaluations += 1
        if scores is not None:
            return {"score": scores[rig.evaluations - 1]}
        cosines = encoder.encode(queries[: len(documents)], "query") @ encoder.encode(documents, "document").T
        return {"score": float(np.mean(np.diag(cosines)) - np.mean(cosines)), "spread": float(np.std(cosines))}

    defaults = {
        "optimizer": "adamw",
        "lr": 1e-3,
        "weight_decay": 0.01,
        "steps": 8,
        "warmup_steps": 2,
        "clip_norm": 1.0,
        "precision": "fp32",
        "device": "cpu",
        "dropout": False,
        "evaluate_every": 3,
        "patience": 100,
        "keep_best": "score",
        "micro_batch": 10**6,
    }
    loop_settings = LoopSettings(**(defaults | settings))

    def keep_states(depth: int) -> Activations:
        rig.depths.append(depth)
        return Activations.at_depth(folder / "states", encoder, depth, data.store, loop_settings.precision, str(depth))

    rig.trainer = Trainer(
        unit,
        [*groups, *groups_beside(unit, loop_settings.lr)],
        data,
        loop_settings,
        Callbacks(evaluate, rig.records.append, lambda: "asked" if rig.trainer.progress.step in rig.stop_at else None),
        CheckpointStore(folder / "checkpoints", rig.lines.append),
        keep_states if cache else None,
        gradients and GRADIENT_RULES.parse(gradients),
    )
    return rig


def weights(encoder: torch.nn.Module) -> dict[str, Tensor]:
    """A copy of all weights by name."""
    return {name: p.detach().clone() for name, p in encoder.named_parameters()}


def as_step(batch: Batch, unique: Tensor) -> Step:
    """A step of a batch whose inputs have the given embeddings [U, D]."""
    return Step(
        unique=unique,
        index={role: torch.from_numpy(column) for role, column in batch.columns.items()},
        relevant=torch.from_numpy(batch.relevant),
        weight=torch.from_numpy(batch.weight),
        target=torch.from_numpy(batch.target),
    )


def unit_vectors(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Random vectors of length one."""
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1).to(
        dtype
    )
