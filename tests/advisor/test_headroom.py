"""Whether a base leaves anything that tuning could win and a test could show."""

import numpy as np
import pytest

from acclimate.advisor import headroom
from acclimate.evaluation import Outcome
from acclimate.evaluation.significance import paired_comparison


def outcome(ndcg: "list[float] | np.ndarray", recall: float = 0.99, kind: str = "retrieval") -> Outcome:
    values = np.asarray(ndcg, np.float64)
    return Outcome("test", kind, "ndcg@10", {"recall@10": recall}, {"ndcg@10": values})


def test_the_figures_in_closed_form() -> None:
    found = headroom(outcome([1.0, 1.0, 1.0, 0.6]))
    assert found is not None
    assert found.ndcg == pytest.approx(0.9)
    assert found.likely_gain == pytest.approx(0.03)
    assert found.least_shown == pytest.approx(1.96 * 0.2 / 2)  # the deviation of three ones and 0.6 is 0.2
    assert found.queries == 4


def test_a_base_that_finds_all_leaves_nothing() -> None:
    found = headroom(outcome(np.ones(500), recall=1.0))
    assert found is not None
    assert not found.worth_tuning
    assert "nothing to gain: the base answers all 500 test queries without a fault" in found.warning
    assert "don't tune" in found.warning


def test_a_base_that_misses_documents_is_worth_tuning_whatever_the_test() -> None:
    found = headroom(outcome([1.0, 1.0, 1.0, 0.6], recall=0.8))
    assert found is not None
    assert found.worth_tuning
    assert found.warning == ""


def test_more_queries_of_the_same_kind_show_what_few_do_not() -> None:
    some = np.tile([1.0, 1.0, 1.0, 0.6], 10)
    few, many = headroom(outcome(some)), headroom(outcome(np.tile(some, 25)))
    assert few is not None
    assert many is not None
    assert few.likely_gain == pytest.approx(many.likely_gain)
    assert not few.worth_tuning
    assert many.worth_tuning


def test_what_is_called_shown_is_what_the_gates_interval_shows() -> None:
    # Queries that lack something gain all of it, with a chance of the likely share: the interval of that change.
    drawn = np.random.default_rng(3)
    before = np.where(drawn.random(2_000) < 0.1, drawn.random(2_000), 1.0)
    gaining = (before < 1) & (drawn.random(2_000) < 0.3)
    found = headroom(outcome(before))
    assert found is not None
    change = paired_comparison(before, np.where(gaining, 1.0, before), seed=1)
    assert change["value"] == pytest.approx(found.likely_gain, rel=0.2)
    assert change["value"] - change["ci95"][0] <= found.least_shown  # no less is asked of the test than it takes


@pytest.mark.parametrize("given", [outcome([0.9]), outcome([0.9, 1.0], kind="similarity")])
def test_other_tasks_and_single_queries_say_nothing(given: Outcome) -> None:
    assert headroom(given) is None
