import numpy as np
import pytest
import torch

from acclimate.core.errors import UsageError
from acclimate.model.encoder import Encoder, Tokens
from acclimate.model.pooling import POOLING_MODES, Pooling
from acclimate.model.store import load_encoder
from tiny import KINDS, LAYERS, WIDTH, tiny_encoder

TEXTS = [
    "a cat",
    "the patient has a chronic fever and pain in the muscle of the upper back, without any loss of skin",
    "software",
    "量子计算机利用叠加态",
    "open the window of the old house near the river, then close the door and go back to the street " * 3,
    "",
    "word " * 200,
    "law and order",
]


def tokens_of(encoder: Encoder, texts: list[str], role: str | None = None) -> Tokens:
    return Tokens.of(encoder.tokenize(texts, role), encoder.prompt_length(role))


def plain_forward(encoder: Encoder, tokens: Tokens) -> torch.Tensor:
    """All texts in one padded rectangle through the backbone, mean-pooled by hand."""
    rows = tokens.ids.split(tokens.lengths.tolist())
    ids = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=encoder.tokenizer.pad_token_id)
    mask = torch.arange(ids.shape[1]) < tokens.lengths[:, None]
    states = encoder.backbone(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    means = torch.stack([row[:length].mean(dim=0) for row, length in zip(states, tokens.lengths, strict=True)])
    return means / means.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("kind", KINDS)
def test_packing_or_buckets_give_the_vectors_and_gradients_of_one_padded_batch(kind):
    encoder = tiny_encoder(kind)
    tokens = tokens_of(encoder, TEXTS)
    target = torch.randn(len(TEXTS), WIDTH, generator=torch.Generator().manual_seed(1))
    results = []
    for run in (encoder, lambda tokens: plain_forward(encoder, tokens)):
        encoder.zero_grad()
        vectors = run(tokens)
        (vectors * target).sum().backward()
        results.append(
            (vectors.detach(), {n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None})
        )
    (ours, our_gradients), (plain, plain_gradients) = results
    torch.testing.assert_close(ours, plain, atol=1e-5, rtol=0)
    assert our_gradients.keys() == plain_gradients.keys()
    for name, gradient in our_gradients.items():
        torch.testing.assert_close(gradient, plain_gradients[name], atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_what_attends_through_the_interface_is_packed_and_nothing_else(kind):
    assert tiny_encoder(kind).packs == (kind not in ("mpnet", "deberta-v2", "t5"))


def test_a_backbone_that_mixes_packed_texts_is_padded():
    """A convolution over neighboring tokens reaches into the text before: no interface tells of it."""
    encoder, mixing = tiny_encoder(), tiny_encoder()
    plain = type(mixing.backbone.embeddings).forward

    def neighbors(*args: object, **inputs: object) -> torch.Tensor:
        states = plain(mixing.backbone.embeddings, *args, **inputs)
        return states + states.roll(1, dims=1) * (torch.arange(states.shape[1])[:, None] > 0)

    mixing.backbone.embeddings.forward = neighbors
    assert encoder.packs
    assert not mixing.packs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", POOLING_MODES)
def test_a_text_has_the_same_vector_alone_and_in_company(kind, mode):
    encoder = tiny_encoder(kind, pooling=Pooling((mode,)))
    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    backwards = encoder.encode(TEXTS[::-1])
    np.testing.assert_allclose(together, backwards[::-1], atol=1e-5)


def test_vectors_have_length_one_and_no_text_is_not_a_number(tiny_model):
    encoder = load_encoder(tiny_model)
    vectors = encoder.encode([*TEXTS, "   ", "\x00", "🚀"])
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS) + 3, encoder.dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_text_without_any_token_is_the_zero_vector_and_harms_no_gradient():
    encoder = tiny_encoder()
    tokens = Tokens.of([[], *encoder.tokenize(["a cat", "a dog"], None)])
    vectors = encoder(tokens)
    assert vectors[0].tolist() == [0.0] * WIDTH
    (vectors @ vectors.T).sum().backward()
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None)


def test_no_texts_give_no_vectors(tiny_model):
    encoder = load_encoder(tiny_model)
    assert encoder.encode([]).shape == (0, WIDTH)
    assert encoder(Tokens.of([])).shape == (0, WIDTH)


def test_encode_leaves_mode_and_gradients_alone_and_drops_nothing(tiny_model):
    encoder = load_encoder(tiny_model).train()
    first, second = encoder.encode(TEXTS), encoder.encode(TEXTS)
    np.testing.assert_array_equal(first, second)  # dropout is off
    assert encoder.training
    assert all(parameter.grad is None for parameter in encoder.parameters())


