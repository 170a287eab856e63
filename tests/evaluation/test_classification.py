"""Classification scores against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from acclimate.core.errors import DataError
from acclimate.evaluation.classification import (
    STRENGTHS,
    classification_metrics,
    coded_items,
    predict_labels,
    weighted_classification,
)


def clusters(generator: np.random.Generator, count: int, spread: float) -> tuple[np.ndarray, list[str]]:
    codes = generator.integers(0, 3, count)
    vectors = np.eye(3)[codes] + spread * generator.standard_normal((count, 3))
    return vectors, [f"class {code}" for code in codes]


def test_equals_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    for classes in (2, 5, 40):
        gold, predicted = generator.integers(0, classes, (2, 60)).astype(str).tolist()
        ours = classification_metrics(predicted, gold)
        assert ours["accuracy"] == pytest.approx(accuracy_score(gold, predicted))
        assert ours["macro_f1"] == pytest.approx(f1_score(gold, predicted, average="macro"))


def test_a_weight_is_a_number_of_copies() -> None:
    generator = np.random.default_rng(1)
    gold, predicted = generator.integers(0, 8, (2, 40))
    weights = generator.integers(0, 3, (20, 40))
    weights[:, 20:] = 0  # some classes vanish
    items = coded_items(predicted.astype(str).tolist(), gold.astype(str).tolist())
    ours = weighted_classification(items, weights.astype(float))
    for row, copies in enumerate(weights):
        g, p = np.repeat(gold, copies), np.repeat(predicted, copies)
        assert ours[row] == pytest.approx([accuracy_score(g, p), f1_score(g, p, average="macro")])


def test_separable_classes_are_found_and_noise_is_not() -> None:
    generator = np.random.default_rng(2)
    train, dev, test = (clusters(generator, 300, 0.1) for _ in range(3))
    labels, strength = predict_labels(train, dev, test[0])
    assert classification_metrics(labels, test[1])["macro_f1"] > 0.97
    assert strength in STRENGTHS
    noise = tuple((generator.standard_normal((300, 3)), part[1]) for part in (train, dev, test))
    labels, _ = predict_labels(noise[0], noise[1], noise[2][0])
    assert classification_metrics(labels, noise[2][1])["accuracy"] < 0.45


def test_dev_chooses_the_strength() -> None:
    """On wrong train labels, a dev that repeats them asks for a weaker penalty than an honest dev does."""
    chosen = []
    for seed in range(5):
        generator = np.random.default_rng(seed)
        direction = generator.standard_normal(40)

        def labeled(
            count: int, errors: float, generator: np.random.Generator = generator, direction: np.ndarray = direction
        ) -> tuple[np.ndarray, list[str]]:
            vectors = generator.standard_normal((count, 40))
            positive = (vectors @ direction > 0) ^ (generator.random(count) < errors)
            return vectors, [str(bool(one)) for one in positive]

        train, honest = labeled(100, 0.3), labeled(500, 0.0)
        chosen.append([predict_labels(train, dev, honest[0])[1] for dev in (honest, train)])
    with_honest, with_repeated = np.log10(chosen).mean(axis=0)
    assert with_honest < with_repeated - 0.5


def test_one_class_is_refused() -> None:
    vectors = np.eye(3)
    with pytest.raises(DataError, match="fewer than 2 classes; add"):
        predict_labels((vectors, ["a"] * 3), (vectors, ["a"] * 3), vectors)
    with pytest.raises(DataError, match="3 vectors and 2 labels"):
        predict_labels((vectors, ["a", "b"]), (vectors, ["a"] * 3), vectors)
    with pytest.raises(DataError, match="predictions for 0 labels"):
        classification_metrics([], [])
