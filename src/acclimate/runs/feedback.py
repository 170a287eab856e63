"""Training rows as users' feedback has them, without a word of what is scored."""

from collections.abc import Sequence
from pathlib import Path

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.data.examples import Example, Kind
from acclimate.data.feedback import Said, applied, as_examples, read_feedback
from acclimate.runs.cut import MIN_ROWS, HeldOut, unknown_to


def require_pairs(kind: Kind) -> None:
    """Feedback is of right and wrong documents, which pairs alone have.

    Raises:
        UsageError: other rows.
    """
    if kind is not Kind.PAIRS:
        problem = f"--feedback says which documents are right or wrong for a query, and the rows are {kind}"
        raise UsageError(problem, "leave it out, or give pairs")


def with_feedback(
    rows: Sequence[Example], path: Path, held_out: Sequence[HeldOut]
) -> tuple[Sequence[Example], list[str]]:
    """Rows that train after feedback, and what a user should know of it, a sentence each.

    Raises:
        DataError: nothing in the file can act, or too few rows are left.
    """
    given = read_feedback(path)
    usable = _unknown(given, held_out)
    found = applied(rows, usable)
    if not (found.removed or found.negatives or found.added):
        problem = f"none of {len(given)} pairs can act: {_why(len(given) - len(usable), found.idle)}"
        raise DataError(problem, "mark pairs of training queries, or right documents of new ones", Place(path))
    if len(found.rows) < MIN_ROWS:
        problem = f"{len(found.rows)} rows are left of TRAIN, which are too few: feedback calls the others wrong"
        raise DataError(problem, f"give at least {MIN_ROWS}, better 200 and more", Place(path))
    parts = [f"{found.negatives} wrong documents for rows of TRAIN", f"{found.added} new rows"]
    if found.removed:
        parts.append(f"{found.removed} pairs of TRAIN taken out, which it calls wrong")
    notes = [f"feedback of {len(given)} pairs: {', '.join(parts)}"]
    if len(usable) < len(given) or found.idle:
        notes.append(f"feedback that does not act: {_why(len(given) - len(usable), found.idle)}")
    return found.rows, notes


def _unknown(given: Sequence[Said], held_out: Sequence[HeldOut]) -> list[Said]:
    """What names no query and no right document of data that is scored."""
    kept, _ = unknown_to(as_examples(given), held_out)
    return [given[int(row.id)] for row in kept if row.positives or row.negatives]


def _why(known: int, idle: int) -> str:
    reasons = []
    if known:
        reasons.append(f"{known} pairs name queries or right documents of test or dev")
    if idle:
        reasons.append(f"of {idle} queries, which are not in TRAIN, no right document is named")
    return "; ".join(reasons) or "TRAIN says the same already"
