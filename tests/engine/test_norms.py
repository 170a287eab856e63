"""Gradient norms against NumPy, and where the clip acts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from acclimate.engine import loop
from acclimate.engine.norms import (
    block_of_parameters,
    gradient_norms,
    scale_gradients,
    update_ratios,
)
from tiny import KINDS, tiny_encoder
from training import make_rig, weights


def with_gradients(kind: str = "bert") -> dict[str, torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    parameters = dict(tiny_encoder(kind).named_parameters())
    for p in parameters.values():
        p.grad = torch.randn(p.shape, generator=generator)
    return parameters


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_parameter_belongs_to_a_block_and_norms_are_numpys(kind: str) -> None:
    parameters = with_gradients(kind)
    block_of = block_of_parameters(tiny_encoder(kind))
    norm, by_block = gradient_norms(parameters, block_of)
    assert set(block_of) == set(parameters)
    assert {"embedding_table", "block.0", "block.1"} <= set(by_block)
    for block, value in by_block.items():
        flat = [p.grad.double().numpy().ravel() for n, p in parameters.items() if block_of[n] == block]
        assert value == pytest.approx(np.linalg.norm(np.concatenate(flat)), rel=1e-6)
    everything = np.concatenate([p.grad.double().numpy().ravel() for p in parameters.values()])
    assert norm == pytest.approx(np.linalg.norm(everything), rel=1e-6)


def test_a_gradient_gone_wild_is_found_in_its_block() -> None:
    parameters = with_gradients()
    name = next(n for n in parameters if "layer.1" in n and n.endswith("weight"))
    _, before = gradient_norms(parameters, block_of_parameters(tiny_encoder()))
    parameters[name].grad *= 1e4
    _, after = gradient_norms(parameters, block_of_parameters(tiny_encoder()))
    assert after["block.1"] > 100 * before["block.1"]
    assert {block for block in before if after[block] != before[block]} == {"block.1"}


def test_parameters_without_gradient_have_no_norm() -> None:
    parameters = with_gradients()
    block_of = block_of_parameters(tiny_encoder())
    for name, p in parameters.items():
        p.grad = None if block_of[name] == "block.0" else p.grad
    _, by_block = gradient_norms(parameters, block_of)
    assert "block.0" not in by_block
    assert gradient_norms({}, block_of) == (0.0, {})


def test_a_name_outside_of_the_encoder_is_a_head_of_an_objective() -> None:
    head = torch.nn.Parameter(torch.ones(2))
    head.grad = torch.tensor([3.0, 4.0])
    assert gradient_norms({"objectives.x.head": head}, {}) == (5.0, {"objective": 5.0})


def test_scaling_by_one_changes_no_bit_and_none_stays_none() -> None:
    parameters = with_gradients()
    first, *rest = parameters.values()
    first.grad = None
    copies = [p.grad.clone() for p in rest]
    scale_gradients(list(parameters.values()), 1.0)
    assert all(torch.equal(p.grad, copy) for p, copy in zip(rest, copies, strict=True))
    scale_gradients(list(parameters.values()), 0.5)
    assert first.grad is None
    assert all(torch.equal(p.grad, copy * 0.5) for p, copy in zip(rest, copies, strict=True))


def test_the_clip_bounds_the_gradient_and_the_record_shows_it_before_the_clip(tmp_path: Path) -> None:
    free = make_rig(tmp_path / "free", steps=1, clip_norm=1e9)
    clipped = make_rig(tmp_path / "clipped", steps=1, clip_norm=0.01)
    for rig in (free, clipped):
        rig.trainer.train()
    record = clipped.steps[0]
    assert record["grad_norm"] == free.steps[0]["grad_norm"] > 0.01
    assert record["grad_norm_by_block"] == free.steps[0]["grad_norm_by_block"]
    norm = gradient_norms(clipped.trainer.parameters, {})[0]
    assert norm == pytest.approx(0.01, rel=1e-3)
    assert sum(v**2 for v in record["grad_norm_by_block"].values()) == pytest.approx(record["grad_norm"] ** 2)
    for name, p in free.trainer.parameters.items():  # the direction stays: one factor for all
        torch.testing.assert_close(clipped.trainer.parameters[name].grad, p.grad * (0.01 / record["grad_norm"]))


# -- how far a step moves the weights --------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1e-4, 1e-1])
def test_update_ratios_are_numpys(rate: float, tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=1, warmup_steps=0, lr=rate)
    before, block_of = weights(rig.encoder), block_of_parameters(rig.encoder)
    rig.trainer.train()
    after = weights(rig.encoder)

    def norm(block: str, moved: bool) -> float:
        named = {name: before[name].double().numpy() for name in rig.trainer.parameters if block_of[name] == block}
        flat = [(after[n].double().numpy() - w if moved else w).ravel() for n, w in named.items()]
        return float(np.linalg.norm(np.concatenate(flat)))

    ratios = rig.steps[0]["update_ratio_by_block"]
    assert list(ratios) == ["embedding_table", "embeddings", "block.0", "block.1"]
    for block, ratio in ratios.items():
        assert ratio == pytest.approx(norm(block, True) / norm(block, False), rel=1e-4)


def test_blocks_come_in_the_order_of_the_forward_pass_and_weights_of_0_have_no_ratio() -> None:
    names = ["objective", "top", "block.10", "block.2", "embeddings", "embedding_table"]
    parameters = {name: torch.nn.Parameter(torch.ones(2)) for name in names}
    for p in parameters.values():
        p.grad = torch.ones(2)
    norms = gradient_norms(parameters, dict(zip(names, names, strict=True)))[1]
    assert list(norms) == ["embedding_table", "embeddings", "block.2", "block.10", "top", "objective"]
    moves = {"a": (torch.tensor(0.0), torch.tensor(1.0)), "b": (torch.tensor(4.0), torch.tensor(1.0))}
    assert update_ratios(moves, {"a": "top"}) == {"objective": 0.25}
    assert update_ratios({}, {}) == {}


def test_the_record_tells_the_ratio_of_what_trains_every_twentieth_step(tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=22, method="embedding_and_last", evaluate_every=100)
    rig.stop_at.update({20, 21})
    rig.trainer.train()
    before = weights(rig.encoder)
    rig.trainer.train()
    assert [r["step"] for r in rig.steps if "update_ratio_by_block" in r] == [0, 20]
    ratios = rig.steps[20]["update_ratio_by_block"]
    assert ratios.keys() == rig.steps[20]["grad_norm_by_block"].keys() == {"embedding_table", "block.1"}
    table, (start,) = rig.encoder.token_embedding().weight, [w for n, w in before.items() if "word_embeddings" in n]
    assert ratios["embedding_table"] == pytest.approx(float((table - start).detach().norm() / start.norm()), rel=1e-4)


def test_monitoring_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_RATIOS_EVERY", 1)
    watched, plain = (make_rig(tmp_path / n, steps=30, dropout=True, regularizers=["l2sp"]) for n in ("a", "b"))
    watched.trainer.train()
    step = plain.trainer.optimizer.step
    monkeypatch.setattr(plain.trainer.optimizer, "step", lambda closure, moves: step(closure))
    monkeypatch.setattr(loop, "find_spikes", lambda history, norms, of: [])
    plain.trainer.train()
    assert all("update_ratio_by_block" in record for record in watched.steps)
    assert not any("update_ratio_by_block" in record for record in plain.steps)
    assert [record["loss"] for record in watched.steps] == [record["loss"] for record in plain.steps]
    first, second = weights(watched.encoder), weights(plain.encoder)
    assert all(torch.equal(first[name], second[name]) for name in first)
