"""GradNorm by hand, in the long run, and in the loop."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from acclimate.core.errors import UsageError
from acclimate.core.nouns import Step
from acclimate.data.examples import Example
from acclimate.engine.loop import Progress
from acclimate.gradient_rules import GRADIENT_RULES
from acclimate.gradient_rules.base import Memory
from acclimate.objectives import Objective
from acclimate.recipe import read_recipe
from acclimate.recipe.resolve import Facts, resolve
from training import Rig, make_rig, pairs, weights

BOTH = ("infonce", "triplet")


def after(
    steps: list[tuple[Mapping[str, float], Mapping[str, float]]], memory: Memory | None = None, **settings: Any
) -> dict[str, dict[str, float]]:
    """What GradNorm knows after steps of (losses, norms)."""
    rule = GRADIENT_RULES.parse({"kind": "gradnorm", **settings})
    known: Memory = memory or {}
    for losses, norms in steps:
        known = rule.learned(known, losses, norms)
    return {name: dict(of) for name, of in known.items()}


def test_one_step_by_hand() -> None:
    """Gradients of 3 and 1, of mean 2: the first is too large by half of the mean, the second too small."""
    found = after([({"a": 5.0, "b": 2.0}, {"a": 3.0, "b": 1.0})])["weight"]
    down, up = math.exp(-0.025 * 3 / 2), math.exp(0.025 * 1 / 2)
    assert found == pytest.approx({"a": 2 * down / (down + up), "b": 2 * up / (down + up)})


def test_what_has_come_less_far_pulls_more() -> None:
    """Losses at 1/4 and 3/4 of their first: paces of 1/2 and 3/2, so that equal gradients should be so far apart."""
    known = {"weight": {"a": 1.0, "b": 1.0}, "first_loss": {"a": 8.0, "b": 4.0}}
    norms = {"a": 1.0, "b": 1.0}
    found = after([({"a": 2.0, "b": 3.0}, norms)], known, alpha=1.0)
    down, up = math.exp(-0.025), math.exp(0.025)
    assert found["weight"] == pytest.approx({"a": 2 * down / (down + up), "b": 2 * up / (down + up)})
    assert found["first_loss"] == {"a": 8.0, "b": 4.0}
    settled = after([({"a": 2.0, "b": 3.0}, norms)] * 2_000, known, rate=0.0025)["weight"]
    assert settled["b"] == pytest.approx(1.5**1.5, abs=0.01), "of the mean, with alpha 1.5"


def test_equal_objectives_keep_their_weights() -> None:
    draws = np.random.default_rng(0).uniform(0.1, 9, (200, 2)).tolist()
    for names in ("ab", "abc", "abcdefg"):
        steps = [(dict.fromkeys(names, loss), dict.fromkeys(names, norm)) for loss, norm in draws]
        assert after(steps)["weight"] == pytest.approx(dict.fromkeys(names, 1.0), rel=1e-12)


def test_the_sum_of_the_weights_is_their_number_and_none_is_below_zero() -> None:
    generator = np.random.default_rng(1)
    steps = [
        tuple(dict(zip("abcd", row, strict=True)) for row in generator.lognormal(0, 3, (2, 4)).tolist())
        for _ in range(300)
    ]
    found = after(steps, rate=1.0)["weight"]  # type: ignore[arg-type]
    assert sum(found.values()) == pytest.approx(4)
    assert min(found.values()) > 0
    assert max(found.values()) > 1.5


@pytest.mark.parametrize("rate", [0.025, 0.0025])
def test_a_gradient_a_hundred_times_as_large_comes_to_the_norm_of_the_other(rate: float) -> None:
    """With alpha 0. What is left is the last step's length: both go one rate in opposite directions."""
    steps = [({"a": 1.0, "b": 1.0}, {"a": 100.0, "b": 1.0})] * round(10 / rate)
    found = after(steps, alpha=0.0, rate=rate)["weight"]
    assert abs(math.log(100 * found["a"] / found["b"])) < 2.1 * rate
    assert sum(found.values()) == pytest.approx(2)


def test_the_scale_of_all_losses_together_does_not_matter() -> None:
    one, other = (
        after([({"a": s, "b": s}, {"a": 3 * s, "b": s})] * 5 + [({"a": s / 2, "b": s / 3}, {"a": s, "b": s})] * 5)
        for s in (1.0, 1e6)
    )
    assert one["weight"] == pytest.approx(other["weight"])


