"""Full fine-tuning: every weight trains, the embedding table at a tenth of the rate."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeFloat

from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import TABLE_LR_SCALE, Method, open_groups, open_table
from acclimate.model.surgery import freeze_all, parts

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder


class Full(Method):
    """All weights. ``table_lr_scale: 0`` leaves the token table as it is."""

    kind: Literal["full"] = "full"
    table_lr_scale: NonNegativeFloat = TABLE_LR_SCALE

    summary: ClassVar[str] = "every weight trains, the embedding table at a tenth of the rate"

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        freeze_all(encoder)
        found = parts(encoder)
        groups = open_groups("encoder", {n: p for n, p in found.tunable.items() if n not in found.token_table})
        return groups + ([open_table(encoder, self.table_lr_scale)] if self.table_lr_scale else [])
