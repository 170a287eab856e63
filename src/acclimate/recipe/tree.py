"""A whole run as one frozen, typed tree. Every field acts, or its value is an error."""

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from acclimate.adaptations import ADAPTATIONS, Adaptation
from acclimate.core.specs import FromTable, Settings
from acclimate.data.label_texts import NAME
from acclimate.data.miners import MINERS, Miner
from acclimate.data.mixings import MIXINGS, Mixing
from acclimate.data.query_makers import QUERY_MAKERS, QueryMaker
from acclimate.data.vocabulary import VOCABULARIES, ExtendVocabulary
from acclimate.data.weightings import WEIGHTINGS, Weighting
from acclimate.gradient_rules import GRADIENT_RULES, GradientRule
from acclimate.methods import METHODS, Method
from acclimate.objectives import OBJECTIVES, ObjectiveSpec
from acclimate.regularizers import REGULARIZERS, RegularizerSpec

Auto = Literal["auto"]
AnyMethod = Annotated[Method, FromTable(METHODS)]
AnyObjective = Annotated[ObjectiveSpec, FromTable(OBJECTIVES)]
AnyRegularizer = Annotated[RegularizerSpec, FromTable(REGULARIZERS)]
AnyGradientRule = Annotated[GradientRule, FromTable(GRADIENT_RULES)]
AnyMiner = Annotated[Miner, FromTable(MINERS)]
AnyMixing = Annotated[Mixing, FromTable(MIXINGS)]
AnyWeighting = Annotated[Weighting, FromTable(WEIGHTINGS)]
AnyQueryMaker = Annotated[QueryMaker, FromTable(QUERY_MAKERS)]
AnyAdaptation = Annotated[Adaptation, FromTable(ADAPTATIONS)]
AnyVocabulary = Annotated[ExtendVocabulary, FromTable(VOCABULARIES)]
Share = Annotated[float, Field(gt=0, lt=1)]
_UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds_of(value: object) -> object:
    """90s, 10m and 1.5h in seconds; a number as it is."""
    if not isinstance(value, str):
        return value
    number, unit = (value[:-1], _UNITS[value[-1]]) if value[-1:] in _UNITS else (value, 1)
    try:
        return float(number) * unit
    except ValueError:
        raise ValueError("should be seconds, or a time like 90s, 10m, 1.5h") from None


Seconds = Annotated[PositiveFloat, BeforeValidator(seconds_of)]


def _task_name(name: str) -> str:
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_-]*", name):  # it names a folder of heads, and keys of metrics
        raise ValueError("should be a name of letters, digits, - and _, a letter first")
    return name


def _named(label_texts: dict[str, str] | str) -> dict[str, str] | str:
    if isinstance(label_texts, str) and label_texts != "none" and NAME not in label_texts:
        raise ValueError(f"should be texts by label, or a pattern with {NAME} where the label goes")
    return label_texts


class TaskSettings(Settings):
    """A task beside that of TRAIN: its examples, and what it is scored on, as for TRAIN."""

    train: str
    dev: str = "split"
    test: str = "split"
    columns: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _file_is_short_for_train(cls, value: object) -> object:
        return {"train": value} if isinstance(value, str) else value


class DataSettings(Settings):
    """Where the examples are and how they are read.

    ``dev`` and ``test`` are files or folders, or ``split``: a leak-free share of ``train``. ``general`` is what must
    not be forgotten, a file or folder, or ``builtin``: the probe that ships with the package. ``label_texts`` is for
    labeled data: a text for each label, or a pattern like ``a text about {}``. Then a text has the label whose text is
    nearest, in training and in scoring, and nothing is fitted beside the encoder. ``mining`` gives each row of pairs
    wrong documents that look right, beside the wrong ones that the file has; a step takes ``negatives_a_row`` of both.
    ``synthetic`` is how queries are made where TRAIN has texts alone; ``auto`` takes ``mixed`` there.
    ``replay`` is a file of earlier data of the same kind, that is to be kept: ``replay_share`` of the batches are its.
    ``feedback`` is a file of what users say of single pairs, as `explore` writes it: wrong documents become negatives
    of their query's rows and no longer answer them, right ones answer them.

    ``source`` is a file of pairs (or scored pairs, like TRAIN) from another domain, that train in batches of their own:
    ``mixing`` says how these come among those of TRAIN, and ``weighting`` makes rows count by how much their queries
    are like TRAIN's. An epoch is still TRAIN's rows once. ``source_query_prompt`` and ``source_document_prompt`` stand
    before its texts alone, after the prompt that all texts have, and are no part of the model.

    ``tasks`` are further tasks that the same encoder learns, by name: a file of examples each, of any kind, or with
    ``dev``, ``test`` and ``columns`` of its own. Batches are of one task alone. With ``tasks_a_step: one`` a step has
    one batch, and a task with n examples has a share of the steps in proportion to ``n ** (1 / task_temperature)``;
    with ``all`` every step of TRAIN has a batch of each.
    """

    train: str = ""
    dev: str = "split"
    test: str = "split"
    general: str = "builtin"
    columns: dict[str, str] = Field(default_factory=dict)
    query_prompt: str | None = None
    document_prompt: str | None = None
    positives_a_row: PositiveInt = 1
    negatives_a_row: NonNegativeInt = 4
    mining: AnyMiner | Literal["none"] = "none"
    synthetic: AnyQueryMaker | Auto = "auto"
    replay: str = "none"
    replay_share: Share = 0.1
    feedback: str = "none"
    source: str = "none"
    source_query_prompt: str = ""
    source_document_prompt: str = ""
    mixing: AnyMixing | Auto = "auto"
    weighting: AnyWeighting | Literal["none"] = "none"
    tasks: dict[Annotated[str, AfterValidator(_task_name)], TaskSettings] = Field(default_factory=dict)
    tasks_a_step: Literal["one", "all"] = "one"
    task_temperature: Annotated[float, Field(ge=1)] = 2.0
    label_texts: Annotated[dict[str, str] | str, AfterValidator(_named)] = "none"
    dev_share: Share = 0.1
    test_share: Share = 0.1


