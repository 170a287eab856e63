"""What a run starts from: what was asked for, the base as it is read, and the plan."""

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from acclimate.advisor import Advice
from acclimate.core.errors import UsageError
from acclimate.data.examples import Dataset, Kind
from acclimate.data.items import ItemRows
from acclimate.data.query_makers import Writer
from acclimate.data.roles import TEACHER
from acclimate.engine.optimizers import OPTIMIZERS
from acclimate.engine.precision import check_precision, fastest_precision
from acclimate.evaluation import MEAN, Encode, RetrievalTask, Task
from acclimate.evaluation.probe import guard_texts
from acclimate.model.bases import resolve as resolve_base
from acclimate.model.static import mean_square
from acclimate.model.store import load_encoder, reads_ids
from acclimate.model.vocabulary import add_words
from acclimate.recipe.resolve import Facts, Plan, TaskFacts, resolve
from acclimate.recipe.sources import SourceFacts
from acclimate.recipe.tree import Recipe
from acclimate.regularizers.distill import mean_distance
from acclimate.runs.adaptation import try_out
from acclimate.runs.items import prepare_items, start_table
from acclimate.runs.known_vectors import KnownVectors
from acclimate.runs.machine import choose_device
from acclimate.runs.prepare import Prepared, prepare
from acclimate.runs.regularizers import begin_on_trial
from acclimate.runs.show import Show
from acclimate.runs.synthetic import Models
from acclimate.runs.training import facts_of
from acclimate.runs.vocabulary import Vocabulary
from acclimate.runs.writer import load_writer

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder

_DISTANCE_EVERY = 40  # about 110 general texts: how far apart they are is known to a few percent


@dataclass(frozen=True, slots=True)
class Request:
    """One call of fit.

    Attributes:
        source: TRAIN: a path, or rows in memory.
        recipe: what decides the result.
        out: the run folder.
        command: as the user could repeat it.
        keep_anyway: the tuned model goes into ``model/`` whatever the gate says.
        strict: ``unproven`` does not pass.
        restart: forget an earlier run in the same folder.
        track: libraries that show the run too.
    """

    source: Any
    recipe: Recipe
    out: Path
    command: str
    keep_anyway: bool = False
    strict: bool = False
    restart: bool = False
    track: tuple[str, ...] = ()


def read_inputs(request: Request, show: Show) -> tuple[Path, Prepared]:
    """The folder of the base, and all data of a run.

    Raises:
        UsageError: there is no such base.
        DataError: unusable data, or too little of it.
    """
    recipe = request.recipe
    data, seed = recipe.data, recipe.training.seed
    base = start_table(recipe.base, request.source, data) or resolve_base(recipe.base)
    if reads_ids(base):
        return base, prepare_items(request.source, data, seed, base)
    return base, prepare(request.source, data, seed, _untuned(recipe, base, show))


def _untuned(recipe: Recipe, base: Path, show: Show) -> Models:
    """What texts alone are asked about. It is read at the first call, for most runs make none."""
    device, known = choose_device(recipe.training.device), recipe.training.cache

    @cache
    def encode() -> Encode:
        show.stage("ask", "which queries lead the base back to the text that gave them")
        return encode_as(load_base(recipe, base).to(device), base, show, known=known)

    @cache
    def writer(name: str) -> Writer:
        show.stage("write", f"{name} writes queries")
        return load_writer(name, device, recipe.training.seed, show.writing, known=known)

    return Models(lambda texts, role: encode()(texts, role), writer)


def load_base(recipe: Recipe, base: Path) -> "Encoder":
    """The base as a run takes it: its vectors have length one, and the recipe's prompts are its own."""
    encoder = load_encoder(base)
    encoder.normalize = True  # what is trained and scored here are unit vectors, so that is what is saved
    for role, prompt in (("query", recipe.data.query_prompt), ("document", recipe.data.document_prompt)):
        if prompt is not None:
            encoder.prompts = {**encoder.prompts, role: prompt}
    return encoder


def encode_as(encoder: "Encoder", base: Path, show: Show, *, known: bool) -> Encode:
    """What encodes as an untuned encoder does; ``known``: vectors that an earlier run has found are read."""
    if not known or encoder.depth == 1:  # a table is read sooner than the cache
        return partial(encoder.encode, progress=show.encoding)
    return KnownVectors(encoder, base, progress=show.encoding).encode


def known_only(encoder: "Encoder", base: Path, *, known: bool) -> Encode:
    """The same, which leaves nothing to later runs and shows no progress."""
    if not known or encoder.depth == 1:
        return encoder.encode
    vectors = KnownVectors(encoder, base)
    return lambda texts, role: vectors.known(texts, role, lambda part: encoder.encode(part, role))


