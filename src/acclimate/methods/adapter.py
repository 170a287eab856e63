"""Parallel adapters (He et al. 2022): a bottleneck beside each feed-forward layer, all else frozen.

With the layer's own activation, an adapter of r units is r more hidden units of the layer::

    out(act(in(x)))  +  up(act(down(x)))  =  [out, up] act([in; down] x)

so the result folds exactly into a standard model, which every server loads. ``up`` starts at 0: the vectors start as
the base's.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt, model_validator

from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import Method, counted, open_groups
from acclimate.model.feed_forward import feed_forwards, fold, narrow, widen
from acclimate.model.surgery import freeze_all

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder

_SHARE = 0.04


class Adapter(Method):
    """Bottlenecks of ``bottleneck`` units beside the feed-forward layers of the top ``layers`` blocks.

    ``bottleneck: auto`` takes as many units as make ``target_share`` of the base's weights.
    """

    kind: Literal["adapter"] = "adapter"
    bottleneck: PositiveInt | Literal["auto"] = "auto"
    target_share: Annotated[float, Field(gt=0, le=1)] = _SHARE
    layers: PositiveInt | Literal["all"] = "all"

    summary: ClassVar[str] = "small bottlenecks beside the feed-forward layers train; they fold into a standard model"
    default_lr: ClassVar[float] = 1e-3

    @model_validator(mode="after")
    def _share_acts(self) -> "Adapter":
        if self.bottleneck != "auto" and "target_share" in self.model_fields_set and self.target_share != _SHARE:
            raise ValueError("give either bottleneck or target_share")
        return self

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        narrow(encoder)
        freeze_all(encoder)
        layers = feed_forwards(encoder)
        count = counted(self.layers, len(layers))
        one = sum(layer.parameters(1) for layer in layers[-count:])
        wanted = round(self.target_share * sum(p.numel() for p in encoder.parameters()) / one)
        return open_groups(
            "adapter", widen(encoder, max(1, wanted) if self.bottleneck == "auto" else self.bottleneck, count)
        )

    def fold(self, encoder: "Encoder") -> None:
        """See `Method.fold`."""
        fold(encoder)
