"""Merging back: both ends bit-exact, the line between them, and which point is chosen."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from acclimate.runs.merging import ALPHAS, Remembering, Trial, add_up, blend, choose, choose_share, floor_of, sweep
from tiny import tiny_encoder


def ends(seed: int = 0) -> tuple[dict[str, torch.nn.Parameter], dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    parameters = dict(tiny_encoder(seed=seed).named_parameters())
    base = {name: p.detach().clone() for name, p in parameters.items()}
    other = dict(tiny_encoder(seed=seed + 1).named_parameters())
    return parameters, base, {name: p.detach().clone() for name, p in other.items()}


def test_both_ends_are_bit_exact() -> None:
    parameters, base, tuned = ends()
    for alpha, end in ((1.0, tuned), (0.4, None), (0.0, base), (1.0, tuned)):
        blend(parameters, base, tuned, alpha)
        if end is not None:
            assert all(torch.equal(p, end[name]) for name, p in parameters.items())


@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.8])
def test_between_the_ends_lies_the_weighted_mean(alpha: float) -> None:
    parameters, base, tuned = ends()
    blend(parameters, base, tuned, alpha)
    for name, p in parameters.items():
        expected = (1 - alpha) * base[name].double() + alpha * tuned[name].double()
        torch.testing.assert_close(p.detach().double(), expected, rtol=0, atol=1e-6)


def test_what_did_not_move_stays_bit_equal_at_every_share() -> None:
    parameters, base, _ = ends()
    for alpha in (*ALPHAS, 0.33, 0.0):
        blend(parameters, base, base, alpha)
        assert all(torch.equal(p, base[name]) for name, p in parameters.items())


def test_blending_leaves_the_ends_alone_and_keeps_no_graph() -> None:
    parameters, base, tuned = ends()
    before = {name: t.clone() for name, t in tuned.items()}
    blend(parameters, base, tuned, 0.5)
    assert all(torch.equal(before[name], tuned[name]) for name in before)
    assert all(p.grad_fn is None and p.is_leaf for p in parameters.values())


def swept(general: float, floor: float) -> list[Trial]:
    parameters, base, tuned = {"w": torch.nn.Parameter(torch.zeros(1))}, {"w": torch.zeros(1)}, {"w": torch.ones(1)}
    return sweep(parameters, base, tuned, lambda: (parameters["w"].item(), general), floor)


def test_a_sweep_scores_each_share_with_its_weights() -> None:
    found = swept(general=0.5, floor=0.6)
    assert [t.alpha for t in found] == list(ALPHAS) == sorted(ALPHAS, reverse=True)
    assert [t.target for t in found] == pytest.approx(ALPHAS)
    assert ALPHAS[0] == 1.0


def test_a_sweep_ends_early_where_nothing_is_forgotten() -> None:
    found = swept(general=0.6, floor=0.6)
    assert [t.alpha for t in found] == list(ALPHAS[:3])


def trials(*rows: tuple[float, float, float]) -> list[Trial]:
    return [Trial(*row) for row in rows]


def test_the_best_target_wins_where_nothing_is_forgotten() -> None:
    assert choose(trials((1.0, 0.7, 0.60), (0.8, 0.8, 0.60), (0.4, 0.6, 0.61)), 0.60) == 0.8


def test_a_better_target_that_forgets_is_not_taken() -> None:
    assert choose(trials((1.0, 0.9, 0.50), (0.6, 0.8, 0.598), (0.2, 0.7, 0.60)), 0.595) == 0.6


def test_half_of_the_limit_is_kept_in_reserve() -> None:
    found = trials((1.0, 0.9, 0.594), (0.6, 0.8, 0.596))
    assert choose(found, floor_of(0.60, 0.01)) == 0.6
    assert choose(found, floor_of(0.60, 0.02)) == 1.0


def test_where_all_forget_the_least_forgetful_is_taken() -> None:
    assert choose(trials((1.0, 0.9, 0.40), (0.6, 0.8, 0.45), (0.2, 0.7, 0.52)), 0.60) == 0.2


def test_at_equal_scores_more_of_the_tuned_weights_are_kept() -> None:
    assert choose(trials((1.0, 0.8, 0.60), (0.6, 0.8, 0.60)), 0.60) == 1.0


def test_a_limit_of_zero_forgets_nothing() -> None:
    assert choose(trials((1.0, 0.9, 0.5999), (0.6, 0.8, 0.6)), floor_of(0.60, 0.0)) == 0.6


def test_changes_add_up_whatever_their_order_and_none_is_the_base() -> None:
    parameters, base, first = ends()
    second = {name: p.detach().clone() for name, p in tiny_encoder(seed=5).named_parameters()}
    add_up(parameters, base, [first, second], [1.0, 1.0])
    one_way = {name: p.detach().clone() for name, p in parameters.items()}
    for name, p in one_way.items():
        expected = first[name].double() + second[name].double() - base[name].double()
        torch.testing.assert_close(p.double(), expected, rtol=0, atol=1e-6)
    add_up(parameters, base, [second, first], [1.0, 1.0])
    assert all(torch.equal(p, one_way[name]) for name, p in parameters.items())
    for tuned, alphas, end in (([first, second], [0.0, 0.0], base), ([first, second], [0.0, 1.0], second)):
        add_up(parameters, base, tuned, alphas)
        assert all(torch.equal(p, end[name]) for name, p in parameters.items())


def test_the_chosen_share_is_left_in_the_weights_and_the_curve_says_why() -> None:
    parameters, base, tuned = {"w": torch.nn.Parameter(torch.zeros(1))}, {"w": torch.zeros(1)}, {"w": torch.ones(1)}

    def score() -> tuple[float, float]:
        w = parameters["w"].item()
        return 0.5 + w - 0.9 * w * w, 0.6 - 0.02 * w  # the target is best at 0.56, the general score falls

    curve = choose_share(parameters, base, tuned, score, metric="mrr", of_base=(0.5, 0.6), drop_limit=0.03)
    assert curve.alpha == 0.6
    assert parameters["w"].item() == pytest.approx(0.6)
    assert curve.as_dict() == {
        "alpha": 0.6,
        "metric": "mrr",
        "base": {"dev": 0.5, "general": 0.6},
        "floor": pytest.approx(0.585),
        "trials": [
            {"alpha": a, "dev": pytest.approx(0.5 + a - 0.9 * a * a), "general": pytest.approx(0.6 - 0.02 * a)}
            for a in (1.0, 0.8, 0.6)
        ],
    }


def test_a_text_is_encoded_once_for_each_way_of_reading_it() -> None:
    asked: list[tuple[str, str]] = []

    def encode(texts: Sequence[str], role: str) -> np.ndarray:
        asked.extend((text, role) for text in texts)
        return np.array([[float(len(text)), role == "question"] for text in texts], np.float32)

    once = Remembering(encode, {"query": "plain", "document": "plain", "question": "prompted"}.get)
    assert once(["a", "bb", "a"], "query").tolist() == [[1, 0], [2, 0], [1, 0]]
    assert once(["ccc", "bb"], "document").tolist() == [[3, 0], [2, 0]]
    assert once(["bb"], "question").tolist() == [[2, 1]]
    assert asked == [("a", "query"), ("bb", "query"), ("ccc", "document"), ("bb", "question")]
