"""``check``: what is in a file, and what is wrong with it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from acclimate.core.errors import AcclimateError, DataError, Place, ResourceError, UsageError
from acclimate.core.files import write_jsonl
from acclimate.data.check import profile, write_quarantine
from acclimate.data.cleaning import Cleaned, Doubtful, cleaned
from acclimate.data.examples import Dataset, Kind
from acclimate.data.leakage import Leakage, leakage
from acclimate.data.query_makers import MixedMaker
from acclimate.data.readers import read, read_beside
from acclimate.data.sources import stem_of
from acclimate.data.synthetic import described
from acclimate.model.bases import resolve
from acclimate.runs.show import Show
from acclimate.runs.tokens import lengths_by, token_lengths

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder
    from acclimate.runs.doubts import Doubts

_BASE = "all-MiniLM-L6-v2"
_ROWS = 20_000  # whose vectors are looked at: a minute or two for short texts
_FOREIGN = 0.1  # share of letters
_SEED = 42  # of a run that names none; the recipe, which says so, imports torch


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What is looked at and what is written.

    Attributes:
        data: the file or folder.
        columns: role -> column name.
        dev, test: data that is scored; what ``data`` knows of it is told.
        against: data of another domain; how far ``data`` lies from it is measured. Its columns are taken by name.
        base: the model whose tokens are counted and whose vectors are looked at; without it, tokens of the default one.
        rows: at most so many have their vectors looked at; 20,000 where None.
        max_length: tokens at which texts are cut; that of the model where None.
        fix: whether a cleaned copy is written.
        drop_suspects: whether what is perhaps wrong is left out of that copy too.
        out: the rows that cannot be used; beside ``data`` by default.
    """

    data: Path
    columns: Mapping[str, str]
    dev: Path | None = None
    test: Path | None = None
    against: Path | None = None
    base: str | None = None
    rows: int | None = None
    max_length: int | None = None
    fix: bool = False
    drop_suspects: bool = False
    out: Path | None = None


def check_data(request: CheckRequest, *, quiet: bool) -> dict[str, Any]:
    """Profiles a file, writes the rows that cannot be used beside it, and with ``fix`` a cleaned copy.

    Args:
        request: what is looked at.
        quiet: nothing is shown.

    Raises:
        DataError: nothing usable, or too few texts to tell a shift.
        UsageError: a file to write is the file to read, there is no such base, or a wish that cannot act.
        ResourceError: no right to write there; what was found is shown before.
    """
    data = request.data
    folder, stem = data.resolve().parent, stem_of(data.resolve())
    rejects, clean = request.out or folder / f"{stem}.quarantine.jsonl", folder / f"{stem}.fixed.jsonl"
    if data.resolve() in (rejects.resolve(), clean.resolve() if request.fix else None):
        raise UsageError(f"{data} would be written over", "rename it, or give another --out")
    _refuse_idle(request)
    encoder = None if request.base is None and request.against is None else _loaded(request.base or _BASE)
    dataset = read(data, columns=request.columns)
    source = None if request.against is None else read(request.against)
    found = list(_leaks(dataset, request))
    lengths, limit = _tokenizer() if encoder is None else (lengths_by(encoder.fast_tokenizer), encoder.max_length)
    show = Show(quiet=quiet)
    by_vectors = _doubts(dataset, request, encoder, show)
    problems = [problem for leaked in found for problem in leaked.problems()]
    problems += by_vectors.problems if by_vectors else []
    document = {"schema": 1, **profile(dataset, lengths, request.max_length or limit, problems)}
    document["notes"] += language_notes(document["scripts"], request.base)
    document["vectors"] = {"base": request.base, **by_vectors.document} if by_vectors else None
    if found:
        document["leaks"] = {leaked.of: leaked.document for leaked in found}
    if dataset.kind is Kind.TEXT:
        document["synthetic"] = described(dataset, MixedMaker(), _SEED)
    show.profile(document)
    if source is not None and encoder is not None:
        from acclimate.runs.shift import measure_shift

        if source.rejected:
            show.say(f"{len(source.rejected)} rows of {source.name} cannot be used, the first: {source.rejected[0]}")
        shift = measure_shift(dataset, source, encoder, show.encoding)
        about = {"against": str(request.against), "sha256": source.sha256, "base": request.base or _BASE}
        document["shift"] = {**about, **shift}
        show.shift(document["name"], about["against"], about["base"], shift)
    try:
        if dataset.rejected:
            write_quarantine(rejects, dataset.rejected)
            show.say(f"{len(dataset.rejected)} rows set aside in {rejects}")
        elif request.out is None:
            rejects.unlink(missing_ok=True)  # of an earlier look, before the file was mended
        if request.fix:
            left = _cleaned(dataset, request, found, by_vectors)
            write_jsonl(clean, left.rows)
            document["fixed"] = {
                "path": str(clean),
                "rows": len(left.rows),
                "removed": left.removed,
                "taken_out": left.taken_out,
            }
            show.fixed(document["fixed"])
    except OSError as error:
        remedy = "give an --out where you may write" if not request.fix else "copy the file to where you may write"
        raise ResourceError(f"what was set aside cannot be written: {error.strerror}", remedy, Place(folder)) from None
    return document


