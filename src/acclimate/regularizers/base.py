"""What every regularizer promises: one scalar added to the loss, 0 right after ``begin`` unless it says otherwise."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup, Pull, Step
from acclimate.core.specs import Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The file of a run's folder in which a regularizer leaves what a later run goes on from.
IMPORTANCE = "importance.safetensors"
#: (numbers of texts [B]) -> their embeddings [B, D].
Embed = Callable[["NDArray[np.int64]"], Tensor]


@dataclass(frozen=True, slots=True)
class Importance:
    """How much each number of the opened parameters matters, as one run leaves it to the next.

    Attributes:
        weights: name of a parameter -> its numbers' importance, of its shape.
        about: what it was made by: setting -> value.
    """

    weights: Mapping[str, Tensor]
    about: Mapping[str, str]


class Regularizer(nn.Module):
    """A penalty that reads embeddings (``step.streams``, ``step.frozen``) or the opened parameters.

    Attributes:
        streams: the extra texts that it wants beside each batch: name -> texts a step. The engine draws them and embeds
            them in the same pass. A stream of which the run has no text is missing in ``step.streams``.
        starts_at: the progress in [0, 1) from which it wants them.
        asks_teacher: whether ``step.frozen`` has to hold what a teacher says of the same texts.
        stages: in how many equal parts of its progress training is cut. The teacher of the streams is the untuned
            encoder in the first, and in each later one the encoder as it was when that began.
        measured_on: the name of the texts on which it looks at the untuned encoder once, or None.
        leaves_importance: whether `leaves` gives any. A later run knows weights by their names, so the method has to
            train the base's own.
    """

    streams: Mapping[str, int] = MappingProxyType({})
    starts_at: float = 0.0
    asks_teacher: ClassVar[bool] = False
    stages: int = 1
    measured_on: str | None = None
    leaves_importance: bool = False
    #: Whether it measures from the start, so that it is 0 there.
    starts_at_zero: ClassVar[bool] = True

    def prepare(self, dimension: int, streams: Collection[str]) -> None:
        """Makes what it trains of its own, before ``begin``; random numbers are the run's.

        Args:
            dimension: D, of the embeddings.
            streams: those of its streams that the run has texts of.

        Raises:
            UsageError: too few of them.
        """

    @abstractmethod
    def begin(self, groups: Sequence[ParamGroup]) -> None:
        """Takes the starting point of what trains, once, before the first step and before any state is restored.

        Raises:
            UsageError: a setting that cannot act on what trains here.
            DataError: a file that it goes on from cannot be read.
        """

    def measure(self, embed: Embed, texts: int, generator: torch.Generator) -> Mapping[str, Tensor]:
        """What it has to know of the untuned encoder, by names; after ``begin``, where ``measured_on`` is named.

        Args:
            embed: what embeds some of the texts by their numbers, with a graph down to the opened parameters.
            texts: how many there are.
            generator: for what is drawn.
        """
        return {}

    def take(self, measured: Mapping[str, Tensor]) -> None:
        """Is handed what `measure` found, in this run or when it began."""

    def leaves(self) -> Importance | None:
        """What a later run can go on from, where ``leaves_importance``; after ``take``."""
        return None

    def pulls(self) -> Mapping[str, Pull]:
        """Where the opened parameters are drawn after each step, by name; asked once, after ``begin`` and ``take``."""
        return {}

    @abstractmethod
    def forward(self, step: Step) -> Tensor:
        """The penalty, a float32 scalar, weight included."""


class RegularizerSpec(Spec):
    """The settings of a regularizer. A weight of 0 is plain tuning."""

    @property
    def pulls_after_step(self) -> bool:
        """Whether it acts by ``pulls`` instead of by the loss, which a search along a line would not see."""
        return False

    @property
    def compares_domains(self) -> bool:
        """Whether it needs rows of a source beside those of the target."""
        return False

    @abstractmethod
    def build(self) -> Regularizer:
        """The regularizer with these settings."""


def stage_of(progress: float, stages: int) -> int:
    """In which of equal parts of the training, counted from 0, a progress in [0, 1] lies."""
    return min(int(progress * stages + 1e-9), stages - 1)  # a share like 7/25 may lie a rounding below its boundary


def with_vocabulary(groups: Sequence[ParamGroup], kind: str) -> list[tuple[nn.Parameter, Tensor]]:
    """What trains among the rows of a frozen table, with that table [V, H].

    Raises:
        UsageError: the method of this run trains nothing of the kind.
    """
    found = [(p, g.vocabulary) for g in groups if g.vocabulary is not None for p in g.parameters.values()]
    if not found:
        raise UsageError(f"regularizer {kind} is for prompts, and this method trains none", "take --method prompt")
    return found
