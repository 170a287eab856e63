"""What models share that are nothing but a table E [V, D]: one look-up, and no layers to change."""

from collections.abc import Iterable
from typing import Any, ClassVar

from torch import Tensor, nn

from acclimate.core.errors import UsageError
from acclimate.model.dense import Dense
from acclimate.model.embedder import Embedder
from acclimate.model.tokens import Tokens

_NONE = "the base is a table of embeddings and has no layers"
_REMEDY = "take --method full, embedding_table or residual"


class TableEmbedder(Embedder):
    """The base of models that are a table.

    Args:
        table: fp32 [V, D].
        dense: linear layers above, often none.
        settings: of `Embedder`.
    """

    depth: ClassVar[int] = 1
    packs: ClassVar[bool] = False

    def __init__(self, table: Tensor, dense: Iterable[Dense] = (), **settings: Any) -> None:
        super().__init__(**settings)
        rows, width = table.shape
        # Sparse: a dense gradient would be as large as the table, whatever a batch reads of it.
        self.table = nn.Embedding(rows, width, sparse=True, _weight=table.float().contiguous())
        self.dense = nn.ModuleList(dense)
        self.vector_adapters = nn.ModuleList()

    @property
    def backbone(self) -> nn.Module:
        """There is none.

        Raises:
            UsageError: always, to who would change one.
        """
        raise UsageError(_NONE, _REMEDY)

    @property
    def width(self) -> int:
        """See `Embedder.width`."""
        return self.table.embedding_dim

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """There are none, as of `backbone`."""
        raise UsageError(_NONE, _REMEDY)

    def token_embedding(self) -> nn.Embedding:
        """The table."""
        return self.table

    def set_token_embedding(self, table: nn.Embedding) -> None:
        """See `Embedder.set_token_embedding`."""
        self.table = table

    def frozen_depth(self, tokens: Tokens) -> int:
        """Nothing that would be worth keeping: a look-up costs less."""
        return 0

    def prompt_length(self, role: str | None) -> int:
        """See `Embedder.prompt_length`: nothing is left out."""
        return 0
