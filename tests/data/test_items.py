"""Pairs of ids: read alike by columns and by rows, cut so that no pair is known, batched like pairs of texts."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acclimate.core.errors import DataError
from acclimate.data.batches import assemble, plan_epoch
from acclimate.data.examples import Example, Kind
from acclimate.data.items import ItemRows, PairNames, in_rows, item_table, neighbors, read_ids, split_pairs
from acclimate.data.pairs import TextNumbers, pair_table

PAIRS = [("a", "b"), ("b", " c "), ("ü", "a"), ("10", "b"), ("a", "b")]


def rows_of(pairs: list[tuple[int, int]], items: int) -> ItemRows:
    query, positive = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    lines = np.arange(1, len(pairs) + 1)
    return ItemRows(query, positive, np.ones(len(pairs), np.float32), PairNames("f", lines), items)


def files(folder: Path) -> list[Path]:
    """The same pairs, first in layouts that are read by columns, then in such that are read by rows."""
    text = "\n".join(f"{a},{b}" for a, b in PAIRS)
    (folder / "a.csv").write_text(f"anchor,positive\n{text}\n", encoding="utf-8")
    (folder / "b.tsv").write_text(
        f"positive\tx\tquery\n{chr(10).join(f'{b}	0	{a}' for a, b in PAIRS)}\n", "utf-8"
    )
    lines = [json.dumps({"query": a, "positive": b}) for a, b in PAIRS]
    (folder / "c.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "d.csv").write_text(f"anchor;positive\n{text.replace(',', ';')}\n", encoding="utf-8")
    lists = [json.dumps({"query": a, "positive": [b]}) for a, b in PAIRS]
    (folder / "e.jsonl").write_text("\n".join(lists) + "\n", encoding="utf-8")
    (folder / "f.csv").write_text(f"anchor,positive\n{text}\n,b\n", encoding="utf-8")  # a row is set aside
    return sorted(folder.iterdir())


def test_columns_and_rows_are_read_alike(tmp_path: Path) -> None:
    for file in files(tmp_path):
        found = read_ids(file, {})
        given = [(found.names[q], found.names[p]) for q, p in zip(found.query, found.positive, strict=True)]
        assert given == [(a, b.strip()) for a, b in PAIRS], file
        assert found.lines.tolist() == [line + (file.suffix != ".jsonl") for line in range(1, 6)], file
        assert len(found.rejected) == (file.name == "f.csv")


def test_an_unknown_id_is_told_where_it_stands(tmp_path: Path) -> None:
    for file in files(tmp_path):
        line = 3 + (file.suffix != ".jsonl")
        with pytest.raises(DataError, match=rf"{file.name}:{line}: the base has no item 'ü' and 1 others; add it"):
            in_rows(read_ids(file, {}), {"a": 0, "b": 1, "c": 2})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=60), st.integers(0, 3))
def test_no_held_out_pair_trains_and_every_held_out_item_does(pairs: list[tuple[int, int]], seed: int) -> None:
    rows = rows_of([pair for pair in pairs if pair[0] != pair[1]], 9)
    parts = split_pairs(rows, seed=seed, dev=0.2, test=0.3)
    sides = [{frozenset((int(q), int(p))) for q, p in zip(r.query, r.positive, strict=True)} for r in
             (parts.train, parts.dev, parts.test)]  # fmt: skip
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    assert len(parts.train) + len(parts.dev) + len(parts.test) == len(rows)
    assert set().union(*sides[1], *sides[2]) <= set().union(*sides[0])


def test_batches_are_those_of_the_same_pairs_as_texts() -> None:
    generator = np.random.default_rng(0)
    pairs = [(int(a), int(b)) for a, b in generator.integers(0, 30, (200, 2)) if a != b]
    table, store = item_table(rows_of(pairs, 30), roles_differ=False)
    texts = pair_table(
        [Example(f"f:{n}", n, f"i{a}", (f"i{b}",)) for n, (a, b) in enumerate(pairs, 1)],
        Kind.PAIRS,
        TextNumbers({"query": "", "document": ""}),
    )
    assert list(table.ids) == list(texts.ids)
    for rows in plan_epoch(table, 32, 0, 0):
        ours, other = (assemble(t, rows, 0, 0, positives=1, negatives=4) for t in (table, texts))
        known = [[(bool(b.relevant[r][b.columns["positive"][c, 0]])) for c in range(len(rows))] for b in (ours, other)
                 for r in range(len(rows))]  # fmt: skip
        # What texts know: the answers of a query. Items know in both directions what goes together.
        half = len(known) // 2
        assert all(a >= b for one, two in zip(known[:half], known[half:], strict=True)
                   for a, b in zip(one, two, strict=True))  # fmt: skip
        ids, lengths, _ = store.take(ours.unique)
        assert ids.tolist() == ours.unique.tolist()
        assert set(lengths.tolist()) == {1}
        assert [ours.unique[p] for p in ours.columns["positive"][:, 0]] == [pairs[row][1] for row in rows]


def test_neighbors_are_known_in_both_directions() -> None:
    found = neighbors(rows_of([(0, 1), (2, 0), (0, 1)], 4))
    assert [found[item].tolist() for item in range(4)] == [[0, 1, 2], [0, 1], [0, 2], [3]]


def test_an_item_that_asks_is_a_feature_of_its_own_where_it_is_read_otherwise() -> None:
    table, store = item_table(rows_of([(0, 1), (1, 2)], 3), roles_differ=True)
    assert table.query.tolist() == [3, 4]
    assert store.take(np.array([1, 4]))[0].tolist() == [1, 1]
    assert store.queries.tolist() == [False] * 3 + [True] * 3
    _, store = item_table(rows_of([(0, 1), (1, 2)], 3), roles_differ=True, first_query=3)
    assert store.take(np.array([1, 4]))[0].tolist() == [1, 4]


def test_the_chance_of_an_answer_to_be_in_a_batch_is_known() -> None:
    pairs = [(0, 1)] * 6 + [(2, 3)] * 3 + [(3, 0)]
    table, _ = item_table(rows_of(pairs, 4), roles_differ=False)
    batch = assemble(table, np.array([0, 6, 9]), 0, 0, positives=1, negatives=4)
    share = np.array([0.1, 0.6, 1, 0.3])  # item 2 answers nothing
    expected = np.log(1 - (1 - share) ** 3)
    assert batch.log_chance is not None
    np.testing.assert_allclose(batch.log_chance, expected, atol=1e-6)
