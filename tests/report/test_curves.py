"""Figures against the numbers that they were made from."""

import math
import re
from typing import Any

import pytest

from acclimate.report.curves import Figure, bucket_means, change_figure, merge_figure, rank_figure, training_figures
from fake_run import metrics, queries, scores

RESOLVED = {"training": {"clip_norm": 1.0}, "evaluation": {"keep_best": "ndcg@10"}}


@pytest.fixture(scope="module")
def figures() -> dict[str, Figure]:
    return {figure.heading: figure for figure in training_figures(metrics(), RESOLVED)}


def test_bucket_means_keep_the_sum_and_the_limit() -> None:
    points = [(float(x), math.sin(x)) for x in range(997)]
    means = bucket_means(points, 100)
    assert len(means) == 100
    assert means[0][0] == 0.0
    total = sum(y * min(10, 997 - 10 * n) for n, (_, y) in enumerate(means))
    assert total == pytest.approx(sum(y for _, y in points))
    assert bucket_means(points[:5], 100) == points[:5]


def test_loss_table_holds_every_term_and_names_the_skipped_step(figures: dict[str, Figure]) -> None:
    loss = figures["Training loss"]
    assert loss.table.head == ("step", "total", "infonce", "distill")
    assert float(loss.table.rows[0][1]) == pytest.approx(
        float(loss.table.rows[0][2]) + float(loss.table.rows[0][3]), abs=1e-3
    )
    assert "step 39 (loss is not finite)" in loss.note


def test_what_a_rollback_undid_is_told_but_not_drawn() -> None:
    def step(number: int, loss: float | None) -> dict[str, object]:
        return {"step": number, "loss": {"total": loss}} | ({} if loss else {"skipped": "loss a is not finite"})

    lines = [{"step": 0, "dev": {"ndcg@10": 0.1}}, step(0, 9.0), {"step": 1, "dev": {"ndcg@10": 0.2}}]
    lines += [step(1, 8.0), {"step": 2, "dev": {"ndcg@10": 0.9}}, step(2, None)]
    lines += [{"step": 3, "rollback": {"to": 1, "lr_factor": 0.5}}, step(1, 7.0), step(2, 6.0)]
    loss, dev = training_figures(lines, RESOLVED)
    assert loss.table.rows == (("0", "9"), ("1", "7"), ("2", "6"))
    assert "step 2 (loss a is not finite)." in loss.note
    assert "Gone back from step 3 to 1, on with 0.5 of the rate." in loss.note
    assert "0.2000 at step 1" in dev.note


def test_a_single_term_is_not_drawn_twice() -> None:
    lines = [{"step": n, "loss": {"total": 1 / (n + 1), "infonce": 1 / (n + 1)}} for n in range(5)]
    (loss,) = training_figures(lines, {})
    assert loss.table.head == ("step", "total")


def test_weights_that_were_learned_are_drawn_and_losses_below_zero_too() -> None:
    lines = [{"step": n, "loss": {"total": -n, "a": -n, "b": 0.0}, "weights": {"a": 1 + n, "b": 1.0}} for n in range(3)]
    loss, weights = training_figures(lines, {})
    assert [row[1] for row in loss.table.rows] == ["0", "-1", "-2"]
    assert weights.heading == "Weights of the losses"
    assert weights.table.rows == (("0", "1", "1"), ("1", "2", "1"), ("2", "3", "1"))


def test_best_dev_score_is_the_highest_after_training_began(figures: dict[str, Figure]) -> None:
    dev = {line["step"]: line["dev"]["ndcg@10"] for line in metrics() if "dev" in line}
    best = max((step for step in dev if step > 0), key=dev.__getitem__)
    assert f"{dev[best]:.4f} at step {best}" in figures["Dev score"].note
    assert len(figures["Dev score"].table.rows) == len(dev)


def test_the_base_is_never_the_ringed_point() -> None:
    lines = [{"step": step, "dev": {"ndcg@10": value}} for step, value in ((0, 0.9), (10, 0.4), (20, 0.5))]
    (dev,) = training_figures(lines, RESOLVED)
    assert "0.5000 at step 20" in dev.note


def test_groups_with_one_rate_share_a_line(figures: dict[str, Figure]) -> None:
    assert figures["Learning rate"].table.head == ("step", "encoder, encoder.no_decay", "embedding_table")


def test_clipped_steps_are_counted(figures: dict[str, Figure]) -> None:
    norms = [line["grad_norm"] for line in metrics() if line.get("grad_norm") is not None]
    assert (
        f"{sum(norm > 1 for norm in norms)} of {len(norms)} steps were clipped to 1." in figures["Gradient norm"].note
    )


