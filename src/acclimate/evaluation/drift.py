"""How far the rows of an embedding table moved, relative to their length, beside how often they were read."""

from collections.abc import Sequence

import numpy as np

from acclimate.evaluation.vectors import Floats, Rows, Vectors

#: Classes of counts: name, and the least count of the class.
CLASSES: Sequence[tuple[str, int]] = (("0", 0), ("1", 1), ("2-3", 2), ("4-10", 4), ("11-100", 11), ("101-", 101))
_ROWS = 8192  # at a time


def row_drift(before: Vectors, after: Vectors) -> Floats:
    """``|| after - before || / || before ||`` of each row; tables [V, D] -> [V]. A row of zeros that moved counts 1."""
    drift = np.empty(len(before))
    for start in range(0, len(before), _ROWS):
        old, new = (table[start : start + _ROWS].astype(np.float64) for table in (before, after))
        moved, length = np.linalg.norm(new - old, axis=1), np.linalg.norm(old, axis=1)
        drift[start : start + _ROWS] = np.where(length > 0, moved / np.where(length > 0, length, 1), moved > 0)
    return drift


def drift_by_count(drift: Floats, counts: Rows) -> list[dict[str, float | int | str]]:
    """Number of rows, mean and 90th percentile of their drift, for each class of counts that has rows."""
    of_row = np.searchsorted([least for _, least in CLASSES], counts, side="right") - 1
    found: list[dict[str, float | int | str]] = []
    for number, (name, _) in enumerate(CLASSES):
        values = drift[of_row == number]
        if len(values):
            told = {"mean": float(values.mean()), "p90": float(np.percentile(values, 90))}
            found.append({"seen": name, "tokens": len(values), **told})
    return found
