"""The gate as it is promised: one case a verdict, and the edges between them."""

import math

import pytest

from acclimate.evaluation.gate import judge
from acclimate.evaluation.significance import Comparison


def change(value: float, low: float, high: float) -> Comparison:
    return {"value": value, "ci95": [low, high], "p": 0.5}


GAIN, MAYBE, LOSS = change(0.1, 0.05, 0.15), change(0.02, -0.01, 0.05), change(-0.03, -0.05, -0.01)
KEPT, FORGOT = change(-0.005, -0.02, 0.01), change(-0.02, -0.03, -0.01)


@pytest.mark.parametrize(
    ("test", "general", "options", "verdict", "passed"),
    [
        (GAIN, KEPT, {}, "gained", True),
        (GAIN, None, {}, "gained", True),
        (GAIN, KEPT, {"strict": True}, "gained", True),
        (MAYBE, KEPT, {}, "unproven", True),
        (MAYBE, KEPT, {"strict": True}, "unproven", False),
        (change(0.1, 0.0, 0.2), KEPT, {}, "unproven", True),  # the interval holds zero at its edge
        (LOSS, KEPT, {}, "no_gain", False),
        (change(0.0, 0.0, 0.0), KEPT, {}, "no_gain", False),
        (LOSS, FORGOT, {}, "no_gain", False),
        (GAIN, FORGOT, {}, "forgotten", False),
        (MAYBE, FORGOT, {}, "forgotten", False),
        (GAIN, FORGOT, {"general_drop_limit": 0.02}, "gained", True),
        (GAIN, change(0.49 - 0.5, -0.02, 0), {}, "gained", True),  # exactly the limit, but for rounding
        (GAIN, KEPT, {"diverged": True}, "diverged", False),
        (change(math.nan, math.nan, math.nan), KEPT, {}, "diverged", False),
    ],
)
def test_verdicts(
    test: Comparison, general: Comparison | None, options: dict[str, bool | float], verdict: str, passed: bool
) -> None:
    judged = judge(test, general, **options)  # type: ignore[arg-type]
    assert (judged.verdict, judged.passed) == (verdict, passed)
    assert judged.reasons


def test_reasons_name_every_cause() -> None:
    reasons = " ".join(judge(LOSS, FORGOT).reasons)
    assert "-0.0300" in reasons
    assert "fell by 0.0200, more than the limit 0.01" in reasons
    assert "the interval holds zero" in judge(MAYBE, KEPT).reasons[0]
    assert "forgetting was not judged" in judge(GAIN, None).reasons[-1]
