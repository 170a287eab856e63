"""Layer-wise decay of the rate."""

import pytest

from acclimate.methods import METHODS
from acclimate.model.surgery import parts
from tiny import tiny_encoder


def test_each_block_trains_at_the_rate_of_the_one_above_times_the_decay() -> None:
    encoder = tiny_encoder("qwen3")
    groups = METHODS.parse({"kind": "full", "layer_decay": 0.5}).apply(encoder)
    rate = {name: group.lr_scale for group in groups for name in group.parameters}
    found = parts(encoder)
    assert {rate[name] for name in found.top} == {1.0}
    assert {rate[name] for name in found.blocks[1]} == {1.0}
    assert {rate[name] for name in found.blocks[0]} == {0.5}
    assert [rate[name] for name in found.token_table] == pytest.approx([0.1 * 0.25])
    assert set(rate) == set(found.tunable)


def test_embeddings_below_all_blocks_decay_once_more() -> None:
    encoder = tiny_encoder()
    groups = METHODS.parse({"kind": "full", "layer_decay": 0.5}).apply(encoder)
    rate = {name: group.lr_scale for group in groups for name in group.parameters}
    assert {rate[name] for name in parts(encoder).embeddings} == {0.25}
