"""The gate: did the target task gain, and was nothing forgotten?"""

import math
from dataclasses import dataclass

from acclimate.evaluation.significance import Comparison

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says: ``gained``, ``unproven``, ``no_gain``, ``forgotten`` or ``diverged``, and why."""

    verdict: str
    passed: bool
    reasons: list[str]


def judge(
    delta_test: Comparison,
    delta_general: Comparison | None,
    *,
    general_drop_limit: float = 0.01,
    strict: bool = False,
    diverged: bool = False,
) -> Verdict:
    """Judges a tuned model by its differences from the base.

    Args:
        delta_test: of the primary metric on test, higher being better.
        delta_general: of the general score; ``None`` when nothing general was scored, which is said.
        general_drop_limit: the largest fall of the general score that is accepted.
        strict: an ``unproven`` model does not pass.
        diverged: training ended in NaN or infinity.

    Returns:
        The worst verdict that applies, in the order diverged, no_gain, forgotten, unproven, gained.
    """
    deltas = [delta_test] if delta_general is None else [delta_test, delta_general]
    if diverged or not all(math.isfinite(delta["value"]) for delta in deltas):
        return Verdict("diverged", False, ["training diverged: a loss or a score is not a finite number"])
    low, high = delta_test["ci95"]
    change = f"test changed by {delta_test['value']:+.4f} (95% interval {low:+.4f} to {high:+.4f})"
    reasons, verdict = [f"{change}: above zero"], "gained"
    if low <= ROUNDING:
        reasons, verdict = [f"{change}: better, but the interval holds zero, so the gain is not proven"], "unproven"
    if delta_general is None:
        reasons.append("no general data was scored, so forgetting was not judged")
    elif delta_general["value"] < -general_drop_limit - ROUNDING:
        drop = f"the general score fell by {-delta_general['value']:.4f}, more than the limit {general_drop_limit:g}"
        reasons, verdict = [*reasons, drop], "forgotten"
    if delta_test["value"] <= ROUNDING:
        reasons, verdict = [f"{change}: not better", *reasons[1:]], "no_gain"
    return Verdict(verdict, passes(verdict, strict=strict), reasons)


def passes(verdict: str, *, strict: bool) -> bool:
    """Whether a verdict lets a tuned model pass; ``unproven`` does unless ``strict``."""
    return verdict == "gained" or (verdict == "unproven" and not strict)
