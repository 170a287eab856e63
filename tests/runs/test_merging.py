"""Merging back: both ends bit-exact, the line between them, and which point is chosen."""

import pytest
import torch

from acclimate.runs.merging import ALPHAS, Trial, blend, choose, floor_of, sweep
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
