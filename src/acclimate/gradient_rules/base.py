"""What every gradient rule promises: the gradients of all loss terms in, the one that the step takes out."""

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from acclimate.core.specs import Spec

#: A gradient, a part for each parameter; None where a term does not depend on it.
Gradient = Sequence[Tensor | None]
#: What a rule keeps from step to step: name -> loss term -> a number. Every checkpoint has it.
Memory = Mapping[str, Mapping[str, float]]


class GradientRule(Spec):
    """How the gradients of several loss terms become that of a step. The rule of no rule is their sum."""

    #: Whether it finds what each objective counts, so that weights that are given have nothing to say.
    weighs: ClassVar[bool] = False
    #: What helps where `check` finds something missing.
    remedy: ClassVar[str] = "name one under regularizers"

    @abstractmethod
    def check(self, objectives: int, guards: int) -> str:
        """Why it cannot act on so many terms of objectives and of regularizers; empty where it can."""

    @abstractmethod
    def combine(
        self, gradients: Mapping[str, Gradient], guards: Collection[str], generator: torch.Generator
    ) -> list[Tensor | None]:
        """The gradient of the step.

        Args:
            gradients: of each loss term, by its name.
            guards: which terms are regularizers.
            generator: of the step, for what is drawn.
        """

    def weights(self, memory: Memory, names: Collection[str]) -> dict[str, float]:
        """By what the gradients of these objectives are multiplied before `combine` has them; empty: by nothing."""
        return {}

    def learned(self, memory: Memory, losses: Mapping[str, float], norms: Mapping[str, float]) -> Memory:
        """What a rule that weighs knows after a step; asked only of steps that are finite.

        Args:
            memory: what it knew before; empty at the start.
            losses: of the objectives that took part in the step, by name.
            norms: of their gradients to what trains of the encoder, before any weight.
        """
        return memory


def product(one: Gradient, other: Gradient) -> Tensor:
    """The inner product of two gradients, float32 scalar; 0 where they share no parameter."""
    found = [(a.float() * b.float()).sum() for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    return torch.stack(found).sum() if found else torch.zeros(())


def plus(one: Gradient, other: Gradient, factor: Tensor | float = 1.0) -> list[Tensor | None]:
    """``one + factor * other``, None where neither depends on a parameter."""
    return [a if b is None else b * factor if a is None else a + b * factor for a, b in zip(one, other, strict=True)]


def total(gradients: Sequence[Gradient]) -> list[Tensor | None]:
    """Their sum."""
    found = list(gradients[0])
    for gradient in gradients[1:]:
        found = plus(found, gradient)
    return found


def without_conflict(gradient: Gradient, other: Gradient) -> list[Tensor | None]:
    """The gradient without what would raise the other's loss: its projection where their product is below 0."""
    between, length = product(gradient, other), product(other, other)
    if between >= 0 or length == 0:
        return list(gradient)
    return plus(gradient, other, -between / length)
