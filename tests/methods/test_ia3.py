"""(IA)^3 against its definition, and its files in the hands of peft."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from acclimate.core.errors import UsageError
from acclimate.methods import METHODS
from acclimate.model.encoder import Encoder
from tiny import tiny_backbone, tiny_encoder

TEXTS = ["the dog is under the table", "what doctor near school"]


def applied(layers: Any = "all", **config: Any) -> tuple[Encoder, dict[str, torch.nn.Parameter]]:
    """An encoder with gains that do something, and the gains by name."""
    encoder = tiny_encoder(config=config)
    (group,) = METHODS.parse({"kind": "ia3", "layers": layers}).apply(encoder)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in group.parameters.values():
            assert (parameter == 1).all()
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=generator))
    return encoder, dict(group.parameters)


def test_gains_are_on_what_leaves_keys_and_values_and_on_what_enters_the_last_layer() -> None:
    base = tiny_encoder().backbone.encoder.layer[1]
    encoder, gains = applied(layers=1)
    block = encoder.backbone.encoder.layer[1]
    places = ("attention.self.key", "attention.self.value", "output.dense")
    assert set(gains) == {f"backbone.encoder.layer.1.{place}.ia3_l.default" for place in places}
    assert sum(gain.numel() for gain in gains.values()) == 32 + 32 + 64
    states, hidden = torch.randn(5, 32), torch.randn(5, 64)
    for name in ("key", "value"):
        gain = gains[f"backbone.encoder.layer.1.attention.self.{name}.ia3_l.default"].flatten()
        expected = gain * getattr(base.attention.self, name)(states)
        torch.testing.assert_close(getattr(block.attention.self, name)(states), expected)
    gain = gains["backbone.encoder.layer.1.output.dense.ia3_l.default"].flatten()
    expected = F.linear(gain * hidden, base.output.dense.weight, base.output.dense.bias)
    torch.testing.assert_close(block.output.dense(hidden), expected)


def test_merging_is_a_gain_on_rows_and_bias_or_on_columns() -> None:
    base = tiny_encoder().backbone.encoder.layer[1]
    encoder, gains = applied(layers=1)
    expected = encoder.encode(TEXTS)
    rows, columns = (
        gains[f"backbone.encoder.layer.1.{place}.ia3_l.default"].detach().flatten()
        for place in ("attention.self.value", "output.dense")
    )
    METHODS.parse({"kind": "ia3", "layers": 1}).fold(encoder)
    block = encoder.backbone.encoder.layer[1]
    torch.testing.assert_close(block.attention.self.value.weight, rows[:, None] * base.attention.self.value.weight)
    torch.testing.assert_close(block.attention.self.value.bias, rows * base.attention.self.value.bias)
    torch.testing.assert_close(block.output.dense.weight, base.output.dense.weight * columns)
    torch.testing.assert_close(block.output.dense.bias, base.output.dense.bias)
    assert abs(encoder.encode(TEXTS) - expected).max() < 1e-5


@pytest.mark.parametrize("blocks", [2, 8])
def test_peft_reads_the_files_of_shallow_and_of_deep_models(blocks: int, tmp_path: Path) -> None:
    from peft import PeftModel

    encoder, gains = applied(num_hidden_layers=blocks)
    method = METHODS.parse("ia3")
    method.write_tensors({name: gain.detach() for name, gain in gains.items()}, tmp_path, encoder, "a base")
    assert {name: tensor.tolist() for name, tensor in method.read_tensors(tmp_path).items()} == {
        name: gain.tolist() for name, gain in gains.items()
    }
    theirs = PeftModel.from_pretrained(tiny_backbone(num_hidden_layers=blocks), tmp_path)
    ids = torch.tensor(encoder.tokenize(TEXTS[:1], None))
    with torch.no_grad():
        expected = encoder.backbone(ids).last_hidden_state
        torch.testing.assert_close(theirs(ids).last_hidden_state, expected, atol=1e-5, rtol=1e-5)


def test_settings_that_match_nothing_are_errors() -> None:
    with pytest.raises(UsageError, match=r"method\.layers=3, but the base has 2 blocks; take 1 to 2 layers"):
        METHODS.parse({"kind": "ia3", "layers": 3}).apply(tiny_encoder())
    with pytest.raises(UsageError, match=r"gpt2 model .*; take --method"):
        METHODS.parse("ia3").apply(tiny_encoder("gpt2"))
