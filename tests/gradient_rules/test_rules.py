"""Gradient rules by hand, and in the step that the engine takes."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Literal

import pytest
import torch
from torch import Tensor

from acclimate.core.errors import UsageError
from acclimate.gradient_rules import GRADIENT_RULES
from acclimate.gradient_rules.base import GradientRule, product, total
from acclimate.recipe import read_recipe
from acclimate.recipe.resolve import Facts, resolve
from training import Rig, make_rig, weights

A, B, C = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0]), torch.tensor([0.0, 2.0])


AGEM_AND_ITS_PARTS = (("agem", 1.0), (None, 1.0), (None, 0.0))


class Sum(GradientRule):
    """The sum, which is what no rule gives."""

    kind: Literal["toy_sum"] = "toy_sum"
    summary: ClassVar[str] = "the sum"

    def check(self, objectives: int, guards: int) -> str:
        return ""

    def combine(self, gradients: Any, guards: Any, generator: Any) -> list[Tensor | None]:
        return total(list(gradients.values()))


def combined(kind: str, guards: tuple[str, ...] = (), seed: int = 0, **gradients: Any) -> list[Any]:
    rule = GRADIENT_RULES.parse(kind)
    given = {name: value if isinstance(value, list) else [value] for name, value in gradients.items()}
    return rule.combine(given, guards, torch.Generator().manual_seed(seed))


def test_agem_takes_off_what_runs_against_what_is_kept() -> None:
    (kept,) = combined("agem", ("keep",), one=A, keep=B)  # A . B = -1, B . B = 2
    torch.testing.assert_close(kept, A + B / 2)
    assert torch.dot(kept, B).abs() < 1e-6
    (free,) = combined("agem", ("keep",), one=A, keep=C)
    assert torch.equal(free, A)  # nothing runs against it, and it is no part of the step
    (both,) = combined("agem", ("keep", "hold"), one=A, two=C, keep=B, hold=torch.zeros(2))
    assert torch.dot(both, B) >= -1e-6


def test_agem_without_anything_to_lose_is_plain() -> None:
    gradient = [A, None]
    assert combined("agem", ("keep",), one=gradient, keep=[None, None]) == gradient
    assert combined("agem", ("keep",), one=gradient, keep=[torch.zeros(2), C]) == gradient


def test_pcgrad_of_two_vectors_by_hand() -> None:
    (found,) = combined("pcgrad", one=A, two=B)
    torch.testing.assert_close(found, (A + B / 2) + (B + A))  # each off the original of the other


def test_pcgrad_without_conflict_is_the_sum() -> None:
    (found,) = combined("pcgrad", one=A, two=C, three=torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(found, A + C + 0.5)


def test_pcgrad_looks_at_parameters_together() -> None:
    """One conflict in one parameter is none when all of them agree."""
    one, two = [A, C], [B, C]
    found = combined("pcgrad", one=one, two=two)
    assert product(one, two) == 3
    assert torch.equal(found[0], A + B)


@cache
def moved_weights() -> dict[str, Tensor]:
    """What the objectives alone have made of the encoder."""
    with TemporaryDirectory() as folder:
        rig = make_rig(Path(folder), objectives=["infonce", "gist"], lr=3e-4, steps=6)
        rig.trainer.train()
        return {name: tensor.clone() for name, tensor in rig.encoder.state_dict().items()}


def rig_of(folder: Path, rule: Any, *, keep: str = "distill", weight: float = 20.0, **settings: Any) -> Rig:
    kept = [{"kind": keep, "weight": weight}]
    rig = make_rig(folder, gradients=rule, objectives=["infonce", "gist"], regularizers=kept, lr=3e-3, **settings)
    rig.encoder.load_state_dict(moved_weights())  # away from the start, where what is kept has no gradient
    return rig


def gradient_of_step(rig: Rig) -> dict[str, Tensor | None]:
    trainer = rig.trainer
    step, _, batch = next(trainer.feed.steps(0))
    trainer.optimizer.zero_grad(set_to_none=True)
    trainer._backward(step, trainer.feed.inputs(batch, step, 0.5, "cpu"), {})
    return {name: p.grad for name, p in trainer.parameters.items()}


def apart_by(one: dict[str, Tensor | None], other: dict[str, Tensor | None]) -> float:
    """The distance of two gradients as a share of the second's length."""
    assert all((one[name] is None) == (gradient is None) for name, gradient in other.items())
    apart = torch.cat([(one[n] - g).flatten() for n, g in other.items() if g is not None]).norm()
    return float(apart / torch.cat([g.flatten() for g in other.values() if g is not None]).norm())


