"""Words as tokens of their own: rows of the token table that start from those of the pieces they were cut into.

A word is what the tokenizer's normalization leaves between spaces and signs, with a letter in it, and the token stands
for it where it stands alone: never within a longer word. Texts without one keep their tokens. With f the encoder, E the
rows of the new tokens and g the encoder without them, they move before training so that ::

    mean over texts x that hold them of  || f_E(x) - g(x) ||^2

is small; no label takes part in it.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from tokenizers import AddedToken, Tokenizer, pre_tokenizers
from torch import nn
from torch.nn import Parameter

from acclimate.core.errors import UsageError
from acclimate.model.rows import RowsApart, embedding_of, joined
from acclimate.model.static import ENDLESS, cut_at, mean_square
from acclimate.model.surgery import freeze_all
from acclimate.model.tokens import Tokens

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from acclimate.model.encoder import Encoder

_BATCH = 64  # texts a step


@dataclass(frozen=True, slots=True)
class NewWords:
    """Words that became the tokens ``first`` .. ``first + len(words) - 1``."""

    words: tuple[str, ...]
    first: int


class WordReader:
    """Texts as words and words as pieces, as an encoder's tokenizer has them at present."""

    def __init__(self, encoder: "Encoder") -> None:
        self._fast = Tokenizer.from_str(encoder.fast_tokenizer.to_str())
        cut_at(self._fast, ENDLESS)
        self._split = pre_tokenizers.Whitespace()

    def words(self, text: str) -> list[str]:
        """The words of a text, in its order."""
        normal = self._fast.normalizer.normalize_str(text) if self._fast.normalizer else text
        parts = self._split.pre_tokenize_str(normal)
        return [part for part, _ in parts if any(character.isalpha() for character in part)]

    def pieces(self, words: Sequence[str]) -> list[list[int]]:
        """The token ids of each word, as it stands behind a space."""
        spaced = [f" {word}" for word in words]
        return [found.ids for found in self._fast.encode_batch_fast(spaced, add_special_tokens=False)]

    def own_tokens(self, words: Sequence[str]) -> list[str]:
        """Those of the words that would be read as one token if they were added."""
        trial = Tokenizer.from_str(self._fast.to_str())
        trial.add_tokens(_tokens(words))
        fresh = [word for word in words if self._fast.token_to_id(word) is None]
        found = trial.encode_batch_fast([f" {word}" for word in fresh], add_special_tokens=False)
        return [word for word, ids in zip(fresh, found, strict=True) if ids.ids == [trial.token_to_id(word)]]


def add_words(encoder: "Encoder", words: Sequence[str], rows: "Tensor | None" = None) -> None:
    """Makes words tokens, in place. The tokenizer and the table are new ones: whoever shares the old ones keeps them.

    Args:
        encoder: what reads them.
        words: as `WordReader.own_tokens` gives them.
        rows: their vectors [m, H]; by default, of each the mean of its pieces'.

    Raises:
        UsageError: the embeddings are computed in a way of the model's own.
    """
    table = encoder.token_embedding()
    if type(table) is not nn.Embedding:  # Gemma's is multiplied by a factor
        problem = f"the token embeddings of this {encoder.backbone.config.model_type} model are no plain table"
        raise UsageError(f"vocabulary cannot act: {problem}", "leave it out")
    weight = table.weight.detach()
    if rows is None:
        rows = torch.stack([weight[ids].mean(dim=0) for ids in WordReader(encoder).pieces(words)])
    encoder.tokenizer = copy.deepcopy(encoder.tokenizer)
    encoder.tokenizer.add_tokens(_tokens(words))
    vocabulary = encoder.fast_tokenizer.get_vocab()
    first = vocabulary[words[0]]
    assert [vocabulary[word] for word in words] == list(range(first, first + len(words)))
    whole = Parameter(joined(weight, rows.to(weight), first))
    encoder.set_token_embedding(embedding_of(whole, table.padding_idx))
    encoder.new_words = NewWords(tuple(words), first)


