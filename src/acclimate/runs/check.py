"""``check``: what is in a file, and what is wrong with it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from acclimate.core.errors import AcclimateError, Place, ResourceError, UsageError
from acclimate.core.files import write_jsonl
from acclimate.data.check import fixed_rows, profile, write_quarantine
from acclimate.data.readers import read
from acclimate.data.sources import stem_of
from acclimate.model.bases import resolve
from acclimate.runs.show import Show
from acclimate.runs.tokens import token_lengths


def check_data(data: Path, *, columns: Mapping[str, str], fix: bool, out: Path | None, quiet: bool) -> dict[str, Any]:
    """Profiles a file, writes the rows that cannot be used beside it, and with ``fix`` a cleaned copy.

    Raises:
        DataError: nothing usable.
        UsageError: a file to write is the file to read.
        ResourceError: no right to write there; what was found is shown before.
    """
    folder, stem = data.resolve().parent, stem_of(data.resolve())
    rejects, clean = out or folder / f"{stem}.quarantine.jsonl", folder / f"{stem}.fixed.jsonl"
    if data.resolve() in (rejects.resolve(), clean.resolve() if fix else None):
        raise UsageError(f"{data} would be written over", "rename it, or give another --out")
    dataset = read(data, columns=columns)
    lengths, max_length = _tokenizer()
    document = {"schema": 1, **profile(dataset, lengths, max_length)}
    show = Show(quiet=quiet)
    show.profile(document)
    try:
        if dataset.rejected:
            write_quarantine(rejects, dataset.rejected)
            show.say(f"{len(dataset.rejected)} rows set aside in {rejects}")
        elif out is None:
            rejects.unlink(missing_ok=True)  # of an earlier look, before the file was mended
        if fix:
            rows = fixed_rows(dataset)
            write_jsonl(clean, rows)
            show.say(f"{len(rows)} clean rows in {clean}")
    except OSError as error:
        remedy = "give an --out where you may write" if not fix else "copy the file to where you may write"
        raise ResourceError(f"what was set aside cannot be written: {error.strerror}", remedy, Place(folder)) from None
    return document


def _tokenizer() -> tuple[Callable[[Sequence[str]], list[int]] | None, int | None]:
    """Lengths and limit of the default base; none when it is not at hand."""
    try:
        return token_lengths(resolve("all-MiniLM-L6-v2")), 256
    except AcclimateError:
        return None, None
