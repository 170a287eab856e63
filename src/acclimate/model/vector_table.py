"""Vectors from anywhere in the place of an encoder: a text is the number of its row."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acclimate.model.tokens import Tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from acclimate.model.extension import Extension


class VectorTable(nn.Module):
    """What training, adapters of vectors and evaluation ask of an encoder, over vectors that are there already.

    Args:
        vectors: float32 [N, D], of any length; read where they lie, never written.
    """

    depth = 1
    max_length = 1

    def __init__(self, vectors: "NDArray[np.float32]") -> None:
        super().__init__()
        count, dimension = vectors.shape
        self.table = nn.Embedding(count, dimension, _weight=torch.from_numpy(vectors), _freeze=True)
        self.vector_adapters = nn.ModuleList()
        self.extensions: list[Extension] = []

    @property
    def dimension(self) -> int:
        """D, the size of the vectors."""
        return self.table.embedding_dim

    @property
    def device(self) -> torch.device:
        """Where the vectors are."""
        return self.table.weight.device

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """None: there is nothing below the vectors."""
        return []

    def token_embedding(self) -> nn.Embedding:
        """The table."""
        return self.table

    def frozen_depth(self, tokens: Tokens) -> int:
        """Nothing that would be worth keeping: a look-up costs less."""
        return 0

    def reading(self, role: str) -> bool:
        """See `Encoder.reading`."""
        return role == "query" and self.adapts_queries_alone

    @property
    def adapts_queries_alone(self) -> bool:
        """Whether an adapter leaves documents as they are."""
        return any(adapter.queries_alone for adapter in self.vector_adapters)

    def prompt_length(self, role: str) -> int:
        """No vector has a prompt."""
        return 0

    def tokenize(self, texts: Sequence[str], role: str) -> list[list[int]]:
        """The one token of each text: its row."""
        return [[int(text)] for text in texts]

    def forward(self, tokens: Tokens) -> Tensor:
        """Unit vectors of the rows. fp32 [U, D]; zeros for a zero vector."""
        vectors: Tensor = self.table(tokens.ids)
        for adapter in self.vector_adapters:
            vectors = adapter(vectors, tokens.queries)
        return F.normalize(vectors, dim=-1)

    def encode(self, texts: Sequence[str], role: str) -> "NDArray[np.float32]":
        """Unit vectors of the rows that the texts number. float32 [N, D]."""
        tokens = Tokens.of(self.tokenize(texts, role), queries=role == "query")
        with torch.no_grad():
            found: NDArray[np.float32] = self(tokens).numpy()
        return found
