"""Bottlenecks against their definition, written out, and what a folder, a copy and other methods make of them."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from acclimate.core.errors import UsageError
from acclimate.methods import METHODS
from acclimate.model.bottleneck import Bottlenecks, kronecker_sum
from acclimate.model.encoder import Encoder, Tokens
from acclimate.model.extension import extend
from acclimate.model.feed_forward import feed_forwards
from acclimate.model.store import load_encoder, save_encoder
from acclimate.model.verify import verify
from tiny import KINDS, tiny_encoder
from training import GENERAL, make_rig, weights

TEXTS = GENERAL[:8]
WIDTH, HEADS = 32, 4
VARIANTS: dict[str, dict[str, Any]] = {
    "houlsby": {"placement": "houlsby", "activation": "swish", "compacter": False},
    "pfeiffer": {"placement": "pfeiffer", "activation": "relu", "compacter": False},
    "compacter": {"placement": "houlsby", "activation": "gelu", "compacter": True},
}
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def bottlenecks(variant: str, units: int = 8, layers: int = 2) -> Bottlenecks:
    return Bottlenecks(**VARIANTS[variant], bottleneck=units, layers=layers)


def moved(variant: str, kind: str = "bert", **options: Any) -> Encoder:
    """An encoder whose bottlenecks do something."""
    encoder = tiny_encoder(kind)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in extend(encoder, bottlenecks(variant, **options)).values():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return encoder


def linear(layer: nn.Linear, states: Tensor) -> Tensor:
    return states @ layer.weight.T + layer.bias


def through(adapter: nn.Module | None, states: Tensor, act: Any, matrix: Any) -> Tensor:
    """h + W_up act(W_down h + b) + b, and h where there is no adapter."""
    if adapter is None:
        return states
    inner = act(states @ matrix(adapter.down).T + adapter.down.bias)
    return states + inner @ matrix(adapter.up).T + adapter.up.bias


def bert_block(block: Any, states: Tensor, act: Any, matrix: Any) -> Tensor:
    """One layer of BERT over one text [L, H], adapters before the sums."""
    attention, length = block.attention, len(states)
    query, key, value = (
        linear(getattr(attention.self, name), states).view(length, HEADS, -1).transpose(0, 1)
        for name in ("query", "key", "value")
    )
    seen = (query @ key.transpose(1, 2) / (WIDTH / HEADS) ** 0.5).softmax(-1) @ value
    left = linear(attention.output.dense, seen.transpose(0, 1).reshape(length, WIDTH))
    left = through(getattr(attention.output.dense, "adapter", None), left, act, matrix)
    middle = attention.output.LayerNorm(left + states)
    out = linear(block.output.dense, F.gelu(linear(block.intermediate.dense, middle)))
    out = through(getattr(block.output.dense, "adapter", None), out, act, matrix)
    return block.output.LayerNorm(out + middle)


def kronecker_weight(encoder: Encoder) -> Any:
    rules = encoder.backbone.compacter.weight

    def weight(layer: Any) -> Tensor:
        return sum(torch.kron(a, torch.outer(s, t)) for a, s, t in zip(rules, layer.left, layer.right, strict=True))

    return weight


@every_variant
def test_a_block_says_what_its_definition_says(variant: str) -> None:
    encoder = moved(variant)
    act = {"houlsby": lambda x: x * x.sigmoid(), "pfeiffer": lambda x: x.clamp(min=0), "compacter": F.gelu}[variant]
    matrix = kronecker_weight(encoder) if variant == "compacter" else lambda layer: layer.weight
    ids = torch.tensor(encoder.tokenize([TEXTS[0]], None))
    with torch.no_grad():
        found = encoder.backbone(ids, output_hidden_states=True).hidden_states
        for number, (_, block) in enumerate(encoder.blocks()):
            expected = bert_block(block, found[number][0], act, matrix)
            torch.testing.assert_close(found[number + 1][0], expected, atol=1e-5, rtol=1e-5)
    plain = tiny_encoder().backbone(ids).last_hidden_state
    assert (found[-1] - plain).abs().max() > 0.1
    in_attention = [hasattr(block.attention.output.dense, "adapter") for _, block in encoder.blocks()]
    assert in_attention == [variant != "pfeiffer"] * 2


def test_a_sum_of_kronecker_products_is_that_of_torch() -> None:
    left, right = torch.randn(4, 3, 5), torch.randn(4, 2, 6)
    expected = sum(torch.kron(a, b) for a, b in zip(left, right, strict=True))
    torch.testing.assert_close(kronecker_sum(left, right), expected)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", ["bert", "qwen3"])
def test_the_weights_are_as_many_as_the_formulas_say(kind: str, layers: int) -> None:
    d, r, n = WIDTH, 8, 4
    expected = {
        "houlsby": layers * 2 * (2 * d * r + d + r),
        "pfeiffer": layers * (2 * d * r + d + r),
        "compacter": layers * 2 * (2 * (d + r) + d + r) + n**3,
    }
    for variant, count in expected.items():
        added = extend(tiny_encoder(kind), bottlenecks(variant, r, layers))
        assert sum(parameter.numel() for parameter in added.values()) == count


@every_variant
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"gpt2"}))
def test_every_backbone_says_the_same_at_first_and_something_else_when_they_move(variant: str, kind: str) -> None:
    encoder = tiny_encoder(kind)
    before, names = encoder.encode(TEXTS), set(weights(encoder))
    added = extend(encoder, bottlenecks(variant))
    assert (encoder.encode(TEXTS) == before).all()
    assert set(weights(encoder)) == names | set(added), "what was there keeps its name"
    assert abs(moved(variant, kind).encode(TEXTS) - before).max() > 1e-3


def test_a_bottleneck_as_wide_as_the_feed_forward_layer_is_not_taken_for_it() -> None:
    encoder = tiny_encoder()
    before = feed_forwards(encoder)
    extend(encoder, bottlenecks("houlsby", units=64))
    assert feed_forwards(encoder) == before


@every_variant
def test_training_leaves_the_base_bit_equal_and_keeps_its_frozen_blocks(variant: str, tmp_path: Path) -> None:
    method = METHODS.parse({"kind": "adapter", **VARIANTS[variant], "bottleneck": 8, "layers": 1})
    base = weights(tiny_encoder())
    torch.manual_seed(3)
    rig = make_rig(tmp_path, method=method, steps=12, cache=True)
    rig.trainer.train()
    after = weights(rig.encoder)
    assert all(torch.equal(after[name], weight) for name, weight in base.items())
    assert rig.depths == [1], "the block without a bottleneck is computed once"
    torch.manual_seed(3)
    plain = make_rig(tmp_path / "plain", method=method, steps=12)
    plain.trainer.train()
    assert abs(plain.encoder.encode(TEXTS) - rig.encoder.encode(TEXTS)).max() < 1e-5


@every_variant
def test_padded_and_packed_texts_say_the_same(variant: str) -> None:
    encoder = moved(variant)
    assert encoder.packs
    tokens = Tokens.of(encoder.tokenize(TEXTS, None), 0)
    with torch.no_grad():
        packed = encoder(tokens)
        encoder._packs = False
        torch.testing.assert_close(encoder(tokens), packed, atol=1e-5, rtol=0)


@every_variant
def test_a_copy_stands_for_itself(variant: str) -> None:
    encoder = moved(variant)
    before = encoder.encode(TEXTS)
    other = copy.deepcopy(encoder)
    with torch.no_grad():
        for parameter in bottlenecks(variant).parameters(other).values():
            parameter.zero_()
    assert (encoder.encode(TEXTS) == before).all()
    assert (other.encode(TEXTS) == tiny_encoder().encode(TEXTS)).all()


def test_fresh_readers_give_the_vectors_or_refuse_the_folder(tmp_path: Path) -> None:
    encoder = moved("compacter")
    save_encoder(encoder, tmp_path / "model")
    report = verify(tmp_path / "model", encoder)
    assert report.passed
    assert report.refused == ("sentence_transformers",)
    assert {comparison.reader for comparison in report.comparisons} == {"acclimate"}


@every_variant
def test_a_folder_with_bottlenecks_trains_on(variant: str, tmp_path: Path) -> None:
    save_encoder(moved(variant), tmp_path / "model")
    encoder = load_encoder(tmp_path / "model")
    before = encoder.encode(TEXTS)
    added = extend(encoder, bottlenecks(variant))
    assert (encoder.encode(TEXTS) == before).all()
    for kind in ("full", "last_layers", "bitfit"):
        METHODS.parse(kind).apply(encoder)
        assert any(parameter.requires_grad for parameter in added.values())
    with pytest.raises(UsageError, match=r"the base has a bottleneck of its own with placement=.*; train that one"):
        extend(encoder, bottlenecks(variant, units=4))


@pytest.mark.parametrize("kind", ["lora", "ia3", "adapter"])
def test_what_folds_into_the_layers_refuses_a_base_with_bottlenecks(kind: str) -> None:
    with pytest.raises(UsageError, match=r"the base has bottlenecks of its own behind layers .*; take --method full"):
        METHODS.parse(kind).apply(moved("pfeiffer"))


def test_a_width_that_a_compacter_cannot_divide_is_told() -> None:
    encoder = tiny_encoder(config={"hidden_size": 30, "num_attention_heads": 2})
    with pytest.raises(UsageError, match=r"a compacter needs a multiple of 4 .* this base has 30; take it without"):
        extend(encoder, bottlenecks("compacter"))
