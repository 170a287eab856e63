"""Merging back: how much of the tuned weights to keep, chosen on the dev halves.

theta(alpha) = (1 - alpha) * theta_base + alpha * theta_tuned   (Wortsman et al. 2022; LM-Cocktail, Xiao et al. 2023)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torch.nn import Parameter

ALPHAS = (1.0, 0.8, 0.6, 0.4, 0.2)
_ENOUGH = 3  # shares that are always tried: the target is often best a little below 1


@dataclass(frozen=True, slots=True)
class Trial:
    """What dev says of one share of the tuned weights."""

    alpha: float
    target: float
    general: float


def blend(
    parameters: Mapping[str, "Parameter"], base: Mapping[str, Tensor], tuned: Mapping[str, Tensor], alpha: float
) -> None:
    """Sets parameters to a point between base (0) and tuned (1); both ends exactly."""
    with torch.no_grad():
        for name, parameter in parameters.items():
            match alpha:
                case 0.0:
                    parameter.copy_(base[name])
                case 1.0:
                    parameter.copy_(tuned[name])
                case _:
                    parameter.copy_(torch.lerp(base[name], tuned[name], alpha))


def sweep(
    parameters: Mapping[str, "Parameter"],
    base: Mapping[str, Tensor],
    tuned: Mapping[str, Tensor],
    score: Callable[[], tuple[float, float]],
    floor: float,
) -> list[Trial]:
    """Scores dev (target, general) at shares from the largest down, until some of them forget little.

    Args:
        parameters: of the encoder that ``score`` uses.
        base: one end.
        tuned: the other end.
        score: dev target and dev general score of the encoder as it stands.
        floor: the general score below which too much is forgotten.
    """
    trials: list[Trial] = []
    for alpha in ALPHAS:
        if len(trials) >= _ENOUGH and any(trial.general >= floor for trial in trials):
            break
        blend(parameters, base, tuned, alpha)
        trials.append(Trial(alpha, *score()))
    return trials


def choose(trials: Sequence[Trial], floor: float) -> float:
    """The share with the best target among those that forget little; the least forgetful when none does."""
    allowed = [trial for trial in trials if trial.general >= floor]
    if not allowed:
        return max(trials, key=lambda trial: trial.general).alpha
    return max(allowed, key=lambda trial: trial.target).alpha


def floor_of(base_general: float, drop_limit: float) -> float:
    """The general score that a share must keep: half of the limit is in reserve, since dev is a sample."""
    return base_general - drop_limit / 2