def plan_for(
    recipe: Recipe,
    base: Path,
    prepared: Prepared,
    encoder: "Encoder",
    vocabulary: Vocabulary | None,
    advice: Advice | None = None,
) -> Plan:
    """What a run will do, tried out on the base as far as that takes no training.

    Args:
        recipe: what was asked for.
        base: the folder of the base.
        prepared: the data.
        encoder: the base; it is only asked.
        vocabulary: the words that become tokens.
        advice: what method ``auto`` means.

    Raises:
        UsageError: a setting that cannot act on this base or data.
    """
    device, tasks, train = choose_device(recipe.training.device), prepared.tasks, prepared.train
    facts = Facts(
        rows=len(train),
        kind=_KINDS[prepared.kind],  # type: ignore[arg-type]
        main_metric=MEAN if tasks else prepared.dev.main_metric,
        base_max_length=encoder.max_length,
        base_distance=_base_distance(encoder),
        device=device,
        precision=fastest_precision(device),
        packs=torch.device(device).type == "cpu" and encoder.packs,
        table_scale=mean_square(encoder.token_embedding().weight) if encoder.depth == 1 else None,
        reads=encoder.reads,
        taught=_has_teacher(prepared.dataset),
        source=_source_facts(prepared),
        maker=prepared.synthetic.maker if prepared.synthetic else None,
        tasks={
            name: TaskFacts(len(task.train), _KINDS[task.dataset.kind], _has_teacher(task.dataset))  # type: ignore[arg-type]
            for name, task in tasks.items()
        },
        **({} if advice is None else {"method": advice.method, "why": advice.why}),  # type: ignore[arg-type]
    )
    plan = resolve(recipe, facts)
    known, wanted = _higher_is_better(prepared), plan.decided.keep_best
    if wanted not in known:
        raise UsageError(f"evaluation.keep_best={wanted!r} can't choose here", f"take {' or '.join(known)}")
    check_precision(plan.decided.device, plan.decided.precision)
    trial = load_base(recipe, base)  # a setting that the base cannot have is told before minutes of scoring
    trial.max_length = plan.decided.max_length
    if vocabulary is not None:
        add_words(trial, vocabulary.texts)
    if plan.recipe.adaptation != "none":
        try_out(plan.recipe.adaptation, trial)
    groups = begin_on_trial(plan, trial, train, () if prepared.source is None else prepared.source.rows)
    OPTIMIZERS[plan.decided.optimizer](groups, plan.decided.lr, plan.decided.weight_decay)
    seen = {"": facts_of(train, prepared.kind, trial)}
    seen |= {name: facts_of(task.train, task.dataset.kind, trial) for name, task in tasks.items()}
    for objective in plan.decided.objectives:
        if objective.at_all_sizes(seen[objective.task]).guided and encoder.reads == "ids":
            raise UsageError(f"objective {objective.kind} asks the base of texts, and these are ids", "take infonce")
    return plan


def _base_distance(encoder: "Encoder") -> float:
    some = encoder.encode(encoder.probes or guard_texts()[::_DISTANCE_EVERY], "document")
    return float(mean_distance(torch.from_numpy(some)))


def _source_facts(prepared: Prepared) -> SourceFacts | None:
    source, train = prepared.source, prepared.train
    if source is None or isinstance(train, ItemRows):
        return None
    return SourceFacts(len(source.rows), _has_teacher(source.dataset))


def _higher_is_better(prepared: Prepared) -> list[str]:
    """The dev metrics by which the best weights can be chosen."""
    tasks = prepared.tasks
    of_tasks = [f"{name}/{metric}" for name, task in tasks.items() for metric in higher_is_better(task.dev)]
    return [*higher_is_better(prepared.dev), *of_tasks, *([MEAN] if tasks else [])]


def _has_teacher(dataset: Dataset) -> bool:
    return not set(TEACHER).isdisjoint(dataset.roles.values())


_KINDS = {Kind.PAIRS: "pairs", Kind.SCORED: "scored", Kind.LABELED: "labeled"}


def higher_is_better(task: Task) -> list[str]:
    """The metrics of a task of which higher is better."""
    match task:
        case RetrievalTask():
            return ["ndcg@10", "mrr", "mrr@10", "recall@1", "recall@5", "recall@10", "recall@100", "map@100"]
        case _:
            return {"spearman": ["spearman", "pearson"], "macro_f1": ["macro_f1", "accuracy"]}[task.main_metric]
