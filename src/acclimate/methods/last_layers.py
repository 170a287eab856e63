"""Tuning the top blocks: the cheapest way to move a whole encoder."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveInt

from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import Method, open_groups, top_blocks
from acclimate.model.surgery import freeze_all

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder


class LastLayers(Method):
    """The top ``layers`` blocks and whatever lies above them."""

    kind: Literal["last_layers"] = "last_layers"
    layers: PositiveInt = 1

    summary: ClassVar[str] = "only the top blocks train"
    default_lr: ClassVar[float] = 3e-4

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        freeze_all(encoder)
        return open_groups("last_layers", top_blocks(encoder, self.layers))