def test_what_is_not_in_a_step_keeps_its_weight() -> None:
    everything = ({"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 9.0, "b": 1.0, "c": 2.0})
    before = after([everything])
    without = after([({"a": 1.0, "b": 1.0}, {"a": 9.0, "b": 1.0})], before)
    assert without["weight"]["c"] == before["weight"]["c"]
    assert without["weight"]["a"] < before["weight"]["a"]
    assert sum(without["weight"].values()) == pytest.approx(3)
    alone = after([({"b": 0.3}, {"b": 7.0})], without)
    assert alone["weight"] == pytest.approx(without["weight"])
    late = after([everything], after([({"a": 2.0, "b": 1.0}, {"a": 9.0, "b": 1.0})]))
    assert late["first_loss"] == {"a": 2.0, "b": 1.0, "c": 1.0}
    assert sum(late["weight"].values()) == pytest.approx(3)


@pytest.mark.parametrize("start", [0.0, -2.0])
def test_a_loss_that_does_not_start_above_zero_comes_on_like_the_mean_until_it_is(start: float) -> None:
    norms = {"a": 1.0, "b": 1.0, "c": 1.0}
    first = after([({"a": start, "b": 1.0, "c": 1.0}, norms)])
    assert first["weight"] == pytest.approx(dict.fromkeys("abc", 1.0))
    assert first["first_loss"] == {"b": 1.0, "c": 1.0}
    uneven = after([({"a": start, "b": 0.5, "c": 1.5}, norms)], first, alpha=1.0)
    assert uneven["weight"]["b"] < uneven["weight"]["a"] < uneven["weight"]["c"]
    assert after([({"a": 3.0, "b": 1.0, "c": 1.0}, norms)], uneven)["first_loss"]["a"] == 3.0
    fallen = after([({"a": 1.0, "b": -1.0, "c": 1.0}, norms)], {"first_loss": dict.fromkeys("abc", 1.0)})
    assert fallen["weight"]["b"] < 1 < fallen["weight"]["a"]


def test_without_any_gradient_or_any_loss_nothing_moves() -> None:
    losses, none = {"a": 1.0, "b": 2.0}, {"a": 0.0, "b": 0.0}
    assert after([(losses, none)])["weight"] == {"a": 1.0, "b": 1.0}
    done = after([(losses, {"a": 1.0, "b": 1.0}), (none, {"a": 1.0, "b": 1.0})])
    assert done["weight"] == pytest.approx({"a": 1.0, "b": 1.0})


# -- in the loop -----------------------------------------------------------------------------------------------------


def rig_of(folder: Path, rule: Any = "gradnorm", objectives: Any = BOTH, **settings: Any) -> Rig:
    kept = [{"kind": "distill", "weight": 20.0}]
    return make_rig(folder, gradients=rule, objectives=objectives, regularizers=kept, **settings)


def norms_of_terms(rig: Rig) -> dict[str, float]:
    """By plain autograd, of the first batch."""
    step, _, batches = next(rig.trainer.feed.steps(0))
    trained = [p for p in rig.encoder.parameters() if p.requires_grad]
    terms = rig.trainer.unit(rig.trainer.feed.inputs(batches, step, 0.5, "cpu"))
    found = {}
    for name in rig.trainer.unit.objectives:
        parts = torch.autograd.grad(terms[name], trained, retain_graph=True, allow_unused=True)
        found[name] = float(torch.cat([part.flatten() for part in parts if part is not None]).norm())
    return found


def test_the_gradient_of_a_step_is_that_of_the_weighed_sum(tmp_path: Path) -> None:
    """The regularizer is added with the weight that it has."""
    counted = {"infonce": 1.7, "triplet": 0.3}
    given = [{"kind": kind, "weight": weight} for kind, weight in counted.items()]
    plain, weighed = rig_of(tmp_path / "a", None, given), rig_of(tmp_path / "b")
    weighed.trainer.progress.rule = {"weight": counted}
    gradients = []
    for rig in (plain, weighed):
        with torch.no_grad():  # away from the start, where distill has no gradient
            for p in rig.encoder.parameters():
                p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(4)) * 0.02)
        trainer = rig.trainer
        step, _, batches = next(trainer.feed.steps(0))
        trainer._backward(step, trainer.feed.inputs(batches, step, 0.5, "cpu"), {})
        gradients.append(torch.cat([p.grad.flatten() for p in trainer.parameters.values() if p.grad is not None]))
    assert (gradients[1] - gradients[0]).norm() < 1e-5 * gradients[0].norm()


