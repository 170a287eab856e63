"""What every regularizer promises. A new regularizer needs an entry in SMALLEST, and nothing else, to be held to it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from acclimate.regularizers import REGULARIZERS
from training import Rig, make_rig, weights

SMALLEST: dict[str, dict[str, Any]] = {"l2sp": {"weight": 10.0}, "distill": {"weight": 5.0}}

every_regularizer = pytest.mark.parametrize("kind", list(REGULARIZERS))


def smallest(kind: str, **settings: Any) -> dict[str, Any]:
    return {"kind": kind, **SMALLEST[kind], **settings}


def penalty_now(rig: Rig, kind: str) -> float:
    """What the regularizer says of the weights as they are, on the inputs of step 0."""
    trainer = rig.trainer
    step, _, batch = next(trainer.feed.steps(0))
    with torch.no_grad():
        return trainer.unit(trainer.feed.inputs(batch, step, 0.0, "cpu"))[kind].item()


def test_every_regularizer_is_held_to_the_contract() -> None:
    assert set(SMALLEST) == set(REGULARIZERS), "give the new regularizer its smallest settings here"


@every_regularizer
def test_settings_survive_a_recipe_and_say_what_they_do(kind: str) -> None:
    spec = REGULARIZERS.parse(smallest(kind))
    assert REGULARIZERS.parse(spec.model_dump(mode="json")) == spec
    assert spec.summary


@every_regularizer
def test_zero_right_after_begin(kind: str, tmp_path: Path) -> None:
    assert penalty_now(make_rig(tmp_path, regularizers=[smallest(kind)]), kind) == pytest.approx(0.0, abs=5e-6)


@every_regularizer
def test_positive_once_the_weights_moved(kind: str, tmp_path: Path) -> None:
    rig = make_rig(tmp_path, regularizers=[smallest(kind)], lr=3e-3)
    rig.trainer.train()
    assert penalty_now(rig, kind) > 1e-3
    later = [record["loss"][kind] for record in rig.steps][1:]
    assert all(value > 0 for value in later)
    totals = [(record["loss"]["total"], record["loss"]["infonce"] + record["loss"][kind]) for record in rig.steps]
    assert all(total == pytest.approx(parts, rel=1e-5) for total, parts in totals)


@every_regularizer
def test_a_scalar_whose_gradient_reaches_only_open_parameters(kind: str, tmp_path: Path) -> None:
    rig = make_rig(tmp_path, method="last_layers", regularizers=[smallest(kind)], lr=3e-3, steps=3)
    rig.trainer.train()
    step, _, batch = next(rig.trainer.feed.steps(0))
    rig.trainer.optimizer.zero_grad(set_to_none=True)
    value = rig.trainer.unit(rig.trainer.feed.inputs(batch, step, 0.0, "cpu"))[kind]
    assert value.shape == ()
    assert value.dtype == torch.float32
    value.backward()
    touched = {name for name, p in rig.encoder.named_parameters() if p.grad is not None}
    assert touched
    assert touched <= set(rig.trainer.parameters)


@every_regularizer
def test_it_holds_the_weights_nearer_to_the_base(kind: str, tmp_path: Path) -> None:
    free = make_rig(tmp_path / "free", lr=3e-3, steps=12)
    held = make_rig(tmp_path / "held", regularizers=[smallest(kind, weight=100.0)], lr=3e-3, steps=12)
    meter = make_rig(tmp_path / "meter", regularizers=[smallest(kind, weight=1.0)], lr=3e-3, steps=12)
    penalties = []
    for rig in (free, held):
        rig.trainer.train()
        meter.encoder.load_state_dict(rig.encoder.state_dict())
        penalties.append(penalty_now(meter, kind))
    assert penalties[1] < 0.7 * penalties[0]


@every_regularizer
def test_its_starting_point_survives_a_resume(kind: str, tmp_path: Path) -> None:
    rig = make_rig(tmp_path, regularizers=[smallest(kind)])
    rig.stop_at.add(5)
    rig.trainer.train()
    stopped = penalty_now(rig, kind)
    resumed = make_rig(tmp_path, regularizers=[smallest(kind)])
    assert resumed.restore()
    assert penalty_now(resumed, kind) == stopped > 0


@every_regularizer
@pytest.mark.parametrize("dropout", [False, True])
def test_weight_zero_is_plain_training_bit_for_bit(kind: str, dropout: bool, tmp_path: Path) -> None:
    plain = make_rig(tmp_path / "plain", dropout=dropout)
    zero = make_rig(tmp_path / "zero", regularizers=[smallest(kind, weight=0.0)], dropout=dropout)
    plain.trainer.train()
    zero.trainer.train()
    expected = weights(plain.encoder)
    assert all(torch.equal(weight, expected[name]) for name, weight in weights(zero.encoder).items())


@every_regularizer
def test_it_adds_nothing_to_the_saved_encoder_or_to_what_trains(kind: str, tmp_path: Path) -> None:
    rig = make_rig(tmp_path, regularizers=[smallest(kind)])
    plain = make_rig(tmp_path / "plain")
    assert rig.encoder.state_dict().keys() == plain.encoder.state_dict().keys()
    assert list(rig.trainer.parameters) == list(plain.trainer.parameters)
