"""The training unit: encoder, objectives and regularizers as one module that returns named loss terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, overload

import numpy as np
import torch
from torch import Tensor, nn

from acclimate.core.nouns import GUIDE, Step
from acclimate.objectives import Objective
from acclimate.objectives.base import weighted_mean
from acclimate.regularizers import Regularizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from acclimate.model.encoder import Encoder, Tokens


@dataclass(frozen=True, slots=True)
class Rows:
    """A batch as tensors on the device of the unit.

    Attributes:
        task: whose objectives it takes; empty: those of the training data.
        at: rows of the embeddings that are its distinct inputs.
        index, relevant, weight, target, label, log_chance, teacher: as in `Step`.
        guide: [U, D'] what the untuned encoder says of its inputs, for objectives that ask.
    """

    task: str
    at: slice
    index: Mapping[str, Tensor]
    relevant: Tensor
    weight: Tensor
    target: Tensor
    label: Tensor
    log_chance: Tensor | None = None
    teacher: Mapping[str, Tensor] = field(default_factory=dict)
    guide: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a step reads, on the device of the unit.

    Attributes:
        texts: [U] numbers in the feature store, of the distinct inputs of each batch, then of each stream.
        tokens: their tokens.
        rows: the batches, mostly one.
        progress: as in `Step`.
        streams: name -> rows of the embeddings that are this stream's.
        frozen: name -> what its teacher says of the stream's texts [G, D].
    """

    texts: "NDArray[np.int64]"
    tokens: "Tokens"
    rows: tuple[Rows, ...]
    progress: float
    streams: Mapping[str, slice] = field(default_factory=dict)
    frozen: Mapping[str, Tensor] = field(default_factory=dict)


class TrainingUnit(nn.Module):
    """Everything that takes part in a step. Wrapped whole for distribution, so that heads are synchronized too."""

    def __init__(
        self,
        encoder: "Encoder",
        objectives: Mapping[str, tuple[Objective, float]],
        regularizers: Mapping[str, Regularizer],
        tasks: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.objectives = nn.ModuleDict({name: objective for name, (objective, _) in objectives.items()})
        self.objective_weights = {name: weight for name, (_, weight) in objectives.items()}
        self.regularizers = nn.ModuleDict(dict(regularizers))
        self.tasks = {name: (tasks or {}).get(name, "") for name in objectives}

    @overload
    def forward(self, inputs: "Tokens") -> Tensor: ...
    @overload
    def forward(self, inputs: Inputs, embeddings: Tensor | None = None) -> dict[str, Tensor]: ...
    def forward(self, inputs: "Inputs | Tokens", embeddings: Tensor | None = None) -> dict[str, Tensor] | Tensor:
        """Named loss terms, scalars; their sum is the loss of the step. Of tokens alone: their embeddings [U, D].

        Everything a step computes goes through here, also with gradient caching, so that whatever wraps the unit (for
        distribution) sees it.
        """
        if not isinstance(inputs, Inputs):
            vectors: Tensor = self.encoder(inputs)
            return vectors
        if embeddings is None:
            embeddings = self.encoder(inputs.tokens)
        steps = [(rows.task, _step(inputs, rows, embeddings)) for rows in inputs.rows]
        # Similarities and log-sum-exp in float32: bf16 cannot tell neighboring cosines apart.
        with torch.autocast(embeddings.device.type, enabled=False):
            terms = {
                name: self.objective_weights[name] * weighted_mean(objective(step), step.weight)
                for task, step in steps
                for name, objective in self.objectives.items()
                if self.tasks[name] == task
            }
            first = steps[0][1]
            terms |= {name: regularizer(first) for name, regularizer in self.regularizers.items()}
        return terms


def _step(inputs: Inputs, rows: Rows, embeddings: Tensor) -> Step:
    return Step(
        unique=embeddings[rows.at],
        index=rows.index,
        relevant=rows.relevant,
        weight=rows.weight,
        target=rows.target,
        streams={name: embeddings[at] for name, at in inputs.streams.items()},
        frozen={**inputs.frozen, **({} if rows.guide is None else {GUIDE: rows.guide})},
        progress=inputs.progress,
        label=rows.label,
        log_chance=rows.log_chance,
        teacher=rows.teacher,
    )