def test_a_run_evens_out_gradients_that_are_far_apart(tmp_path: Path) -> None:
    rule = {"kind": "gradnorm", "alpha": 0.0, "rate": 0.1}
    apart = [{"kind": "infonce", "weight": 100.0}, "triplet"]
    rig = rig_of(tmp_path, rule, apart, feed={"fixed": True}, lr=1e-9, steps=60, evaluate_every=60)
    norms = norms_of_terms(rig)
    assert norms["infonce"] > 100 * norms["triplet"]
    rig.trainer.train()
    first, last = rig.steps[0]["weights"], rig.steps[-1]["weights"]
    assert first == {"infonce": 1.0, "triplet": 1.0}
    assert abs(math.log(last["infonce"] * norms["infonce"] / (last["triplet"] * norms["triplet"]))) < 0.25
    assert sum(last.values()) == pytest.approx(2)


@pytest.mark.parametrize("scale", [1.0, 2.0**16])
def test_norms_are_of_what_the_objectives_share(scale: float, tmp_path: Path) -> None:
    """A head is one objective's own. One that starts at 0 has a gradient, and gives the encoder none."""
    labeled = [Example(e.id, e.line, text=e.query, label=f"class {row % 2}") for row, e in enumerate(pairs(12))]
    rig = rig_of(tmp_path, objectives=("infonce", "softmax"), examples=labeled, method="embedding_and_last")
    trainer, norms = rig.trainer, dict[str, float]()
    step, _, batches = next(trainer.feed.steps(0))
    trainer.scale.value = scale
    trainer._backward(step, trainer.feed.inputs(batches, step, 0.5, "cpu"), norms)
    assert norms == pytest.approx(norms_of_terms(rig), rel=1e-4)
    assert norms["softmax"] == 0 < norms["infonce"]
    assert trainer.unit.objectives["softmax"].weight.grad.norm() > 0


class Breaking(Objective):
    """An objective whose loss is not a number in some steps while training has its full rate."""

    def __init__(self, inner: Objective, progress: Any) -> None:
        super().__init__()
        self.inner, self.progress = inner, progress

    def forward(self, step: Step) -> Tensor:
        now: Progress = self.progress()
        return self.inner(step) * (math.nan if now.step in (3, 6, 7, 8) and now.lr_factor == 1 else 1)


def test_steps_that_are_skipped_teach_nothing_and_a_rollback_takes_the_weights_along(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, steps=12, evaluate_every=5)
    objectives = rig.trainer.unit.objectives
    objectives["triplet"] = Breaking(objectives["triplet"], lambda: rig.trainer.progress)
    rig.trainer.train()
    told = [(record["step"], record["weights"]) for record in rig.steps]
    by_first = dict(reversed(told))
    assert [step for step, _ in told] == [*range(9), *range(5, 12)]
    assert by_first[2] != by_first[3] == by_first[4] != by_first[5]
    assert told[9] == (5, by_first[5])
    assert told[10] == (6, by_first[6])


def test_a_resumed_run_tells_of_the_same_weights(tmp_path: Path) -> None:
    whole = rig_of(tmp_path / "whole", "gradnorm", lr=3e-3)
    whole.trainer.train()
    records: list[dict[str, Any]] = []
    for stop in (2, 5, 99):
        again = rig_of(tmp_path / "again", "gradnorm", lr=3e-3, records=list(records))
        again.restore()
        again.stop_at.add(stop)
        again.trainer.train()
        records = again.records
    assert [r["weights"] for r in again.steps] == [r["weights"] for r in whole.steps]
    assert len({r["weights"]["triplet"] for r in whole.steps}) == len(whole.steps)
    expected = weights(whole.encoder)
    assert all(torch.equal(weight, expected[name]) for name, weight in weights(again.encoder).items())


def test_other_rules_weigh_nothing(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, "pcgrad", steps=2)
    rig.trainer.train()
    assert not any("weights" in record for record in rig.records)
    assert rig.trainer.progress.rule == {}


def test_what_cannot_act_is_refused() -> None:
    facts = Facts(
        rows=500, kind="pairs", main_metric="ndcg@10", base_max_length=512, base_distance=0.9, device="cpu",
        precision="fp32", packs=True,
    )  # fmt: skip
    mistakes = {
        "objectives=[infonce]": "gradients gradnorm needs two objectives to weigh; name another under objectives, or",
        "objectives=[infonce, {kind: triplet, weight: 2}]": "objective triplet: weight=2.0 cannot act with gradients",
        "objectives=[infonce, {kind: triplet, weight: uncertainty}]": "weight=uncertainty cannot act with gradients",
    }
    for objectives, mistake in mistakes.items():
        with pytest.raises(UsageError, match=mistake):
            resolve(read_recipe(None, ["gradients=gradnorm", objectives]), facts)
    plan = resolve(read_recipe(None, ["gradients=gradnorm", "objectives=[infonce, triplet]"]), facts)
    assert any("gradients gradnorm" in reason for reason in plan.reasons)
