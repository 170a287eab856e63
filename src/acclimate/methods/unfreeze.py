"""Top-down progressive unfreezing (Howard, Ruder 2018): the top blocks train first, the ones below join in stages.

A stage trains what is open so far, so that the gradient stops at the lowest open block and what lies below is computed
forward only. With 6 blocks in thirds and a backward pass of twice a forward pass, the default shares cost 0.78 of full
fine-tuning: ``0.3 (6 + 4) + 0.4 (6 + 8) + 0.3 (6 + 12)`` of 18.
"""

from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, field_validator

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import TABLE_LR_SCALE, Method, open_groups, open_table, starting_at
from acclimate.model.surgery import freeze_all, parts

if TYPE_CHECKING:
    from torch.nn import Parameter

    from acclimate.model.encoder import Encoder

_ROUNDING = 1e-6  # shares like 0.1 + 0.2 + 0.7 need not add up to 1.0 in binary


class Unfreeze(Method):
    """Full fine-tuning in ``shares`` of the steps: a stage for each, the blocks divided evenly from the top.

    What lies above the blocks opens with the first stage, embeddings and the token table with the last one;
    ``table_lr_scale: 0`` leaves the table as it is.
    """

    kind: Literal["unfreeze"] = "unfreeze"
    shares: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.3, 0.4, 0.3)
    table_lr_scale: NonNegativeFloat = TABLE_LR_SCALE

    summary: ClassVar[str] = "every weight trains in the end, from the top blocks down in stages"
    default_lr: ClassVar[float] = 3e-4

    @field_validator("shares")
    @classmethod
    def _whole(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if len(shares) < 2 or abs(sum(shares) - 1) > _ROUNDING:
            raise ValueError("should be two shares or more that add up to 1, as [0.3, 0.4, 0.3]")
        return shares

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        freeze_all(encoder)
        found = parts(encoder)
        stages = len(self.shares)
        if not found.blocks:
            encoder.blocks()  # says why there are none
        if len(found.blocks) < stages:
            problem = f"method.shares names {stages} stages, but the base has {len(found.blocks)} blocks"
            raise UsageError(problem, f"give at most {max(2, len(found.blocks))} shares")
        starts = [0.0, *accumulate(self.shares[:-1])]
        groups: list[ParamGroup] = []
        for stage, start in enumerate(starts):
            opened: dict[str, Parameter] = dict(found.top) if stage == 0 else {}
            for depth, block in enumerate(reversed(found.blocks)):
                if depth * stages // len(found.blocks) == stage:
                    opened |= block
            if stage == stages - 1:
                opened |= found.embeddings
            groups += starting_at(start, open_groups(f"stage_{stage + 1}", opened))
        return groups + (
            starting_at(starts[-1], [open_table(encoder, self.table_lr_scale)]) if self.table_lr_scale else []
        )
