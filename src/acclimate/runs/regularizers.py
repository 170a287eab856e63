"""The regularizers of a run: what texts they read beside the batches, and what they keep or leave to later runs."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import torch
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from acclimate.core.errors import UsageError
from acclimate.core.files import write_atomic
from acclimate.core.nouns import ParamGroup
from acclimate.core.seeds import derive_seed
from acclimate.core.specs import by_kind
from acclimate.data.examples import Example, documents_of, queries_of
from acclimate.data.items import ItemRows
from acclimate.engine.inputs import Stream
from acclimate.engine.unit import TrainingUnit
from acclimate.evaluation.probe import guard_texts
from acclimate.recipe.resolve import Plan
from acclimate.runs.tokens import cut_at
from acclimate.runs.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from acclimate.model.encoder import Encoder
    from acclimate.regularizers import Regularizer, RegularizerSpec
    from acclimate.regularizers.base import Embed

#: Which texts of the run's data a stream has, by its name. A regularizer names the streams that it wants.
_OF_ROWS: Mapping[str, Callable[[Sequence[Example]], Iterator[str]]] = {
    "queries": queries_of,
    "documents": documents_of,
}
_ROLES = {"queries": "query", "documents": "document"}
_GENERAL = "general"


@dataclass(frozen=True, slots=True)
class StreamTexts:
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
    regularizers = by_kind([(spec.kind, spec.build()) for spec in specs])
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


def check_stages(streams: Mapping[str, Stream], steps: int) -> None:
    """A teacher that is the encoder itself, at the only step of its stage, has nothing to teach."""
    for name, stream in streams.items():
        if stream.stages > max(1, steps // 2):
            problem = f"{stream.stages} stages of a teacher of {name} texts are too many for {steps} steps"
            raise UsageError(problem, f"take at most {max(1, steps // 2)}, or more training.epochs")


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


def streams_of(
    plan: Plan,
    encoder: "Encoder",
    regularizers: Mapping[str, "Regularizer"],
    train: Sequence[Example] | ItemRows,
    source: Sequence[Example],
) -> dict[str, StreamTexts]:
    """What the regularizers want beside the batches, where there is some, and what the base says of it if asked."""
    precision: Literal["fp32", "bf16"] = "bf16" if plan.decided.precision == "bf16" else "fp32"
    found = {}
    for name in dict.fromkeys(name for r in regularizers.values() for name in (*r.streams, r.measured_on) if name):
        wanted = [regularizer for regularizer in regularizers.values() if name in regularizer.streams]
        taught = [regularizer for regularizer in wanted if regularizer.asks_teacher]
        texts, role = list(dict.fromkeys(_texts(name, train, source))), _role(name, encoder)
        if not texts:
            continue
        with cut_at(encoder, plan.decided.max_length):
            frozen = encoder.encode(texts, role, precision=precision) if taught else None
        found[name] = StreamTexts(
            texts,
            role,
            frozen,
            size=max((r.streams[name] for r in wanted), default=0),  # one draw serves all, so it is enough for each
            stages=taught[0].stages if taught else 1,
            starts_at=min((r.starts_at for r in wanted), default=0.0),
        )
    return found


def measured(
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
        say(f"regularizer {name} looks at what the base says of general texts")
        generator = torch.Generator().manual_seed(derive_seed(seed, "measured", name))
        found = regularizer.measure(embed, texts, generator)
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_suffix(".tmp")
        save_file({key: tensor.cpu().contiguous() for key, tensor in found.items()}, staged)
        staged.replace(path)
    return load_file(path)
