"""Decides every ``auto`` from the data and the machine, and says why."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from acclimate.core.errors import UsageError
from acclimate.core.specs import closest
from acclimate.data.miners import MINERS
from acclimate.data.mixings import Mixing
from acclimate.data.query_makers import QueryMaker
from acclimate.engine.optimizers import OPTIMIZERS
from acclimate.engine.precision import Precision
from acclimate.gradient_rules import GradientRule
from acclimate.methods import Method
from acclimate.methods.full import Full
from acclimate.objectives import OBJECTIVES, ObjectiveSpec
from acclimate.objectives.cosent import CoSentSpec
from acclimate.objectives.infonce import InfoNCESpec
from acclimate.recipe.sources import SourceFacts, check_source, mixing_for, told
from acclimate.recipe.tree import DataSettings, Recipe, TrainingSettings
from acclimate.regularizers import RegularizerSpec
from acclimate.regularizers.distill import DistillSpec

_MAX_LENGTH = 256  # tokens: longer passages cost quadratic attention and seldom change which document is right
_ITERATIONS = 30.0  # of an optimizer that searches along a line
_FIRST_STEP = 1.0  # that it tries: along its direction, the full step is the right one once it knows the curvature
_ROWS = {"pairs": "pairs", "scored": "scored pairs", "labeled": "labeled texts"}
_TABLE_BATCH = 512
_TABLE_RATE = {"texts": 0.1, "ids": 1.2}  # of what its numbers are; items may start from nothing
_TEMPERATURE_OF_IDS = 0.1  # rare candidates count a thousandfold, and a colder softmax makes much of few of them
_TABLE_EPOCHS = 10.0
_DECAY = 0.01
# Of its row a step takes away: vectors of length one don't see how long a row is, but one that is often moved grows
# without it, and turns less and less then.
_TAKEN_OF_IDS = 0.45
_FEW_ROWS = 2_000  # up to which reading all of them for one step is cheap

_PACKED, _PADDED = "texts are packed, without padding", "texts are padded, in groups of like length"

#: The article's ranges. Outside of them a run goes on, with a line that says so.
BATCH_RANGE = (64, 256)
L2_RANGE = (0.001, 0.01)


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What a plan depends on of a task beside that of TRAIN; as in `Facts`."""

    rows: int
    kind: Literal["pairs", "scored", "labeled"]
    taught: bool


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
        table_scale: the root mean square of a base that is nothing but a table, None for all others.
        reads: what the base encodes.
        taught: whether rows have a teacher's scores.
        maker: made the rows, where the file has texts alone.
        tasks: those beside that of TRAIN.
        source: rows of another domain, where there are some.
        method: what ``auto`` means here.
        why: a sentence, where somebody has thought about that.
    """

    rows: int
    kind: Literal["pairs", "scored", "labeled"]
    main_metric: str
    base_max_length: int
    base_distance: float
    device: str
    precision: Precision
    packs: bool
    table_scale: float | None = None
    reads: Literal["texts", "ids"] = "texts"
    taught: bool = False
    maker: QueryMaker | None = None
    tasks: Mapping[str, TaskFacts] = field(default_factory=dict)
    source: SourceFacts | None = None
    method: Method = field(default_factory=Full)
    why: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """Every value that a recipe may leave to ``auto``, decided.

    ``default_lr`` is what ``lr`` would be then. Without a source, ``mixing`` is None.
    """

    method: Method
    objectives: tuple[ObjectiveSpec, ...]
    regularizers: tuple[RegularizerSpec, ...]
    optimizer: str
    lr: float
    default_lr: float
    weight_decay: float
    warmup_share: float
    batch_size: int
    micro_batch: int
    epochs: float
    max_length: int
    precision: Precision
    device: str
    keep_best: str
    mixing: Mixing | None = None


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


def usual_length(base_max_length: int) -> int:
    """Tokens at which training cuts texts, of a base that cuts at so many."""
    return min(_MAX_LENGTH, base_max_length)


def resolve(recipe: Recipe, facts: Facts) -> Plan:
    """A plan for a recipe on data and a machine.

    Raises:
        UsageError: a setting that cannot act on this data.
    """
    training, evaluation = recipe.training, recipe.evaluation
    method = facts.method if recipe.method == "auto" else recipe.method
    _check_serving(recipe)
    method.check_rows(facts.kind)
    searches, is_table = OPTIMIZERS[training.optimizer].line_search, facts.table_scale is not None
    _check_tasks(recipe)
    check_source(recipe, facts.source is not None, facts.kind)
    if searches:
        _check_line_search(training, recipe.data, facts.rows)
        _check_pulls(recipe)
    _check_domains(recipe, facts)
    if is_table and training.precision not in ("auto", "fp32"):
        problem = f"training.precision={training.precision} cannot act on a base that is a table of float32"
        raise UsageError(problem, "leave it out")
    default = _defaults(facts, method, training.lr, searches=searches)
    objectives = default.objectives if recipe.objectives == "auto" else recipe.objectives
    batch_size = min(default.batch_size if training.batch_size == "auto" else training.batch_size, facts.rows)
    epochs = default.epochs if training.epochs == "auto" else training.epochs
    mixing, of_source = _source(recipe, facts, batch_size, epochs)
    decided = Decided(
        method=method,
        objectives=tuple(given.decided(facts.base_distance) for given in objectives),
        regularizers=default.regularizers if recipe.regularizers == "auto" else recipe.regularizers,
        optimizer=training.optimizer,
        lr=default.lr if training.lr == "auto" else training.lr,
        default_lr=default.lr,
        weight_decay=default.weight_decay if training.weight_decay == "auto" else training.weight_decay,
        warmup_share=0.0 if searches else training.warmup_share,
        batch_size=batch_size,
        micro_batch=min(batch_size, batch_size if training.micro_batch == "auto" else training.micro_batch),
        epochs=epochs,
        max_length=default.max_length if training.max_length == "auto" else training.max_length,
        precision=default.precision if training.precision == "auto" else training.precision,
        device=facts.device,
        keep_best=facts.main_metric if evaluation.keep_best == "auto" else evaluation.keep_best,
        mixing=mixing,
    )
    _check_objectives(decided.objectives, facts)
    _check_teacher(decided.objectives, recipe.data, facts)
    _check_learned_weights(decided)
    rule = _gradient_rule(recipe, decided)
    mining = _mining(recipe.data, decided, facts.kind)
    resolved = _written(recipe, decided, facts.maker)
    reasons = (
        f"method {method.kind}: {method.summary}",
        *((facts.why,) if recipe.method == "auto" and facts.why else ()),
        *(() if facts.maker is None else (f"queries {facts.maker.kind}: {facts.maker.summary}",)),
        *(f"objective {o.kind}{_of_task(o)}: {o.summary}" for o in decided.objectives),
        *_shares(recipe.data, facts),
        *of_source,
        *(f"regularizer {r.kind}: {r.summary}" for r in decided.regularizers),
        *rule,
        *mining,
        *_untaught(decided.objectives, facts),
        *_vocabulary(recipe, facts.reads),
        *_adaptation(recipe, is_table=is_table),
        f"{decided.epochs:g} epoch{'' if decided.epochs == 1 else 's'} of {facts.rows} rows, batch "
        f"{decided.batch_size}, learning rate {decided.lr:g}, {decided.precision}",
        *(() if is_table else (_PACKED if facts.packs else _PADDED,)),
    )
    most = BATCH_RANGE[1] if not is_table else max(BATCH_RANGE[1], decided.batch_size)
    decay = None if decided.weight_decay == default.weight_decay else decided.weight_decay
    warnings = _search_warnings(facts.rows) if searches else _warnings(decided.batch_size, most, decay)
    return Plan(resolved, decided, reasons, warnings)


@dataclass(frozen=True, slots=True)
class _Defaults:
    """What ``auto`` means here."""

    objectives: tuple[ObjectiveSpec, ...]
    regularizers: tuple[RegularizerSpec, ...]
    batch_size: int
    lr: float
    weight_decay: float
    epochs: float
    max_length: int
    precision: Precision


def _defaults(facts: Facts, method: Method, given_lr: float | Literal["auto"], *, searches: bool) -> _Defaults:
    texts = facts.reads == "texts"
    infonce = InfoNCESpec() if texts else InfoNCESpec(symmetric=False, temperature=_TEMPERATURE_OF_IDS)
    found = _Defaults(
        objectives=(
            CoSentSpec() if facts.kind == "scored" else infonce,
            *(_objective(name, task.kind) for name, task in facts.tasks.items()),
        ),
        regularizers=(DistillSpec(),) if texts else (),
        batch_size=64,
        lr=method.default_lr,
        weight_decay=_DECAY,
        epochs=epochs_for(facts.rows),
        max_length=usual_length(facts.base_max_length),
        precision=facts.precision,
    )
    if facts.table_scale is not None:  # rows are cheap, and the table's scale is its own
        # Adam moves a number by about the rate, so the rate is a share of what the numbers are.
        lr = float(f"{_TABLE_RATE[facts.reads] * facts.table_scale:.2g}") if method.trains_table else method.default_lr
        batch_size = min(_TABLE_BATCH, max(64, facts.rows // 64))
        length = facts.base_max_length
        found = replace(found, batch_size=batch_size, lr=lr, epochs=_TABLE_EPOCHS, max_length=length, precision="fp32")
        if method.trains_table and not texts:
            used = lr if given_lr == "auto" else given_lr
            found = replace(found, weight_decay=float(f"{_TAKEN_OF_IDS / used:.2g}"))
    if searches:
        found = replace(found, batch_size=facts.rows, lr=_FIRST_STEP, weight_decay=0.0)
        found = replace(found, epochs=_ITERATIONS, precision="fp32")
    return found


def _objective(task: str, kind: str) -> ObjectiveSpec:
    return CoSentSpec(task=task) if kind == "scored" else InfoNCESpec(task=task)


def _of_task(objective: ObjectiveSpec) -> str:
    return f" (task {objective.task})" if objective.task else ""


def _check_serving(recipe: Recipe) -> None:
    """Whether anything asks how the model is served."""
    if recipe.serving != "alone" and recipe.method != "auto":
        problem = f"serving={recipe.serving} says what method auto becomes, and the method is {recipe.method.kind}"
        raise UsageError(problem, "leave one of them out")


def _check_tasks(recipe: Recipe) -> None:
    """Settings of several tasks that cannot act."""
    data = recipe.data
    temperature = data.task_temperature != DataSettings.model_fields["task_temperature"].default
    if not data.tasks:
        for name, given in (("tasks_a_step", data.tasks_a_step != "one"), ("task_temperature", temperature)):
            if given:
                raise UsageError(f"data.{name}={getattr(data, name)} cannot act without data.tasks", "name a task")
        return
    if temperature and data.tasks_a_step == "all":
        problem = "data.task_temperature cannot act with data.tasks_a_step=all, where every step has all tasks"
        raise UsageError(problem, "leave one of them out")
    if OPTIMIZERS[recipe.training.optimizer].line_search:
        problem = f"data.tasks cannot act with optimizer {recipe.training.optimizer}, whose every step takes all rows"
        raise UsageError(problem, "leave it out, or take optimizer adamw")


def _check_objectives(objectives: tuple[ObjectiveSpec, ...], facts: Facts) -> None:
    """Whether every objective has rows that it can learn from, and every task an objective."""
    known = list(facts.tasks)
    for objective in objectives:
        if objective.task and objective.task not in facts.tasks:
            hint = closest(objective.task, known) or (f"known are {', '.join(known)}" if known else "name its file")
            raise UsageError(f"objective {objective.kind} is of task {objective.task!r}, not in data.tasks", hint)
        _check_rows(objective, facts.tasks[objective.task].kind if objective.task else facts.kind)
    for task in ("", *known):
        if task not in {objective.task for objective in objectives}:
            whose, named = (f"task {task}", f", task: {task}") if task else ("TRAIN", "")
            problem = f"no objective learns from the rows of {whose}"
            raise UsageError(problem, f"add one to objectives, as {{kind: infonce{named}}}")


def _source(recipe: Recipe, facts: Facts, batch_size: int, epochs: float) -> tuple[Mixing | None, tuple[str, ...]]:
    """How a source takes part, where there is one, and what a plan says of it."""
    source = facts.source
    if source is None:
        return None, ()
    mixing = mixing_for(recipe, source, facts.rows, batch_size)
    return mixing[0], told(mixing, recipe.data.weighting, source, facts.rows, batch_size, epochs)


def _shares(data: DataSettings, facts: Facts) -> tuple[str, ...]:
    """What a plan says of how often tasks come."""
    if not facts.tasks:
        return ()
    rows = {"TRAIN": facts.rows, **{name: task.rows for name, task in facts.tasks.items()}}
    if data.tasks_a_step == "all":
        return (f"every step has a batch of each task: {', '.join(rows)}",)
    weight = {name: count ** (1 / data.task_temperature) for name, count in rows.items()}
    told = ", ".join(f"{name} {value / sum(weight.values()):.0%} ({rows[name]} rows)" for name, value in weight.items())
    return (f"steps of each task: {told}",)


def _written(recipe: Recipe, decided: Decided, maker: QueryMaker | None) -> Recipe:
    """The recipe with what was decided in the place of every ``auto``."""
    values = {field.name: getattr(decided, field.name) for field in fields(decided)}
    training = {name: value for name, value in values.items() if name in TrainingSettings.model_fields}
    return recipe.model_copy(
        update={
            **{name: values[name] for name in ("method", "objectives", "regularizers")},
            "serving": "alone",  # it has had its say: what is resolved is a recipe too, whose method is given
            "data": recipe.data.model_copy(
                update=({} if decided.mixing is None else {"mixing": decided.mixing})
                | ({} if maker is None else {"synthetic": maker})
            ),
            "training": recipe.training.model_copy(update=training),
            "evaluation": recipe.evaluation.model_copy(update={"keep_best": decided.keep_best}),
        }
    )


def _check_line_search(training: TrainingSettings, data: DataSettings, rows: int) -> None:
    """What a search along a line leaves no room for, and what would make a loss another one from call to call."""
    name, remedy = training.optimizer, "leave it out, or take optimizer adamw"
    for setting in ("weight_decay", "warmup_share", "clip_norm"):
        value = getattr(training, setting)
        if value not in (0, TrainingSettings.model_fields[setting].default):
            raise UsageError(f"training.{setting}={value:g} cannot act with optimizer {name}", remedy)
    if training.dropout:
        raise UsageError(f"training.dropout makes a loss that optimizer {name} cannot compare", remedy)
    if training.precision not in ("auto", "fp32"):
        problem = f"optimizer {name} compares losses that {training.precision} cannot tell apart"
        raise UsageError(problem, "take training.precision fp32 or auto, or optimizer adamw")
    if data.replay != "none":
        problem = f"data.replay cannot act with optimizer {name}, whose every step takes all rows"
        raise UsageError(problem, remedy)
    if training.batch_size != "auto" and training.batch_size < rows:
        problem = f"training.batch_size={training.batch_size}, but a step of optimizer {name} takes all {rows} rows"
        raise UsageError(problem, f"{remedy}; training.micro_batch bounds the memory")


def _check_pulls(recipe: Recipe) -> None:
    """What acts after a step would undo what a search along a line has found."""
    for given in () if recipe.regularizers == "auto" else recipe.regularizers:
        if given.pulls_after_step:
            problem = f"regularizer {given.kind} with decoupled=true cannot act with {recipe.training.optimizer}"
            raise UsageError(problem, "take decoupled=false, or optimizer adamw")


def _check_domains(recipe: Recipe, facts: Facts) -> None:
    """Whether regularizers that compare two domains have a second one, whose texts do not say that they are."""
    for given in () if recipe.regularizers == "auto" else recipe.regularizers:
        if not given.compares_domains:
            continue
        if facts.source is None:
            problem = f"regularizer {given.kind} tells a source from the target, and the run has no source"
            raise UsageError(problem, "name rows of another domain, --source FILE, or leave it out")
        if recipe.data.source_query_prompt or recipe.data.source_document_prompt:
            problem = f"regularizer {given.kind} draws two domains together, and prompts of the source tell them apart"
            raise UsageError(problem, "leave out data.source_query_prompt and data.source_document_prompt")


def _gradient_rule(recipe: Recipe, decided: Decided) -> tuple[str, ...]:
    """What a plan says of a rule for gradients, where there is one."""
    rule = recipe.gradients
    if rule == "sum":
        return ()
    problem = f"gradients {rule.kind}"
    if OPTIMIZERS[decided.optimizer].line_search:
        remedy = "leave one of them out"
        raise UsageError(f"{problem} gives what is no loss's gradient, and {decided.optimizer} needs that", remedy)
    of_task = Counter(objective.task for objective in decided.objectives)
    apart = recipe.data.tasks_a_step == "one"  # then a step has the terms of one task alone
    if missing := rule.check(max(of_task.values()) if apart else of_task.total(), len(decided.regularizers)):
        together = "take data.tasks_a_step=all, or " if apart and len(of_task) > 1 else ""
        raise UsageError(f"{problem} {missing}", f"{together}{rule.remedy}, or leave gradients out")
    _check_given_weights(rule, decided.objectives)
    return (f"gradients {rule.kind}: {rule.summary}",)


def _check_given_weights(rule: GradientRule, objectives: tuple[ObjectiveSpec, ...]) -> None:
    """Weights of objectives are given, or found by a rule."""
    given = next((objective for objective in objectives if objective.weight != 1), None)
    if rule.weighs and given is not None:
        problem = f"objective {given.kind}: weight={given.weight} cannot act with gradients {rule.kind}"
        raise UsageError(f"{problem}, which finds the weights of objectives", "leave one of them out")


def _check_learned_weights(decided: Decided) -> None:
    """Whether objectives that learn their weights have something to weigh against."""
    learned = next((objective for objective in decided.objectives if objective.weight == "uncertainty"), None)
    if learned is None:
        return
    problem = f"objective {learned.kind}: weight=uncertainty cannot act"
    if OPTIMIZERS[decided.optimizer].line_search:
        problem = f"{problem} with optimizer {decided.optimizer}, which moves all weights by one step"
        raise UsageError(problem, "give a number, or take optimizer adamw")
    if len(decided.objectives) + sum(not given.pulls_after_step for given in decided.regularizers) < 2:
        problem = f"{problem} on the only loss, where it would change nothing but the learning rate"
        raise UsageError(problem, "give a number, or name another objective or a regularizer")


def _check_rows(objective: ObjectiveSpec, kind: str) -> None:
    if kind not in objective.rows:
        fitting = ", ".join(known for known in OBJECTIVES if kind in OBJECTIVES[known].rows)
        needed = " or ".join(_ROWS[rows] for rows in objective.rows)
        problem = f"objective {objective.kind} learns from {needed}, and the data has {_ROWS[kind]}"
        raise UsageError(problem, f"take auto, or one of {fitting}")


def _untaught(objectives: tuple[ObjectiveSpec, ...], facts: Facts) -> tuple[str, ...]:
    """What a plan says of a teacher's scores that nothing reads."""
    if not facts.taught or any(objective.taught for objective in objectives):
        return ()
    names = " and ".join(kind for kind in OBJECTIVES if OBJECTIVES[kind].taught)
    return (f"the rows have a teacher's scores, which no objective here reads: {names} do",)


