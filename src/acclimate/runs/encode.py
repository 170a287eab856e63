"""``encode``: texts of a file to a .npy of vectors, part by part; what was stopped is taken up."""

import hashlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from acclimate.core.errors import DataError, InterruptedRunError, Place, UsageError
from acclimate.data.columns import Texts, texts_of
from acclimate.model.bases import fingerprint, resolve
from acclimate.model.store import load_encoder
from acclimate.runs.vector_file import PART, VectorFile
from acclimate.runs.workers import encoded_by

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder
    from acclimate.runs.show import Show

Encoded: TypeAlias = Generator[tuple[int, NDArray[np.float32]], None, None]


def encode_file(
    model: str,
    source: Path,
    out: Path,
    *,
    column: str | None,
    role: str,
    precision: str,
    processes: int,
    show: "Show",
) -> dict[str, Any]:
    """Writes float32 [N, D], a row for each text in the file's order, whole or not at all.

    The texts are read twice, once to count and check them all, and never stand in memory together.

    Raises:
        UsageError: no such model, role or precision.
        DataError: a file without texts, or without the column.
        ResourceError: no room, no permission, or a process that died.
        InterruptedRunError: stopped by the user; the same command goes on.
    """
    if precision not in ("fp32", "bf16"):
        raise UsageError(f"--precision {precision!r} is unknown", "take fp32 or bf16")
    if processes < 1:
        raise UsageError(f"--processes {processes} encode nothing", "take 1 or more")
    if out.suffix != ".npy":
        raise UsageError(f"--out {out} is no .npy file", "end the name in .npy")
    folder = resolve(model)
    encoder = load_encoder(folder)
    encoder.prompt(role)  # an unknown role is told before anything is read
    texts = texts_of(source, column)
    count, digest = _counted(texts)
    if not count:
        raise DataError("the file holds no text", "give a file with a text on each line", Place(source))
    for note in texts.notes:
        show.say(f"note: {note}")
    about = {"texts_sha256": digest, "model": fingerprint(folder), "role": role, "precision": precision}
    with VectorFile.opened(out, count, encoder.dimension, about) as file:
        missing = file.missing()
        done = count - sum(min(PART, count - PART * part) for part in missing)
        if done:
            show.say(f"going on: {done} of {count} texts are encoded")
        parts = _parts(texts, set(missing))
        if min(processes, len(missing)) > 1:
            encoded = encoded_by(min(processes, len(missing)), folder, parts, role, precision)
        else:
            encoded = _encoded(encoder, parts, role, precision)
        with closing(encoded):
            try:
                for part, vectors in encoded:
                    file.write(part, vectors)
                    done += len(vectors)
                    show.encoding(done, count)
            except KeyboardInterrupt:
                problem = f"stopped and saved after {done} of {count} texts"
                raise InterruptedRunError(problem, "run the same command to go on") from None
        file.finish()
    show.say(f"{count} texts -> {out}: float32 [{count}, {encoder.dimension}]")
    return {"schema": 1, "out": str(out), "texts": count, "dimension": encoder.dimension}


def _counted(texts: Texts) -> tuple[int, str]:
    """How many there are, and a hash of them all."""
    count, digest = 0, hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
        count += 1
    return count, digest.hexdigest()


def _parts(texts: Texts, wanted: set[int]) -> Iterator[tuple[int, list[str]]]:
    """The wanted parts by their numbers."""
    rest = iter(texts)
    part = 0
    while some := list(islice(rest, PART)):
        if part in wanted:
            yield part, some
        part += 1


def _encoded(encoder: "Encoder", parts: Iterable[tuple[int, list[str]]], role: str, precision: str) -> Encoded:
    for part, texts in parts:
        yield part, encoder.encode(texts, role, precision=precision)  # type: ignore[arg-type]