def test_texts_that_are_the_same_are_read_once(tiny_model):
    encoder = load_encoder(tiny_model)
    encoder.encode(["the first time tries packing"])
    read = []
    encoder.backbone.register_forward_pre_hook(
        lambda _, args, kwargs: read.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    some = encoder.encode(["a cat", "software"])
    once, read[:] = sum(read), []
    repeated = encoder.encode(["software", "a cat", "software", "software", "a cat"])
    assert sum(read) == once
    np.testing.assert_allclose(repeated, some[[1, 0, 1, 1, 0]], atol=1e-6)


def test_encode_tells_its_progress(tiny_model):
    told: list[tuple[int, int]] = []
    load_encoder(tiny_model).encode(["a cat"] * 5000, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (5000, 5000)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_bf16_is_close_and_still_float32(minilm):
    encoder = load_encoder(minilm)
    exact, rounded = encoder.encode(TEXTS), encoder.encode(TEXTS, precision="bf16")
    assert rounded.dtype == np.float32
    assert (exact * rounded).sum(axis=1).min() > 0.999
    np.testing.assert_allclose(np.linalg.norm(rounded, axis=1), 1, atol=1e-6)


def test_bf16_training_gradients_point_where_fp32_gradients_do(minilm):
    encoder = load_encoder(minilm)
    tokens = tokens_of(encoder, TEXTS)
    gradients = []
    for enabled in (False, True):
        encoder.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            vectors = encoder(tokens)
            loss = (vectors @ vectors.T).square().sum()
        loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in encoder.parameters() if p.grad is not None]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


def test_roles_take_their_prompts():
    prompts = {"query": "q: ", "passage": "p: ", "topic": "t: "}
    encoder = tiny_encoder(prompts=prompts, default_prompt_name="topic")
    assert [encoder.prompt(role) for role in ("query", "document", "topic", None)] == ["q: ", "p: ", "t: ", "t: "]
    plain = tiny_encoder()
    assert encoder.tokenize(["cat"], "query") == plain.tokenize(["q: cat"], None)
    with pytest.raises(UsageError, match=r"no prompt for role 'passages'.*use one of document, passage, query, topic"):
        encoder.prompt("passages")


def test_texts_are_cut_special_tokens_included(tiny_model):
    encoder = load_encoder(tiny_model)
    encoder.max_length = 10
    ids = encoder.tokenize(["word " * 50, "cat"], None)
    assert len(ids[0]) == 10
    assert ids[0][-1] == ids[1][-1] == encoder.tokenizer.sep_token_id
    encoder.max_length = 20
    assert len(encoder.tokenize(["word " * 50], None)[0]) == 20


@pytest.mark.parametrize("value", [0, 2, 129])
def test_a_max_length_that_cannot_act_is_refused(tiny_model, value):
    encoder = load_encoder(tiny_model)
    with pytest.raises(UsageError, match=f"max_length {value}"):
        encoder.max_length = value


def test_roberta_has_fewer_positions_than_rows():
    encoder = tiny_encoder("roberta", max_length=128)
    assert np.isfinite(encoder.encode(["word " * 500])).all()
    with pytest.raises(UsageError, match="use at most 128"):
        encoder.max_length = 129


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_come_bottom_up_and_hold_what_the_layers_hold(kind):
    encoder = tiny_encoder(kind)
    encoder.encode(["a cat"])  # the first pass also tries whether the backbone can be packed
    names, modules = zip(*encoder.blocks(), strict=True)
    assert names == tuple(f"block.{index}" for index in range(LAYERS))
    # Changing the top block changes the vectors; the lower block's output does not depend on it.
    seen: list[torch.Tensor] = []
    modules[0].register_forward_hook(lambda *call: seen.append(call[2][0] if isinstance(call[2], tuple) else call[2]))
    before = encoder.encode(["a cat"])
    with torch.no_grad():
        for parameter in modules[-1].parameters():
            parameter.mul_(1.5)
    after = encoder.encode(["a cat"])
    assert torch.equal(seen[0], seen[1])
    assert not np.allclose(before, after)
    assert encoder.token_embedding().weight.shape[0] == len(encoder.tokenizer)


def test_twenty_thousand_texts_are_tokenized_in_seconds(minilm):
    import time

    encoder = load_encoder(minilm)
    texts = [f"text number {index} about the absence of pain and the onset of fever" for index in range(20_000)]
    start = time.process_time()
    encoder.tokenize(texts, "query")
    assert time.process_time() - start < 10
