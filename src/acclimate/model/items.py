"""An item table: a vector for each id, learned from which ids come together. No text, no tokenizer, no transformer."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from acclimate.core.errors import DataError
from acclimate.core.seeds import numpy_generator
from acclimate.model.layout import ITEMS
from acclimate.model.table import TableEmbedder
from acclimate.model.tokens import Tokens

_PROBES = 128


class ItemTable(TableEmbedder):
    """Vectors of items by id. They leave it with length one.

    Args:
        table: fp32 [N, D], of any length.
        ids: the N ids in the order of the rows, each once.

    Raises:
        DataError: an id twice, or another number of ids than of rows.
    """

    head: ClassVar[str] = ITEMS
    reads: ClassVar[Literal["texts", "ids"]] = "ids"

    def __init__(self, table: Tensor, ids: Sequence[str], *, normalize: bool = True) -> None:
        super().__init__(table, normalize=normalize)
        self.ids = list(ids)
        self.row_of = {name: row for row, name in enumerate(self.ids)}
        if len(self.ids) != len(table):
            problem = f"{len(self.ids)} ids stand beside {len(table)} vectors"
            raise DataError(problem, "give one id a vector, in the same order")
        if len(self.row_of) < len(self.ids):
            name = next(name for row, name in enumerate(self.ids) if self.row_of[name] != row)
            raise DataError(f"the id {name!r} stands there twice", "give every vector an id of its own")
        self.tokenizer = None
        self.max_length = 1

    @classmethod
    def untrained(cls, ids: Sequence[str], dimensions: int) -> "ItemTable":
        """Random vectors of about length one; the same for the same ids."""
        vectors = numpy_generator(0, "items", *ids[:1], len(ids)).standard_normal((len(ids), dimensions), np.float32)
        return cls(torch.from_numpy(vectors / np.float32(dimensions**0.5)), ids)

    @property
    def standard(self) -> bool:
        """Never: no module of sentence-transformers knows ids."""
        return False

    @property
    def probes(self) -> Sequence[str]:
        """See `Embedder.probes`."""
        return self.ids[:: max(1, len(self.ids) // _PROBES)][:_PROBES]

    def tokenize(self, texts: Sequence[str], role: str | None) -> list[list[int]]:
        """The one token of each id: its row.

        Raises:
            DataError: an id that the table does not have.
        """
        try:
            return [[self.row_of[name]] for name in texts]
        except KeyError as unknown:
            problem = f"the table has no item {unknown.args[0]!r}"
            raise DataError(problem, "give ids that were there when the table was made") from None

    def forward(self, tokens: Tokens, tokens_a_pass: int = 0) -> Tensor:
        """Unit vectors of the items, in their order. fp32 [U, D]; ``tokens_a_pass`` decides nothing here."""
        moved = self._moved(tokens)
        return self._finished(self._through_dense(self.table(moved.ids)), moved)
