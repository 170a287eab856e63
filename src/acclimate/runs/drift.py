"""``data/drift.json``: which tokens of the embedding table moved, and how often training read them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.evaluation.drift import drift_by_count, row_drift
from acclimate.model.rows import RowsApart, joined

if TYPE_CHECKING:
    from torch import Tensor, nn

    from acclimate.evaluation.vectors import Rows, Vectors
    from acclimate.model.embedder import Embedder

_NAMED = 40
_READ = 1 << 22  # tokens at a time


def drift_of(encoder: "Embedder", start: Mapping[str, "Tensor"], tokens: Path) -> dict[str, Any] | None:
    """What the document holds; None where the encoder reads no tokens.

    Args:
        encoder: as it was trained, before anything is folded.
        start: what trained, as it was before, by the names of the encoder's parameters.
        tokens: the ids that training read, int32 one after another (``ids.bin`` of a feature store).
    """
    tokenizer = getattr(encoder, "fast_tokenizer", None)
    if tokenizer is None or not tokens.is_file():
        return None
    table = encoder.token_embedding()
    names = {id(parameter): name for name, parameter in encoder.named_parameters()}
    own = [table.weight, *([table.rows] if isinstance(table, RowsApart) else [])]
    if not any(names.get(id(parameter)) in start for parameter in own):
        return {"trained": False, "rows": len(table.weight)}
    before, now = _whole(table, [start.get(names[id(p)], p) for p in own]), _whole(table, own)
    drift = row_drift(before, now)
    counts = _counts(tokens, len(drift))
    order = np.lexsort((np.arange(len(drift)), -drift))[:_NAMED]
    return {
        "trained": True,
        "rows": len(drift),
        "moved": int(np.count_nonzero(drift)),
        "mean": float(drift.mean()),
        "by_count": drift_by_count(drift, counts),
        "most": [
            {"token": tokenizer.id_to_token(int(row)) or "", "drift": float(drift[row]), "seen": int(counts[row])}
            for row in order.tolist()
            if drift[row] > 0
        ],
    }


def _whole(table: "nn.Embedding", own: "Sequence[Tensor]") -> "Vectors":
    """The table as it would be saved [V, H], of its own weight and of rows beside it."""
    weight = joined(own[0], own[1], table.first) if isinstance(table, RowsApart) else own[0]
    found: Vectors = weight.detach().float().cpu().numpy()
    return found


def _counts(path: Path, rows: int) -> "Rows":
    """How often each id occurs."""
    counts = np.zeros(rows, np.int64)
    size = path.stat().st_size // 4
    for start in range(0, size, _READ):
        ids = np.fromfile(path, np.int32, min(_READ, size - start), offset=4 * start)
        counts += np.bincount(ids, minlength=rows)[:rows]
    return counts
