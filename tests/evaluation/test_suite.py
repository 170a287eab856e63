"""Scoring an encoder on tasks, comparing, storing."""

import io
import json
from collections.abc import Sequence

import numpy as np
import pytest

from acclimate.core.errors import DataError
from acclimate.core.seeds import derive_seed
from acclimate.evaluation import (
    ClassificationTask,
    GeneralOutcome,
    Outcome,
    RetrievalTask,
    SimilarityTask,
    Task,
    compare,
    compare_general,
    evaluate,
    evaluate_general,
)
from acclimate.evaluation.geometry import METRICS as GEOMETRY
from acclimate.evaluation.geometry import alignment, effective_rank, uniformity
from acclimate.evaluation.retrieval import METRICS as RETRIEVAL

DIMENSION = 24


class WordEncoder:
    """A text is the sum of random vectors of its words, plus noise: a worse model has more."""

    def __init__(self, noise: float = 0.0) -> None:
        self.noise = noise
        self.calls: list[tuple[str, list[str]]] = []

    def __call__(self, texts: Sequence[str], role: str) -> np.ndarray:
        self.calls.append((role, list(texts)))
        return np.array([self.vector(text, role) for text in texts], dtype=np.float32)

    def vector(self, text: str, role: str) -> np.ndarray:
        words = sum(self.random(word) for word in text.split())
        return np.asarray(words + self.noise * self.random(f"{role}/{text}/{self.noise}"))

    @staticmethod
    def random(name: str) -> np.ndarray:
        return np.random.default_rng(derive_seed(0, name)).standard_normal(DIMENSION)


def sentences(count: int, seed: int) -> list[str]:
    generator = np.random.default_rng(seed)
    return [" ".join(f"w{word}" for word in generator.integers(0, 200, 5)) for _ in range(count)]


def retrieval_task(name: str = "find", count: int = 120) -> RetrievalTask:
    documents = [*sentences(count, 1), "w1 w2", "w1 w2"]
    queries = [" ".join(document.split()[:3]) for document in documents[:count]]
    ids = [f"d{row}" for row in range(len(documents))]
    relevant = [{row: 1} for row in range(count)]
    return RetrievalTask(name, [f"q{row}" for row in range(count)], queries, ids, documents, relevant)


def similarity_task(name: str = "alike") -> SimilarityTask:
    first, generator = sentences(80, 2), np.random.default_rng(3)
    kept = generator.integers(0, 6, 80)
    second = [" ".join([*text.split()[:keep], "w7 w8"]) for text, keep in zip(first, kept, strict=True)]
    return SimilarityTask(name, first, second, kept.astype(float).tolist())


def classification_task(name: str = "sort") -> ClassificationTask:
    texts, generator = sentences(180, 4), np.random.default_rng(5)
    labels = [str(one) for one in generator.choice(["law", "music", "sea"], 180)]
    texts = [f"{text} {label}" for text, label in zip(texts, labels, strict=True)]
    return ClassificationTask(name, texts[:80], labels[:80], texts[80:120], labels[80:120], texts[120:], labels[120:])


TASKS: list[Task] = [retrieval_task(), similarity_task(), classification_task()]


def stored(outcome: Outcome) -> Outcome:
    """Through a file, as a resumed run does."""
    file = io.BytesIO()
    np.savez_compressed(file, **outcome.to_arrays())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return Outcome.from_arrays(dict(arrays))


def test_retrieval_reports_every_promised_metric() -> None:
    task, encoder = retrieval_task(), WordEncoder(0.5)
    outcome = evaluate(task, encoder)
    assert list(outcome.metrics) == [*RETRIEVAL, *GEOMETRY]
    assert outcome.main == outcome.metrics["ndcg@10"] == pytest.approx(outcome.per_item["ndcg@10"].mean())
    distinct = encoder(list(dict.fromkeys(task.documents)), "document")
    assert outcome.metrics["uniformity"] == pytest.approx(uniformity(distinct))
    assert outcome.metrics["effective_rank"] == pytest.approx(effective_rank(distinct))
    queries = encoder(task.queries, "query")
    assert outcome.metrics["alignment"] == pytest.approx(alignment(queries, distinct[: len(queries)]), abs=1e-6)
    assert json.dumps(outcome.metrics, allow_nan=False)


def test_the_top_holds_what_was_ranked_first() -> None:
    task = retrieval_task()
    outcome = evaluate(task, WordEncoder(0.5))
    found = outcome.per_item["mean_rank"] == 1
    np.testing.assert_array_equal(outcome.top.rows[:, 0] == np.arange(len(task.queries)), found)
    assert (np.diff(outcome.top.scores, axis=1) <= 0).all()


def test_identical_texts_are_encoded_once_and_in_their_role() -> None:
    for task in TASKS:
        encoder = WordEncoder()
        evaluate(task, encoder)
        for _, texts in encoder.calls:
            assert len(texts) == len(set(texts))
        roles = [role for role, _ in encoder.calls]
        assert roles == (["query", "document"] if task.main_metric == "ndcg@10" else ["document"])


