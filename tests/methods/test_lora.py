"""LoRA against its formula."""

import pytest
import torch

from acclimate.core.errors import UsageError
from acclimate.methods import METHODS
from tiny import tiny_encoder


def test_what_merges_into_a_layer_is_the_scaled_product() -> None:
    encoder = tiny_encoder()
    before = encoder.backbone.encoder.layer[1].output.dense.weight.detach().clone()
    method = METHODS.parse({"kind": "lora", "rank": 4, "alpha": 6, "layers": 1})
    groups = method.apply(encoder)
    named = {name: p for group in groups for name, p in group.parameters.items()}
    with torch.no_grad():
        for seed, parameter in enumerate(named.values()):
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed)))
    place = "backbone.encoder.layer.1.output.dense"
    a, b = (named[f"{place}.lora_{part}.default.weight"].detach() for part in "AB")
    assert len(named) == 2 * 6, "the six linear layers of one block"
    method.fold(encoder)
    after = encoder.backbone.encoder.layer[1].output.dense.weight
    torch.testing.assert_close(after, before + 6 / 4 * b @ a)


def test_settings_that_match_nothing_are_errors() -> None:
    with pytest.raises(UsageError, match=r"method\.layers=3, but the base has 2 blocks; take 1 to 2 layers"):
        METHODS.parse({"kind": "lora", "layers": 3}).apply(tiny_encoder())
    with pytest.raises(UsageError, match="no linear layers"):
        METHODS.parse({"kind": "lora"}).apply(tiny_encoder("gpt2"))
