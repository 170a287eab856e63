"""Which layers of a block are the attention's, by the names of each backbone."""

import pytest

from acclimate.core.errors import UsageError
from acclimate.model.projections import attention_outputs, keys_and_values
from tiny import KINDS, tiny_encoder

_BERT = ("attention.output.dense", ["attention.self.key", "attention.self.value"])
FOUND = {
    "bert": _BERT,
    "roberta": _BERT,
    "electra": _BERT,
    "distilbert": ("attention.out_lin", ["attention.k_lin", "attention.v_lin"]),
    "mpnet": ("attention.attn.o", ["attention.attn.k", "attention.attn.v"]),
    "modernbert": ("attn.Wo", ["attn.Wqkv"]),
    "nomic-bert": ("self_attn.o_proj", ["self_attn.k_proj", "self_attn.v_proj"]),
    "qwen3": ("self_attn.o_proj", ["self_attn.k_proj", "self_attn.v_proj"]),
    "t5": ("layer.0.SelfAttention.o", ["layer.0.SelfAttention.k", "layer.0.SelfAttention.v"]),
    "deberta-v2": ("attention.output.dense", ["attention.self.key_proj", "attention.self.value_proj"]),
}


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"gpt2"}))
def test_the_layers_of_every_backbone(kind: str) -> None:
    encoder = tiny_encoder(kind)
    pairs = zip(encoder.blocks(), attention_outputs(encoder), keys_and_values(encoder), strict=True)
    for (_, block), out, into in pairs:
        names = {id(module): name for name, module in block.named_modules()}
        assert (names[id(out)], [names[id(layer)] for layer in into]) == FOUND[kind]


def test_layers_that_are_not_known_are_told() -> None:
    encoder = tiny_encoder()
    attention = encoder.backbone.encoder.layer[1].attention
    attention.self.schluessel = attention.self._modules.pop("key")
    attention.output.aus = attention.output._modules.pop("dense")
    with pytest.raises(
        UsageError, match=r"block\.1 of a bert model has no .* into its attention .*; take --method lora"
    ):
        keys_and_values(encoder)
    with pytest.raises(UsageError, match=r"block\.1 of a bert model has no .* out of its attention .* pfeiffer"):
        attention_outputs(encoder)
    with pytest.raises(UsageError, match=r"gpt2 model .*; take --method"):
        attention_outputs(tiny_encoder("gpt2"))
