"""The rule of spikes on numbers by hand, and in a run."""

import math
from pathlib import Path

import pytest
import torch

from acclimate.engine.spikes import find_spikes, is_spike
from training import make_rig

#: Median 0, MAD 0.5: as many at -0.5 and 0.5 as nearer and further.
SPREAD = [0.0, 0.5, -0.5, 1.0, -1.0] * 5


def test_a_spike_is_more_than_six_deviations_above_the_median() -> None:
    assert is_spike(3.01, SPREAD)
    assert not is_spike(2.99, SPREAD)
    assert not is_spike(-100.0, SPREAD)  # a small gradient is none
    assert is_spike(13.01, [x + 10 for x in SPREAD])
    assert not is_spike(12.99, [x + 10 for x in SPREAD])


def test_where_gradients_are_even_a_spike_is_still_more_than_twice_the_median() -> None:
    assert is_spike(math.log(2) + 0.001, [0.0] * 50)
    assert not is_spike(math.log(2) - 0.001, [0.0] * 50)


def test_a_few_steps_are_no_history() -> None:
    assert not is_spike(100.0, [0.0] * 19)
    assert is_spike(100.0, [0.0] * 20)


def test_a_hundred_steps_are_remembered_of_each_block() -> None:
    history: dict[str, list[float]] = {}
    for step in range(150):
        assert find_spikes(history, {"block.0": math.exp(step / 1000), "block.1": 0.0}) == []
    assert history == {"block.0": [round(step / 1000, 4) for step in range(50, 150)]}


def test_blocks_are_judged_by_their_own_history_and_a_spike_does_not_hide_the_next() -> None:
    history = {"block.0": [0.0] * 30, "block.1": [5.0] * 30}
    for _ in range(3):
        assert find_spikes(history, {"block.0": 10.0, "block.1": 10.0}) == ["block.0"]
    assert find_spikes(history, {"block.1": 1e6, "block.0": 10.0}) == ["block.1", "block.0"]


@pytest.mark.parametrize("block", ["embedding_table", "embeddings", "block.0", "block.1"])
def test_a_planted_gradient_is_named(block: str, tmp_path: Path) -> None:
    rig = make_rig(tmp_path, steps=40, lr=1e-4, evaluate_every=100)
    trainer = rig.trainer

    def plant(gradient: torch.Tensor) -> torch.Tensor:
        return gradient * 1e4 if trainer.progress.step == 31 else gradient

    for name, parameter in trainer.parameters.items():
        if trainer._block_of[name] == block:
            parameter.register_hook(plant)
    trainer.train()
    assert {record["step"]: record["spike"] for record in rig.steps if "spike" in record} == {31: [block]}