class TrainingSettings(Settings):
    """How fast, how long, on what. ``auto`` is decided from the data and the machine, and written out.

    ``micro_batch`` is how many rows of the batch one pass may hold in memory: all by default, and fewer where memory
    does not allow it. The loss is that of the whole batch; several passes cost one more forward pass. ``cache`` keeps
    on disk what is computed once then: for the run what blocks that don't train say of each text, and in the cache
    folder the base's vectors of the test texts, for later runs too. ``time_limit`` (90s, 10m, 1.5h) ends training
    where ``epochs`` would take longer: the learning rate comes down with the time, and the result depends on the
    machine; scoring comes on top.

    ``optimizer: lbfgs`` is for few rows and few weights: every step reads all rows, and searches along a line.
    """

    optimizer: Literal["adamw", "lbfgs"] = "adamw"
    lr: PositiveFloat | Auto = "auto"
    batch_size: PositiveInt | Auto = "auto"
    micro_batch: PositiveInt | Auto = "auto"
    epochs: PositiveFloat | Auto = "auto"
    time_limit: Seconds | Literal["none"] = "none"
    weight_decay: NonNegativeFloat | Auto = "auto"
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.1
    clip_norm: PositiveFloat = 1.0
    dropout: bool = False
    max_length: Annotated[int, Field(ge=4)] | Auto = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    device: str = "auto"
    cache: bool = True
    seed: NonNegativeInt = 42


class EvaluationSettings(Settings):
    """What decides which weights are kept and whether they pass.

    ``merge`` is the weight of the tuned model in the average with its base: a number, or ``auto``: chosen on the dev
    halves so that the general score stays.
    """

    keep_best: str = "auto"
    evaluations: PositiveInt = 5
    patience: PositiveInt = 3
    merge: Annotated[float, Field(gt=0, le=1)] | Auto = "auto"
    general_drop_limit: NonNegativeFloat = 0.01


class Recipe(Settings):
    """Everything that decides a run's result.

    ``vocabulary`` gives the base words of the training rows as tokens of their own before anything trains.
    ``adaptation`` then gets it used to the texts of the domain, without labels; what only that needs is thrown away.
    ``gradients`` is what becomes of those of several loss terms: their sum, or the rule that is named.
    ``serving`` says what the data cannot tell of what ``method: auto`` should become: the model is served ``alone``,
    or is one of several that share a base's weights (many domains, small devices), or asks an index of the base's
    document vectors that cannot be rebuilt.
    """

    base: str = "all-MiniLM-L6-v2"
    data: DataSettings = DataSettings()
    vocabulary: AnyVocabulary | Literal["none"] = "none"
    adaptation: AnyAdaptation | Literal["none"] = "none"
    method: AnyMethod | Auto = "auto"
    serving: Literal["alone", "shared_base", "fixed_index"] = "alone"
    objectives: Annotated[tuple[AnyObjective, ...], Field(min_length=1)] | Auto = "auto"
    regularizers: tuple[AnyRegularizer, ...] | Auto = "auto"
    gradients: AnyGradientRule | Literal["sum"] = "sum"
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="before")
    @classmethod
    def _objective_is_short_for_one(cls, value: object) -> object:
        if not (isinstance(value, dict) and "objective" in value):
            return value
        if "objectives" in value:
            raise ValueError("give either objective or objectives")
        rest = {key: item for key, item in value.items() if key != "objective"}
        objective = value["objective"]
        return rest | {"objectives": objective if objective == "auto" else [objective]}
