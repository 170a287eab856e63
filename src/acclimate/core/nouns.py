"""What the rooms hand to each other during training: data, never behavior."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
    from torch.nn import Parameter


GUIDE = "guide"
"""The name in ``Step.frozen`` of what the untuned encoder says of the batch itself, for objectives that ask."""


@dataclass(frozen=True, slots=True)
class ParamGroup:
    """Parameters that train alike: what trains, how fast and from when is data.

    Attributes:
        name: shown in logs and used in ``lr: {GROUP: ...}``.
        parameters: by their names in the training unit's encoder.
        lr_scale: multiplies the run's learning rate.
        decay: whether weight decay applies (not for biases and normalization).
        by_row: the parameter is a table [V, D] of which a batch touches a few rows; the others must not move.
        starts_at: the progress in [0, 1) from which the group trains.
        vocabulary: the frozen table [V, H] among whose rows those of the parameters stand, where there is one.
    """

    name: str
    parameters: Mapping[str, "Parameter"]
    lr_scale: float = 1.0
    decay: bool = True
    by_row: bool = False
    starts_at: float = 0.0
    vocabulary: "Tensor | None" = None


@dataclass(frozen=True, slots=True)
class Pull:
    """Where a parameter is drawn after each step, and how strongly: decay towards a point, as weight decay is to 0.

    Attributes:
        anchor: the point, of the parameter's shape.
        strength: at a rate lr the distance to it is divided by ``1 + lr * strength``. A number, or one for each number
            of the parameter.
    """

    anchor: "Tensor"
    strength: "Tensor | float"


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's rows, with every distinct input listed once.

    Attributes:
        rows: [B] positions in the pair table.
        unique: [U] ids in the feature store, each once.
        columns: role -> [B, K] positions in ``unique``, -1 where a row has fewer than K.
        relevant: [B, U] which inputs are known right answers to the row's query.
        weight: [B] weight of each row in the loss.
        target: [B] score of a scored pair; NaN elsewhere.
        label: [B] number of a labeled text's label; -1 elsewhere.
        log_chance: [U] logarithm of the chance that a batch has the input among its answers; None: not looked at.
        teacher: role -> [B, K] what a teacher says of the inputs in ``columns``, NaN where it says nothing.
        part: the table that ``rows`` are of: 0 is that of the training data, the others are those beside it, from 1.
    """

    rows: "NDArray[np.int64]"
    unique: "NDArray[np.int64]"
    columns: dict[str, "NDArray[np.int64]"]
    relevant: "NDArray[np.bool_]"
    weight: "NDArray[np.float32]"
    target: "NDArray[np.float32]"
    label: "NDArray[np.int64]"
    log_chance: "NDArray[np.float32] | None" = None
    teacher: Mapping[str, "NDArray[np.float32]"] = field(default_factory=dict)
    part: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """What objectives and regularizers see: embeddings, never the model.

    Attributes:
        unique: [U, D] the embedding of every distinct input of the batch.
        index: role -> Long [B, K] rows of ``unique``, -1 where absent.
        relevant: Bool [B, U] which inputs are known right answers to the row's query.
        weight: [B] weight of each row.
        target: [B] score of each row, NaN where it has none.
        streams: name -> [G, D] embeddings of extra texts that a regularizer asked for.
        frozen: name -> [G, D'] what a teacher says of the same extra texts, where one is asked; ``GUIDE`` -> [U, D']
            of ``unique``.
        progress: share of the training done, in [0, 1).
        label: Long [B] number of each row's label, -1 where it has none.
        log_chance: [U] as in `Batch`, where it is known.
        teacher: role -> [B, K] as in `Batch`.
    """

    unique: "Tensor"
    index: Mapping[str, "Tensor"]
    relevant: "Tensor"
    weight: "Tensor"
    target: "Tensor"
    streams: Mapping[str, "Tensor"] = field(default_factory=dict)
    frozen: Mapping[str, "Tensor"] = field(default_factory=dict)
    progress: float = 0.0
    label: "Tensor | None" = None
    log_chance: "Tensor | None" = None
    teacher: Mapping[str, "Tensor"] = field(default_factory=dict)