def test_better_models_score_better_on_every_kind() -> None:
    for task in TASKS:
        clean, noisy = evaluate(task, WordEncoder(0.5)), evaluate(task, WordEncoder(6.0))
        assert clean.main > noisy.main + 0.1
        comparison = compare(noisy, clean, 0, resamples=2000)
        assert list(comparison) == list(clean.metrics)
        main = comparison[task.main_metric]
        assert main["ci95"][0] > 0
        assert main["p"] < 0.01
        for name, one in comparison.items():
            assert one["value"] == pytest.approx(clean.metrics[name] - noisy.metrics[name], abs=1e-9), name
            assert one["ci95"][0] <= one["value"] <= one["ci95"][1], name
        assert json.dumps(comparison, allow_nan=False)


def test_no_change_is_no_change() -> None:
    for task in TASKS:
        outcome = evaluate(task, WordEncoder(1.0))
        for one in compare(outcome, outcome, 0, resamples=300).values():
            assert one == {"value": 0.0, "ci95": [0.0, 0.0], "p": 1.0}


def test_cosines_on_another_scale_are_the_same_similarity_model() -> None:
    task = similarity_task()
    outcome = evaluate(task, WordEncoder(1.0))
    squeezed = {**outcome.per_item, "predicted": 0.9 + 0.01 * outcome.per_item["predicted"]}
    other = Outcome(outcome.task, outcome.kind, outcome.main_metric, outcome.metrics, squeezed)
    for one in compare(outcome, other, 0, resamples=300).values():
        assert one["value"] == pytest.approx(0, abs=1e-12)
        assert one["ci95"] == pytest.approx([0, 0], abs=1e-12)
        assert one["p"] == 1


def test_outcomes_survive_a_file_without_pickle() -> None:
    for task in TASKS:
        before, after = evaluate(task, WordEncoder(2.0)), evaluate(task, WordEncoder(0.5))
        again = stored(before)
        assert again.metrics == before.metrics
        np.testing.assert_array_equal(again.top.rows, before.top.rows)
        assert compare(again, after, 1, resamples=200) == compare(before, after, 1, resamples=200)


def test_the_general_score_is_the_unweighted_mean_of_main_metrics() -> None:
    before, after = evaluate_general(TASKS, WordEncoder(3.0)), evaluate_general(TASKS, WordEncoder(0.5))
    metrics = before.metrics
    mains = [metrics["find/ndcg@10"], metrics["alike/spearman"], metrics["sort/macro_f1"]]
    assert metrics["score"] == pytest.approx(np.mean(mains))
    comparison = compare_general(before, after, 0, resamples=1000)
    assert list(comparison) == list(metrics)
    for name, one in comparison.items():
        assert one["value"] == pytest.approx(after.metrics[name] - metrics[name], abs=1e-9), name
    assert comparison["score"]["ci95"][0] > 0
    again = GeneralOutcome.from_arrays(before.to_arrays())
    assert again.metrics == metrics
    assert compare_general(again, after, 0, resamples=200) == compare_general(before, after, 0, resamples=200)


def test_the_metrics_of_a_single_general_task_keep_their_names() -> None:
    metrics = evaluate_general([retrieval_task()], WordEncoder(1.0)).metrics
    assert list(metrics) == ["score", *RETRIEVAL, *GEOMETRY]
    assert metrics["score"] == metrics["ndcg@10"]


def test_intervals_of_geometry_hold_the_difference_of_the_population() -> None:
    """To first order only: checked, since first order might be too little."""
    generator = np.random.default_rng(6)
    change = np.diag(np.linspace(0.5, 2, DIMENSION))
    population = generator.standard_normal((4000, DIMENSION)) + 0.5
    truth = [measure(population @ change) - measure(population) for measure in (uniformity, effective_rank)]
    held = np.zeros(2)
    for number in range(100):
        rows = generator.choice(4000, 250, replace=False)
        ids = [str(row) for row in rows]
        task = RetrievalTask("t", ids[:5], ids[:5], ids, ids, [{row: 1} for row in range(5)])
        before, after = (
            evaluate(task, lambda texts, role, all_=all_: all_[[int(text) for text in texts]])
            for all_ in (population, population @ change)
        )
        comparison = compare(before, after, number, resamples=300)
        for place, name in enumerate(("uniformity", "effective_rank")):
            low, high = comparison[name]["ci95"]
            held[place] += low <= truth[place] <= high
    assert (held >= 88).all()


def test_what_cannot_be_scored_or_compared_is_refused() -> None:
    with pytest.raises(DataError, match="fewer than 2 vectors"):
        evaluate(RetrievalTask("t", ["q"], ["a"], ["d"], ["b"], [{0: 1}]), WordEncoder())
    with pytest.raises(DataError, match="a name of its own"):
        evaluate_general([retrieval_task(), retrieval_task()], WordEncoder())
    with pytest.raises(DataError, match="at least one task"):
        evaluate_general([], WordEncoder())
    outcomes = [evaluate(task, WordEncoder()) for task in TASKS[:2]]
    with pytest.raises(DataError, match="score both models on the same tasks"):
        compare(*outcomes, 0)
    with pytest.raises(DataError, match="the same 2 or more test items"):
        compare(outcomes[0], evaluate(retrieval_task(count=50), WordEncoder()), 0)
