"""The gate: did the target task gain, and was nothing forgotten?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from acclimate.evaluation.significance import Comparison

ROUNDING = 1e-9
_WORSE = ("gained", "unproven", "forgotten", "no_gain")


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
    delta_tasks: Mapping[str, Comparison] | None = None,
) -> Verdict:
    """Judges a tuned model by its differences from the base.

    Args:
        delta_test: of the primary metric on test, higher being better.
        delta_general: of the general score; ``None`` when nothing general was scored, which is said.
        general_drop_limit: the largest fall of the general score that is accepted.
        strict: an ``unproven`` model does not pass.
        diverged: training ended in NaN or infinity.
        delta_tasks: as ``delta_test``, of each task beside it.

    Returns:
        The worst verdict that applies, in the order diverged, no_gain, forgotten, unproven, gained. It is that of the
        task that did worst.
    """
    on_test = {"": delta_test, **(delta_tasks or {})}
    deltas = [*on_test.values(), *([] if delta_general is None else [delta_general])]
    if diverged or not all(math.isfinite(delta["value"]) for delta in deltas):
        return Verdict("diverged", False, ["training diverged: a loss or a score is not a finite number"])
    found = [_gain(task, delta) for task, delta in on_test.items()]
    reasons = [reason for _, reason in found]
    verdict = max((verdict for verdict, _ in found), key=_WORSE.index)
    if delta_general is None:
        reasons.append("no general data was scored, so forgetting was not judged")
    elif delta_general["value"] < -general_drop_limit - ROUNDING:
        drop = f"the general score fell by {-delta_general['value']:.4f}, more than the limit {general_drop_limit:g}"
        reasons, verdict = [*reasons, drop], max(verdict, "forgotten", key=_WORSE.index)
    return Verdict(verdict, passes(verdict, strict=strict), reasons)


def _gain(task: str, delta: Comparison) -> tuple[str, str]:
    """What a change on test amounts to, and in words."""
    low, high = delta["ci95"]
    of = f"task {task}" if task else "test"
    change = f"{of} changed by {delta['value']:+.4f} (95% interval {low:+.4f} to {high:+.4f})"
    if delta["value"] <= ROUNDING:
        return "no_gain", f"{change}: not better"
    if low <= ROUNDING:
        return "unproven", f"{change}: better, but the interval holds zero, so the gain is not proven"
    return "gained", f"{change}: above zero"


def passes(verdict: str, *, strict: bool) -> bool:
    """Whether a verdict lets a tuned model pass; ``unproven`` does unless ``strict``."""
    return verdict == "gained" or (verdict == "unproven" and not strict)
