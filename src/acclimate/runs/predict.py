"""``predict``: texts of a file to labels, as a head tells them that was trained with the model."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.core.errors import DataError, Place
from acclimate.core.files import write_jsonl
from acclimate.data.columns import texts_of
from acclimate.model.bases import resolve
from acclimate.model.store import load_encoder

if TYPE_CHECKING:
    from acclimate.runs.show import Show

_PART = 1_024  # texts


def predict_file(
    model: str, source: Path, out: Path, *, head: str | None, column: str | None, role: str, show: "Show"
) -> dict[str, Any]:
    """Writes a line ``{"text": ..., "label": ...}`` for each text in the file's order, whole or not at all.

    Raises:
        UsageError: no such model, head or role.
        DataError: a file without texts, or without the column.
    """
    encoder = load_encoder(resolve(model))
    encoder.predict([], head, role)  # a head or role that there is not is told before anything is read
    texts = texts_of(source, column)
    for note in texts.notes:
        show.say(f"note: {note}")
    count = sum(1 for _ in texts)
    if not count:
        raise DataError("the file holds no text", "give a file with a text on each line", Place(source))

    def rows() -> Iterator[dict[str, Any]]:
        rest, done = iter(texts), 0
        while some := list(islice(rest, _PART)):
            labels = encoder.predict(some, head, role)
            yield from ({"text": text, "label": label} for text, label in zip(some, labels, strict=True))
            done += len(some)
            show.encoding(done, count)

    write_jsonl(out, rows())
    show.say(f"{count} texts -> {out}")
    return {"schema": 1, "out": str(out), "texts": count}
