"""Decides every ``auto`` from the data and the machine, and says why."""

from dataclasses import dataclass, fields
from typing import Literal

from acclimate.core.errors import UsageError
from acclimate.engine.precision import Precision
from acclimate.methods import Method
from acclimate.methods.full import Full
from acclimate.objectives import ObjectiveSpec
from acclimate.objectives.cosent import CoSentSpec
from acclimate.objectives.infonce import InfoNCESpec
from acclimate.recipe.tree import Recipe, TrainingSettings
from acclimate.regularizers import RegularizerSpec
from acclimate.regularizers.distill import DistillSpec

_MAX_LENGTH = 256  # tokens: longer passages cost quadratic attention and seldom change which document is right

#: The article's ranges. Outside of them a run goes on, with a line that says so.
BATCH_RANGE = (64, 256)
L2_RANGE = (0.001, 0.01)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a plan depends on.

    Attributes:
        rows: training rows.
        kind: ``pairs``, ``scored`` or ``labeled``.
        main_metric: what the dev task is judged by.
        base_max_length: tokens at which the base cuts.
        base_distance: mean cosine distance of different general texts under the base.
        device: the device that ``auto`` means here.
        precision: the fastest format that the device has.
        packs: whether the base reads texts one after another in one row.
    """

    rows: int
    kind: Literal["pairs", "scored", "labeled"]
    main_metric: str
    base_max_length: int
    base_distance: float
    device: str
    precision: Precision
    packs: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """Every value that a recipe may leave to ``auto``, decided."""

    method: Method
    objectives: tuple[ObjectiveSpec, ...]
    regularizers: tuple[RegularizerSpec, ...]
    lr: float
    batch_size: int
    micro_batch: int
    epochs: float
    max_length: int
    precision: Precision
    device: str
    keep_best: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do.

    Attributes:
        recipe: the recipe with every ``auto`` replaced, as ``resolved.yaml`` shows it.
        decided: the same values, typed.
        reasons: why, a sentence each.
        warnings: what is unusual about it.
    """

    recipe: Recipe
    decided: Decided
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


def epochs_for(rows: int) -> float:
    """About 6,000 rows are seen: each of a few hundred eight times at most, each of 6,000 and more once."""
    return max(1.0, min(8.0, round(6_000 / max(1, rows), 1)))


def resolve(recipe: Recipe, facts: Facts) -> Plan:
    """A plan for a recipe on data and a machine.

    Raises:
        UsageError: a setting that cannot act on this data.
    """
    training, evaluation = recipe.training, recipe.evaluation
    method = Full() if recipe.method == "auto" else recipe.method
    method.check_rows(facts.kind)
    objectives = recipe.objectives
    if objectives == "auto":
        objectives = (CoSentSpec() if facts.kind == "scored" else InfoNCESpec(),)
    batch_size = min(64 if training.batch_size == "auto" else training.batch_size, facts.rows)
    decided = Decided(
        method=method,
        objectives=tuple(given.decided(facts.base_distance) for given in objectives),
        regularizers=(DistillSpec(),) if recipe.regularizers == "auto" else recipe.regularizers,
        lr=method.default_lr if training.lr == "auto" else training.lr,
        batch_size=batch_size,
        micro_batch=min(batch_size, batch_size if training.micro_batch == "auto" else training.micro_batch),
        epochs=epochs_for(facts.rows) if training.epochs == "auto" else training.epochs,
        max_length=min(_MAX_LENGTH, facts.base_max_length) if training.max_length == "auto" else training.max_length,
        precision=facts.precision if training.precision == "auto" else training.precision,
        device=facts.device,
        keep_best=facts.main_metric if evaluation.keep_best == "auto" else evaluation.keep_best,
    )
    _check_objectives([o.kind for o in decided.objectives], facts.kind)
    resolved = _written(recipe, decided)
    reasons = (
        f"method {method.kind}: {method.summary}",
        *(f"objective {o.kind}: {o.summary}" for o in decided.objectives),
        *(f"regularizer {r.kind}: {r.summary}" for r in decided.regularizers),
        f"{decided.epochs:g} epochs of {facts.rows} rows, batch {decided.batch_size}, learning rate {decided.lr:g}, "
        f"{decided.precision}",
        "texts are packed, without padding" if facts.packs else "texts are padded, in groups of like length",
    )
    return Plan(resolved, decided, reasons, _warnings(decided.batch_size, training.weight_decay))


def _written(recipe: Recipe, decided: Decided) -> Recipe:
    """The recipe with what was decided in the place of every ``auto``."""
    values = {field.name: getattr(decided, field.name) for field in fields(decided)}
    training = {name: value for name, value in values.items() if name in TrainingSettings.model_fields}
    return recipe.model_copy(
        update={
            **{name: values[name] for name in ("method", "objectives", "regularizers")},
            "training": recipe.training.model_copy(update=training),
            "evaluation": recipe.evaluation.model_copy(update={"keep_best": decided.keep_best}),
        }
    )


def _check_objectives(kinds: list[str], data: str) -> None:
    if data == "scored" and "infonce" in kinds:
        raise UsageError("objective infonce needs right documents, and the data has scores", "take cosent or auto")
    if data != "scored" and "cosent" in kinds:
        raise UsageError("objective cosent needs a score column, and the data has none", "take infonce or auto")


def _warnings(batch_size: int, weight_decay: float) -> tuple[str, ...]:
    warnings = []
    if not BATCH_RANGE[0] <= batch_size <= BATCH_RANGE[1]:
        warnings.append(f"batch {batch_size} is outside of {BATCH_RANGE[0]} to {BATCH_RANGE[1]}")
    if not L2_RANGE[0] <= weight_decay <= L2_RANGE[1]:
        warnings.append(f"weight decay {weight_decay:g} is outside of {L2_RANGE[0]} to {L2_RANGE[1]}")
    return tuple(warnings)
