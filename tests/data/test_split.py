"""No part of a split knows another, whatever the data."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from acclimate.core.errors import DataError, UsageError
from acclimate.data.examples import Dataset, Example, normalized
from acclimate.data.readers import read, to_retrieval_set
from acclimate.data.split import Split, components, leaks, split, without

NAMES = st.sampled_from(["alpha", "beta", "gamma", "delta", "Alpha ", "epsilon", "zeta", "eta", "theta", "iota"])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "query": NAMES,
            "positive": st.lists(st.integers(0, 60).map("document number {}".format), min_size=1, max_size=2),
        },
        optional={
            "group": st.integers(0, 20),
            "doc_id": st.integers(0, 40),
            "negative": st.lists(st.integers(0, 60).map("document number {}".format), max_size=3),
        },
    )
    | st.fixed_dictionaries(
        {
            "query": st.integers(0, 10**6).map(lambda n: f"{n:x} {n * 7919:x}"),
            "positive": st.integers(0, 10**9).map("{:x}".format),
        }
    ),
    min_size=3,
    max_size=40,
)


def data_of(rows: Sequence[dict[str, Any]]) -> Dataset:
    return read([row | {"id": f"r{i}"} for i, row in enumerate(rows)])


def independent(count: int, **columns: str) -> list[dict[str, str]]:
    rng = random.Random(count)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(4000)]
    return [
        {"query": " ".join(rng.choices(words, k=4)), "positive": " ".join(rng.choices(words, k=12))} | columns
        for _ in range(count)
    ]


def parts(found: Split) -> list[list[Example]]:
    return [found.train, found.dev, found.test]


def facts(examples: Sequence[Example]) -> set[tuple[str, str]]:
    known = {("text", " ".join(text.casefold().split())) for example in examples for text in example.texts()}
    known |= {("group", example.group) for example in examples if example.group is not None}
    return known | {("doc", example.doc_id) for example in examples if example.doc_id is not None}


@settings(max_examples=150, deadline=None)
@given(ROWS, st.integers(0, 5))
def test_nothing_leaks(rows: list[dict[str, Any]], seed: int) -> None:
    data = data_of(rows)
    try:
        found = split(data, seed=seed, dev=0.15, test=0.2)
    except DataError:
        assert len(set(components(data.examples).tolist())) < 3
        return
    assert sorted(example.id for part in parts(found) for example in part) == sorted(e.id for e in data.examples)
    assert all(parts(found))
    for one, other in combinations(parts(found), 2):
        assert not facts(one) & facts(other)
    assert leaks(found.train, [*found.dev, *found.test]) == []
    assert leaks(found.train, to_retrieval_set(data, found.test)) == []


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[dict[str, Any]], seed: int, order: random.Random) -> None:
    data = data_of(rows)
    assume(len(set(components(data.examples).tolist())) >= 3)
    shuffled = replace(data, examples=order.sample(data.examples, len(data.examples)))
    one, other = (split(each, seed=seed, dev=0.2, test=0.2) for each in (data, shuffled))
    for left, right in zip(parts(one), parts(other), strict=True):
        assert sorted(e.id for e in left) == sorted(e.id for e in right)
    again = split(data, seed=seed, dev=0.2, test=0.2)
    assert again == one


def test_sizes_seeds_and_order_of_the_file() -> None:
    data = data_of(independent(1000))
    one, other = (split(data, seed=seed, dev=0.1, test=0.2) for seed in (1, 2))
    assert [len(part) for part in parts(one)] == [700, 100, 200]
    assert [len(part) for part in parts(other)] == [700, 100, 200]
    assert {e.id for e in one.test} != {e.id for e in other.test}
    assert [e.line for e in one.train] == sorted(e.line for e in one.train)
    assert one.notes == ()
    assert one.components == 1000


@pytest.mark.parametrize("rows", [3, 4, 5, 10])
def test_tiny_data(rows: int) -> None:
    found = split(data_of(independent(rows)), seed=0, dev=0.1, test=0.1)
    assert all(parts(found))
    assert sum(map(len, parts(found))) == rows


@pytest.mark.parametrize(("dev", "test"), [(0.0, 0.2), (0.2, 0.0), (0.0, 0.0)])
def test_parts_that_are_not_wanted(dev: float, test: float) -> None:
    found = split(data_of(independent(50)), seed=0, dev=dev, test=test)
    assert [len(found.dev), len(found.test)] == [round(50 * dev), round(50 * test)]


def test_a_giant_component_stays_in_training_and_is_told() -> None:
    rows = independent(200)
    data = data_of([row | {"group": "giant"} if i < 120 else row for i, row in enumerate(rows)])
    found = split(data, seed=0, dev=0.1, test=0.1)
    assert [len(found.dev), len(found.test)] == [20, 20]
    assert sum(e.group == "giant" for e in found.train) == 120
    assert any("120 of 200 rows are connected" in note for note in found.notes)


def test_sizes_that_cannot_be_had_are_told() -> None:
    rows = [row | {"group": "giant"} if i < 97 else row for i, row in enumerate(independent(100))]
    found = split(data_of(rows), seed=0, dev=0.1, test=0.1)
    assert all(parts(found))
    assert any(note.startswith("test has") for note in found.notes)


def test_groups_of_like_size_fill_the_parts() -> None:
    rows = [row | {"group": str(i // 40)} for i, row in enumerate(independent(1200))]
    found = split(data_of(rows), seed=3, dev=0.1, test=0.1)
    assert all(80 <= len(part) <= 160 for part in (found.dev, found.test))


@pytest.mark.parametrize(
    "rows",
    [
        [{"query": f"what is it {i}", "positive": "one answer for all of them"} for i in range(20)],
        [
            {"query": f"The same long question about refunds and returns, version {i}", "positive": f"{i} x"}
            for i in range(9)
        ],
        [row | {"group": "one"} for row in independent(20)],
        [{"query": "equal", "positive": "rows"}] * 10,
        independent(2),
    ],
)
def test_no_split_is_possible(rows: list[dict[str, str]]) -> None:
    with pytest.raises(DataError, match=r"cannot be split|all rows are connected|independent sets") as caught:
        split(data_of(rows), seed=0, dev=0.1, test=0.1)
    assert "--test" in caught.value.remedy


@pytest.mark.parametrize(("dev", "test"), [(0.5, 0.5), (-0.1, 0.1), (0.9, 0.2)])
def test_impossible_shares(dev: float, test: float) -> None:
    with pytest.raises(UsageError):
        split(data_of(independent(9)), seed=0, dev=dev, test=test)


def test_near_duplicates_stay_together() -> None:
    rows = independent(300)
    twins = [{"query": f"other {row['query'][::-1]}", "positive": row["positive"].upper() + "."} for row in rows[:100]]
    twins += [{"query": row["query"], "positive": row["positive"][::-1]} for row in rows[100:200]]
    data = data_of(rows + twins)
    numbers = components(data.examples)
    assert (numbers[:200] == numbers[300:]).all()
    assert len(set(numbers.tolist())) == 300


def test_every_class_is_tested() -> None:
    rows = [
        {"text": row["positive"], "label": "rare" if i % 20 == 0 else "common"}
        for i, row in enumerate(independent(400))
    ]
    found = split(data_of(rows), seed=0, dev=0.1, test=0.1)
    for part in (found.dev, found.test):
        assert Counter(e.label for e in part) == {"common": 38, "rare": 2}


def test_wrong_documents_that_are_tested_are_taken_out() -> None:
    rows: list[dict[str, Any]] = [dict(row) for row in independent(60)]
    for i, row in enumerate(rows):
        row["negative"] = [rows[(i + 1) % 60]["positive"], f"only wrong {i}"]
    found = split(data_of(rows), seed=0, dev=0.1, test=0.1)
    assert len(found.train) == 48
    tested = {normalized(text) for e in [*found.dev, *found.test] for text in e.positives}
    assert not tested & {normalized(text) for e in found.train for text in e.negatives}
    assert all(f"only wrong {int(e.id[1:])}" in e.negatives for e in found.train)
    assert any("wrong documents" in note for note in found.notes)


def test_leaks_name_both_sides() -> None:
    train = data_of(
        [
            {"query": "what is  X", "positive": "fresh one"},
            {"query": "fresh question", "positive": "It is Y."},
            {"query": "clean", "positive": "clean answer", "negative": "it is y."},
            {"query": "clean too", "positive": "What is X"},
            {"query": "near", "positive": "It is Y, mostly."},
        ]
    ).examples
    test = data_of([{"query": "What is x", "positive": "it is y."}])
    for given_test in (test.examples, to_retrieval_set(test)):
        found = leaks(train, given_test)
        assert [(leak.train_id, leak.what, leak.role, leak.test_id) for leak in found] == [
            ("r0", "query", "query", "r0"),
            ("r1", "document", "positive", "r0"),
            ("r2", "document", "negative", "r0"),
            ("r3", "query", "positive", "r0"),
        ]
        left = without(train, found)
        assert [e.id for e in left] == ["r2", "r4"]
        assert left[0].negatives == ()
        assert leaks(left, given_test) == []


def test_a_document_that_is_only_ranked_is_no_leak() -> None:
    train = data_of([{"query": "a b c", "positive": "in the corpus"}]).examples
    test = to_retrieval_set(data_of([{"query": "d", "positive": "e"}, {"query": "f", "positive": "in the corpus"}]))
    test = replace(test, relevant={"r0": test.relevant["r0"]}, queries={"r0": test.queries["r0"]})
    assert leaks(train, test) == []
