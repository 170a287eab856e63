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
    """Vectors of items by id, one for both roles or one for each (in and out vectors of Mikolov et al. 2013).

    One for both cannot say that everybody needs an item: it would have to lie near all others, and these near each
    other. Of two, the one that answers can lie where all that ask are. They leave the table with length one.

    Args:
        table: fp32 [N, D], of any length.
        ids: the N ids in the order of the rows, each once.
        queries: fp32 [N, D] as queries; by default the same.

    Attributes:
        first_query: the row of the table that is the first id as a query.

    Raises:
        DataError: an id twice, another number of ids than of vectors, or queries of another shape.
    """

    head: ClassVar[str] = ITEMS
    reads: ClassVar[Literal["texts", "ids"]] = "ids"

    def __init__(
        self, table: Tensor, ids: Sequence[str], *, queries: Tensor | None = None, normalize: bool = True
    ) -> None:
        if queries is not None and queries.shape != table.shape:
            problem = f"the queries are {tuple(queries.shape)} and the embeddings {tuple(table.shape)}"
            raise DataError(problem, "give each id a vector in both")
        super().__init__(table if queries is None else torch.cat([table, queries]), normalize=normalize)
        self.ids = list(ids)
        self.row_of = {name: row for row, name in enumerate(self.ids)}
        self.first_query = 0 if queries is None else len(table)
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
        """Random vectors of about length one, two for each id; the same for the same ids."""
        generator = numpy_generator(0, "items", *ids[:1], len(ids))
        drawn = generator.standard_normal((2, len(ids), dimensions), np.float32) / np.float32(dimensions**0.5)
        table, queries = torch.from_numpy(drawn)
        return cls(table, ids, queries=queries)

    @property
    def vectors(self) -> dict[str, Tensor]:
        """``embeddings``, and ``queries`` where these are others: the names under which they are saved."""
        both = self.table.weight.detach().cpu()
        if not self.first_query:
            return {"embeddings": both.contiguous()}
        return {"embeddings": both[: self.first_query].clone(), "queries": both[self.first_query :].clone()}

    @property
    def standard(self) -> bool:
        """Never: no module of sentence-transformers knows ids."""
        return False

    @property
    def probes(self) -> Sequence[str]:
        """See `Embedder.probes`."""
        return self.ids[:: max(1, len(self.ids) // _PROBES)][:_PROBES]

    def reading(self, role: str | None) -> tuple[str, bool]:
        """See `Embedder.reading`."""
        return "", role == "query" and (self.first_query > 0 or self.adapts_queries_alone)

    def tokenize(self, texts: Sequence[str], role: str | None) -> list[list[int]]:
        """The one token of each id: its row in that role.

        Raises:
            DataError: an id that the table does not have.
        """
        first = self.first_query if role == "query" else 0
        try:
            return [[first + self.row_of[name]] for name in texts]
        except KeyError as unknown:
            problem = f"the table has no item {unknown.args[0]!r}"
            raise DataError(problem, "give ids that were there when the table was made") from None

    def forward(self, tokens: Tokens, tokens_a_pass: int = 0) -> Tensor:
        """Unit vectors of the items, in their order. fp32 [U, D]; ``tokens_a_pass`` decides nothing here."""
        moved = self._moved(tokens)
        return self._finished(self._through_dense(self.table(moved.ids)), moved)