def _refuse_idle(request: CheckRequest) -> None:
    if request.rows is not None and request.base is None:
        raise UsageError("--rows says how many have their vectors looked at", "add --base all-MiniLM-L6-v2")
    if request.drop_suspects and not request.fix:
        raise UsageError("--drop-suspects is about the cleaned copy", "add --fix")
    if request.drop_suspects and not (request.base or request.test or request.dev):
        raise UsageError("--drop-suspects has none to drop", "add --base all-MiniLM-L6-v2, or --test FILE")


def _doubts(dataset: Dataset, request: CheckRequest, encoder: "Encoder | None", show: Show) -> "Doubts | None":
    """What the base's vectors say, where a base is given."""
    most = _ROWS if request.rows is None else request.rows
    if request.base is None or encoder is None or not most:
        return None
    from acclimate.runs.doubts import doubts
    from acclimate.runs.known_vectors import KnownVectors

    known = KnownVectors(encoder, resolve(request.base), progress=show.encoding)
    return doubts(dataset, known.encode, most=most, seed=_SEED)


def _leaks(dataset: Dataset, request: CheckRequest) -> Iterator[Leakage]:
    splits: tuple[tuple[Literal["test", "dev"], Path | None], ...] = (("test", request.test), ("dev", request.dev))
    for name, path in splits:
        if path is not None:
            yield leakage(dataset, read_beside(path, request.columns, name), name, path)


def _cleaned(dataset: Dataset, request: CheckRequest, found: Sequence[Leakage], by_vectors: "Doubts | None") -> Cleaned:
    """The cleaned copy, as it is asked for."""
    doubtful = None
    if request.drop_suspects:
        near = {leak.train_id for leaked in found for leak in leaked.near}
        doubtful = by_vectors.doubtful if by_vectors else Doubtful()
        doubtful = replace(doubtful, rows={*doubtful.rows, *near})
    left = cleaned(dataset.examples, [leak for leaked in found for leak in leaked.exact], doubtful)
    if not left.rows:
        raise DataError("no row is left when what is wrong is out", "look at the problems first", Place(request.data))
    return left


def language_notes(scripts: Mapping[str, Mapping[str, float]], base: str | None) -> list[str]:
    """A word about a base that reads English, where the texts are not written in its letters."""
    foreign = {role: 1 - shares.get("latin", 0.0) for role, shares in scripts.items() if shares}
    if base not in (None, _BASE) or max(foreign.values(), default=0.0) < _FOREIGN:
        return []
    role = max(foreign, key=foreign.__getitem__)
    return [
        f"{foreign[role]:.0%} of the letters of {role} are not Latin, and {_BASE} reads English; "
        "multilingual-e5-small reads a hundred languages"
    ]


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
