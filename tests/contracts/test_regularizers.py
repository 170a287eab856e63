"""What every regularizer promises. A new regularizer needs an entry in SMALLEST, and nothing else, to be held to it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from acclimate.regularizers import REGULARIZERS
from training import Rig, make_rig, weights

SMALLEST: dict[str, dict[str, Any]] = {
    "l2sp": {"weight": 10.0},
    "ewc": {"weight": 10.0, "decoupled": False},
    "distill": {"weight": 5.0},
    "domain_adversarial": {"weight": 5.0, "starts_at": 0.0, "texts_a_step": 6},
    "global_orthogonal": {"weight": 5.0},
    "vocabulary_norm": {"weight": 5.0},
    "nearest_token": {"weight": 5.0},
}
#: The run in which a regularizer acts, where that is no plain one.
PROMPT: dict[str, Any] = {"method": {"kind": "prompt", "text": "find the answer to", "length": 6}, "lr": 0.1}
RUN: dict[str, dict[str, Any]] = {"vocabulary_norm": PROMPT, "nearest_token": PROMPT}

every_regularizer = pytest.mark.parametrize("kind", list(REGULARIZERS))


def smallest(kind: str, **settings: Any) -> dict[str, Any]:
    return {"kind": kind, **SMALLEST[kind], **settings}


#: Those that descend on what they say. What compares domains ascends on it.
PULLING = [kind for kind in REGULARIZERS if not REGULARIZERS.parse(smallest(kind)).compares_domains]


def rig_of(kind: str, folder: Path, *, penalty: bool = True, weight: float | None = None, **options: Any) -> Rig:
    """A run in which the regularizer acts, with it or without."""
    chosen = [smallest(kind, **({} if weight is None else {"weight": weight}))] if penalty else []
    return make_rig(folder, regularizers=chosen, **({"lr": 3e-3} | RUN.get(kind, {}) | options))


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
def test_zero_right_after_begin_where_it_says_so(kind: str, tmp_path: Path) -> None:
    found = penalty_now(rig_of(kind, tmp_path), kind)
    if type(REGULARIZERS.parse(smallest(kind)).build()).starts_at_zero:
        assert found == pytest.approx(0.0, abs=5e-6)
    else:
        assert found >= 0.0


@every_regularizer
def test_positive_once_the_weights_moved(kind: str, tmp_path: Path) -> None:
    rig = rig_of(kind, tmp_path)
    rig.trainer.train()
    assert penalty_now(rig, kind) > 1e-3
    later = [record["loss"][kind] for record in rig.steps][1:]
    assert all(value > 0 for value in later)
    totals = [(record["loss"]["total"], record["loss"]["infonce"] + record["loss"][kind]) for record in rig.steps]
    assert all(total == pytest.approx(parts, rel=1e-5) for total, parts in totals)


@every_regularizer
def test_a_scalar_whose_gradient_reaches_only_open_parameters(kind: str, tmp_path: Path) -> None:
    rig = rig_of(kind, tmp_path, **({"steps": 3} | ({} if kind in RUN else {"method": "last_layers"})))
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


@pytest.mark.parametrize("kind", PULLING)
def test_it_holds_the_weights_nearer_to_what_it_pulls_to(kind: str, tmp_path: Path) -> None:
    free = rig_of(kind, tmp_path / "free", penalty=False, steps=12)
    held = rig_of(kind, tmp_path / "held", weight=100.0, steps=12)
    meter = rig_of(kind, tmp_path / "meter", weight=1.0, steps=12)
    penalties = []
    for rig in (free, held):
        rig.trainer.train()
        meter.encoder.load_state_dict(rig.encoder.state_dict())
        penalties.append(penalty_now(meter, kind))
    assert penalties[1] < 0.7 * penalties[0]


@every_regularizer
def test_its_starting_point_survives_a_resume(kind: str, tmp_path: Path) -> None:
    rig = rig_of(kind, tmp_path)
    rig.stop_at.add(5)
    rig.trainer.train()
    stopped = penalty_now(rig, kind)
    resumed = rig_of(kind, tmp_path)
    assert resumed.restore()
    assert penalty_now(resumed, kind) == stopped > 0


@every_regularizer
@pytest.mark.parametrize("dropout", [False, True])
def test_weight_zero_is_plain_training_bit_for_bit(kind: str, dropout: bool, tmp_path: Path) -> None:
    plain = rig_of(kind, tmp_path / "plain", penalty=False, dropout=dropout)
    zero = rig_of(kind, tmp_path / "zero", weight=0.0, dropout=dropout)
    plain.trainer.train()
    zero.trainer.train()
    expected = weights(plain.encoder)
    assert all(torch.equal(weight, expected[name]) for name, weight in weights(zero.encoder).items())


@every_regularizer
def test_it_adds_nothing_to_the_saved_encoder_or_to_what_trains_of_it(kind: str, tmp_path: Path) -> None:
    rig = rig_of(kind, tmp_path)
    plain = rig_of(kind, tmp_path / "plain", penalty=False)
    assert rig.encoder.state_dict().keys() == plain.encoder.state_dict().keys()
    of_encoder = [name for name in rig.trainer.parameters if not name.startswith("regularizers.")]
    assert of_encoder == list(plain.trainer.parameters)
