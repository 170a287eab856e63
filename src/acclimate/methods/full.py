"""Full fine-tuning: every weight trains, the embedding table at a tenth of the rate.

With ``layer_decay`` below 1 (Howard, Ruder 2018; Clark et al. 2020) a block trains at the rate of the one above it
times the decay, and the embeddings below all blocks once more: over 6 blocks, 0.8 leaves a quarter of the rate there.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat

from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import TABLE_LR_SCALE, Method, open_groups, open_table
from acclimate.model.surgery import freeze_all, parts

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder


class Full(Method):
    """All weights. ``table_lr_scale: 0`` leaves the token table as it is. Where there is no more, its rate is full."""

    kind: Literal["full"] = "full"
    table_lr_scale: NonNegativeFloat = TABLE_LR_SCALE
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0

    summary: ClassVar[str] = "every weight trains, the embedding table at a tenth of the rate"
    trains_table: ClassVar[bool] = True

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        freeze_all(encoder)
        found = parts(encoder)
        depth = len(found.blocks)
        if found.tunable.keys() == found.token_table.keys():
            return [open_table(encoder, lr_scale=1.0)]
        if self.layer_decay == 1:
            groups = open_groups("encoder", {n: p for n, p in found.tunable.items() if n not in found.token_table})
        elif not depth:
            encoder.blocks()  # says why there are none
        else:
            levels = [("embeddings", found.embeddings)]
            levels += [(f"block.{number}", block) for number, block in enumerate(found.blocks)]
            groups = open_groups("top", found.top)
            for power, (name, parameters) in enumerate(reversed(levels)):
                groups += open_groups(name, parameters, self.layer_decay**power)
        scale = self.table_lr_scale * self.layer_decay**depth
        return groups + ([open_table(encoder, scale)] if self.table_lr_scale else [])
