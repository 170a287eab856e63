"""Merging back: how much of the tuned weights to keep, chosen on the dev halves.

theta(alpha) = (1 - alpha) * theta_base + alpha * theta_tuned   (Wortsman et al. 2022; LM-Cocktail, Xiao et al. 2023)
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from acclimate.evaluation import Encode, Task, evaluate_general, evaluate_together

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch.nn import Parameter

ALPHAS = (1.0, 0.8, 0.6, 0.4, 0.2)
_ENOUGH = 3  # shares that are always tried: the target is often best a little below 1


@dataclass(frozen=True, slots=True)
class Trial:
    """What dev says of one share of the tuned weights."""

    alpha: float
    target: float
    general: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The shares that were tried, and which one was taken.

    Attributes:
        alpha: the one taken.
        metric: of the target.
        base: what dev says of the base.
        floor: the general score below which too much is forgotten.
        trials: from the largest share down.
    """

    alpha: float
    metric: str
    base: Trial
    floor: float
    trials: tuple[Trial, ...]

    def as_dict(self) -> dict[str, Any]:
        """As it stands in ``scores.json`` under ``merge``."""
        return {
            "alpha": self.alpha,
            "metric": self.metric,
            "base": {"dev": self.base.target, "general": self.base.general},
            "floor": self.floor,
            "trials": [{"alpha": t.alpha, "dev": t.target, "general": t.general} for t in self.trials],
        }


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


def add_up(
    parameters: Mapping[str, "Parameter"],
    base: Mapping[str, Tensor],
    tuned: Sequence[Mapping[str, Tensor]],
    alphas: Sequence[float],
) -> None:
    """Sets parameters to the base and a share of what each tuned model changed in it.

    theta = theta_base + sum_i alpha_i (theta_i - theta_base)   (Ilharco et al. 2023)

    Summed in float64, so that the order of the models is no matter. With one model of a share above 0, it is `blend`.
    """
    taken = [(weights, alpha) for weights, alpha in zip(tuned, alphas, strict=True) if alpha]
    if len(taken) < 2:
        weights, alpha = taken[0] if taken else (base, 0.0)
        blend(parameters, base, weights, alpha)
        return
    with torch.no_grad():
        for name, parameter in parameters.items():
            origin = base[name].double()
            parameter.copy_(origin + sum(alpha * (weights[name].double() - origin) for weights, alpha in taken))


class Remembering:
    """Encodes each text once for each way of reading it: tasks share texts.

    Args:
        encode: what it asks.
        reading: role -> how texts of that role are read, as `Embedder.reading` says it.
    """

    def __init__(self, encode: Encode, reading: Callable[[str], Hashable]) -> None:
        self._encode, self._reading = encode, reading
        self._known: dict[Hashable, dict[str, NDArray[np.float32]]] = {}

    def __call__(self, texts: Sequence[str], role: str) -> "NDArray[np.float32]":
        """float32 [N, D], as ``encode`` gives it."""
        known = self._known.setdefault(self._reading(role), {})
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, self._encode(new, role), strict=True))
        return np.stack([known[text] for text in texts])


def dev_scores(
    target: Task,
    metric: str,
    general: Sequence[Task],
    encode: Encode,
    reading: Callable[[str], Hashable],
    beside: Mapping[str, Task] | None = None,
) -> tuple[float, float]:
    """What dev says of an encoder: a metric of the target and the tasks beside it, and the general score.

    The latter is 0 where there is no general task.
    """
    once = Remembering(encode, reading)
    metrics = evaluate_together(target, beside or {}, once)
    return metrics[metric], evaluate_general(general, once).score if general else 0.0


def choose_share(
    parameters: Mapping[str, "Parameter"],
    base: Mapping[str, Tensor],
    tuned: Mapping[str, Tensor],
    score: Callable[[], tuple[float, float]],
    *,
    metric: str,
    of_base: tuple[float, float],
    drop_limit: float,
) -> Curve:
    """Leaves the weights between base and tuned that dev prefers in the parameters.

    Args:
        parameters: of the encoder that ``score`` uses.
        base: one end.
        tuned: the other end.
        score: dev target and dev general score of the encoder as it stands.
        metric: the target's.
        of_base: the same two scores of the base.
        drop_limit: by how much the general score may fall on test.
    """
    floor = floor_of(of_base[1], drop_limit)
    trials = sweep(parameters, base, tuned, score, floor)
    alpha = choose(trials, floor)
    blend(parameters, base, tuned, alpha)
    return Curve(alpha, metric, Trial(0.0, *of_base), floor, tuple(trials))


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
