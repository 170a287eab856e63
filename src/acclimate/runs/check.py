"""``check``: what is in a file, and what is wrong with it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.core.errors import AcclimateError, Place, ResourceError, UsageError
from acclimate.core.files import write_jsonl
from acclimate.data.check import fixed_rows, profile, write_quarantine
from acclimate.data.examples import Kind
from acclimate.data.query_makers import MixedMaker
from acclimate.data.readers import read
from acclimate.data.sources import stem_of
from acclimate.data.synthetic import described
from acclimate.model.bases import resolve
from acclimate.runs.show import Show
from acclimate.runs.tokens import lengths_by, token_lengths

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder

_BASE = "all-MiniLM-L6-v2"
_SEED = 42  # of a run that names none; the recipe, which says so, imports torch


def check_data(
    data: Path,
    *,
    columns: Mapping[str, str],
    fix: bool,
    out: Path | None,
    quiet: bool,
    against: Path | None = None,
    base: str | None = None,
) -> dict[str, Any]:
    """Profiles a file, writes the rows that cannot be used beside it, and with ``fix`` a cleaned copy.

    Args:
        data: what is looked at.
        columns: role -> column name.
        fix: whether a cleaned copy is written.
        out: the rows that cannot be used; beside ``data`` by default.
        quiet: nothing is shown.
        against: data of another domain; how far ``data`` lies from it is measured. Its columns are taken by name.
        base: the model whose tokens are counted and whose vectors are compared; the default base where None.

    Raises:
        DataError: nothing usable, or too few texts to tell a shift.
        UsageError: a file to write is the file to read, or there is no such base.
        ResourceError: no right to write there; what was found is shown before.
    """
    folder, stem = data.resolve().parent, stem_of(data.resolve())
    rejects, clean = out or folder / f"{stem}.quarantine.jsonl", folder / f"{stem}.fixed.jsonl"
    if data.resolve() in (rejects.resolve(), clean.resolve() if fix else None):
        raise UsageError(f"{data} would be written over", "rename it, or give another --out")
    encoder = None if base is None and against is None else _loaded(base or _BASE)
    dataset = read(data, columns=columns)
    source = None if against is None else read(against)
    lengths, max_length = _tokenizer() if encoder is None else (lengths_by(encoder.fast_tokenizer), encoder.max_length)
    document = {"schema": 1, **profile(dataset, lengths, max_length)}
    if dataset.kind is Kind.TEXT:
        document["synthetic"] = described(dataset, MixedMaker(), _SEED)
    show = Show(quiet=quiet)
    show.profile(document)
    if source is not None and encoder is not None:
        from acclimate.runs.shift import measure_shift

        if source.rejected:
            show.say(f"{len(source.rejected)} rows of {source.name} cannot be used, the first: {source.rejected[0]}")
        shift = measure_shift(dataset, source, encoder, show.encoding)
        document["shift"] = {"against": str(against), "sha256": source.sha256, "base": base or _BASE, **shift}
        show.shift(document["name"], str(against), base or _BASE, shift)
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


def _loaded(name: str) -> "Encoder":
    # Torch takes seconds to import, which a look at the file alone should not pay.
    from acclimate.model.store import load_encoder, reads_ids

    folder = resolve(name)
    if reads_ids(folder):
        raise UsageError(f"{name} is a table of items, which reads no texts", "give a --base that does")
    return load_encoder(folder)


def _tokenizer() -> tuple[Callable[[Sequence[str]], list[int]] | None, int | None]:
    """Lengths and limit of the default base; none when it is not at hand."""
    try:
        return token_lengths(resolve(_BASE)), 256
    except AcclimateError:
        return None, None
