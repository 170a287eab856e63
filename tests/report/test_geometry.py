"""The plane of alignment and uniformity: the path over the evaluations, and both ends on test."""

from acclimate.report.geometry import geometry_figure


def test_the_path_is_in_the_order_of_the_steps_and_the_tuned_model_is_last() -> None:
    lines = [{"step": n, "dev": {"alignment": 0.5 - 0.01 * n, "uniformity": -2 - 0.1 * n}} for n in (0, 5, 9)]
    test = {side: {"alignment": a, "uniformity": u} for side, a, u in (("before", 0.6, -2.1), ("after", 0.4, -3.0))}
    figure = geometry_figure(lines, {"test": test})
    assert figure is not None
    assert [str(row[0]) for row in figure.table.rows] == [
        "dev, step: 0", "dev, step: 5", "dev, step: 9", "test: base", "test: tuned"
    ]  # fmt: skip
    assert figure.table.rows[2][1:] == ("0.4100", "-2.9000")
    assert figure.chart.count("<polyline") == 2
    assert figure.chart.count('class="ring"') == 1


def test_one_point_is_no_path() -> None:
    assert geometry_figure([{"step": 0, "dev": {"alignment": 0.5, "uniformity": -2.0}}], {}) is None
    assert geometry_figure([{"step": 0, "dev": {"spearman": 0.5}}], {"test": {"before": {"spearman": 0.4}}}) is None