def _check_teacher(objectives: tuple[ObjectiveSpec, ...], data: DataSettings, facts: Facts) -> None:
    """Whether somebody says what objectives want to learn, of all documents that they take."""
    taught, miner = [objective for objective in objectives if objective.taught], data.mining
    for objective in taught:
        if objective.task and not facts.tasks[objective.task].taught:
            problem = f"objective {objective.kind} learns from a teacher's scores, and task {objective.task} has none"
            raise UsageError(problem, "give its file columns pos_scores and neg_scores")
    taught, own = ([o for o in some if not o.task] for some in (taught, objectives))
    if not taught:
        return
    wants = f"objective {taught[0].kind} learns from a teacher's scores of negatives"
    teachers = " or ".join(kind for kind in MINERS if MINERS[kind].teaches)
    if data.negatives_a_row == 0:
        raise UsageError(f"{wants}, and data.negatives_a_row=0 takes none of them", "leave one of them out")
    if miner != "none" and miner.teaches:
        return
    if facts.source is not None and not facts.source.taught and taught == own:
        problem = f"objective {taught[0].kind} learns from a teacher's scores, and the rows of data.source have none"
        raise UsageError(problem, "give its file columns pos_scores and neg_scores, or name infonce beside it")
    if not facts.taught:
        remedy = f"give columns pos_scores and neg_scores, or data.mining of kind {teachers}"
        raise UsageError(f"{wants}, and the rows have none", remedy)
    if miner != "none" and (miner.epochs_to_next is not None or taught == own):
        problem = f"{wants}, and those of data.mining={miner.kind} have none"
        raise UsageError(problem, f"leave it out, or take kind {teachers}")


