"""The demo data: readable without conversion, large enough to prove a gain, and without a leak."""

from pathlib import Path

import pytest

from acclimate.data.examples import Dataset, Kind, RetrievalSet, normalized
from acclimate.data.readers import read, read_test
from acclimate.data.split import leaks

DEMO = Path(__file__).parents[2] / "src" / "acclimate" / "assets" / "demo"


@pytest.fixture(scope="module")
def train() -> Dataset:
    return read(DEMO / "train.jsonl")


@pytest.fixture(scope="module")
def dev() -> Dataset:
    return read(DEMO / "dev.jsonl")


@pytest.fixture(scope="module")
def test_set() -> RetrievalSet:
    found = read_test(DEMO / "test")
    assert isinstance(found, RetrievalSet)
    return found


def test_every_row_is_usable(train: Dataset, dev: Dataset) -> None:
    for data in (train, dev):
        assert data.kind is Kind.PAIRS
        assert data.rejected == []
        assert data.unused == ()


def test_sizes_allow_a_proof_in_minutes(train: Dataset, dev: Dataset, test_set: RetrievalSet) -> None:
    assert 1_500 <= len(train.examples) <= 2_500
    assert len(dev.examples) >= 200
    assert len(test_set.queries) >= 400
    assert 3_000 <= len(test_set.documents) <= 4_000


def test_every_query_has_an_answer_among_the_documents(test_set: RetrievalSet) -> None:
    assert set(test_set.relevant) == set(test_set.queries)
    assert all(set(answers) <= set(test_set.documents) for answers in test_set.relevant.values())


def test_documents_are_distinct(test_set: RetrievalSet) -> None:
    texts = [normalized(text) for text in test_set.documents.values()]
    assert len(set(texts)) == len(texts)


def test_no_leak_from_train_or_dev_to_test(train: Dataset, dev: Dataset, test_set: RetrievalSet) -> None:
    assert leaks([*train.examples, *dev.examples], test_set) == []


def test_no_code_category_or_text_is_on_two_sides(train: Dataset, dev: Dataset, test_set: RetrievalSet) -> None:
    answers = {document for found in test_set.relevant.values() for document in found}
    sides = [
        (
            {example.doc_id for example in data.examples},
            {example.group for example in data.examples},
            {normalized(text) for example in data.examples for text in example.texts()},
        )
        for data in (train, dev)
    ]
    sides.append(
        (
            answers,
            {code.split(".")[0] for code in answers},
            {normalized(test_set.documents[document]) for document in answers}
            | {normalized(query) for query in test_set.queries.values()},
        )
    )
    for left, one in enumerate(sides):
        for other in sides[left + 1 :]:
            assert all(not mine & theirs for mine, theirs in zip(one, other, strict=True))


def test_the_right_documents_of_dev_are_ranked_too(dev: Dataset, test_set: RetrievalSet) -> None:
    assert {example.doc_id for example in dev.examples} <= set(test_set.documents)


def test_license_is_stated() -> None:
    stated = (DEMO / "LICENSE.md").read_text(encoding="utf-8")
    assert "public domain" in stated
    assert "ICD-10-CM" in stated
