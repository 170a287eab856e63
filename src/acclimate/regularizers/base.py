"""What every regularizer promises: one scalar added to the loss, 0 right after ``begin`` unless it says otherwise."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup, Step
from acclimate.core.specs import Spec


class Regularizer(nn.Module):
    """A penalty that reads embeddings (``step.streams``, ``step.frozen``) or the opened parameters.

    Attributes:
        stream: the name of the extra texts that it wants beside each batch, or None. The engine draws ``stream_size``
            of them, embeds them in the same pass, and adds what the untuned encoder said of them to ``step.frozen``.
        stream_size: texts a step.
    """

    stream: str | None = None
    stream_size: int = 0
    #: Whether it measures from the start, so that it is 0 there.
    starts_at_zero: ClassVar[bool] = True

    @abstractmethod
    def begin(self, groups: Sequence[ParamGroup]) -> None:
        """Takes the starting point of what trains, once, before the first step and before any state is restored."""

    @abstractmethod
    def forward(self, step: Step) -> Tensor:
        """The penalty, a float32 scalar, weight included."""


class RegularizerSpec(Spec):
    """The settings of a regularizer. A weight of 0 is plain tuning."""

    @abstractmethod
    def build(self) -> Regularizer:
        """The regularizer with these settings."""


def with_vocabulary(groups: Sequence[ParamGroup], kind: str) -> list[tuple[nn.Parameter, Tensor]]:
    """What trains among the rows of a frozen table, with that table [V, H].

    Raises:
        UsageError: the method of this run trains nothing of the kind.
    """
    found = [(p, g.vocabulary) for g in groups if g.vocabulary is not None for p in g.parameters.values()]
    if not found:
        raise UsageError(f"regularizer {kind} is for prompts, and this method trains none", "take --method prompt")
    return found
