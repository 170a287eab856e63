"""Decides how a source takes part: how its batches come among those of TRAIN, and what its rows count."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from acclimate.core.errors import UsageError
from acclimate.data.batches import batch_count
from acclimate.data.domain_classifier import LEAST
from acclimate.data.mixings import Alternating, Annealed, Mixing, Proportional
from acclimate.data.weightings import DensityRatio, Nearest, Weighting
from acclimate.engine.optimizers import OPTIMIZERS

if TYPE_CHECKING:
    from acclimate.recipe.tree import Recipe

_ENOUGH = 100  # different queries of either: with fewer, a classifier in hundreds of dimensions says next to nothing


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a plan depends on of a source.

    Attributes:
        rows: those that train.
        queries: its different queries.
        of_train: those of TRAIN.
        taught: whether rows have a teacher's scores.
    """

    rows: int
    queries: int
    of_train: int
    taught: bool = False


def check_source(recipe: "Recipe", given: bool) -> None:
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
    if recipe.training.time_limit != "none":
        return Alternating(), "the source is larger than TRAIN, and the time may be over before the epochs"
    return Annealed().decided(own, others), "the source is larger than TRAIN"


def weighting_for(recipe: "Recipe", source: SourceFacts, kind: str) -> tuple[Weighting | Literal["none"], str]:
    """What rows of the source count, and why where nobody said it.

    Raises:
        UsageError: weights of scored pairs.
    """
    given = recipe.data.weighting
    if kind == "scored":
        if not isinstance(given, str):
            problem = f"data.weighting={given.kind} cannot act on scored pairs: their loss compares pairs"
            raise UsageError(problem, "leave it out")
        return "none", "the loss of scored pairs compares pairs with each other"
    if given != "auto":
        return given, ""
    fewest = min(source.queries, source.of_train)
    if fewest >= _ENOUGH:
        return DensityRatio(), f"{_ENOUGH} different queries and more on both sides"
    return Nearest(k=min(LEAST, source.of_train)), f"{fewest} different queries on one side are few for a classifier"


def told(
    mixing: tuple[Mixing, str],
    weighting: tuple[Weighting | Literal["none"], str],
    source: SourceFacts,
    rows: int,
    batch_size: int,
    epochs: float,
) -> tuple[str, ...]:
    """What a plan says of them."""
    how, why = mixing
    weights, because = weighting
    own, others = batch_count(rows, batch_size), batch_count(source.rows, batch_size)
    added = math.floor(own * how.had(epochs, epochs, own, others) + 0.5)
    beside = round(epochs * own)
    counted = "every row counts the same" if weights == "none" else f"{weights.kind}: {weights.summary}"
    return (
        f"source, mixing {how.kind}: {how.summary}{f' ({why})' if why else ''}",
        f"source: {source.rows:,} rows, read {added / others:.2g} times on average; {added} steps beside {beside} of "
        f"TRAIN, {added / (added + beside):.0%} of the batches",
        f"source, weighting {counted}{f' ({because})' if because else ''}",
    )
