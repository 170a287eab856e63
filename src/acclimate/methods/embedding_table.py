"""Tuning the token embedding table alone: the words move, the grammar stays."""

from typing import TYPE_CHECKING, ClassVar, Literal

from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import Method, open_table
from acclimate.model.surgery import freeze_all

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder


class EmbeddingTable(Method):
    """The token table [V, D] at the full rate, since nothing else trains beside it."""

    kind: Literal["embedding_table"] = "embedding_table"

    summary: ClassVar[str] = "only the token embedding table trains"
    default_lr: ClassVar[float] = 2e-3
    trains_table: ClassVar[bool] = True

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        freeze_all(encoder)
        return [open_table(encoder, lr_scale=1.0)]
