"""Groups of queries: each query is in one part of a cut, and parts make up the whole."""

import numpy as np
import pytest

from acclimate.report.slices import keys_of, slice_figure, slicings
from fake_run import queries


def lines() -> list[dict[str, object]]:
    found = queries(90)
    for n, query in enumerate(found):
        query["query"] = " ".join(["word"] * (1 + n % 20)) if n % 7 else "漢字だけ" if n % 2 else "123"
        query["group"] = f"g{n}" if n < 5 else f"g{n % 30}"
    return found


def test_each_query_is_in_one_part_of_each_cut() -> None:
    given = lines()
    cuts = slicings(given, texts=True)
    assert [str(cut.title) for cut in cuts] == [
        "Length of the query",
        "Writing system of the query",
        "Words that training saw",
        "Column label",
        "Column group",
    ]
    for cut in cuts:
        assert sorted(line for part in cut.parts for line in part.lines) == list(range(1, 91))
    assert all(len(keys) == len(cuts) for keys in keys_of(cuts).values())


def test_the_weighted_mean_of_the_parts_is_the_mean_change() -> None:
    given = lines()
    change = np.mean([query["ndcg_after"] - query["ndcg_before"] for query in given])  # type: ignore[operator]
    for cut in slicings(given, texts=True):
        rows = slice_figure(cut, given).table.rows
        sizes, changes = ([float(row[column].replace(",", "")) for row in rows] for column in (1, 4))
        assert np.average(changes, weights=sizes) == pytest.approx(change, abs=1e-4)


def test_an_interval_holds_its_mean_and_is_left_out_for_one_query() -> None:
    given = lines()
    given[3]["label"] = "alone"
    given[4]["label"] = "alone too"
    found = {
        row[0]: row
        for cut in slicings(given, texts=True)
        for row in slice_figure(cut, given).table.rows
        if row[1] != "1"
    }
    for row in found.values():
        change, low, high = (float(cell) for cell in row[4:])
        assert low <= change <= high
    label = next(cut for cut in slicings(given, texts=True) if cut.title == "Column label")
    assert label.parts[-1].name == "others"
    assert label.parts[-1].lines == (4, 5)


def test_words_are_counted_and_scripts_are_told_by_letters() -> None:
    cuts = {str(cut.title): {str(part.name): part.lines for part in cut.parts} for cut in slicings(lines(), texts=True)}
    lengths, scripts = cuts["Length of the query"], cuts["Writing system of the query"]
    assert 2 in lengths["1 to 3 words"]
    assert {4, 5, 6, 7} <= set(lengths["4 to 7 words"])
    assert 16 in lengths["16 words and more"]
    assert {2, 3, 4} <= set(scripts["latin"])
    assert 1 in scripts["no letters"]
    assert 8 in scripts["several writing systems"]


def test_without_texts_values_are_numbered() -> None:
    names = [str(part.name) for cut in slicings(lines(), texts=False) for part in cut.parts]
    assert "value 1" in names
    assert not [name for name in names if name.startswith(("private", "g0", "g1"))]


def test_a_cut_into_one_part_says_nothing() -> None:
    given = [query | {"query": "four words of it", "label": "one", "unseen_words": []} for query in queries(10)]
    assert slicings(given, texts=True) == []
