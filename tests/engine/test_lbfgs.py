"""L-BFGS against PyTorch's own and SciPy's, and in the loop."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional as F

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup
from acclimate.engine.lbfgs import LBFGS
from training import Rig, make_rig, weights

PROMPT = {"kind": "prompt", "text": "find the answer to"}
SEARCH: dict[str, Any] = {
    "optimizer": "lbfgs",
    "lr": 1.0,
    "weight_decay": 0.0,
    "clip_norm": math.inf,
    "feed": {"fixed": True},
    "method": PROMPT,
}


class Regression:
    """Logistic regression with a penalty: 100 rows, 8 features, in float64."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(3)
        self.x = torch.randn(100, 8, generator=generator, dtype=torch.float64)
        noise = torch.randn(100, generator=generator, dtype=torch.float64)
        self.y = (self.x @ torch.arange(-4.0, 4.0, dtype=torch.float64) + noise > 0).double()
        self.weights = torch.nn.Parameter(torch.zeros(8, dtype=torch.float64))
        self.calls = 0

    def loss(self, weights: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(self.x @ weights, self.y) + 0.01 * weights.square().sum()

    def closure(self) -> float:
        self.calls += 1
        self.weights.grad = None
        loss = self.loss(self.weights)
        loss.backward()
        return loss.item()

    def optimizer(self) -> LBFGS:
        half = ParamGroup("half", {"weights": self.weights})
        return LBFGS([half], lr=1.0, weight_decay=0.0)


def test_the_trajectory_is_torch_s_at_fewer_calls() -> None:
    ours, theirs = Regression(), Regression()
    reference = torch.optim.LBFGS(
        [theirs.weights], lr=1.0, max_iter=1, max_eval=25, history_size=10, line_search_fn="strong_wolfe"
    )
    optimizer = ours.optimizer()
    for step in range(8):
        optimizer.step(ours.closure)
        reference.step(theirs.closure)
        assert torch.equal(ours.weights, theirs.weights)
        assert ours.calls == theirs.calls - step  # it looks a second time where each search ended


def test_it_finds_what_scipy_finds() -> None:
    ours = Regression()
    optimizer = ours.optimizer()
    for _ in range(20):
        optimizer.step(ours.closure)

    def value(x: np.ndarray) -> tuple[float, np.ndarray]:
        point = torch.tensor(x, requires_grad=True)
        loss = ours.loss(point)
        loss.backward()
        return loss.item(), point.grad.numpy()

    found = minimize(value, np.zeros(8), jac=True, method="L-BFGS-B", options={"gtol": 1e-10, "ftol": 1e-15})
    np.testing.assert_allclose(ours.weights.detach(), found.x, atol=1e-4)
    assert ours.calls < 40


def test_a_step_tells_of_the_call_where_its_search_ended() -> None:
    problem = Regression()
    optimizer = problem.optimizer()
    for _ in range(8):
        losses: list[float] = []
        told = optimizer.step(lambda: losses.append(problem.closure()) or losses[-1])  # noqa: B023
        assert losses[told] == problem.loss(problem.weights).item()


def test_at_a_standstill_it_still_tells_of_the_loss() -> None:
    problem = Regression()
    optimizer = problem.optimizer()
    for _ in range(60):
        optimizer.step(problem.closure)
    before, calls = problem.weights.detach().clone(), problem.calls
    assert optimizer.step(problem.closure) == 0
    assert problem.calls == calls + 1
    assert torch.equal(problem.weights, before)


@pytest.mark.parametrize("step", [0, 1, 4])
def test_a_closure_that_fails_in_a_search_leaves_the_weights_and_forgets_the_history(step: int) -> None:
    problem = Regression()
    optimizer = problem.optimizer()
    for _ in range(step):
        optimizer.step(problem.closure)
    before = problem.weights.detach().clone()

    def fails() -> float:
        problem.closure()
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        optimizer.step(fails)
    assert torch.equal(problem.weights, before)
    assert optimizer.state_tensors() == {}
    fresh = Regression()
    with torch.no_grad():
        fresh.weights.copy_(before)
    fresh.optimizer().step(fresh.closure)
    optimizer.step(problem.closure)
    assert torch.equal(problem.weights, fresh.weights)


def test_how_far_a_step_moved() -> None:
    problem = Regression()
    optimizer = problem.optimizer()
    optimizer.step(problem.closure)
    before, moves = problem.weights.detach().clone(), {}
    optimizer.step(problem.closure, moves)
    assert moves["weights"][0] == before.norm()
    torch.testing.assert_close(moves["weights"][1], (problem.weights.detach() - before).norm())


@pytest.mark.parametrize("stop", range(7))
def test_its_state_goes_through_flat_tensors_bit_for_bit(stop: int) -> None:
    whole, first, second = Regression(), Regression(), Regression()
    optimizers = [problem.optimizer() for problem in (whole, first, second)]
    for _ in range(14):
        optimizers[0].step(whole.closure)
    for _ in range(stop):
        optimizers[1].step(first.closure)
    with torch.no_grad():
        second.weights.copy_(first.weights)
    optimizers[2].load_state_tensors(optimizers[1].state_tensors())
    for _ in range(14 - stop):
        optimizers[2].step(second.closure)
    assert torch.equal(second.weights, whole.weights)
    assert first.calls + second.calls == whole.calls


def test_groups_with_rates_of_their_own_are_refused() -> None:
    p, q = (torch.nn.Parameter(torch.zeros(2, 2)) for _ in range(2))
    for groups in (
        [ParamGroup("a", {"p": p}), ParamGroup("b", {"q": q}, lr_scale=0.1)],
        [ParamGroup("a", {"p": p}, by_row=True)],
        [ParamGroup("a", {"p": p}, starts_at=0.5)],
    ):
        with pytest.raises(UsageError, match=r"rates of their own: a.*; take --method prompt"):
            LBFGS(groups, lr=1.0, weight_decay=0.0)
    kept = LBFGS([ParamGroup("a", {"p": p}), ParamGroup("b", {"q": q}, decay=False)], lr=1.0, weight_decay=0.0)
    kept.schedule(0, 10, 3, factor=0.5)
    assert kept.rates() == {"a": 0.5, "b": 0.5}


# -- in the loop ---------------------------------------------------------------------------------------------------


def test_every_step_reads_the_same_texts(tmp_path: Path) -> None:
    feed = make_rig(tmp_path, regularizers=["distill"], **SEARCH).trainer.feed
    (step, epoch, (batch,)), (later, later_epoch, (same,)) = next(feed.steps(0)), next(feed.steps(5))
    assert (step, epoch, later, later_epoch) == (0, 0, 5, 5)
    assert batch.rows.tolist() == same.rows.tolist() == list(range(24))
    first, second = feed.inputs((batch,), 0, 0.0, "cpu"), feed.inputs((same,), 5, 0.5, "cpu")
    assert first.texts.tolist() == second.texts.tolist()
    assert feed.steps_until(1) == 1


def test_the_loss_never_rises_and_the_calls_are_counted(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=10, regularizers=["l2sp"], **SEARCH)
    progress = rig.trainer.train()
    losses = [record["loss"]["total"] for record in rig.steps]
    assert all(later <= earlier for earlier, later in pairwise(losses))
    assert losses[-1] < losses[0] - 0.1
    assert progress.closure_calls == sum(record["closure_calls"] for record in rig.steps) >= 10
    assert progress.examples == 24 * progress.closure_calls
    assert "update_ratio_by_block" in rig.steps[0]


def test_the_record_is_of_the_weights_that_the_step_leaves(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=1, evaluate_every=1, **SEARCH)
    rig.trainer.train()
    step, _, (batch,) = next(rig.trainer.feed.steps(0))
    with torch.no_grad():
        terms = rig.trainer.unit(rig.trainer.feed.inputs((batch,), step, 0.0, "cpu"))
    assert rig.steps[0]["loss"]["infonce"] == pytest.approx(terms["infonce"].item(), abs=1e-6)


def records(rig: Rig) -> list[dict[str, Any]]:
    return [{key: value for key, value in record.items() if key != "seconds"} for record in rig.records]


@pytest.mark.parametrize("stop", [1, 2, 4, 6])
def test_a_run_that_is_stopped_ends_as_one_that_was_not(stop: int, tmp_path: Path) -> None:
    whole = make_rig(tmp_path / "whole", steps=7, **SEARCH)
    whole.trainer.train()
    first = make_rig(tmp_path / "cut", steps=7, **SEARCH)
    first.stop_at.add(stop)
    first.trainer.train()
    second = make_rig(tmp_path / "cut", steps=7, records=first.records, **SEARCH)
    assert second.restore()
    second.trainer.train()
    expected = weights(whole.encoder)
    assert all(torch.equal(weight, expected[name]) for name, weight in weights(second.encoder).items())
    assert records(second) == records(whole)


def test_a_prompt_needs_fewer_calls_than_adamw_to_a_loss(tmp_path: Path) -> None:
    fast = make_rig(tmp_path / "fast", steps=25, evaluate_every=25, **SEARCH)
    calls = fast.trainer.train().closure_calls
    goal = fast.steps[-1]["loss"]["total"]
    slow = {**SEARCH, "optimizer": "adamw"}
    reached = []
    for rate in (0.01, 0.03, 0.1, 0.3):
        rig = make_rig(tmp_path / str(rate), steps=2 * calls, evaluate_every=1000, **{**slow, "lr": rate})
        rig.trainer.train()
        reached.append(min(record["loss"]["total"] for record in rig.steps))
    assert min(reached) > goal
