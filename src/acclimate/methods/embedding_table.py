"""Tuning the token embedding table alone, or the words that were added to it: words move, the grammar stays."""

from typing import TYPE_CHECKING, ClassVar, Literal

from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import Method, open_table
from acclimate.model.surgery import freeze_all
from acclimate.model.vocabulary import join_rows, split_rows

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder


class EmbeddingTable(Method):
    """The token table [V, D] at the full rate, since nothing else trains beside it.

    ``rows: new`` trains the rows of the words that ``vocabulary`` has added; all else stays as it is to the last bit.
    """

    kind: Literal["embedding_table"] = "embedding_table"
    rows: Literal["all", "new"] = "all"

    summary: ClassVar[str] = "only the token embedding table trains"
    default_lr: ClassVar[float] = 2e-3
    trains_table: ClassVar[bool] = True

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        apart = split_rows(encoder) if self.rows == "new" else {}
        freeze_all(encoder)
        if not apart:
            return [open_table(encoder, lr_scale=1.0)]
        for rows in apart.values():
            rows.requires_grad_(True)
        return [ParamGroup("new_rows", apart, by_row=True)]

    def fold(self, encoder: "Encoder") -> None:
        """See `Method.fold`."""
        join_rows(encoder)
