"""The order of training: every row once an epoch, no text twice in a batch, nothing but (seed, epoch) decides."""

from collections import Counter
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.data.batches import Part, assemble, batch_count, epochs, plan_epoch
from acclimate.data.examples import Example, Kind
from acclimate.data.pairs import PairTable, TextNumbers, pair_table


def table_of(rows: list[Example], kind: Kind = Kind.PAIRS) -> PairTable:
    return pair_table(rows, kind, TextNumbers({"query": "", "document": ""}))


def distinct(count: int) -> PairTable:
    return table_of([Example(f"r{n}", n, f"q{n}", (f"d{n}",)) for n in range(count)])


def repeating(queries: list[int]) -> PairTable:
    """A row a number: its query has that number, its document is its own."""
    return table_of([Example(f"r{n}", n, f"q{q}", (f"d{n}",)) for n, q in enumerate(queries)])


@settings(max_examples=100, deadline=None)
@given(
    queries=st.lists(st.integers(0, 12), min_size=1, max_size=60),
    batch_size=st.integers(1, 70),
    seed=st.integers(0, 3),
    epoch=st.integers(0, 3),
)
def test_every_row_once_in_balanced_batches(queries: list[int], batch_size: int, seed: int, epoch: int) -> None:
    table = repeating(queries)
    plan = plan_epoch(table, batch_size, seed, epoch)
    assert sorted(np.concatenate(plan).tolist()) == list(range(len(queries)))
    sizes = [len(rows) for rows in plan]
    assert len(plan) == batch_count(len(table), batch_size) == -(-len(queries) // batch_size)
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_what_a_teacher_says_goes_with_its_document_whatever_is_chosen(seed: int) -> None:
    rng = np.random.default_rng(seed)
    said: dict[tuple[str, str], float] = {}
    rows = []
    for n in range(8):
        right, wrong = ([f"{r}{n}.{i}" for i in range(rng.integers(low, 4))] for r, low in (("p", 1), ("n", 0)))
        scores = {text: float(np.float32(rng.normal())) for text in (*right, *wrong)} if n % 3 else {}
        said |= {(f"q{n}", text): score for text, score in scores.items()}
        given = {"positive_scores": right, "negative_scores": wrong}
        values = {name: tuple(scores[text] for text in texts if scores) for name, texts in given.items()}
        rows.append(Example(f"r{n}", n, f"q{n}", tuple(right), tuple(wrong), **values))
    numbers = TextNumbers({"query": "", "document": " "})
    table = pair_table(rows, Kind.PAIRS, numbers)
    batch = assemble(table, np.array([5, 0, 1, 7, 4]), seed, 1, positives=2, negatives=2)
    texts = [numbers.texts[feature] for feature in batch.unique]
    for role, scores in batch.teacher.items():
        for row, (columns, found) in enumerate(zip(batch.columns[role].tolist(), scores.tolist(), strict=True)):
            query = texts[batch.columns["query"][row, 0]]
            expected = [said.get((query, texts[c]), np.nan) if c >= 0 else np.nan for c in columns]
            np.testing.assert_array_equal(found, expected)
    assert bool(batch.teacher) == any(score for (_, text), score in said.items() if text.startswith("n"))


def repeats(table: PairTable, rows: np.ndarray) -> int:
    """How many rows of a batch have a text that an earlier row of it has."""
    counts = Counter(feature for row in rows for feature in {int(table.query[row]), *table.positives[row].tolist()})
    return sum(count - 1 for count in counts.values())


@settings(max_examples=60, deadline=None)
@given(
    copies=st.lists(st.integers(1, 6), min_size=10, max_size=60), batch_size=st.integers(2, 12), seed=st.integers(0, 9)
)
def test_no_text_twice_in_a_batch_where_it_can_be_avoided(copies: list[int], batch_size: int, seed: int) -> None:
    table = repeating([q for q, count in enumerate(copies) for _ in range(count)])
    plan = plan_epoch(table, batch_size, seed, 0)
    unavoidable = sum(max(0, count - len(plan)) for count in copies)
    assert sum(repeats(table, rows) for rows in plan) == unavoidable


def test_duplicates_are_spread_as_a_random_order_would_not() -> None:
    table = repeating([n // 4 for n in range(200)])
    planned = sum(repeats(table, rows) for rows in plan_epoch(table, 20, 0, 0))
    shuffled = np.array_split(np.random.default_rng(0).permutation(200), 10)
    assert planned == 0
    assert sum(repeats(table, rows) for rows in shuffled) > 20


def test_documents_count_as_texts_too() -> None:
    rows = [Example(f"r{n}", n, f"q{n}", (f"d{n % 20}",)) for n in range(80)]
    table = table_of(rows)
    assert sum(repeats(table, batch) for batch in plan_epoch(table, 10, 0, 0)) == 0


def test_a_query_in_every_row_is_still_trained_on() -> None:
    table = repeating([0] * 10)
    assert sorted(np.concatenate(plan_epoch(table, 4, 0, 0)).tolist()) == list(range(10))


def as_lists(plan: list[np.ndarray]) -> list[list[int]]:
    return [rows.tolist() for rows in plan]


def test_the_order_is_a_pure_function_of_seed_and_epoch() -> None:
    table = distinct(50)
    first = as_lists(plan_epoch(table, 8, 1, 2))
    np.random.seed(0)
    plan_epoch(table, 8, 1, 3)
    assert as_lists(plan_epoch(distinct(50), 8, 1, 2)) == first
    assert as_lists(plan_epoch(table, 8, 1, 3)) != first
    assert as_lists(plan_epoch(table, 8, 2, 2)) != first


def test_orders_of_different_epochs_are_unrelated() -> None:
    plans = [np.concatenate(plan_epoch(distinct(200), 20, 0, epoch)) for epoch in range(4)]
    for earlier, later in pairwise(plans):
        assert abs(np.corrcoef(np.argsort(earlier), np.argsort(later))[0, 1]) < 0.25


def test_rows_that_waited_are_not_all_at_the_end() -> None:
    """Many rows of one query: they fill the batches that close last, which must not be the last steps."""
    table = repeating([0] * 10 + list(range(1, 91)))
    ends = [max(s for s, rows in enumerate(plan_epoch(table, 10, seed, 0)) if (rows < 10).any()) for seed in range(8)]
    starts = [min(s for s, rows in enumerate(plan_epoch(table, 10, seed, 0)) if (rows < 10).any()) for seed in range(8)]
    assert len(set(ends) | set(starts)) > 1
    assert min(starts) == 0


def test_which_batch_comes_first_changes_with_seed_and_epoch() -> None:
    """Of 50 rows in 7 batches one has 8: it would always stand in one place if only rows were shuffled."""
    places = [
        [[len(rows) for rows in plan_epoch(distinct(50), 8, seed, epoch)].index(8) for epoch in range(6)]
        for seed in range(2)
    ]
    assert len(set(places[0])) > 2
    assert places[0] != places[1]


def test_parts_go_round_beside_the_table_each_with_steps_of_its_own() -> None:
    beside = [Part("a", distinct(10), ratio=0.5), Part("b", distinct(9), joins=True)]
    steps = list(islice(epochs(distinct(24), 6, 3, beside=beside), 18))
    assert [epoch for _, epoch, _ in steps] == [0] * 6 + [1] * 6 + [2] * 6  # four batches of the table, two of a
    of_table = [batches for _, _, batches in steps if batches[0][0] == 0]
    alone = [rows for _, _, ((_, rows),) in islice(epochs(distinct(24), 6, 3), 12)]
    assert sorted(rows[0][1].tolist() for rows in of_table) == sorted(rows.tolist() for rows in alone)
    assert all([part for part, _ in batches] == [0, 2] for batches in of_table)  # b joins every one of them
    of_a = [row for _, _, ((part, rows), *_) in steps if part == 1 for row in rows.tolist()]
    assert sorted(of_a) == sorted([*range(10)] * 3)  # six batches of five: three times round
    for start in (1, 7, 13):
        later = list(islice(epochs(distinct(24), 6, 3, start, beside), 5))
        for (step, _, batches), (other, _, same) in zip(later, steps[start:], strict=False):
            assert step == other
            assert [(part, rows.tolist()) for part, rows in batches] == [(part, rows.tolist()) for part, rows in same]


@pytest.mark.parametrize("start", range(12))
def test_starting_later_is_going_on(start: int) -> None:
    table = distinct(23)
    whole = list(islice(epochs(table, 6, 3), 14))
    later = list(islice(epochs(table, 6, 3, start), 14 - start))
    assert [step for step, _, _ in whole] == list(range(14))
    assert [(step, epoch, rows.tolist()) for step, epoch, ((_, rows),) in later] == [
        (step, epoch, rows.tolist()) for step, epoch, ((_, rows),) in whole[start:]
    ]
    assert [epoch for _, epoch, _ in whole] == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 2


# -- assembling ------------------------------------------------------------------------------------------------------


def ragged() -> tuple[PairTable, list[str]]:
    numbers = TextNumbers({"query": "", "document": ""})
    rows = [
        Example("r0", 0, "a", ("x", "y", "z"), ("n1", "n2", "n3")),
        Example("r1", 1, "b", ("x",)),
        Example("r2", 2, "c", ("w",), ("n1",), weight=0.25),
    ]
    return pair_table(rows, Kind.PAIRS, numbers), numbers.texts


def texts_of(batch_unique: np.ndarray, column: np.ndarray, texts: list[str]) -> list[set[str]]:
    return [{texts[batch_unique[p]] for p in row if p >= 0} for row in column]


def test_each_text_is_listed_once_and_columns_point_to_it() -> None:
    table, texts = ragged()
    batch = assemble(table, np.array([2, 0, 1]), 0, 0, positives=3, negatives=3)
    assert len(set(batch.unique.tolist())) == len(batch.unique) == 10
    assert texts_of(batch.unique, batch.columns["query"], texts) == [{"c"}, {"a"}, {"b"}]
    assert texts_of(batch.unique, batch.columns["positive"], texts) == [{"w"}, {"x", "y", "z"}, {"x"}]
    assert texts_of(batch.unique, batch.columns["negative"], texts) == [{"n1"}, {"n1", "n2", "n3"}, set()]
    assert batch.weight.tolist() == [0.25, 1.0, 1.0]
    assert batch.rows.tolist() == [2, 0, 1]
    known = [{texts[u] for u, right in zip(batch.unique, row, strict=True) if right} for row in batch.relevant]
    assert known == [{"w"}, {"x", "y", "z"}, {"x"}]


def test_limits_take_a_choice_that_changes_with_the_epoch_alone() -> None:
    table, texts = ragged()
    rows = np.array([0, 1])
    chosen = []
    for epoch in range(30):
        batch = assemble(table, rows, 5, epoch, positives=1, negatives=2)
        again = assemble(table, rows[::-1], 5, epoch, positives=1, negatives=2)
        assert batch.columns["positive"].shape == (2, 1)
        assert batch.columns["negative"].shape == (2, 2)
        first = texts_of(batch.unique, batch.columns["positive"], texts)[0]
        assert first == texts_of(again.unique, again.columns["positive"], texts)[1]
        chosen.append(first.pop())
    assert set(chosen) == {"x", "y", "z"}


def test_answers_left_out_of_a_batch_are_still_known_to_be_right() -> None:
    """Row 1's document is an answer of row 0 too, whichever of its three answers row 0 trains on."""
    table, texts = ragged()
    for epoch in range(10):
        batch = assemble(table, np.array([0, 1]), 5, epoch, positives=1, negatives=0)
        place = [texts[u] for u in batch.unique].index("x")
        assert batch.relevant[:, place].all()


def test_no_negatives_is_no_column() -> None:
    table, _ = ragged()
    assert "negative" not in assemble(table, np.array([1]), 0, 0, positives=1, negatives=4).columns
    assert "negative" not in assemble(table, np.array([0, 1, 2]), 0, 0, positives=1, negatives=0).columns


def test_labeled_rows_pair_with_a_text_of_their_label() -> None:
    numbers = TextNumbers({"query": "", "document": ""})
    rows = [Example(f"r{n}", n, text=f"t{n}", label="xyz"[n % 3]) for n in range(18)]
    table = pair_table(rows, Kind.LABELED, numbers)
    for epoch in range(3):
        for planned in plan_epoch(table, 6, 0, epoch):
            batch = assemble(table, planned, 0, epoch, positives=1, negatives=4)
            query = batch.unique[batch.columns["query"][:, 0]]
            positive = batch.unique[batch.columns["positive"][:, 0]]
            assert (query % 3 == positive % 3).all()
            assert (query != positive).all()
            assert (batch.relevant == (batch.unique[None, :] % 3 == query[:, None] % 3)).all()
