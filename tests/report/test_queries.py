"""Test queries one by one: all of them once, the largest changes first, in a page that stays small."""

from pathlib import Path

from acclimate.report.build import write_report
from acclimate.report.queries import cases_of
from fake_run import map_document, queries, write_run


def test_each_query_is_shown_once_with_its_outcome() -> None:
    given = queries(60)
    found = cases_of(given, {}, texts=True, first=5)
    shown = [*found.wins, *found.losses, *found.others]
    assert sorted(case.line for case in shown) == list(range(1, 61))
    assert (len(found.wins), len(found.losses), found.left_out) == (5, 5, 0)
    for case in shown:
        before, after = given[case.line - 1]["rank_before"], given[case.line - 1]["rank_after"]
        assert case.fate == ("won" if after < before else "lost" if after > before else "same")


def test_wins_and_losses_begin_with_the_largest() -> None:
    found = cases_of(queries(60), {}, texts=True)
    assert [case.gain for case in found.wins] == sorted((case.gain for case in found.wins), reverse=True)
    assert [case.gain for case in found.losses] == sorted(case.gain for case in found.losses)
    assert min(case.gain for case in found.wins) >= max(case.gain for case in found.others if case.fate == "won")


def test_of_very_many_those_that_moved_least_are_left_out_and_counted() -> None:
    found = cases_of(queries(60), {}, texts=True, first=5, shown=30)
    assert (len(found.others), found.left_out) == (20, 30)
    assert {case.fate for case in found.others} <= {"won", "lost"}


def test_an_equal_score_is_no_win_by_its_last_bit() -> None:
    query = queries(1)[0] | {"rank_before": 1, "rank_after": 1, "ndcg_before": 0.3, "ndcg_after": 0.1 + 0.2}
    (case,) = cases_of([query], {}, texts=True).others
    assert case.fate == "same"


def test_texts_are_cut_until_they_fit_and_whole_where_they_do() -> None:
    few, many = queries(60), queries(900)
    for query in (*few, *many):
        query["relevant"] = [{"id": "d", "text": "文本" * 400}]
    assert len(cases_of(few, {}, texts=True).wins[0].relevant[0]) == 602
    assert len(cases_of(many, {}, texts=True).wins[0].relevant[0]) < 602


def test_a_thousand_queries_with_long_texts_in_any_script_stay_below_three_megabytes(tmp_path: Path) -> None:
    for script in ("long latin text ", "很长的文本", "<&>"):
        given = queries(1000)
        for query in given:
            query["query"] = script * 20
            for hit in (*query["relevant"], *query["top_before"], *query["top_after"]):
                hit["text"] = script * 200
        points = map_document(1000)
        for point in points["points"]:
            point["text"] = script * 10
        folder = write_run(tmp_path / str(len(script)), queries=given, map=points)
        size = write_report(folder).stat().st_size
        assert 1_000_000 < size < 3_000_000
