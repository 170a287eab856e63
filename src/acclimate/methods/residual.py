"""A residual adapter on the vectors of a frozen encoder (Search-Adaptor, Yoon et al. 2023).

Every text goes through the encoder once: what trains is a map of its vector, a few thousand weights. A linear one on
both sides folds into a standard model. With ``side: query`` document vectors stay as they are to the last bit, so an
index of them stays valid, and the result is a model that Acclimate alone reads.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveInt

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import Method, open_groups
from acclimate.model.extension import extend
from acclimate.model.residual import Activation, Residual, Side, fold
from acclimate.model.surgery import freeze_all

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder


class ResidualAdapter(Method):
    """A change of rank ``rank`` to every vector, or with an ``activation`` a hidden layer of so many units.

    ``side: query`` changes the vectors of queries alone.
    """

    kind: Literal["residual"] = "residual"
    rank: PositiveInt = 64
    activation: Activation = "none"
    side: Side = "both"

    summary: ClassVar[str] = "a map of the finished vectors trains; the encoder stays as it is"
    default_lr: ClassVar[float] = 3e-3

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        freeze_all(encoder)
        adapter = Residual(rank=self.rank, activation=self.activation, side=self.side)
        return open_groups("residual", extend(encoder, adapter))

    def check_rows(self, kind: str) -> None:
        """See `Method.check_rows`."""
        if self.side == "query" and kind != "pairs":
            raise UsageError(f"method.side=query changes queries alone, and {kind} rows have none", "take side: both")

    def fold(self, encoder: "Encoder") -> None:
        """See `Method.fold`."""
        fold(encoder)