def _mining(data: DataSettings, decided: Decided, kind: str) -> tuple[str, ...]:
    """What a plan says of mined negatives, when there are to be any."""
    miner = data.mining
    if miner == "none":
        return ()
    if kind != "pairs":
        raise UsageError(f"data.mining is for pairs, and the rows are {kind}", "leave it out")
    if data.negatives_a_row == 0:
        problem = "data.mining cannot act with data.negatives_a_row=0, which takes none of what it finds"
        raise UsageError(problem, "leave one of them out")
    every = miner.epochs_to_next
    if every is not None and (every >= decided.epochs or OPTIMIZERS[decided.optimizer].line_search):
        found = f"in {decided.epochs:g} epochs with optimizer {decided.optimizer}"
        problem = f"data.mining.remine_every_epochs={every} cannot act {found}"
        raise UsageError(problem, "take fewer, or more training.epochs, with optimizer adamw")
    margin = miner.relative_margin
    limit = "whatever they score" if margin == "none" else f"at most {1 - margin:.0%} of the right one's score"
    again = "" if every is None else f", anew every {every} epochs"
    return (
        f"negatives {miner.kind}: {miner.summary}; {miner.per_query} a row from ranks {miner.range_min + 1} to "
        f"{miner.range_max}, {limit}{again}",
    )


