"""Weights that objectives learn: where they come to rest, at which rate, and that a run keeps them."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from acclimate.core.errors import UsageError
from acclimate.core.nouns import Step
from acclimate.engine.optimizers import OPTIMIZERS
from acclimate.objectives import OBJECTIVES, Objective
from acclimate.objectives.base import Uncertain
from acclimate.recipe import read_recipe
from acclimate.recipe.resolve import Facts, resolve
from acclimate.runs.training import groups_beside
from training import Rig, make_rig, weights

BOTH = [{"kind": "infonce", "weight": "uncertainty"}, {"kind": "triplet", "weight": "uncertainty"}]


class Given(Objective):
    """Losses [B] that are what they are, times a number."""

    def __init__(self, *losses: float) -> None:
        super().__init__()
        self.losses = torch.tensor(losses)
        self.times = nn.Parameter(torch.ones(()))

    def forward(self, step: Step) -> Tensor:
        return self.losses * self.times


def step_of(*weight: float) -> Step:
    rows = len(weight)
    return Step(
        torch.zeros(1, 1), {}, torch.zeros(rows, 1), torch.tensor(weight, dtype=torch.float32), torch.zeros(rows)
    )


def mean_of(objective: Objective, step: Step) -> Tensor:
    return (objective(step) * step.weight).sum() / step.weight.sum()


def rest_of(objective: Uncertain, step: Step) -> float:
    """Where gradient descent on s ends."""
    for _ in range(4_000):
        (slope,) = torch.autograd.grad(mean_of(objective, step), objective.s)
        with torch.no_grad():
            objective.s -= 0.05 * slope.clamp(-1, 1)
    return objective.s.item()


@pytest.mark.parametrize("losses", [(3.7, 3.7), (0.0, 0.1), (200.0, 300.0), (-1.0, 2.0)])
def test_it_comes_to_rest_at_the_logarithm_of_the_loss(losses: tuple[float, float]) -> None:
    objective, mean = Uncertain(Given(*losses)), sum(losses) / 2
    assert rest_of(objective, step_of(1, 1)) == pytest.approx(math.log(mean), abs=1e-4)
    assert mean_of(objective, step_of(1, 1)).item() == pytest.approx(1 + math.log(mean), abs=1e-4)


def test_rows_count_there_as_they_do_in_the_loss() -> None:
    assert rest_of(Uncertain(Given(1.0, 5.0)), step_of(3, 1)) == pytest.approx(math.log(2), abs=1e-4)


@pytest.mark.parametrize("losses", [(0.0, 0.0), (0.001, 0.002), (-3.0, 1.0), (5.0, 0.0)])
def test_a_loss_that_is_as_good_as_zero_makes_the_weight_a_hundred_at_most(losses: tuple[float, float]) -> None:
    """In the last case the row with a loss weighs nothing."""
    objective = Uncertain(Given(*losses))
    step = step_of(0, 1) if losses[0] == 5 else step_of(1, 1)
    assert rest_of(objective, step) == pytest.approx(math.log(0.01), abs=1e-4)
    (slope,) = torch.autograd.grad(mean_of(objective, step), objective.objective.times)  # and no more than that
    assert slope.item() == pytest.approx(100 * mean_of(Given(*losses), step).item(), rel=1e-3, abs=1e-6)


def test_at_rest_the_scale_of_a_loss_does_not_matter() -> None:
    slopes = []
    for scale in (1.0, 1_000.0):
        objective = Uncertain(Given(2 * scale, 4 * scale))
        rest_of(objective, step_of(1, 1))
        slopes += torch.autograd.grad(mean_of(objective, step_of(1, 1)), objective.objective.times)
    assert slopes[0].item() == pytest.approx(slopes[1].item(), rel=1e-3)


def test_weight_decay_does_not_draw_it_to_one(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, objectives=BOTH)
    unit = rig.trainer.unit
    for objective in unit.objectives.values():
        objective.objective = Given(0.2, 0.2)
    (heads, learned) = groups_beside(unit, default_lr=1e-3)
    assert set(heads.parameters) == {f"objectives.{kind}.objective.times" for kind in ("infonce", "triplet")}
    assert set(learned.parameters) == {"objectives.infonce.s", "objectives.triplet.s"}
    adamw = OPTIMIZERS["adamw"]([learned], 1e-3, 2.0)

    def closure() -> float:
        adamw.zero_grad()
        loss = mean_of(unit.objectives["infonce"], step_of(1, 1))
        loss.backward()
        return loss.item()

    for _ in range(1_000):
        adamw.step(closure)
    assert unit.objectives["infonce"].s.item() == pytest.approx(math.log(0.2), abs=1e-3)
    assert unit.objectives["triplet"].s.item() == 0


@pytest.mark.parametrize("default_lr", [2e-4, 1e-3])
def test_its_rate_is_ten_times_that_of_heads_whatever_the_encoders(default_lr: float, tmp_path: Path) -> None:
    (group,) = groups_beside(make_rig(tmp_path, objectives=BOTH).trainer.unit, default_lr)
    assert group.lr_scale * default_lr == pytest.approx(2e-2)


def rig_of(folder: Path, **settings: Any) -> Rig:
    return make_rig(folder, objectives=BOTH, regularizers=["distill"], evaluate_every=4, **settings)


def test_a_resumed_run_has_the_weights_of_one_that_went_through(tmp_path: Path) -> None:
    whole = rig_of(tmp_path / "whole")
    whole.trainer.train()
    records: list[dict[str, Any]] = []
    for stop in (3, 6, 99):
        again = rig_of(tmp_path / "again", records=list(records))
        again.restore()
        again.stop_at.add(stop)
        again.trainer.train()
        records = again.records
    assert [r["weights"] for r in again.steps] == [r["weights"] for r in whole.steps]
    assert whole.steps[0]["weights"] == {"infonce": 1.0, "triplet": 1.0}
    assert len({r["weights"]["triplet"] for r in whole.steps[1:]}) == len(whole.steps) - 1
    expected = weights(whole.trainer.unit)
    assert all(torch.equal(weight, expected[name]) for name, weight in weights(again.trainer.unit).items())


def test_a_loss_below_zero_is_a_step_like_any_other(tmp_path: Path) -> None:
    rig = rig_of(tmp_path)
    with torch.no_grad():
        rig.trainer.unit.objectives["triplet"].s.fill_(-4)
        rig.trainer.unit.objectives["triplet"].objective.margin = 1e-4
    rig.trainer.train()
    assert any(record["loss"]["triplet"] < 0 for record in rig.steps)
    assert not any("skipped" in record for record in rig.steps)


def test_what_cannot_act_is_refused() -> None:
    facts = Facts(
        rows=500, kind="pairs", main_metric="ndcg@10", base_max_length=512, base_distance=0.9, device="cpu",
        precision="fp32", packs=True,
    )  # fmt: skip
    alone = "objective={kind: infonce, weight: uncertainty}"
    for kept in ("[]", "[{kind: l2sp, decoupled: true}]"):
        with pytest.raises(UsageError, match="infonce: weight=uncertainty cannot act on the only loss, where it would"):
            resolve(read_recipe(None, [alone, f"regularizers={kept}"]), facts)
    searches = ["training.optimizer=lbfgs", "method=prompt"]
    with pytest.raises(UsageError, match="weight=uncertainty cannot act with optimizer lbfgs"):
        resolve(read_recipe(None, [alone, *searches]), facts)
    with pytest.raises(UsageError, match="weight='much' is not accepted"):
        read_recipe(None, ["objective={kind: infonce, weight: much}"])
    plan = resolve(read_recipe(None, [alone, "regularizers=[distill]"]), facts)
    assert plan.recipe.objectives[0].weight == "uncertainty"
    assert OBJECTIVES.parse({"kind": "infonce", "weight": 2}).fixed_weight == 2.0
