"""What is hidden and what is left, what a decoder can see, and that both losses fall, on tiny random models."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from acclimate.adaptations import ADAPTATIONS
from acclimate.adaptations.base import Pretext, TokenHead
from acclimate.adaptations.mlm import masked
from acclimate.adaptations.tsdae import Denoising, left_of, only, tied_decoder
from acclimate.core.errors import UsageError
from acclimate.model.encoder import Encoder
from acclimate.model.tokens import Tokens
from acclimate.runs.training import cut_at
from tiny import KINDS, tiny_encoder
from training import GENERAL

DECODERS = ("bert", "roberta", "electra", "gpt2")
every_adaptation = pytest.mark.parametrize("kind", list(ADAPTATIONS))


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def some_texts(encoder: Encoder, count: int = 16) -> tuple[Tokens, Tensor]:
    """The tokens of some texts of several lengths, and which are not special."""
    texts = [f"{text} {'and more ' * (n % 3)}" for n, text in enumerate(GENERAL[:count])]
    tokens = Tokens.of(encoder.tokenize(texts, "document"))
    return tokens, ~torch.isin(tokens.ids, torch.tensor(encoder.tokenizer.all_special_ids))


def pretext_of(kind: str, encoder: Encoder, tokens: Tokens, **settings: Any) -> Pretext:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ADAPTATIONS.parse({"kind": kind, **settings}).build(encoder, tokens.ids.unique()).eval()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_of_each_text_the_share_is_deleted_but_never_all(share: float) -> None:
    lengths = torch.arange(3, 30)  # two special tokens each
    movable = torch.ones(int(lengths.sum()), dtype=torch.bool)
    ends = lengths.cumsum(0)
    movable[ends - 1] = movable[ends - lengths] = False
    left = left_of(lengths, movable, share, seeded())
    sizes = lengths.tolist()
    for length, part, may_go in zip(sizes, left.split(sizes), movable.split(sizes), strict=True):
        assert part[~may_go].all()
        assert part[may_go].sum() == max(1, (length - 2) - round(share * (length - 2)))


def test_every_token_is_deleted_as_often_as_any_other() -> None:
    lengths, movable = torch.tensor([10]), torch.ones(10, dtype=torch.bool)
    kept = torch.stack([left_of(lengths, movable, 0.6, seeded(n)) for n in range(3000)]).float().mean(0)
    torch.testing.assert_close(kept, torch.full((10,), 0.4), atol=0.04, rtol=0)


def test_what_is_left_keeps_its_order_and_its_text() -> None:
    tokens = Tokens(torch.arange(7), torch.tensor([4, 3]), torch.zeros(2, dtype=torch.long))
    rest = only(tokens, torch.tensor([True, False, True, True, False, False, True]))
    assert rest.ids.tolist() == [0, 2, 3, 6]
    assert rest.lengths.tolist() == [3, 1]


def test_a_share_of_tokens_is_hidden_replaced_or_left_as_the_paper_says() -> None:
    count, mask, others = 200_000, 1, torch.arange(10, 1000)
    ids = torch.full((count,), 5)
    movable = torch.arange(count) % 4 > 0
    seen, chosen = masked(ids, movable, 0.15, mask, others, seeded())
    assert not chosen[~movable].any()
    assert torch.equal(seen[~chosen], ids[~chosen])
    assert chosen[movable].float().mean() == pytest.approx(0.15, abs=0.004)
    became = seen[chosen]
    assert (became == mask).float().mean() == pytest.approx(0.8, abs=0.01)
    assert (became == 5).float().mean() == pytest.approx(0.1, abs=0.01)
    replaced = became[(became != mask) & (became != 5)]
    assert replaced.min() >= 10
    assert len(replaced.unique()) > 800  # of 990, in 2,250 draws


def test_one_token_is_asked_for_at_least() -> None:
    movable = torch.tensor([False, True, True, False])
    for number in range(20):
        _, chosen = masked(torch.arange(4), movable, 1e-9, 9, torch.arange(2), seeded(number))
        assert chosen.sum() == 1
        assert movable[chosen].all()


def test_the_head_is_cross_entropy_over_the_tokens_that_occur() -> None:
    table, used = torch.nn.Embedding(50, 8), torch.tensor([3, 7, 20, 41])
    head = TokenHead(6, table, used)
    states, tokens = torch.randn(5, 6, generator=seeded()), torch.tensor([41, 3, 3, 20, 7])
    logits = head.layer(states) @ table.weight[used].T + head.bias
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([3, 0, 0, 2, 1]))
    torch.testing.assert_close(head(states, table, tokens), expected)


@every_adaptation
@pytest.mark.parametrize("model", ["bert", "roberta", "electra"])
def test_the_loss_falls(kind: str, model: str) -> None:
    encoder = tiny_encoder(model)
    tokens, movable = some_texts(encoder)
    pretext = pretext_of(kind, encoder, tokens)
    optimizer = torch.optim.Adam(pretext.parameters(), lr=3e-3)
    losses = []
    for number in range(40):
        loss = pretext(tokens, movable, seeded(number))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


@every_adaptation
def test_the_same_generator_gives_the_same_loss(kind: str) -> None:
    encoder = tiny_encoder()
    tokens, movable = some_texts(encoder)
    pretext = pretext_of(kind, encoder, tokens)
    with torch.no_grad():
        once, again, other = (pretext(tokens, movable, seeded(number)).item() for number in (1, 1, 2))
    assert once == again != other


@pytest.fixture(params=DECODERS)
def denoising(request: pytest.FixtureRequest) -> Iterator[tuple[Denoising, Tokens]]:
    encoder = tiny_encoder(request.param)
    tokens, _ = some_texts(encoder, 3)
    pretext = pretext_of("tsdae", encoder, tokens)
    assert isinstance(pretext, Denoising)
    with torch.no_grad():  # attention to the vector starts small, and would hide in rounding
        for name, parameter in pretext.decoder.named_parameters():
            if "crossattention" in name and parameter.ndim > 1:
                parameter.normal_(std=0.5, generator=seeded())
        yield pretext, tokens


def test_the_decoder_sees_the_vector_and_what_stands_before(denoising: tuple[Denoising, Tokens]) -> None:
    pretext, tokens = denoising
    vectors = pretext.encoder(tokens)
    states, following = pretext.told(vectors, tokens)
    first = int(tokens.lengths[0])
    assert torch.equal(following[: first - 1], tokens.ids[1:first])
    # Another last token but one: no state before it knows.
    changed = tokens.ids.clone()
    changed[first - 2] = tokens.ids[2]
    assert changed[first - 2] != tokens.ids[first - 2]
    other, _ = pretext.told(vectors, Tokens(changed, tokens.lengths, tokens.prompt_lengths))
    torch.testing.assert_close(other[: first - 2], states[: first - 2], rtol=0, atol=1e-5)
    assert (other[first - 2] - states[first - 2]).abs().max() > 1e-3
    # Another vector of the first text: all of its states change, and no other text's.
    elsewhere = vectors.clone()
    elsewhere[0] = -vectors[0]
    moved = (pretext.told(elsewhere, tokens)[0] - states).abs().amax(1)
    assert (moved[: first - 1] > 1e-3).all()
    assert moved[first - 1 :].max() < 1e-5


def test_what_was_left_acts_through_the_vector_alone(denoising: tuple[Denoising, Tokens]) -> None:
    pretext, tokens = denoising
    movable = torch.ones(len(tokens.ids), dtype=torch.bool)
    vectors = [pretext.encoder(only(tokens, left_of(tokens.lengths, movable, 0.6, seeded(n)))) for n in (1, 2)]
    assert (vectors[0] - vectors[1]).abs().max() > 1e-3
    states = pretext.told(vectors[0], tokens)[0]
    assert torch.equal(pretext.told(vectors[0].clone(), tokens)[0], states)  # nothing else is handed on
    assert (pretext.told(vectors[1], tokens)[0] - states).abs().max() > 1e-4


@pytest.mark.parametrize("model", DECODERS)
def test_the_decoder_has_the_encoders_own_weights(model: str) -> None:
    encoder = tiny_encoder(model)
    decoder = dict(tied_decoder(encoder.backbone).named_parameters())
    assert all(decoder[name] is parameter for name, parameter in encoder.backbone.named_parameters())
    new = [name for name in decoder if name not in dict(encoder.backbone.named_parameters())]
    assert new
    assert not any("crossattention" not in name and "pooler" not in name for name in new if model != "gpt2")


@pytest.mark.parametrize("model", sorted(set(KINDS) - set(DECODERS)))
def test_a_base_without_such_a_decoder_is_refused_in_one_line(model: str) -> None:
    encoder = tiny_encoder(model)
    with pytest.raises(UsageError, match=f"of type {encoder.backbone.config.model_type} has none; take kind mlm"):
        ADAPTATIONS.parse("tsdae").build(encoder, torch.arange(5))


def test_a_tokenizer_without_a_mask_token_is_refused_in_one_line() -> None:
    encoder = tiny_encoder()
    encoder.tokenizer.mask_token = None
    with pytest.raises(UsageError, match="the base's tokenizer has none; take kind tsdae"):
        ADAPTATIONS.parse("mlm").build(encoder, torch.arange(5))


@pytest.mark.parametrize("model", ["bert", "roberta", "modernbert", "t5"])
def test_states_of_tokens_stand_in_the_order_of_the_tokens(model: str) -> None:
    encoder = tiny_encoder(model)
    with cut_at(encoder, 40), torch.no_grad():
        tokens, _ = some_texts(encoder, 5)
        together = encoder.token_states(tokens)
        alone = [encoder.token_states(part) for part in tokens.parts([1] * 5)]
    assert together.shape == (len(tokens.ids), encoder.backbone.config.hidden_size)
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-4)
