"""Decides every ``auto`` from the data and the machine, and says why."""

from dataclasses import dataclass
from typing import Literal

from acclimate.core.errors import UsageError
from acclimate.methods.full import Full
from acclimate.objectives.cosent import CoSentSpec
from acclimate.objectives.infonce import InfoNCESpec
from acclimate.recipe.tree import Recipe
from acclimate.regularizers.distill import DistillSpec

_MAX_LENGTH = 256  # tokens: longer passages cost quadratic attention and seldom change which document is right

#: Learning rates that dev preferred for each method on several domains, batch 64.
_LR = {"full": 1e-4, "last_layers": 3e-4, "embedding_and_last": 3e-4, "embedding_table": 2e-3}
_LR_OTHERWISE = 1e-4

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
        device: the device that ``auto`` means here.
        precision: the fastest format that the device has.
    """

    rows: int
    kind: Literal["pairs", "scored", "labeled"]
    main_metric: str
    base_max_length: int
    device: str
    precision: Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe without ``auto``, the reasons for what was decided, and what is unusual about it."""

    recipe: Recipe
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]


def epochs_for(rows: int) -> float:
    """Three passes for a few thousand rows, fewer for more: about 6,000 rows are seen, or each row once."""
    return max(1.0, min(3.0, round(6_000 / max(1, rows), 1)))


def resolve(recipe: Recipe, facts: Facts) -> Plan:
    """A plan for a recipe on data and a machine.

    Raises:
        UsageError: a setting that cannot act on this data.
    """
    training, evaluation = recipe.training, recipe.evaluation
    method = Full() if recipe.method == "auto" else recipe.method
    objective = CoSentSpec() if facts.kind == "scored" else InfoNCESpec()
    objectives = (objective,) if recipe.objectives == "auto" else recipe.objectives
    _check_objectives([o.kind for o in objectives], facts.kind)
    lr = _LR.get(method.kind, _LR_OTHERWISE) if training.lr == "auto" else training.lr
    epochs = epochs_for(facts.rows) if training.epochs == "auto" else training.epochs
    batch_size = min(64, facts.rows) if training.batch_size == "auto" else min(training.batch_size, facts.rows)
    decided = {
        "lr": lr,
        "epochs": epochs,
        "batch_size": batch_size,
        "max_length": min(_MAX_LENGTH, facts.base_max_length) if training.max_length == "auto" else training.max_length,
        "precision": facts.precision if training.precision == "auto" else training.precision,
        "device": facts.device,
    }
    regularizers = (DistillSpec(),) if recipe.regularizers == "auto" else recipe.regularizers
    keep_best = facts.main_metric if evaluation.keep_best == "auto" else evaluation.keep_best
    resolved = recipe.model_copy(
        update={
            "method": method,
            "objectives": objectives,
            "regularizers": regularizers,
            "training": training.model_copy(update=decided),
            "evaluation": evaluation.model_copy(update={"keep_best": keep_best}),
        }
    )
    reasons = (
        f"method {method.kind}: {method.summary}",
        *(f"objective {o.kind}: {o.summary}" for o in objectives),
        *(f"regularizer {r.kind}: {r.summary}" for r in regularizers),
        f"{epochs:g} epochs of {facts.rows} rows, batch {batch_size}, learning rate {lr:g}, {decided['precision']}",
    )
    return Plan(resolved, reasons, _warnings(resolved))


def _check_objectives(kinds: list[str], data: str) -> None:
    if data == "scored" and "infonce" in kinds:
        raise UsageError("objective infonce needs right documents, and the data has scores", "take cosent or auto")
    if data != "scored" and "cosent" in kinds:
        raise UsageError("objective cosent needs a score column, and the data has none", "take infonce or auto")


def _warnings(recipe: Recipe) -> tuple[str, ...]:
    training, warnings = recipe.training, []
    if not BATCH_RANGE[0] <= int(training.batch_size) <= BATCH_RANGE[1]:
        warnings.append(f"batch {training.batch_size} is outside of the proven {BATCH_RANGE[0]} to {BATCH_RANGE[1]}")
    if not L2_RANGE[0] <= training.weight_decay <= L2_RANGE[1]:
        warnings.append(
            f"weight decay {training.weight_decay:g} is outside of the proven {L2_RANGE[0]} to {L2_RANGE[1]}"
        )
    return tuple(warnings)
