"""The parallel adapter against its definition, and the sizes that adapters take."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from acclimate.core.errors import UsageError
from acclimate.methods import METHODS
from acclimate.model.bottleneck import Bottlenecks
from acclimate.model.feed_forward import feed_forwards, fold, widen
from acclimate.model.store import load_encoder, save_encoder
from tiny import tiny_encoder

TEXTS = ["the dog is under the table", "what doctor near school"]


def randomize(parameters: dict[str, torch.nn.Parameter]) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))


def test_it_is_a_bottleneck_beside_the_feed_forward_layer() -> None:
    encoder = tiny_encoder()
    randomize(widen(encoder, 3, 1))
    block = encoder.backbone.encoder.layer[1]
    wide_in, wide_out = block.intermediate.dense, block.output.dense
    states = torch.randn(5, 32, generator=torch.Generator().manual_seed(2))
    bottleneck = F.gelu(states @ wide_in.added.weight.T + wide_in.added.bias) @ wide_out.added.weight.T
    plain = F.linear(F.gelu(wide_in.base(states)), wide_out.base.weight, wide_out.base.bias)
    found = wide_out(block.intermediate(states))
    torch.testing.assert_close(found, plain + bottleneck)
    assert not hasattr(encoder.backbone.encoder.layer[0].output.dense, "added")


def test_the_share_decides_the_bottleneck() -> None:
    for kind in ("bert", "modernbert", "qwen3"):
        encoder = tiny_encoder(kind)
        total = sum(p.numel() for p in encoder.parameters())
        groups = METHODS.parse({"kind": "adapter", "target_share": 0.1}).apply(encoder)
        added = sum(p.numel() for group in groups for p in group.parameters.values())
        one_unit = sum(layer.parameters(1) for layer in feed_forwards(tiny_encoder(kind)))
        assert abs(added - 0.1 * total) <= one_unit / 2


@pytest.mark.parametrize(("placement", "in_a_block"), [("houlsby", 2), ("pfeiffer", 1)])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_share_decides_bottlenecks_behind_the_layers_too(placement: str, in_a_block: int, layers: int) -> None:
    for kind in ("bert", "modernbert", "qwen3"):
        encoder = tiny_encoder(kind)
        total = sum(p.numel() for p in encoder.parameters())
        settings = {"kind": "adapter", "placement": placement, "target_share": 0.1, "layers": layers}
        groups = METHODS.parse(settings).apply(encoder)
        added = sum(p.numel() for group in groups for p in group.parameters.values())
        assert abs(added - 0.1 * total) <= in_a_block * layers * (2 * 32 + 1) / 2


@pytest.mark.parametrize(
    ("settings", "bottleneck", "activation"),
    [
        ({"placement": "houlsby", "bottleneck": 5}, 5, "swish"),
        ({"placement": "pfeiffer", "bottleneck": 5}, 5, "relu"),
        ({"placement": "pfeiffer", "target_share": 1e-6}, 1, "relu"),
        ({"placement": "pfeiffer", "bottleneck": 5, "activation": "gelu"}, 5, "gelu"),
        ({"placement": "houlsby", "compacter": True}, 12, "gelu"),
        ({"placement": "pfeiffer", "compacter": True, "bottleneck": 8, "activation": "relu"}, 8, "relu"),
    ],
)
def test_what_auto_stands_for(settings: dict[str, Any], bottleneck: int, activation: str) -> None:
    encoder = tiny_encoder(config={"hidden_size": 384})
    METHODS.parse({"kind": "adapter", **settings}).apply(encoder)
    (found,) = encoder.extensions
    assert isinstance(found, Bottlenecks)
    assert (found.bottleneck, found.activation, found.layers) == (bottleneck, activation, 2)


def test_auto_stands_for_the_same_on_a_base_that_has_its_bottlenecks_already(tmp_path: Path) -> None:
    method = METHODS.parse({"kind": "adapter", "placement": "houlsby"})
    encoder = tiny_encoder()
    randomize({name: p for group in method.apply(encoder) for name, p in group.parameters.items()})
    save_encoder(encoder, tmp_path / "model")
    again = load_encoder(tmp_path / "model")
    method.apply(again)
    assert (again.encode(TEXTS) == encoder.encode(TEXTS)).all()


def test_blocks_without_an_adapter_are_as_wide_after_folding_and_say_the_same() -> None:
    encoder = tiny_encoder()
    randomize(widen(encoder, 3, 1))
    expected = encoder.encode(TEXTS)
    fold(encoder)
    widths = {block.intermediate.dense.out_features for block in encoder.backbone.encoder.layer}
    assert widths == {67} == {encoder.backbone.config.intermediate_size}
    assert abs(encoder.encode(TEXTS) - expected).max() < 1e-6


def test_settings_that_cannot_act_are_errors() -> None:
    with pytest.raises(ValueError, match="give either bottleneck or target_share"):
        METHODS.parse({"kind": "adapter", "bottleneck": 8, "target_share": 0.1})
    for placement in ("parallel", "houlsby", "pfeiffer"):
        settings = {"kind": "adapter", "placement": placement}
        with pytest.raises(UsageError, match=r"method\.layers=3, but the base has 2 blocks; take 1 to 2 layers"):
            METHODS.parse(settings | {"layers": 3}).apply(tiny_encoder())
        with pytest.raises(UsageError, match=r"gpt2 model .*; take --method"):
            METHODS.parse(settings).apply(tiny_encoder("gpt2"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "relu"}, "has the activation of the layer; take placement houlsby or pfeiffer"),
        ({"compacter": True}, "cannot be parallel; take placement houlsby or pfeiffer"),
        ({"placement": "houlsby", "compacter": True, "target_share": 0.1}, "does not size a compacter; give"),
        ({"placement": "houlsby", "compacter": True, "bottleneck": 6}, "should be a multiple of 4"),
    ],
)
def test_settings_that_only_bottlenecks_behind_layers_have(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        METHODS.parse({"kind": "adapter", **settings})
