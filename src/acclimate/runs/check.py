"""``check``: what is in a file, and what is wrong with it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from acclimate.core.errors import AcclimateError
from acclimate.core.files import write_jsonl
from acclimate.data.check import fixed_rows, profile, write_quarantine
from acclimate.data.readers import read
from acclimate.model.bases import resolve
from acclimate.runs.show import Show
from acclimate.runs.tokens import token_lengths


def check_data(data: Path, *, columns: Mapping[str, str], fix: bool, out: Path | None, quiet: bool) -> dict[str, Any]:
    """Profiles a file, writes the rows that cannot be used beside it, and with ``fix`` a cleaned copy.

    Raises:
        DataError: nothing usable.
    """
    dataset = read(data, columns=columns)
    lengths, max_length = _tokenizer()
    document = {"schema": 1, **profile(dataset, lengths, max_length)}
    show = Show(quiet=quiet)
    show.profile(document)
    stem = data.name.split(".")[0]
    if dataset.rejected:
        place = out or data.with_name(f"{stem}.quarantine.jsonl")
        write_quarantine(place, dataset.rejected)
        show.say(f"{len(dataset.rejected)} rows set aside in {place}")
    if fix:
        place = data.with_name(f"{stem}.fixed.jsonl")
        rows = fixed_rows(dataset)
        write_jsonl(place, rows)
        show.say(f"{len(rows)} clean rows in {place}")
    return document


def _tokenizer() -> tuple[Callable[[Sequence[str]], list[int]] | None, int | None]:
    """Lengths and limit of the default base; none when it is not at hand."""
    try:
        return token_lengths(resolve("all-MiniLM-L6-v2")), 256
    except AcclimateError:
        return None, None
