"""GradNorm (Chen et al. 2018): objectives are weighed so that their gradients have the norms that they should have.

With the loss L of an objective, its weight w, and the gradient g of L to the encoder::

    G = w ||g||            target = mean(G) r^alpha            r = (L / L_0) / mean(L / L_0)

An objective that has come less far than the others, with r above 1, shall pull more. After each step the weights go
down the gradient of ``sum |G - target|`` with the target held fixed, and are scaled so that their sum stays.

Two things differ from the paper. It descends on w itself, whose right step depends on the scale of the losses, and
which can become negative; here it is on log w, in units of mean(G)::

    log w  -=  rate * sign(G - target) * G / mean(G)

And it takes the gradient to the last shared layer, to save time; here it is that to everything of the encoder that
trains, which is at hand, and which every method has.
"""

import math
from collections.abc import Collection, Mapping
from statistics import fmean
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from acclimate.gradient_rules.base import Gradient, GradientRule, Memory, total

_WEIGHT, _FIRST = "weight", "first_loss"


class GradNorm(GradientRule):
    """Weighs objectives; regularizers keep the weights that they have.

    ``alpha`` is how much more pulls what has come less far; 0 makes all gradients of one norm. ``rate`` is how far a
    step moves the logarithm of a weight. An objective that is not part of a step keeps its weight.
    """

    kind: Literal["gradnorm"] = "gradnorm"
    alpha: NonNegativeFloat = 1.5
    rate: Annotated[float, Field(gt=0, le=1)] = 0.025

    summary: ClassVar[str] = "objectives are weighed so that all come on at one pace"
    weighs: ClassVar[bool] = True
    remedy: ClassVar[str] = "name another under objectives"

    def check(self, objectives: int, guards: int) -> str:
        """See `GradientRule.check`."""
        return "" if objectives > 1 else "needs two objectives to weigh"

    def combine(
        self, gradients: Mapping[str, Gradient], guards: Collection[str], generator: torch.Generator
    ) -> list[Tensor | None]:
        """See `GradientRule.combine`."""
        return total(list(gradients.values()))

    def weights(self, memory: Memory, names: Collection[str]) -> dict[str, float]:
        """See `GradientRule.weights`."""
        known = memory.get(_WEIGHT, {})
        return {name: known.get(name, 1.0) for name in names}

    def learned(self, memory: Memory, losses: Mapping[str, float], norms: Mapping[str, float]) -> Memory:
        """See `GradientRule.learned`."""
        first = {name: loss for name, loss in losses.items() if loss > 0} | dict(memory.get(_FIRST, {}))
        sizes = {name: weight * norms[name] for name, weight in self.weights(memory, losses).items()}
        targets = target_norms(sizes, losses, first, self.alpha)
        moved = moved_weights(self.weights(memory, losses), sizes, targets, self.rate)
        return {_WEIGHT: {**memory.get(_WEIGHT, {}), **moved}, _FIRST: first}


def target_norms(
    sizes: Mapping[str, float], losses: Mapping[str, float], first: Mapping[str, float], alpha: float
) -> dict[str, float]:
    """What the norm of each weighed gradient should be.

    Args:
        sizes: what it is.
        losses: of this step. One below 0 counts as 0.
        first: the first loss above 0 of each; one that had none so far counts as one that comes on like the mean.
        alpha: the power of the pace.
    """
    left = {name: max(0.0, loss) / first[name] for name, loss in losses.items() if name in first}
    mean = fmean(left.values()) if left else 0.0
    pace = {name: left[name] / mean if mean and name in left else 1.0 for name in losses}
    return {name: fmean(sizes.values()) * pace[name] ** alpha for name in sizes}


def moved_weights(
    weights: Mapping[str, float], sizes: Mapping[str, float], targets: Mapping[str, float], rate: float
) -> dict[str, float]:
    """The weights after a step towards the targets. Their sum is what it was."""
    mean = fmean(sizes.values())
    if not mean:
        return dict(weights)
    signs = {name: (sizes[name] > targets[name]) - (sizes[name] < targets[name]) for name in weights}
    moved = {name: weight * math.exp(-rate * signs[name] * sizes[name] / mean) for name, weight in weights.items()}
    scale = math.fsum(weights.values()) / math.fsum(moved.values())
    return {name: weight * scale for name, weight in moved.items()}
