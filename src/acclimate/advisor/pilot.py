"""Which of several methods a pilot would take."""

from collections.abc import Sequence
from dataclasses import dataclass

from acclimate.evaluation.significance import Comparison


@dataclass(frozen=True, slots=True)
class Tried:
    """A method after its part of the steps.

    Attributes:
        name: of the method.
        against_first: its dev score beside that of the first method; None of the first.
    """

    name: str
    against_first: Comparison | None


def choose(tried: Sequence[Tried]) -> tuple[int, str]:
    """The place of the method to take, and why: a difference counts when its paired interval lies above zero.

    Of several that are ahead of the first, it is the one that is ahead by most.
    """
    first = tried[0].name
    if len(tried) == 1:
        return 0, f"there was nothing to compare {first} with"
    ahead = [
        (one.against_first["value"], place)
        for place, one in enumerate(tried)
        if one.against_first is not None and one.against_first["ci95"][0] > 0
    ]
    if not ahead:
        return 0, f"no other is ahead of {first} on dev by more than chance"
    value, place = max(ahead)
    found = tried[place].against_first
    assert found is not None
    low, high = found["ci95"]
    return place, f"ahead of {first} on dev by {value:+.4f} (95% interval {low:+.4f} to {high:+.4f})"
