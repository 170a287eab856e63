"""Decides how a source takes part: how its batches come among those of TRAIN, and what its rows count."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from acclimate.core.errors import UsageError
from acclimate.data.batches import batch_count
from acclimate.data.mixings import Alternating, Mixing, Proportional
from acclimate.data.weightings import Weighting
from acclimate.engine.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    from acclimate.recipe.tree import Recipe


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a plan depends on of a source.

    Attributes:
        rows: those that train.
        taught: whether rows have a teacher's scores.
    """

    rows: int
    taught: bool = False


def check_source(recipe: "Recipe", given: bool, kind: str) -> None:
    """Settings of a source that cannot act.

    Raises:
        UsageError: one of them.
    """
    data, training = recipe.data, recipe.training
    if not given:
        for name, value in (("mixing", data.mixing), ("weighting", data.weighting)):
            if not isinstance(value, str):
                problem = f"data.{name}={value.kind} cannot act without data.source"
                raise UsageError(problem, "name the file with --source, or leave it out")
        for name in ("source_query_prompt", "source_document_prompt"):
            if prompt := getattr(data, name):
                problem = f"data.{name}={prompt!r} cannot act without data.source"
                raise UsageError(problem, "name the file with --source, or leave it out")
        return
    if kind == "scored" and data.weighting != "none":
        problem = f"data.weighting={data.weighting.kind} cannot act on scored pairs: their loss compares pairs"
        raise UsageError(problem, "leave it out")
    if OPTIMIZERS[training.optimizer].line_search:
        problem = f"data.source cannot act with optimizer {training.optimizer}, whose every step takes all rows"
        raise UsageError(problem, "leave it out, or take optimizer adamw")
    if data.mixing != "auto" and data.mixing.needs_end and training.time_limit != "none":
        problem = f"data.mixing={data.mixing.kind} goes by training.epochs, and training.time_limit may end before"
        raise UsageError(problem, "take alternating or proportional, or leave the limit out")


def mixing_for(recipe: "Recipe", source: SourceFacts, rows: int, batch_size: int) -> tuple[Mixing, str]:
    """How batches of the source come among those of TRAIN, and why where nobody said it."""
    own, others = batch_count(rows, batch_size), batch_count(source.rows, batch_size)
    if recipe.data.mixing != "auto":
        return recipe.data.mixing.decided(own, others), ""
    if others <= own:
        return Proportional(), "the source is no larger than TRAIN"
    return Alternating(), "the source is larger than TRAIN"


def told(
    mixing: tuple[Mixing, str],
    weights: Weighting | Literal["none"],
    source: SourceFacts,
    rows: int,
    batch_size: int,
    epochs: float,
) -> tuple[str, ...]:
    """What a plan says of them."""
    how, why = mixing
    own, others = batch_count(rows, batch_size), batch_count(source.rows, batch_size)
    added = math.floor(own * how.had(epochs, epochs, own, others) + 0.5)
    beside = round(epochs * own)
    counted = "none: every row counts the same" if weights == "none" else f"{weights.kind}: {weights.summary}"
    return (
        f"source, mixing {how.kind}: {how.summary}{f' ({why})' if why else ''}",
        f"source: {source.rows:,} rows, read {added / others:.2g} times on average; {added} steps beside {beside} of "
        f"TRAIN, {added / (added + beside):.0%} of the batches",
        f"source, weighting {counted}",
    )
