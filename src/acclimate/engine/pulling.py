"""Decay of parameters towards points that regularizers name, after each step."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from acclimate.core.nouns import Pull


def pull_back(parameters: Mapping[str, Tensor], pulls: Iterable[tuple[str, Pull]], rates: Mapping[str, float]) -> None:
    """Moves parameters that the last step moved towards their points.

    The distance is divided by ``1 + lr * strength``: what the gradient of ``strength / 2 * distance^2`` at the place of
    arrival would do (a proximal step, Parikh & Boyd 2014), so that it never goes too far, however strong.

    Args:
        parameters: by name; those without gradient stay where they are.
        pulls: names and points.
        rates: name -> learning rate of the step.
    """
    with torch.no_grad():
        for name, pull in pulls:
            parameter = parameters[name]
            if parameter.grad is not None:
                share = 1 - 1 / (1 + rates[name] * pull.strength)
                parameter.lerp_(pull.anchor, share)
