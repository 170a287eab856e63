"""Rows of other files that train beside those of TRAIN, with its objectives: of another domain or an earlier one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.core.seeds import numpy_generator
from acclimate.data.examples import Dataset, Example, Kind, on_disk
from acclimate.data.mixings import MOST
from acclimate.data.readers import read
from acclimate.recipe.tree import DataSettings
from acclimate.runs.cut import MIN_ROWS, HeldOut, notes_of, require_scores_that_teach, unknown_to

_MOST_REPLAYED = 10_000  # rows: more than most runs come to see
_USUALLY_READ = 6_000  # rows of TRAIN that a run reads in all, where it has no more than that


@dataclass(frozen=True, slots=True)
class Beside:
    """What a run reads of such a file.

    Attributes:
        dataset: all of it.
        rows: those that train, a random choice where they are many. Their ids begin with the name of the part.
        notes: sentences for the user.
    """

    dataset: Dataset
    rows: Sequence[Example]
    notes: tuple[str, ...]


def replayed(data: DataSettings, kind: Kind, held_out: Sequence[HeldOut], seed: int) -> Beside | None:
    """Rows of earlier data, that is to be kept.

    Raises:
        UsageError: a setting that cannot act.
        DataError: rows of another kind, or too few.
    """
    if data.replay == "none":
        if data.replay_share != DataSettings.model_fields["replay_share"].default:
            problem = f"data.replay_share={data.replay_share:g} cannot act without data.replay"
            raise UsageError(problem, "name the file of earlier data, or leave it out")
        return None
    return _beside("replay", data, kind, held_out, seed, _MOST_REPLAYED)


def source_of(data: DataSettings, kind: Kind, rows: int, held_out: Sequence[HeldOut], seed: int) -> Beside | None:
    """Rows of another domain; ``rows`` are those of TRAIN, whose multiple bounds what is read.

    Raises:
        UsageError: labeled rows.
        DataError: rows of another kind, too few, or such that teach nothing.
    """
    if data.source == "none":
        return None
    a_batch = MOST if data.mixing == "auto" else data.mixing.most_a_batch
    return _beside("source", data, kind, held_out, seed, round(a_batch * max(rows, _USUALLY_READ)))


def prompted(rows: Sequence[Example], query: str, document: str) -> Sequence[Example]:
    """The same rows with a text before each query and before each document, so that a domain can be told by it."""
    if not (query or document):
        return rows
    return on_disk(
        row._replace(
            query=f"{query}{row.query}",
            positives=tuple(f"{document}{text}" for text in row.positives),
            negatives=tuple(f"{document}{text}" for text in row.negatives),
        )
        for row in rows
    )


def _beside(
    name: Literal["replay", "source"],
    data: DataSettings,
    kind: Kind,
    held_out: Sequence[HeldOut],
    seed: int,
    most: int,
) -> Beside:
    if kind is Kind.LABELED:
        problem = f"data.{name} is for pairs and scored pairs, and the rows are labeled"
        raise UsageError(problem, "leave it out, or make it one of data.tasks")
    path = getattr(data, name)
    try:
        dataset = read(path, columns=data.columns)
    except UsageError:
        dataset = read(path)  # --columns speaks of TRAIN, and the file may have its own
    where = Place(path)
    if dataset.kind is not kind:
        problem = f"{name} has rows of kind {dataset.kind}, and the training data {kind}"
        raise DataError(problem, "give data of the same kind", where)
    rows, known = unknown_to(dataset.examples, held_out)
    if len(rows) < MIN_ROWS:
        raise DataError(f"{len(rows)} usable rows of {name} are too few", f"give at least {MIN_ROWS}", where)
    if kind is Kind.SCORED:
        require_scores_that_teach(rows, where)
    notes = notes_of(dataset, name)
    if known:
        notes.append(f"rows of {name} left out because they hold texts of test or dev: {known}")
    chosen = np.sort(numpy_generator(seed, name).permutation(len(rows))[:most])
    if len(chosen) < len(rows):
        notes.append(f"of {len(rows):,} rows of {name} {len(chosen):,} are drawn at random: more than most runs read")
    kept = on_disk(row._replace(id=f"{name}:{row.id}") for row in on_disk(rows).select(chosen))
    return Beside(dataset, kept, tuple(notes))
