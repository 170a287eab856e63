"""How batches of a source come among those of TRAIN: shares, totals, order, and nothing but (seed, epoch) decides."""

import math
from functools import partial
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from acclimate.data.batches import Part, batch_count, epochs, plan_steps, steps_until
from acclimate.data.examples import Example, Kind
from acclimate.data.mixings import MIXINGS, Mixing
from acclimate.data.pairs import PairTable, TextNumbers, pair_table

every_way = pytest.mark.parametrize("kind", list(MIXINGS))
BATCH = 6


def distinct(count: int, name: str = "") -> PairTable:
    rows = [Example(f"{name}{n}", n, f"{name}q{n}", (f"{name}d{n}",)) for n in range(count)]
    return pair_table(rows, Kind.PAIRS, TextNumbers({"query": "", "document": ""}))


def part_of(mixing: Mixing, train: int, source: int, passes: float) -> Part:
    counts = batch_count(train, BATCH), batch_count(source, BATCH)
    pace = partial(mixing.had, epochs=passes, train=counts[0], source=counts[1])
    return Part("source", distinct(source, "s"), pace=pace)


def order(mixing: Mixing, train: int, source: int, passes: int, *others: Part) -> list[int]:
    """Which part each step of a training is of: 0 for TRAIN, 1 for the source."""
    beside = [part_of(mixing, train, source, passes), *others]
    table = distinct(train)
    steps = islice(epochs(table, BATCH, 3, beside=beside), steps_until(passes, table, BATCH, beside))
    return [batches[0][0] for _, _, batches in steps]


def test_proportional_reads_each_row_of_both_once_an_epoch() -> None:
    table, beside = distinct(30), [part_of(MIXINGS.parse("proportional"), 30, 50, 4)]
    for epoch in range(4):
        seen: dict[int, list[int]] = {0: [], 1: []}
        for batches in plan_steps(table, beside, BATCH, 3, epoch):
            assert len(batches) == 1  # of one domain alone
            seen[batches[0][0]] += batches[0][1].tolist()
        assert sorted(seen[0]) == list(range(30))
        assert sorted(seen[1]) == list(range(50))


def test_a_source_much_larger_than_train_is_read_in_parts() -> None:
    mixing = MIXINGS.parse({"kind": "proportional", "most": 2.5})
    table, beside = distinct(24), [part_of(mixing, 24, 300, 10)]
    steps = list(islice(epochs(table, BATCH, 3, beside=beside), 70))
    rows = [row for _, _, ((part, rows),) in steps if part == 1 for row in rows.tolist()]
    assert len(rows) == 300  # 50 batches beside 20 in five epochs: one round
    assert sorted(rows) == list(range(300))


def test_alternating_takes_turns_and_goes_round_the_smaller_one() -> None:
    mixing = MIXINGS.parse("alternating")
    assert order(mixing, 18, 100, 3) == [1, 0] * 9
    assert order(mixing, 60, 12, 2) == [1, 0] * 20
    table, beside = distinct(60), [part_of(mixing, 60, 12, 2)]
    steps = islice(epochs(table, BATCH, 3, beside=beside), 40)
    rows = [row for _, _, ((part, rows),) in steps if part == 1 for row in rows.tolist()]
    assert np.bincount(rows).tolist() == [10] * 12


@pytest.mark.parametrize(("begin", "passes"), [(0.9, 1), (0.9, 3), (0.5, 8), (0.2, 2)])
def test_annealed_falls_in_a_line_to_nothing_and_its_total_is_the_integral(begin: float, passes: int) -> None:
    train = 300
    mixing = MIXINGS.parse({"kind": "annealed", "begin": begin})
    found = np.array(order(mixing, train, 1000, passes))
    of_train = passes * train // BATCH
    assert (found == 0).sum() == of_train
    assert (found == 1).sum() == math.floor(of_train * (-math.log(1 - begin) / begin - 1) + 0.5)
    share = begin * (1 - np.linspace(0, 1, 200 * of_train + 1))
    odds = share / (1 - share)
    integral = np.append(0, np.cumsum((odds[1:] + odds[:-1]) / 2) / 200)[200::200]
    before = np.cumsum(found)[found == 0]  # of the source, before each batch of TRAIN
    assert np.abs(before - integral).max() <= 0.501
    assert found[-1] == 0


def test_annealed_begins_where_proportional_would_and_at_nine_tenths_at_most() -> None:
    mixing = MIXINGS.parse("annealed")
    assert mixing.decided(10, 10) == MIXINGS.parse({"kind": "annealed", "begin": 0.5})
    assert mixing.decided(10, 30).begin == 0.75
    assert mixing.decided(1, 1000).begin == 0.9
    assert mixing.had(2, 5, 10, 30) == mixing.decided(10, 30).had(2, 5, 10, 30)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(list(MIXINGS)),
    train=st.integers(1, 60),
    source=st.integers(1, 200),
    passes=st.floats(0.3, 6),
)
def test_the_count_of_batches_begins_at_nothing_and_never_falls(
    kind: str, train: int, source: int, passes: float
) -> None:
    had = [MIXINGS.parse(kind).had(read, passes, train, source) for read in np.linspace(0, 2 * passes, 200)]
    assert had[0] == 0
    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(had))


@every_way
@pytest.mark.parametrize("start", [0, 1, 5, 11, 12, 23, 40])
def test_starting_later_is_going_on(kind: str, start: int) -> None:
    """With replay and a part that joins beside it: an order that (seed, epoch) decide alone."""
    table = distinct(31)
    beside = [
        part_of(MIXINGS.parse(kind), 31, 70, 3),
        Part("a", distinct(9, "a"), ratio=0.5),
        Part("b", distinct(9, "b"), joins=True),
    ]

    def said(first: int, until: int) -> list[tuple[int, int, list[tuple[int, list[int]]]]]:
        steps = islice(epochs(table, BATCH, 3, first, beside), until - first)
        return [(step, epoch, [(p, rows.tolist()) for p, rows in batches]) for step, epoch, batches in steps]

    whole = said(0, 60)
    assert said(start, 60) == whole[start:]
    for epoch in range(3):
        first, last = (steps_until(read, table, BATCH, beside) for read in (epoch, epoch + 1))
        of_epoch = [batches for _, found, batches in whole if found == epoch]
        assert len(of_epoch) == last - first or last > 60
        of_train = sorted(row for batches in of_epoch for part, rows in batches if part == 0 for row in rows)
        assert of_train == list(range(31)) or last > 60


@every_way
def test_a_source_beside_replay_leaves_the_order_of_the_others_as_it_was(kind: str) -> None:
    table, replay = distinct(31), Part("replay", distinct(9, "a"), ratio=0.5)
    mixed = plan_steps(table, [replay, part_of(MIXINGS.parse(kind), 31, 70, 3)], BATCH, 3, 1)
    plain = plan_steps(table, [replay], BATCH, 3, 1)
    rest = [batches for batches in mixed if batches[0][0] != 2]
    assert [(b[0][0], b[0][1].tolist()) for b in rest] == [(b[0][0], b[0][1].tolist()) for b in plain]


@every_way
def test_settings_survive_a_recipe_and_say_what_they_do(kind: str) -> None:
    spec = MIXINGS.parse(kind)
    assert MIXINGS.parse(spec.model_dump(mode="json")) == spec
    assert spec.summary


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "proportional", "most": 0},
        {"kind": "annealed", "begin": 1},
        {"kind": "annealed", "begin": 0},
        {"kind": "alternating", "begin": 0.5},
    ],
)
def test_settings_that_mean_nothing(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        MIXINGS.parse(given)