@pytest.mark.parametrize("micro_batch", [10**6, 2])
@pytest.mark.parametrize("dropout", [False, True])
def test_terms_apart_are_the_gradient_of_their_sum(micro_batch: int, dropout: bool, tmp_path: Path) -> None:
    plain = gradient_of_step(rig_of(tmp_path / "plain", None, micro_batch=micro_batch, dropout=dropout))
    GRADIENT_RULES.add(Sum)
    try:
        apart = gradient_of_step(rig_of(tmp_path / "apart", "toy_sum", micro_batch=micro_batch, dropout=dropout))
    finally:
        GRADIENT_RULES.remove("toy_sum")
    assert apart_by(apart, plain) < 1e-6


@pytest.mark.parametrize("rule", list(GRADIENT_RULES))
def test_several_passes_give_the_step_of_one(rule: str, tmp_path: Path) -> None:
    one, several = (gradient_of_step(rig_of(tmp_path / str(size), rule, micro_batch=size)) for size in (10**6, 2))
    assert apart_by(several, one) < 1e-5


def test_no_step_of_agem_raises_what_is_kept(tmp_path: Path) -> None:
    """What is kept is the start, which the objectives lead away from."""
    rigs = [rig_of(tmp_path / str(n), rule, keep="l2sp", weight=w) for n, (rule, w) in enumerate(AGEM_AND_ITS_PARTS)]
    step, whole, alone = map(gradient_of_step, rigs)
    guard = [whole[name] - alone[name] for name in whole]  # what is left without the objectives
    before, after = (product(list(gradient.values()), guard) for gradient in (alone, step))
    assert before < -1e-2
    assert after >= -1e-6


@pytest.mark.parametrize("rule", list(GRADIENT_RULES))
def test_a_resumed_run_ends_at_the_same_weights(rule: str, tmp_path: Path) -> None:
    whole = rig_of(tmp_path / "whole", rule)
    whole.trainer.train()
    stopped = rig_of(tmp_path / "again", rule)
    stopped.stop_at.add(4)
    stopped.trainer.train()
    again = rig_of(tmp_path / "again", rule)
    assert again.restore()
    again.trainer.train()
    expected = weights(whole.encoder)
    assert all(torch.equal(weight, expected[name]) for name, weight in weights(again.encoder).items())


def test_a_rule_that_has_nothing_to_weigh_is_refused() -> None:
    facts = Facts(
        rows=500, kind="pairs", main_metric="ndcg@10", base_max_length=512, base_distance=0.9, device="cpu",
        precision="fp32", packs=True,
    )  # fmt: skip
    with pytest.raises(UsageError, match="gradients agem needs a regularizer that says what is kept, such as distill"):
        resolve(read_recipe(None, ["gradients=agem", "regularizers=[]"]), facts)
    with pytest.raises(UsageError, match="gradients pcgrad needs two loss terms"):
        resolve(read_recipe(None, ["gradients=pcgrad", "regularizers=[]"]), facts)
    with pytest.raises(UsageError, match="lbfgs needs that; leave one of them out"):
        resolve(read_recipe(None, ["gradients=pcgrad", "training.optimizer=lbfgs", "method=prompt"]), facts)
    settings = ["regularizers=[{kind: l2sp, decoupled: true}]", "training.optimizer=lbfgs", "method=prompt"]
    with pytest.raises(UsageError, match="regularizer l2sp with decoupled=true cannot act with lbfgs"):
        resolve(read_recipe(None, settings), facts)
    assert any("gradients agem" in reason for reason in resolve(read_recipe(None, ["gradients=agem"]), facts).reasons)
