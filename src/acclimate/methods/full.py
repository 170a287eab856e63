"""Full fine-tuning: every weight trains, the embedding table at a tenth of the rate."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeFloat

from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import TABLE_LR_SCALE, Method, freeze, open_groups, open_table

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder


class Full(Method):
    """All weights. ``table_lr_scale: 0`` leaves the token table as it is."""

    kind: Literal["full"] = "full"
    table_lr_scale: NonNegativeFloat = TABLE_LR_SCALE

    summary: ClassVar[str] = "every weight trains, the embedding table at a tenth of the rate"

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        freeze(encoder)
        table = encoder.token_embedding().weight
        rest = [(name, p) for name, p in encoder.named_parameters() if p is not table]
        groups = open_groups(encoder, "encoder", rest)
        return groups + ([open_table(encoder, self.table_lr_scale)] if self.table_lr_scale else [])
