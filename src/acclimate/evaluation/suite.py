"""Scores an encoder on tasks, and compares two sets of scores with significance."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from acclimate.core.errors import DataError
from acclimate.evaluation import geometry, ranking, retrieval, similarity
from acclimate.evaluation.classification import (
    classification_metrics,
    predict_labels,
    weighted_classification,
)
from acclimate.evaluation.outcome import GeneralOutcome, Outcome, Top
from acclimate.evaluation.significance import (
    RESAMPLES,
    Comparison,
    Draws,
    Metric,
    draw,
    pool,
    weighted_mean,
    weighted_median,
)
from acclimate.evaluation.tasks import ClassificationTask, LabelMatchingTask, RetrievalTask, SimilarityTask, Task
from acclimate.evaluation.vectors import Floats, Rows, Vectors, as_vectors, unit_rows

Encode: TypeAlias = Callable[[Sequence[str], str], NDArray[np.float32]]
"""Texts and their role, ``"query"`` or ``"document"``, -> vectors ``[N, D]``."""

MEAN = "mean"
"""The unweighted mean of the main metrics of several tasks."""

SYMMETRIC_ROLE = "document"
"""For texts that search for nothing: the role that ``encode`` has by default, so what users get is what is scored."""

Part: TypeAlias = tuple[tuple[str, ...], Metric, Floats, Floats]
"""Names of metrics that are computed together, how, and the items of the two models."""


def evaluate(task: Task, encode: Encode) -> Outcome:
    """Scores one encoder on one task. Identical texts of a role are encoded once.

    A retrieval task ranks all documents and reports every retrieval and geometry metric; uniformity and effective rank
    are those of the distinct documents. Similarity and classification texts are encoded as documents; where labels are
    matched by their texts, these are the documents and what is classified asks for them.

    Raises:
        DataError: the task cannot be scored: a query without a relevant document, fewer than 2 distinct documents,
            equal gold scores, one class, or vectors that are not finite.
    """
    match task:
        case RetrievalTask():
            return _retrieval(task, encode)
        case SimilarityTask():
            return _similarity(task, encode)
        case ClassificationTask():
            return _classification(task, encode)
        case LabelMatchingTask():
            return _label_matching(task, encode)


def evaluate_general(tasks: Sequence[Task], encode: Encode) -> GeneralOutcome:
    """Scores one encoder on the tasks that must not be forgotten.

    Raises:
        DataError: no task, or two of one name.
    """
    names = [task.name for task in tasks]
    if not names or len(set(names)) < len(names):
        raise DataError(f"general tasks are {names}", "give at least one task, each with a name of its own")
    return GeneralOutcome(tuple(evaluate(task, encode) for task in tasks))


def evaluate_together(task: Task, beside: Mapping[str, Task], encode: Encode) -> dict[str, float]:
    """The metrics of a task, and ``NAME/metric`` of those beside it, with ``mean``: of the main metrics of all.

    Without any beside it there is no mean.
    """
    first = evaluate(task, encode)
    others = {name: evaluate(other, encode) for name, other in beside.items()}
    if not others:
        return first.metrics
    named = {f"{name}/{key}": value for name, outcome in others.items() for key, value in outcome.metrics.items()}
    mean = float(np.mean([outcome.main for outcome in (first, *others.values())]))
    return {**first.metrics, **named, MEAN: mean}


def compare(before: Outcome, after: Outcome, seed: int, *, resamples: int = RESAMPLES) -> dict[str, Comparison]:
    """After minus before for every metric of a task, with a paired 95% interval and p.

    Items are queries, pairs or texts. Uniformity and effective rank are compared over documents, to first order.

    Raises:
        DataError: the outcomes are not of the same task and items.
    """
    return _in_order(before, _comparisons(_all_draws(before, after, seed, resamples)))


def compare_general(
    before: GeneralOutcome, after: GeneralOutcome, seed: int, *, resamples: int = RESAMPLES
) -> dict[str, Comparison]:
    """The same for the general score, its tasks resampled independently, and for every metric of every task."""
    draws = [
        _all_draws(one, other, seed + place, resamples)
        for place, (one, other) in enumerate(zip(before.outcomes, after.outcomes, strict=True))
    ]
    main = [_only(of_task, outcome.main_metric) for of_task, outcome in zip(draws, before.outcomes, strict=True)]
    compared = [
        _in_order(outcome, _comparisons(of_task)) for outcome, of_task in zip(before.outcomes, draws, strict=True)
    ]
    return {"score": pool(main).comparisons()[0], **before.named(compared)}


def _retrieval(task: RetrievalTask, encode: Encode) -> Outcome:
    queries = _encode_once(encode, task.queries, "query")
    distinct, row_of = _distinct(task.documents)
    distinct_documents = unit_rows(encode(distinct, "document"), "document vectors")
    # Indexing copies: only when texts repeat is a second matrix worth its memory.
    documents = distinct_documents if len(distinct) == len(row_of) else distinct_documents[row_of]
    order = ranking.document_order(task.document_ids)
    places = ranking.rank_documents(queries, documents, task.relevant, document_order=order, excluded=task.excluded)
    scores = retrieval.retrieval_metrics(places)
    pairs = (np.repeat(np.arange(len(queries)), np.diff(places.starts)), row_of[places.rows])
    shape = geometry.geometry_metrics(queries, distinct_documents, pairs)
    return Outcome(
        task=task.name,
        kind="retrieval",
        main_metric=task.main_metric,
        metrics={**scores.metrics, **{name: estimate.value for name, estimate in shape.items()}},
        per_item={**scores.per_query, **{name: estimate.items for name, estimate in shape.items()}},
        top=Top(places.top_rows, places.top_scores),
    )


def _similarity(task: SimilarityTask, encode: Encode) -> Outcome:
    distinct, row_of = _distinct([*task.first, *task.second])
    vectors = as_vectors(encode(distinct, SYMMETRIC_ROLE), "vectors")
    first, second = np.split(row_of, [len(task.first)])
    predicted = similarity.cosine_of_pairs(vectors[first], vectors[second])
    gold = np.asarray(task.scores, np.float64)
    metrics = similarity.similarity_metrics(predicted, gold)
    return Outcome(task.name, "similarity", task.main_metric, metrics, {"predicted": predicted, "gold": gold})


def _classification(task: ClassificationTask, encode: Encode) -> Outcome:
    distinct, row_of = _distinct([*task.train_texts, *task.dev_texts, *task.test_texts])
    vectors = as_vectors(encode(distinct, SYMMETRIC_ROLE), "vectors")[row_of]
    train, dev, test = np.split(vectors, np.cumsum([len(task.train_texts), len(task.dev_texts)]))
    predicted, _ = predict_labels((train, task.train_labels), (dev, task.dev_labels), test)
    return _told_labels(task, predicted, task.test_labels, {*task.train_labels, *task.test_labels})


def _label_matching(task: LabelMatchingTask, encode: Encode) -> Outcome:
    texts = _encode_once(encode, task.texts, "query")
    labels = _encode_once(encode, task.label_texts, "document")
    predicted = [task.label_names[place] for place in (texts @ labels.T).argmax(axis=1)]  # [N, D] x [D, C] -> [N]
    return _told_labels(task, predicted, task.labels, {*task.label_names, *task.labels})


def _told_labels(
    task: ClassificationTask | LabelMatchingTask, predicted: Sequence[str], gold: Sequence[str], known: set[str]
) -> Outcome:
    # Numbered by the labels of the task, so that the codes of two models mean the same.
    codes = {label: code for code, label in enumerate(sorted(known))}
    columns = {"predicted": predicted, "gold": gold}
    items = {name: np.array([codes[label] for label in column], np.float64) for name, column in columns.items()}
    metrics = classification_metrics(predicted, gold)
    return Outcome(task.name, "classification", task.main_metric, metrics, items)


def _distinct(texts: Sequence[str]) -> tuple[list[str], Rows]:
    """The distinct texts in order of appearance, and for each text its row among them."""
    row_of: dict[str, int] = {}
    rows = np.array([row_of.setdefault(text, len(row_of)) for text in texts], dtype=np.int64)
    return list(row_of), rows


def _encode_once(encode: Encode, texts: Sequence[str], role: str) -> Vectors:
    distinct, rows = _distinct(texts)
    return unit_rows(encode(distinct, role), f"{role} vectors")[rows]


def _parts(before: Outcome, after: Outcome) -> list[Part]:
    if before.kind == "retrieval":
        over_queries = (*(name for name in retrieval.METRICS if name != "median_rank"), "alignment")
        over_documents = ("uniformity", "effective_rank")
        return [
            (over_queries, weighted_mean, before.columns(over_queries), after.columns(over_queries)),
            (("median_rank",), weighted_median, before.per_item["median_rank"], after.per_item["median_rank"]),
            (over_documents, weighted_mean, before.columns(over_documents), after.columns(over_documents)),
        ]
    items = before.columns(("predicted", "gold")), after.columns(("predicted", "gold"))
    if before.kind == "classification":
        return [(("accuracy", "macro_f1"), weighted_classification, *items)]
    # Swapping items between two models needs one scale: ranks for one metric, standard scores for the other.
    ranked, standardized = ([_rescaled(one, scale) for one in items] for scale in (_rank, _standardize))
    return [
        (("spearman",), similarity.weighted_spearman, ranked[0], ranked[1]),
        (("pearson",), similarity.weighted_pearson, standardized[0], standardized[1]),
    ]


def _rescaled(items: Floats, scale: Callable[[Floats], Floats]) -> Floats:
    return np.column_stack([scale(items[:, 0]), items[:, 1]])


def _rank(values: Floats) -> Floats:
    return np.asarray(similarity.weighted_ranks(values, np.ones((1, len(values))))[0])


def _standardize(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / (values.std() or 1.0))


def _all_draws(before: Outcome, after: Outcome, seed: int, resamples: int) -> list[tuple[tuple[str, ...], Draws]]:
    if (before.task, before.kind) != (after.task, after.kind):
        raise DataError(
            f"cannot compare task {before.task!r} with {after.task!r}", "score both models on the same tasks"
        )
    return [
        (names, draw(metric, one, other, seed=seed, resamples=resamples))
        for names, metric, one, other in _parts(before, after)
    ]


def _comparisons(draws: Sequence[tuple[tuple[str, ...], Draws]]) -> dict[str, Comparison]:
    return {name: comparison for names, one in draws for name, comparison in zip(names, one.comparisons(), strict=True)}


def _in_order(outcome: Outcome, compared: Mapping[str, Comparison]) -> dict[str, Comparison]:
    return {name: compared[name] for name in outcome.metrics}


def _only(draws: Sequence[tuple[tuple[str, ...], Draws]], metric: str) -> Draws:
    names, one = next(pair for pair in draws if metric in pair[0])
    column = [names.index(metric)]
    return Draws(one.seen[column], one.resampled[:, column], one.swapped[:, column])
