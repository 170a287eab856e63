"""A static model: a table E [V, D] and a tokenizer; a text is the mean of its tokens' rows.

    v(text) = normalize( 1/n  sum_i E[token_i] )

sentence-transformers' StaticEmbedding and model2vec's StaticModel are this. No transformer takes part in anything.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from acclimate.model.dense import Dense
from acclimate.model.table import TableEmbedder
from acclimate.model.tokens import Tokens

ENDLESS = 2**31 - 1  # tokens: no text is so long, and the tokenizer still takes the number


class StaticEncoder(TableEmbedder):
    """A static text encoder. Its vectors have length one; they are zero for a text without tokens.

    Args:
        table: fp32 [V, D].
        tokenizer: whose ids number the rows. No special tokens are put around a text.
        dense: linear layers above the mean, often none.
        normalize, prompts, default_prompt_name, truncate_dim, notes: see `Embedder`.
        max_length: tokens, prompt included, at which texts are cut.
    """

    head: ClassVar[str] = "StaticEmbedding"

    def __init__(
        self,
        table: Tensor,
        tokenizer: Tokenizer,
        *,
        dense: Iterable[Dense] = (),
        normalize: bool = True,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        max_length: int = ENDLESS,
        truncate_dim: int | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(
            table,
            dense,
            normalize=normalize,
            prompts=prompts,
            default_prompt_name=default_prompt_name,
            truncate_dim=truncate_dim,
            notes=notes,
        )
        self.tokenizer = tokenizer
        self.max_length = max_length

    @property
    def fast_tokenizer(self) -> Tokenizer:
        """What makes tokens of texts."""
        return self.tokenizer

    def tokenize(self, texts: Sequence[str], role: str | None) -> list[list[int]]:
        """Token ids of each text: prompt included, cut at ``max_length``."""
        prompt = self.prompt(role)
        cut_at(self.tokenizer, self.max_length)
        given = [prompt + text for text in texts] if prompt else list(texts)
        return [found.ids for found in self.tokenizer.encode_batch_fast(given, add_special_tokens=False)]

    def forward(self, tokens: Tokens, tokens_a_pass: int = 0) -> Tensor:
        """Unit vectors of the texts, in their order. fp32 [U, D]; ``tokens_a_pass`` decides nothing here."""
        moved = self._moved(tokens)
        starts = moved.lengths.cumsum(0) - moved.lengths
        distinct, places = torch.unique(moved.ids, return_inverse=True)
        means = F.embedding_bag(places, self.table(distinct), starts, mode="mean")  # [T], [R, D] -> [U, D]
        return self._finished(self._through_dense(means), moved)


def cut_at(tokenizer: Tokenizer, length: int) -> None:
    """Sets where texts are cut; the side and the rest of what the tokenizer says of it stay. Nothing is padded."""
    tokenizer.no_padding()
    before = tokenizer.truncation or {}
    if length >= ENDLESS:
        tokenizer.no_truncation()
    elif before.get("max_length") != length:
        tokenizer.enable_truncation(**{**before, "max_length": length})


def mean_square(table: Tensor) -> float:
    """The root of the mean square of a table's numbers: what a step of a rate is large or small beside."""
    return float(torch.linalg.vector_norm(table.detach()) / table.numel() ** 0.5)
