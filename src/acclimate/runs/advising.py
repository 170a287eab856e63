"""What the advisor's rules ask of a run."""

import math
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from acclimate.advisor import Situation
from acclimate.core.errors import UsageError
from acclimate.core.seeds import numpy_generator
from acclimate.data.examples import Example, Kind
from acclimate.data.items import ItemRows
from acclimate.engine.optimizers import OPTIMIZERS
from acclimate.engine.precision import Precision, autocast, fastest_precision
from acclimate.evaluation.probe import guard_texts
from acclimate.methods import Method
from acclimate.model.tokens import Tokens
from acclimate.recipe.resolve import usual_length
from acclimate.recipe.tree import Recipe
from acclimate.runs.machine import choose_device
from acclimate.runs.planning import load_base
from acclimate.runs.prepare import Prepared
from acclimate.runs.tokens import cut_at

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder

_TIMED = 16  # rows of the timed step
_GUARDS = 2  # rows to a general text, as the default guard takes them with batches of 64


def situation_of(recipe: Recipe, base: Path, prepared: Prepared, encoder: "Encoder") -> Situation:
    """What the rules ask. With a time limit, a step of full tuning on a few rows is timed.

    Args:
        recipe: what was asked for.
        base: the folder of the base.
        prepared: the data.
        encoder: the base; it is only asked.
    """
    is_table = encoder.depth == 1
    counts = [len(prepared.train), *(len(task.train) for task in prepared.tasks.values())]
    rows = sum(counts) + (0 if prepared.source is None else len(prepared.source.rows))
    limit = recipe.training.time_limit
    seconds, epoch = math.inf, 0.0
    if limit != "none" and not is_table and not isinstance(prepared.train, ItemRows):
        seconds = limit / 2 if recipe.adaptation != "none" else limit  # an adaptation takes the other half
        some = numpy_generator(recipe.training.seed, "timed").permutation(len(prepared.train))[:_TIMED].tolist()
        epoch = rows * seconds_a_row(recipe, load_base(recipe, base), [prepared.train[row] for row in some])
    return Situation(
        rows=rows,
        # Labeled texts beside the texts of their labels train as pairs, and are few for another reason.
        kind=str(Kind.LABELED if prepared.dataset.kind is Kind.LABELED else prepared.kind),
        serving=recipe.serving,
        is_table=is_table,
        line_search=OPTIMIZERS[recipe.training.optimizer].line_search,
        needs_own_weights=_needs_own_weights(recipe),
        peft=find_spec("peft") is not None,
        limit_seconds=seconds,
        epoch_seconds=epoch,
    )


def _needs_own_weights(recipe: Recipe) -> str:
    """What wants the base's own weights to train."""
    given = () if recipe.regularizers == "auto" else recipe.regularizers
    leaving = [spec.kind for spec in given if spec.build().leaves_importance]
    if leaving:
        return f"regularizer {leaving[0]} leaves to later runs how much each weight matters"
    return "" if recipe.vocabulary == "none" else "new words are new rows of the embedding table"


def refusal(recipe: Recipe, base: Path, method: Method) -> str:
    """Why a method cannot act on a base, by trying; empty where it can."""
    try:
        method.apply(load_base(recipe, base))
    except UsageError as problem:
        return problem.problem
    return ""


def seconds_a_row(recipe: Recipe, encoder: "Encoder", rows: list[Example]) -> float:
    """Of a step of full tuning, by a forward and a backward pass over some rows and the general texts beside them.

    A first pass is not counted, and of two the faster one is. Optimizer and batches are left out, a few percent.
    """
    training = recipe.training
    device = choose_device(training.device)
    precision: Precision = fastest_precision(device) if training.precision == "auto" else training.precision
    length = usual_length(encoder.max_length) if training.max_length == "auto" else training.max_length
    encoder.to(device).train(training.dropout)
    negatives, miner = recipe.data.negatives_a_row, recipe.data.mining
    mined = 0 if miner == "none" else min(negatives, miner.per_query)
    general = guard_texts()[: len(rows) // _GUARDS] if recipe.regularizers == "auto" else ()
    documents = [text for row in rows for text in (row.text, *row.positives[:1], *row.negatives[:negatives]) if text]
    with cut_at(encoder, length):
        ids = [
            *encoder.tokenize([row.query for row in rows if row.query], "query"),
            *encoder.tokenize([*documents * (1 + mined), *general], "document"),
        ]
    took: list[float] = []
    for some in (ids[:2], ids, ids):
        tokens = Tokens.of(some)
        tokens = Tokens(tokens.ids.to(device), tokens.lengths.to(device), tokens.prompt_lengths.to(device))
        began = time.perf_counter()
        with autocast(device, precision):
            vectors = encoder(tokens)
        (vectors @ vectors.T).logsumexp(1).sum().backward()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)
        took.append(time.perf_counter() - began)
    return min(took[1:]) / max(1, len(rows))
