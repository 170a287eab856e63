"""How much of the labels a linear model finds in frozen vectors."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from acclimate.core.errors import DataError
from acclimate.evaluation.vectors import Floats, unit_rows

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Values of C, the inverse of the L2 penalty, that are tried on dev."""


def predict_labels(
    train: tuple[ArrayLike, Sequence[str]], dev: tuple[ArrayLike, Sequence[str]], test_vectors: ArrayLike
) -> tuple[list[str], float]:
    """Labels of the test vectors from logistic regression on the train vectors (rows scaled to length one).

    C is the value of ``STRENGTHS`` with the best macro F1 on dev, the smallest of equal ones.

    Args:
        train: vectors ``[N, D]`` with their labels, to fit.
        dev: the same, to choose C.
        test_vectors: ``[N, D]``.

    Returns:
        The labels, and the chosen C.

    Raises:
        DataError: fewer than 2 classes in train, an empty dev, or labels that do not fit the vectors in number.
    """
    from sklearn.linear_model import LogisticRegression  # half a second that only labeled data should pay

    x, y = _labeled(train, "train")
    dev_x, dev_y = _labeled(dev, "dev")
    if len(set(y)) < 2:
        raise DataError("train has fewer than 2 classes", "add examples of another class")
    models = [LogisticRegression(C=strength, max_iter=1000, random_state=0).fit(x, y) for strength in STRENGTHS]
    scores = [classification_metrics(list(model.predict(dev_x)), dev_y)["macro_f1"] for model in models]
    best = int(np.argmax(scores))
    return [str(label) for label in models[best].predict(unit_rows(test_vectors, "test vectors"))], STRENGTHS[best]


def classification_metrics(predicted: Sequence[str], gold: Sequence[str]) -> dict[str, float]:
    """Accuracy, and F1 averaged over the classes that occur in predictions or gold labels.

    Raises:
        DataError: no labels, or not as many predictions as labels.
    """
    if len(predicted) != len(gold) or not gold:
        raise DataError(f"{len(predicted)} predictions for {len(gold)} labels", "give one label for every text")
    accuracy, macro_f1 = weighted_classification(coded_items(predicted, gold), np.ones((1, len(gold))))[0]
    return {"accuracy": float(accuracy), "macro_f1": float(macro_f1)}


def coded_items(predicted: Sequence[str], gold: Sequence[str]) -> Floats:
    """Predicted and gold labels as numbers beside each other, ``[N, 2]``."""
    _, codes = np.unique([*predicted, *gold], return_inverse=True)
    return codes.reshape(2, len(gold)).T.astype(np.float64)


def weighted_classification(items: Floats, weights: Floats) -> Floats:
    """Accuracy and macro F1 ``[B, 2]`` of items ``[N, 2]`` (predicted, gold) under each row of weights ``[B, N]``."""
    predicted, gold = items.T
    classes = np.unique(items)
    is_predicted, is_gold = predicted[:, None] == classes, gold[:, None] == classes  # [N, C]
    hits = weights @ (is_predicted & is_gold)
    occurrences = weights @ (is_predicted.astype(np.float64) + is_gold)
    f1 = np.divide(2 * hits, occurrences, out=np.zeros_like(hits), where=occurrences > 0)
    macro_f1 = f1.sum(axis=1) / (occurrences > 0).sum(axis=1)
    return np.column_stack([hits.sum(axis=1) / weights.sum(axis=1), macro_f1])


def _labeled(part: tuple[ArrayLike, Sequence[str]], name: str) -> tuple[Floats, Sequence[str]]:
    vectors, labels = unit_rows(part[0], f"{name} vectors").astype(np.float64), part[1]
    if len(vectors) != len(labels):
        raise DataError(f"{name} has {len(vectors)} vectors and {len(labels)} labels", "give one label for every text")
    return vectors, labels
