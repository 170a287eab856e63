"""Tuning both ends: the words and the top blocks, with the middle frozen."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveFloat, PositiveInt

from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import TABLE_LR_SCALE, Method, open_groups, open_table, top_blocks
from acclimate.model.surgery import freeze_all

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder


class EmbeddingAndLast(Method):
    """The token table at a tenth of the rate, and the top ``layers`` blocks.

    Not parameter-efficient on a small encoder (half of its weights are the table), and the gradient of the table
    passes through every block; what it saves is the weight gradients of the middle.
    """

    kind: Literal["embedding_and_last"] = "embedding_and_last"
    layers: PositiveInt = 1
    table_lr_scale: PositiveFloat = TABLE_LR_SCALE

    summary: ClassVar[str] = "the token embedding table and the top blocks train"
    default_lr: ClassVar[float] = 3e-4

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        freeze_all(encoder)
        groups = open_groups("last_layers", top_blocks(encoder, self.layers))
        return [*groups, open_table(encoder, self.table_lr_scale)]
