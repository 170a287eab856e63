"""Spikes: gradients of a block that are out of all proportion to its own recent ones.

With x = log ||g|| of a block and its steps before this one (at most 100)::

    spike:  x > median + 6 max(MAD, floor)        MAD = median |x_i - median|

Median and MAD stay where they are whatever a tenth of the steps does, so a spike does not hide the next one.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median

_WINDOW = 100  # steps
_ENOUGH = 20  # steps; of fewer the MAD says little
_DEVIATIONS = 6.0
_FLOOR = math.log(2) / _DEVIATIONS  # where a block is very even, a spike is still more than twice its median
_DIGITS = 4  # of a logarithm: the history is saved with each checkpoint, and the rule needs no more


def find_spikes(history: dict[str, list[float]], norms: Mapping[str, float], of: str = "") -> list[str]:
    """The blocks whose gradient spikes, in the order of ``norms``; adds the step to the history.

    Args:
        history: block, behind whose it is -> logarithms of its last norms, oldest first. Changed in place.
        norms: block -> norm of its gradient, finite. A norm of 0 is no spike and is not remembered.
        of: whose gradients they are: those of different tasks are not compared.
    """
    found = []
    for block, norm in norms.items():
        if norm == 0.0:
            continue
        value, past = round(math.log(norm), _DIGITS), history.setdefault(f"{of}/{block}" if of else block, [])
        if is_spike(value, past):
            found.append(block)
        past.append(value)
        del past[:-_WINDOW]
    return found


def is_spike(value: float, past: Sequence[float]) -> bool:
    """Whether the logarithm of a norm is far above those of the steps before; False while these are few."""
    if len(past) < _ENOUGH:
        return False
    middle = median(past)
    deviation = median([abs(other - middle) for other in past])
    return value > middle + _DEVIATIONS * max(deviation, _FLOOR)
