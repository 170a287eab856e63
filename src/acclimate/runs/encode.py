"""``encode``: texts of a file to a .npy of vectors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from acclimate.core.errors import DataError, Place, ResourceError, UsageError
from acclimate.data.columns import read_column, read_lines
from acclimate.model.bases import resolve
from acclimate.model.store import load_encoder

if TYPE_CHECKING:
    from acclimate.runs.show import Show


def encode_file(
    model: str, source: Path, out: Path, *, column: str | None, role: str, precision: str, show: "Show"
) -> dict[str, Any]:
    """Writes float32 [N, D], a row for each text in the file's order, whole or not at all.

    Raises:
        UsageError: no such model, role or precision.
        DataError: a file without texts, or without the column.
    """
    if precision not in ("fp32", "bf16"):
        raise UsageError(f"--precision {precision!r} is unknown", "take fp32 or bf16")
    if out.suffix != ".npy":
        raise UsageError(f"--out {out} is no .npy file", "end the name in .npy")
    encoder = load_encoder(resolve(model))
    texts, notes = read_lines(source) if column is None else read_column(source, column)
    if not texts:
        raise DataError("the file holds no text", "give a file with a text on each line", Place(source))
    for note in notes:
        show.say(f"note: {note}")
    with _replaced(out) as file:  # opened first: that it can't be written is not learnt after an hour of encoding
        vectors = encoder.encode(texts, role, precision=precision, progress=show.encoding)  # type: ignore[arg-type]
        np.save(file, vectors, allow_pickle=False)
    show.say(f"{len(texts)} texts -> {out}: float32 [{vectors.shape[0]}, {vectors.shape[1]}]")
    return {"schema": 1, "out": str(out), "texts": len(texts), "dimension": int(vectors.shape[1])}


@contextmanager
def _replaced(out: Path) -> Iterator[IO[bytes]]:
    """A file beside its place, which it takes when all is written."""
    staged = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with staged.open("wb") as file:
            yield file
        staged.replace(out)
    except OSError as error:
        with suppress(OSError):
            staged.unlink()
        raise ResourceError(f"cannot write {out}: {error.strerror}", "give an --out where you may write") from None
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