def new_rows(encoder: "Encoder") -> "Tensor":
    """The vectors of the new words [m, H], without gradients."""
    first, count = _new_words(encoder)
    with torch.no_grad():
        rows: Tensor = encoder.token_embedding()(torch.arange(first, first + count, device=encoder.device))
    return rows


def split_rows(encoder: "Encoder") -> dict[str, Parameter]:
    """Makes the vectors of the new words a parameter of their own, unless they are; returns it by name.

    Raises:
        UsageError: there are no new words.
    """
    first, _ = _new_words(encoder)
    table = encoder.token_embedding()
    if not isinstance(table, RowsApart):
        table = RowsApart(table, new_rows(encoder).clone(), first)
        encoder.set_token_embedding(table)
    return {name: p for name, p in encoder.named_parameters() if p is table.rows}


def join_rows(encoder: "Encoder") -> None:
    """Takes back `split_rows`: the table is one again, and holds what they became. Any other stays as it is."""
    table = encoder.token_embedding()
    if isinstance(table, RowsApart):
        whole = Parameter(joined(table.weight, table.rows, table.first))
        encoder.set_token_embedding(embedding_of(whole, table.padding_idx))


def settle(
    encoder: "Encoder",
    texts: Sequence[str],
    wanted: "np.ndarray",
    *,
    epochs: int,
    rate: float,
    seed: int,
    precision: Literal["fp32", "bf16"] = "fp32",
) -> int:
    """Moves the vectors of the new words so that texts have given vectors. Returns the number of steps.

    Args:
        encoder: with new words. Nothing of it requires a gradient afterwards.
        texts: N documents that hold some of the words.
        wanted: float32 [N, D], unit vectors.
        epochs: how often each text is read.
        rate: the first one, down to 0 at the end, as a share of the size of the table's numbers.
        seed: of the order.
        precision: of the backbone's arithmetic.
    """
    (rows,) = split_rows(encoder).values()
    freeze_all(encoder)
    rows.requires_grad_(True)
    ids, prompt_length = encoder.tokenize(texts, "document"), encoder.prompt_length("document")
    target = torch.from_numpy(wanted).to(encoder.device)
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(texts), generator=generator) for _ in range(epochs)]
    batches = [batch for order in orders for batch in torch.split(order, _BATCH)]
    optimizer = torch.optim.Adam([rows], lr=rate * mean_square(encoder.token_embedding().weight))
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, len(batches))
    for batch in batches:
        with torch.autocast(encoder.device.type, torch.bfloat16, enabled=precision == "bf16"):
            found = encoder(Tokens.of([ids[text] for text in batch.tolist()], prompt_length))
        optimizer.zero_grad()
        (found - target[batch]).square().sum(dim=1).mean().backward()  # [B, D] -> []
        optimizer.step()
        schedule.step()
    rows.requires_grad_(False)
    join_rows(encoder)
    freeze_all(encoder)
    return len(batches)


def added_words(encoder: "Encoder") -> list[str]:
    """The words that the tokenizer has as tokens of their own, whoever added them."""
    added = encoder.fast_tokenizer.get_added_tokens_decoder()
    return [token.content for _, token in sorted(added.items()) if token.single_word]


def _tokens(words: Sequence[str]) -> list[AddedToken]:
    # The space before the word belongs to it: some tokenizers would make a token of it.
    return [AddedToken(word, single_word=True, lstrip=True, normalized=True, special=False) for word in words]


def _new_words(encoder: "Encoder") -> tuple[int, int]:
    """The first of the new tokens, and how many there are."""
    if encoder.new_words is None:
        raise UsageError("method.rows=new has no rows to train", "add words to the vocabulary: --set vocabulary=extend")
    return encoder.new_words.first, len(encoder.new_words.words)