def test_blocks_are_ordered_from_the_top_of_the_encoder() -> None:
    names = [*(f"block.{n}" for n in range(12)), "embedding_table", "embeddings", "head"]
    (blocks,) = training_figures([{"step": 0, "loss": {}, "grad_norm_by_block": dict.fromkeys(names, 1.0)}], {})
    expected = ["head", *(f"block.{n}" for n in reversed(range(12))), "embeddings", "embedding_table"]
    assert list(blocks.table.head[1:]) == expected


def test_block_table_holds_means_of_its_steps(figures: dict[str, Figure]) -> None:
    table = figures["Gradient norm of each block"].table
    first = [line["grad_norm_by_block"]["block.5"] for line in metrics() if "loss" in line][:7]
    assert float(table.rows[0][table.head.index("block.5")]) == pytest.approx(sum(first) / 7, rel=1e-2)


def test_a_block_that_opens_late_leaves_a_gap() -> None:
    lines = [
        {"step": n, "loss": {}, "grad_norm_by_block": {"block.1": 1.0} | ({"block.0": 0.5} if n >= 5 else {})}
        for n in range(10)
    ]
    (blocks,) = training_figures(lines, {})
    assert [row[2] for row in blocks.table.rows] == ["—"] * 5 + ["0.5"] * 5


def test_no_lines_no_figures() -> None:
    assert training_figures([], {}) == []
    assert rank_figure([]) is None
    assert change_figure({"test": {"before": {}, "after": {}, "delta": {}}}) is None


def test_change_leaves_out_what_is_no_share() -> None:
    figure = change_figure(scores())
    assert figure is not None
    names = [row[0] for row in figure.table.rows]
    assert names[0] == "ndcg@10"
    assert names[-1] == "general score"
    assert figure.table.rows[0][1:] == ("0.1281", "0.1025", "0.1537")
    assert "mean_rank" not in names


def test_rank_table_counts_every_query_once() -> None:
    lines = [*queries(60), queries(1)[0] | {"rank_before": 500, "rank_after": None}]
    figure = rank_figure(lines)
    assert figure is not None
    assert sum(int(row[1]) for row in figure.table.rows) == sum(int(row[2]) for row in figure.table.rows) == 61
    assert (
        "Of 60 test queries, 40 find their first relevant document at a better rank, 10 at a worse one, 10"
        in figure.note
    )


def merged(**changed: Any) -> dict[str, Any]:
    """Scores of a run that tried three shares."""
    trials = [
        {"alpha": a, "dev": d, "general": g} for a, d, g in ((1.0, 0.7, 0.48), (0.6, 0.8, 0.495), (0.8, 0.75, 0.49))
    ]
    merge = {"alpha": 0.6, "metric": "mrr@10", "base": {"dev": 0.5, "general": 0.5}, "floor": 0.495, "trials": trials}
    return {**scores(), "merge": merge, **changed}


def test_the_curve_holds_what_dev_said_of_each_share_against_the_base() -> None:
    figure = merge_figure(merged())
    assert figure is not None
    assert figure.table.head == ("share", "mrr@10 on dev", "change", "general score on dev", "change")
    assert figure.table.rows == (
        ("0", "0.5000", "+0.0000", "0.5000", "+0.0000"),
        ("0.6", "0.8000", "+0.3000", "0.4950", "-0.0050"),
        ("0.8", "0.7500", "+0.2500", "0.4900", "-0.0100"),
        ("1", "0.7000", "+0.2000", "0.4800", "-0.0200"),
    )
    assert "Taken: 0.6." in figure.note
    assert "-0.0050: half of what the gate allows" in figure.note
    for chart in str(figure.chart).split("</svg>")[:2]:  # of the target, of the general score
        (ring,) = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="7" class="ring"', chart)
        dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="3" class="dot s0"', chart)
        assert ring == dots[1]  # base, 0.6, 0.8, 1
    (limit,) = re.findall(r'y1="([\d.]+)" y2="([\d.]+)" class="limit"', figure.chart)
    assert limit == (dots[1][1], dots[1][1])  # 0.6 just keeps what must be kept


def test_a_curve_without_general_tasks_is_of_the_target_alone_and_none_without_trials() -> None:
    figure = merge_figure(merged(general={"before": {}, "after": {}, "delta": {}}))
    assert figure is not None
    assert figure.table.head == ("share", "mrr@10 on dev", "change")
    assert 'class="limit"' not in figure.chart
    assert merge_figure({"merge": {"alpha": 1.0, "trials": []}}) is None
    assert merge_figure({}) is None
