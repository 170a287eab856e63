"""A continuous prompt against the plain prompt that it starts from, and what it leaves behind."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from acclimate.core.errors import UsageError
from acclimate.model.encoder import Encoder
from acclimate.model.pooling import Pooling
from acclimate.model.prompts import PromptedEmbedding, fold_prompt, insert_prompt, remove_prompt
from acclimate.model.store import load_encoder, save_encoder
from acclimate.model.verify import verify
from tiny import KINDS, tiny_encoder

TEXT = "find the answer to"
#: They begin with a space, so that the tokenizer cuts them alike after a plain prompt and after an added token.
TEXTS = [" the dog under the table", " what is a cat?", "  ", " " + "long " * 200]


def rows_of(encoder: Encoder, text: str = TEXT) -> torch.Tensor:
    ids = encoder.tokenizer(text, add_special_tokens=False)["input_ids"]
    return encoder.token_embedding().weight.detach()[ids].clone()


def moved(encoder: Encoder) -> Encoder:
    """With a prompt that has trained."""
    (prompt,) = insert_prompt(encoder, rows_of(encoder)).values()
    with torch.no_grad():
        prompt += 0.3 * torch.randn(prompt.shape, generator=torch.Generator().manual_seed(5))
    return encoder


@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_text_give_the_vectors_of_that_text_as_a_prompt(kind: str, pooling: str) -> None:
    encoder = tiny_encoder(kind, pooling=Pooling((pooling,)))
    insert_prompt(encoder, rows_of(encoder))
    included = encoder.pooling.include_prompt
    plain = tiny_encoder(
        kind, pooling=Pooling((pooling,), included), prompts={"query": TEXT, "document": TEXT}, max_length=encoder.cut
    )
    for role in ("query", "document"):
        np.testing.assert_array_equal(encoder.encode(TEXTS, role), plain.encode(TEXTS, role))


def test_a_prompt_comes_after_the_role_s_own_and_is_not_pooled() -> None:
    encoder = tiny_encoder(prompts={"query": "question: "}, default_prompt_name="query")
    insert_prompt(encoder, rows_of(encoder))
    plain = tiny_encoder(
        pooling=Pooling(include_prompt=False), prompts={"query": f"question: {TEXT}", "document": TEXT}
    )
    plain.max_length = encoder.cut
    for role in ("query", "document"):
        np.testing.assert_array_equal(encoder.encode(TEXTS, role), plain.encode(TEXTS, role))
    np.testing.assert_array_equal(encoder.encode(TEXTS, None), encoder.encode(TEXTS, "query"))


def test_texts_without_a_role_have_the_prompt_too() -> None:
    encoder = moved(tiny_encoder())
    np.testing.assert_array_equal(encoder.encode(TEXTS, None), encoder.encode(TEXTS, "document"))


def test_cls_stays_first_and_pooled() -> None:
    encoder = tiny_encoder(pooling=Pooling(("cls",)))
    insert_prompt(encoder, rows_of(encoder))
    assert encoder.tokenize(["cat"], "query")[0][0] == encoder.tokenizer.cls_token_id
    assert encoder.prompt_length("query") == 0


def test_texts_keep_their_room_while_there_are_positions() -> None:
    encoder, roomy = tiny_encoder(max_length=126), tiny_encoder(max_length=20)
    text = ["cat " * 300]
    before = [len(e.tokenize(text, "query")[0]) for e in (encoder, roomy)]
    for e in (encoder, roomy):
        insert_prompt(e, rows_of(e))
    after = [len(e.tokenize(text, "query")[0]) for e in (encoder, roomy)]
    assert (before, after) == ([126, 20], [128, 24])


def test_it_can_be_taken_back() -> None:
    encoder = tiny_encoder("roberta", prompts={"query": "q: "})
    before, tokenizer, table = encoder.encode(TEXTS, "query"), encoder.tokenizer, encoder.token_embedding().weight
    moved(encoder)
    assert abs(encoder.encode(TEXTS, "query") - before).max() > 1e-3
    remove_prompt(encoder)
    np.testing.assert_array_equal(encoder.encode(TEXTS, "query"), before)
    assert encoder.tokenizer is tokenizer
    assert encoder.token_embedding().weight is table
    assert type(encoder.token_embedding()) is nn.Embedding
    assert (encoder.prompts, encoder.default_prompt_name) == ({"query": "q: "}, None)
    remove_prompt(encoder)


def test_a_copy_has_a_prompt_of_its_own() -> None:
    encoder = moved(tiny_encoder())
    before, second = encoder.encode(TEXTS), copy.deepcopy(encoder)
    np.testing.assert_array_equal(second.encode(TEXTS), before)
    with torch.no_grad():
        second.token_embedding().prompt.zero_()
    assert abs(second.encode(TEXTS) - before).max() > 1e-3
    np.testing.assert_array_equal(encoder.encode(TEXTS), before)


def test_a_table_with_rows_to_spare_does_not_grow() -> None:
    encoder = tiny_encoder()
    size = len(encoder.tokenizer) + 100
    encoder.backbone.resize_token_embeddings(size)
    moved(encoder)
    before = encoder.encode(TEXTS)
    fold_prompt(encoder)
    assert encoder.token_embedding().num_embeddings == size
    np.testing.assert_array_equal(encoder.encode(TEXTS), before)


@pytest.mark.parametrize("kind", ["bert", "mpnet", "roberta", "modernbert", "qwen3", "t5"])
def test_folded_it_is_a_standard_model(kind: str, tmp_path: Path) -> None:
    pooling = Pooling(("lasttoken",) if kind == "qwen3" else ("mean",))
    encoder = moved(tiny_encoder(kind, pooling=pooling, prompts={"query": "question: "}))
    before = [encoder.encode(TEXTS, role) for role in ("query", "document", None)]
    fold_prompt(encoder)
    assert type(encoder.token_embedding()) is nn.Embedding
    assert encoder.backbone.config.vocab_size == encoder.token_embedding().num_embeddings == len(encoder.tokenizer)
    save_encoder(encoder, tmp_path / "model")
    for vectors, role in zip(before, ("query", "document", None), strict=True):
        np.testing.assert_array_equal(encoder.encode(TEXTS, role), vectors)
        np.testing.assert_array_equal(load_encoder(tmp_path / "model").encode(TEXTS, role), vectors)
    report = verify(tmp_path / "model", encoder)
    assert report.passed, report
    assert {c.reader for c in report.comparisons} == {"acclimate", "sentence_transformers"}


def test_a_second_prompt_stands_after_the_first(tmp_path: Path) -> None:
    encoder = moved(tiny_encoder())
    fold_prompt(encoder)
    first = encoder.prompt("query")
    before = encoder.encode(TEXTS)
    moved(encoder)
    assert encoder.prompt("query").startswith(first)
    assert len(encoder.tokenize([""], "query")[0]) == 2 + 2 * len(rows_of(encoder))
    assert abs(encoder.encode(TEXTS) - before).max() > 1e-3


def test_the_prompt_is_all_that_the_gradient_reaches() -> None:
    encoder = tiny_encoder()
    insert_prompt(encoder, rows_of(encoder))
    embedding = encoder.token_embedding()
    assert isinstance(embedding, PromptedEmbedding)
    embedding.weight.requires_grad_(False)
    ids = torch.tensor([[2, embedding.first + 1, 7, embedding.first + 1]])
    embedding(ids).sum().backward()
    assert embedding.weight.grad is None
    assert embedding.prompt.grad.sum(1).tolist() == [0.0, 64.0, 0.0, 0.0]


def test_a_prompt_without_room_for_text_is_refused_and_leaves_nothing() -> None:
    encoder = tiny_encoder()
    with pytest.raises(UsageError, match=r"a prompt of 126 tokens leaves no room for text; give a smaller method\.l"):
        insert_prompt(encoder, torch.zeros(126, 32))
    assert type(encoder.token_embedding()) is nn.Embedding


def test_a_table_that_does_more_than_look_up_is_refused() -> None:
    class Scaled(nn.Embedding):
        pass

    encoder = tiny_encoder()
    encoder.backbone.set_input_embeddings(Scaled(10, 32))
    with pytest.raises(UsageError, match="no plain table; take --method"):
        insert_prompt(encoder, torch.zeros(2, 32))
