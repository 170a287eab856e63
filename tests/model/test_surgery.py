import pytest
from transformers import AlbertConfig, AlbertModel

from acclimate.core.errors import UsageError
from acclimate.methods import METHODS
from acclimate.model.dense import Dense
from acclimate.model.encoder import Encoder, Tokens
from acclimate.model.pooling import Pooling
from acclimate.model.store import load_encoder
from acclimate.model.surgery import decays, freeze_all, matching, parts
from tiny import KINDS, LAYERS, tiny_encoder, tiny_tokenizer


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_has_one_place(kind):
    encoder = tiny_encoder(kind, dense=[Dense(32, 8, True, "torch.nn.modules.activation.Tanh")])
    found = parts(encoder)
    groups = [found.token_table, found.embeddings, *found.blocks, found.top, found.unused]
    names = [name for group in groups for name in group]
    assert sorted(names) == sorted(name for name, _ in encoder.named_parameters())
    assert len(found.token_table) == 1
    assert len(found.blocks) == LAYERS
    assert "dense.0.linear.weight" in found.top
    assert not found.unused
    # Nothing of the top lies below a block: training it alone leaves no gradient in blocks or embeddings.
    freeze_all(encoder)
    for parameter in found.top.values():
        parameter.requires_grad_(True)
    encoder(Tokens.of(encoder.tokenize(["a cat", "the dog"], None))).sum().backward()
    assert all(parameter.grad is not None for parameter in found.top.values())
    assert all(p.grad is None for group in groups if group is not found.top for p in group.values())


def test_albert_shares_one_layer_and_can_be_trained_whole():
    backbone = AlbertModel(
        AlbertConfig(
            vocab_size=len(tiny_tokenizer()), embedding_size=16, hidden_size=32, num_hidden_layers=2,
            num_attention_heads=4, intermediate_size=64, pad_token_id=0,
        ),
        add_pooling_layer=False,
    )  # fmt: skip
    encoder = Encoder(backbone, tiny_tokenizer(), Pooling(), max_length=32).eval()
    assert set(parts(encoder).tunable) == {name for name, _ in encoder.named_parameters()}
    for method in ("full", "embedding_table"):
        assert METHODS.parse(method).apply(encoder)
    with pytest.raises(UsageError, match="no list of 2 layers"):
        METHODS.parse("last_layers").apply(encoder)


def test_the_pooler_of_bert_is_unused_and_all_else_gets_a_gradient(minilm):
    encoder = load_encoder(minilm)
    found = parts(encoder)
    assert sorted(found.unused) == ["backbone.pooler.dense.bias", "backbone.pooler.dense.weight"]
    encoder(Tokens.of(encoder.tokenize(["a cat", "the dog"], None))).sum().backward()
    with_gradient = {name for name, parameter in encoder.named_parameters() if parameter.grad is not None}
    assert with_gradient == set(found.tunable)


def test_freezing_drops_gradients_too():
    encoder = tiny_encoder()
    encoder(Tokens.of(encoder.tokenize(["a cat"], None))).sum().backward()
    freeze_all(encoder)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_patterns_know_blocks_and_own_names():
    encoder = tiny_encoder()
    by_block = matching(encoder, ["block.1.*"])
    assert set(by_block) == set(parts(encoder).blocks[1])
    assert set(matching(encoder, ["backbone.encoder.layer.1.*"])) == set(by_block)
    biases = matching(encoder, ["*.bias"])
    assert len(biases) == sum(name.endswith(".bias") for name, _ in encoder.named_parameters())
    assert not any(decays(name, parameter) for name, parameter in biases.items())


def test_a_pattern_without_a_match_is_an_error_that_says_what_there_is():
    with pytest.raises(UsageError, match=r"'blcok\.1\.\*' matches no parameter; blocks are block\.0 \.\. block\.1"):
        matching(tiny_encoder(), ["block.0.*", "blcok.1.*"])


def test_norms_and_biases_do_not_decay():
    encoder = tiny_encoder()
    decaying = {name for name, parameter in encoder.named_parameters() if decays(name, parameter)}
    assert not any("LayerNorm" in name or name.endswith("bias") for name in decaying)
    assert len(decaying) == 3 + 6 * LAYERS  # three tables; query, key, value, output and the two of the feed-forward