def _vocabulary(recipe: Recipe, reads: str) -> tuple[str, ...]:
    """What a plan says of new words, when there are to be any."""
    settings = recipe.vocabulary
    if settings == "none":
        return ()
    if reads == "ids":
        raise UsageError("vocabulary finds words in texts, and the base reads ids", "leave it out")
    return (
        f"vocabulary {settings.kind}: {settings.summary}; at most {settings.most_words}, of {settings.least_pieces} "
        f"pieces or more, in {settings.least_rows} rows or more",
    )


def _adaptation(recipe: Recipe, *, is_table: bool) -> tuple[str, ...]:
    """What a plan says of an adaptation, when there is to be one."""
    settings = recipe.adaptation
    if settings == "none":
        return ()
    if is_table:
        raise UsageError(f"adaptation {settings.kind} is for transformers, and the base is a table", "leave it out")
    of = "TRAIN" if settings.texts == "train" else settings.texts
    return (
        f"adaptation {settings.kind}: {settings.summary}; {settings.steps} steps of {settings.batch_size} texts of "
        f"{of}, learning rate {settings.lr:g}",
    )


def _search_warnings(rows: int) -> tuple[str, ...]:
    if rows <= _FEW_ROWS:
        return ()
    return (f"each of the several calls of an lbfgs step embeds all {rows} rows; adamw moves after each batch",)


def _warnings(batch_size: int, most: int, weight_decay: float | None) -> tuple[str, ...]:
    warnings = []
    if not BATCH_RANGE[0] <= batch_size <= most:
        warnings.append(f"batch {batch_size} is outside of {BATCH_RANGE[0]} to {BATCH_RANGE[1]}")
    if weight_decay is not None and not L2_RANGE[0] <= weight_decay <= L2_RANGE[1]:
        warnings.append(f"weight decay {weight_decay:g} is outside of {L2_RANGE[0]} to {L2_RANGE[1]}")
    return tuple(warnings)
