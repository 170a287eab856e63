"""What must not be forgotten: the built-in probe, and a user's own file cut in two."""

from pathlib import Path

import pytest

from acclimate.core.errors import DataError
from acclimate.data.examples import Dataset, RetrievalSet
from acclimate.data.readers import read
from acclimate.evaluation.probe import Half, general_tasks, guard_texts, tasks_from
from acclimate.evaluation.suite import evaluate_general
from acclimate.evaluation.tasks import ClassificationTask, RetrievalTask, SimilarityTask

HALVES: tuple[Half, Half] = ("dev", "test")


def retrieval_set(queries: int) -> RetrievalSet:
    """Three queries a document."""
    return RetrievalSet(
        name="own",
        queries={f"q{n}": f"question {n}" for n in range(queries)},
        documents={f"d{n}": f"answer {n}" for n in range(queries)},
        relevant={f"q{n}": {f"d{n // 3}": 2} for n in range(queries)},
        sha256="",
    )


def scored(rows: int) -> Dataset:
    return read([{"sentence1": f"text {n // 2}", "sentence2": f"other {n}", "score": n % 5} for n in range(rows)])


def labeled(rows: int, labels: int) -> Dataset:
    return read([{"text": f"text number {n}", "label": f"label {n % labels}"} for n in range(rows)])


def test_builtin_halves_have_the_same_tasks_and_no_common_query() -> None:
    dev, test = general_tasks("dev"), general_tasks("test")
    assert [task.name for task in dev] == [task.name for task in test]
    for one, other in zip(dev, test, strict=True):
        if isinstance(one, RetrievalTask):
            assert isinstance(other, RetrievalTask)
            assert not set(one.queries) & set(other.queries)
        else:
            assert isinstance(one, SimilarityTask)
            assert isinstance(other, SimilarityTask)
            assert not {*one.first, *one.second} & {*other.first, *other.second}


def test_an_encoder_that_knows_all_answers_scores_one_on_the_builtin_retrieval_tasks() -> None:
    import numpy as np

    tasks = [task for task in general_tasks("dev") if isinstance(task, RetrievalTask)]
    place = {text: n for n, text in enumerate({text for task in tasks for text in task.documents})}
    right = {
        query: place[task.documents[row]]
        for task in tasks
        for query, rows in zip(task.queries, task.relevant, strict=True)
        for row in rows
    }

    def cheat(texts: object, role: str) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
        assert isinstance(texts, list | tuple)
        rows = [right[text] if role == "query" else place[text] for text in texts]
        return np.eye(len(place), dtype=np.float32)[rows]

    for outcome in evaluate_general(tasks, cheat).outcomes:
        assert outcome.metrics["ndcg@10"] == pytest.approx(1.0)


def test_guard_texts_are_many_and_free_to_change() -> None:
    first = guard_texts()
    first.clear()
    assert len(guard_texts()) >= 4_000


def test_own_retrieval_set_is_cut_into_disjoint_halves_that_hold_every_query() -> None:
    data = retrieval_set(300)
    (dev,), (test,) = (tasks_from(data, half) for half in HALVES)
    assert isinstance(dev, RetrievalTask)
    assert isinstance(test, RetrievalTask)
    assert not set(dev.query_ids) & set(test.query_ids)
    assert {*dev.query_ids, *test.query_ids} == set(data.queries)
    assert abs(len(dev.query_ids) - len(test.query_ids)) <= 3


def test_own_queries_of_one_document_stay_together_and_all_documents_are_ranked() -> None:
    data = retrieval_set(300)
    answers = []
    for half in HALVES:
        (task,) = tasks_from(data, half)
        assert isinstance(task, RetrievalTask)
        assert list(task.document_ids) == list(data.documents)
        for query, rows in zip(task.query_ids, task.relevant, strict=True):
            assert {task.document_ids[row]: grade for row, grade in rows.items()} == data.relevant[query]
        answers.append({row for rows in task.relevant for row in rows})
    assert not answers[0] & answers[1]


def test_the_cut_is_the_same_whatever_the_order_of_the_rows() -> None:
    data = retrieval_set(90)
    turned = RetrievalSet(
        name=data.name,
        queries=dict(reversed(data.queries.items())),
        documents=data.documents,
        relevant=dict(reversed(data.relevant.items())),
        sha256="",
    )
    (one,), (other,) = tasks_from(data, "test"), tasks_from(turned, "test")
    assert isinstance(one, RetrievalTask)
    assert isinstance(other, RetrievalTask)
    assert set(one.query_ids) == set(other.query_ids)


def test_own_pairs_become_a_retrieval_task() -> None:
    rows = [{"query": f"how to do {n}", "positive": f"do it like {n}"} for n in range(40)]
    (dev,), (test,) = (tasks_from(read(rows), half) for half in HALVES)
    assert isinstance(dev, RetrievalTask)
    assert isinstance(test, RetrievalTask)
    assert sorted([*dev.queries, *test.queries]) == sorted(row["query"] for row in rows)
    assert len(test.documents) == 40


def test_own_scored_pairs_become_a_similarity_task() -> None:
    (dev,), (test,) = (tasks_from(scored(60), half) for half in HALVES)
    assert isinstance(dev, SimilarityTask)
    assert isinstance(test, SimilarityTask)
    assert not set(dev.first) & set(test.first)
    assert len(dev.first) + len(test.first) == 60


def test_own_labels_become_a_classification_task_with_every_label_in_every_part() -> None:
    seen: list[str] = []
    for half in HALVES:
        (task,) = tasks_from(labeled(200, 3), half)
        assert isinstance(task, ClassificationTask)
        assert (
            set(task.train_labels) == set(task.dev_labels) == set(task.test_labels) == {"label 0", "label 1", "label 2"}
        )
        assert len(task.train_texts) > 2 * len(task.test_texts)
        seen += [*task.train_texts, *task.dev_texts, *task.test_texts]
    assert sorted(seen) == sorted(f"text number {n}" for n in range(200))


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (retrieval_set(3), "too few for a dev and a test half"),
        (read([{"text": f"a text {n}"} for n in range(20)]), "texts alone"),
        (labeled(12, 6), "labels"),
    ],
    ids=["one document", "texts alone", "rare labels"],
)
def test_what_cannot_be_cut_says_so(data: Dataset | RetrievalSet, part: str) -> None:
    with pytest.raises(DataError, match=part):
        tasks_from(data, "test")


@pytest.mark.long
def test_a_real_encoder_is_neither_at_the_floor_nor_at_the_ceiling_and_damage_shows(minilm: Path) -> None:
    import torch

    from acclimate.model.store import load_encoder

    encoder = load_encoder(minilm)
    tasks = general_tasks("dev")
    before = evaluate_general(tasks, encoder.encode)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in encoder.parameters():
            weights += (
                0.25 * weights.std() * torch.randn(weights.shape, generator=generator) if weights.dim() > 1 else 0
            )
    after = evaluate_general(tasks, encoder.encode)
    for outcome in before.outcomes:
        assert 0.1 < outcome.metrics[outcome.main_metric] < 0.9, outcome.task
    assert after.score < before.score - 0.01
