"""Words as tokens: matched whole, started from their pieces, trained alone, and read alike by everybody."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import PreTrainedTokenizerFast

from acclimate.core.errors import UsageError
from acclimate.methods import METHODS
from acclimate.model.encoder import Encoder
from acclimate.model.pooling import Pooling
from acclimate.model.static import StaticEncoder
from acclimate.model.store import load_encoder, save_encoder
from acclimate.model.verify import REQUIRED_COSINE, verify
from acclimate.model.vocabulary import WordReader, add_words, added_words, join_rows, new_rows, settle, split_rows
from tiny import WIDTH, tiny_backbone, tiny_encoder, tiny_tokenizer
from training import make_rig, pairs, weights

WORDS = ["ataxia", "dysplasia", "näevus"]
WITH = ["the ataxia of the heart", "ataxia", "early dysplasia, ataxia (näevus)", "a näevus-like growth"]
WITHOUT = ["the heart of the dog", "ataxias and dysplasias", "xataxia ataxia7 _ataxia", "näevuses", "", "  "]


def unigram() -> PreTrainedTokenizerFast:
    """As XLM-R: a mark before each word, pieces by their scores."""
    pieces = [("<pad>", 0.0), ("<unk>", 0.0), ("</s>", 0.0), ("▁the", -1.0), ("▁of", -1.5), ("heart", -2.0)]
    pieces += [("▁", -3.0), ("ata", -3.0), ("plas", -3.0)]
    pieces += [(letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyzäAX,()-7_量子"]
    fast = Tokenizer(models.Unigram(pieces, unk_id=1))
    fast.normalizer = normalizers.NFKC()
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    fast.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=fast, pad_token="<pad>", unk_token="<unk>", sep_token="</s>")


def encoder_of(kind: str) -> Encoder:
    match kind:
        case "static":
            fast = Tokenizer.from_str(tiny_tokenizer().backend_tokenizer.to_str())
            table = torch.randn(fast.get_vocab_size(), 16, generator=torch.Generator().manual_seed(0))
            return StaticEncoder(table, fast).eval()  # type: ignore[return-value]
        case "unigram":
            return Encoder(tiny_backbone(), unigram(), Pooling(), max_length=64).eval()
        case _:
            return tiny_encoder(kind)


every_kind = pytest.mark.parametrize("kind", ["bert", "roberta", "modernbert", "t5", "unigram", "static"])


@every_kind
def test_a_word_alone_is_one_token_and_every_other_text_keeps_its_tokens(kind: str) -> None:
    encoder = encoder_of(kind)
    before, tokens = encoder.encode(WITHOUT), encoder.tokenize(WITHOUT, None)
    long = [len(ids) for ids in encoder.tokenize(WITH, None)]
    add_words(encoder, WORDS)
    assert encoder.tokenize(WITHOUT, None) == tokens
    np.testing.assert_array_equal(encoder.encode(WITHOUT), before)
    assert all(len(ids) < was for ids, was in zip(encoder.tokenize(WITH, None), long, strict=True))
    first = encoder.new_words.first
    found = [[token - first for token in ids if token >= first] for ids in encoder.tokenize([*WITH, "ATAXIA"], None)]
    assert found == [[0], [0], [1, 0, 2], [2], [] if kind == "unigram" else [0]]  # which tells upper case from lower
    assert added_words(encoder) == WORDS


def test_of_minilm_a_word_s_token_stands_where_its_pieces_stood(minilm: Path) -> None:
    encoder = load_encoder(minilm)
    words = ["osteosarcoma", "microcephaly", "lymphadenopathy", "eosinophilia"]
    texts = [
        "Osteosarcoma of the femur, with MICROCEPHALY.",
        "lymphadenopathy/eosinophilia (mild); eosinophilias; non-osteosarcoma",
        "a preosteosarcoma 骨肉瘤 microcephaly's Eosinophilía",
    ]
    pieces = WordReader(encoder).pieces(words)
    assert all(len(ids) > 2 for ids in pieces)
    before = encoder.tokenize(texts, None)
    add_words(encoder, words)
    first = encoder.new_words.first

    def replaced(ids: list[int]) -> list[int]:
        for word, old in enumerate(pieces):
            for start in reversed(range(len(ids))):
                inside = any(
                    name.startswith("##")
                    for name in encoder.tokenizer.convert_ids_to_tokens(
                        [*ids[start : start + 1], *ids[start + len(old) : start + len(old) + 1]]
                    )
                )
                if ids[start : start + len(old)] == old and not inside:
                    ids = [*ids[:start], first + word, *ids[start + len(old) :]]
        return ids

    assert encoder.tokenize(texts, None) == [replaced(ids) for ids in before]


def test_words_of_a_text_are_what_the_tokenizer_would_read() -> None:
    words = WordReader(encoder_of("bert")).words("The ATAXIA-like näevus, 17 il2rg's; _ 量子 x")
    assert words == ["the", "ataxia", "like", "näevus", "il2rg", "s", "量子", "x"]
    assert WordReader(encoder_of("unigram")).words("The ﬁbre") == ["The", "fibre"]


@every_kind
def test_words_start_as_the_mean_of_their_pieces_and_no_other_row_moves(kind: str) -> None:
    encoder = encoder_of(kind)
    table = encoder.token_embedding().weight.detach().clone()
    pieces = WordReader(encoder).pieces(WORDS)
    shared = copy.copy(encoder)
    add_words(encoder, WORDS)
    np.testing.assert_allclose(new_rows(encoder), torch.stack([table[ids].mean(0) for ids in pieces]), atol=1e-6)
    whole, first = encoder.token_embedding().weight, encoder.new_words.first
    assert torch.equal(whole[:first], table[:first])
    assert torch.equal(whole[first + len(WORDS) :], table[first + len(WORDS) :])  # rows to spare
    assert shared.tokenizer is not encoder.tokenizer


def test_a_table_with_rows_to_spare_does_not_grow(tmp_path: Path) -> None:
    encoder = tiny_encoder()
    size = len(encoder.tokenizer) + 100
    encoder.backbone.resize_token_embeddings(size)
    add_words(encoder, WORDS)
    assert encoder.token_embedding().num_embeddings == encoder.backbone.config.vocab_size == size
    save_encoder(encoder, tmp_path / "model")
    np.testing.assert_array_equal(load_encoder(tmp_path / "model").encode(WITH), encoder.encode(WITH))


def test_a_word_that_is_a_piece_already_gets_no_second_token() -> None:
    reader = WordReader(encoder_of("unigram"))
    assert reader.own_tokens(["ataxia", "plas", "heart", "dysplasia"]) == ["ataxia", "dysplasia"]


@every_kind
def test_every_reader_of_the_folder_has_the_same_tokens_and_vectors(kind: str, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    encoder = encoder_of(kind)
    add_words(encoder, WORDS)
    save_encoder(encoder, tmp_path / "model")
    again = load_encoder(tmp_path / "model")
    assert again.tokenize([*WITH, *WITHOUT], None) == encoder.tokenize([*WITH, *WITHOUT], None)
    np.testing.assert_array_equal(again.encode(WITH), encoder.encode(WITH))
    assert added_words(again) == WORDS
    theirs = library.SentenceTransformer(str(tmp_path / "model"), device="cpu")
    vectors = theirs.encode([*WITH, *WITHOUT[:-2]], normalize_embeddings=True)
    assert (vectors * encoder.encode([*WITH, *WITHOUT[:-2]])).sum(1).min() >= REQUIRED_COSINE


def test_verify_reads_the_words(tmp_path: Path) -> None:
    encoder = tiny_encoder()
    add_words(encoder, WORDS)
    save_encoder(encoder, tmp_path / "model")
    assert verify(tmp_path / "model", encoder, readers=("acclimate",)).passed
    with torch.no_grad():
        encoder.token_embedding().weight[encoder.new_words.first, :4] += 1
    assert not verify(tmp_path / "model", encoder, readers=("acclimate",)).passed


TERMS = ["osteosarcoma", "microcephaly", "lymphadenopathy", "hyponatremia"]
CONTEXTS = [
    "the child was seen in the clinic for {} and was sent home after a week of rest",
    "an uncommon form of {} that begins in early childhood and gets better with age",
    "a mild fever came before the {}, and the patient was given water, food and a warm bed",
    "no sign of {} was found in any of the other members of the family",
]


def test_on_minilm_vectors_are_near_the_base_s_and_nearer_once_distilled(minilm: Path, tmp_path: Path) -> None:
    encoder = load_encoder(minilm)
    reader = WordReader(encoder)
    terms = [word for word in TERMS if len(reader.pieces([word])[0]) >= 3]
    assert len(terms) >= 4
    texts = [text.format(word) for text in CONTEXTS for word in terms]
    kept, learned = texts[::3], [text for number, text in enumerate(texts) if number % 3]
    before, alone, wanted = (encoder.encode(some) for some in (kept, terms, learned))
    table = encoder.token_embedding().weight.detach().clone()
    add_words(encoder, terms)
    start = (encoder.encode(kept) * before).sum(1).mean()
    settle(encoder, terms, alone, epochs=16, rate=0.3, seed=0)
    settle(encoder, learned, wanted, epochs=1, rate=0.1, seed=0)
    end = (encoder.encode(kept) * before).sum(1).mean()
    assert 0.8 < start < 0.9 < end
    assert torch.equal(encoder.token_embedding().weight[: len(table)], table)
    save_encoder(encoder, tmp_path / "model")
    again = load_encoder(tmp_path / "model")
    assert again.tokenize(texts, None) == encoder.tokenize(texts, None)
    np.testing.assert_array_equal(again.encode(kept), encoder.encode(kept))


@every_kind
def test_distilling_moves_the_new_rows_alone_towards_the_given_vectors(kind: str) -> None:
    encoder = encoder_of(kind)
    texts = [f"{text} {more}" for text in WITH for more in ("the dog", "cell", "of a cat", "skin")]
    wanted = encoder.encode(texts)
    add_words(encoder, WORDS)
    before, start = weights(encoder), encoder.encode(texts)
    rows = new_rows(encoder)
    assert settle(encoder, texts, wanted, epochs=3, rate=0.1, seed=1) == 3
    assert ((encoder.encode(texts) - wanted) ** 2).sum() < ((start - wanted) ** 2).sum()
    assert (new_rows(encoder) != rows).any(dim=1).all()
    table = next(name for name, p in encoder.named_parameters() if p is encoder.token_embedding().weight)
    after, first = weights(encoder), encoder.new_words.first
    assert torch.equal(after[table][:first], before[table][:first])
    assert all(torch.equal(after[name], before[name]) for name in before.keys() - {table})
    assert not any(p.requires_grad for p in encoder.parameters())


ROWS_NEW = {"kind": "embedding_table", "rows": "new"}


@pytest.mark.parametrize("kind", ["bert", "static"])
def test_rows_new_trains_those_rows_and_leaves_all_else_bit_equal(kind: str, tmp_path: Path) -> None:
    encoder = encoder_of(kind)
    add_words(encoder, WORDS)
    before, rows, vectors = weights(encoder), new_rows(encoder).clone(), encoder.encode([*WITH, *WITHOUT])
    examples = [
        example._replace(query=f"{example.query} {WORDS[number % 2]}") for number, example in enumerate(pairs())
    ]
    rig = make_rig(tmp_path, method=ROWS_NEW, encoder=encoder, examples=examples, steps=4, warmup_steps=0)
    np.testing.assert_array_equal(encoder.encode([*WITH, *WITHOUT]), vectors)
    assert sum(p.numel() for p in rig.trainer.parameters.values()) == rows.numel()
    rig.trainer.train()
    trained = encoder.encode([*WITH, *WITHOUT])
    METHODS.parse(ROWS_NEW).fold(encoder)
    assert type(encoder.token_embedding()) is nn.Embedding
    after, first = weights(encoder), encoder.new_words.first
    table = next(name for name, p in encoder.named_parameters() if p is encoder.token_embedding().weight)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before.keys() - {table})
    assert torch.equal(after[table][:first], before[table][:first])
    moved = (after[table][first:] != rows).any(dim=1).tolist()
    assert moved == [True, True, False]  # the third word stands in no row that trains
    np.testing.assert_array_equal(trained[len(WITH) :], vectors[len(WITH) :])
    assert abs(trained[: len(WITH)] - vectors[: len(WITH)]).max() > 1e-4
    save_encoder(encoder, tmp_path / "model")
    np.testing.assert_allclose(load_encoder(tmp_path / "model").encode([*WITH, *WITHOUT]), trained, atol=1e-6)


def test_rows_new_can_be_applied_again_and_taken_back() -> None:
    encoder = tiny_encoder()
    add_words(encoder, WORDS)
    table = encoder.token_embedding().weight.detach().clone()
    (group,) = METHODS.parse(ROWS_NEW).apply(encoder)
    (again,) = METHODS.parse(ROWS_NEW).apply(encoder)
    assert all(again.parameters[name] is rows for name, rows in group.parameters.items())
    assert {name for name, p in encoder.named_parameters() if p.requires_grad} == set(group.parameters)
    assert [p.shape for p in group.parameters.values()] == [(len(WORDS), WIDTH)]
    join_rows(encoder)
    assert torch.equal(encoder.token_embedding().weight, table)


def test_rows_new_without_new_words_says_how_to_get_them() -> None:
    with pytest.raises(UsageError, match=r"method\.rows=new has no rows to train; add words .*--set vocabulary=extend"):
        METHODS.parse(ROWS_NEW).apply(tiny_encoder())


def test_the_whole_table_trains_with_its_new_rows(tmp_path: Path) -> None:
    encoder = tiny_encoder()
    add_words(encoder, WORDS)
    examples = [example._replace(query=f"{example.query} ataxia") for example in pairs()]
    rows = new_rows(encoder).clone()
    make_rig(tmp_path, method="full", encoder=encoder, examples=examples, steps=2, warmup_steps=0).trainer.train()
    assert (new_rows(encoder) != rows).any(dim=1).tolist() == [True, False, False]


def test_a_table_that_does_more_than_look_up_is_refused() -> None:
    class Scaled(nn.Embedding):
        pass

    encoder = tiny_encoder()
    encoder.backbone.set_input_embeddings(Scaled(10, WIDTH))
    with pytest.raises(UsageError, match=r"vocabulary cannot act: .* no plain table; leave it out"):
        add_words(encoder, WORDS)


def test_rows_apart_share_the_table_of_the_base() -> None:
    encoder = tiny_encoder()
    add_words(encoder, WORDS)
    table = encoder.token_embedding().weight
    (rows,) = split_rows(encoder).values()
    assert encoder.token_embedding().weight is table
    encoder.token_embedding()(torch.tensor([[1, encoder.new_words.first + 1]])).sum().backward()
    assert rows.grad.sum(1).tolist() == [0, WIDTH, 0]
