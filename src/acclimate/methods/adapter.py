"""Adapters: small bottlenecks in the blocks train, all else is frozen. What is added starts at 0.

``placement: parallel`` (He et al. 2022) puts a bottleneck beside each feed-forward layer. With the layer's own
activation, an adapter of r units is r more hidden units of the layer::

    out(act(in(x)))  +  up(act(down(x)))  =  [out, up] act([in; down] x)

so the result folds exactly into a standard model, which every server loads.

``houlsby`` (2019) and ``pfeiffer`` (2021) put bottlenecks behind the layers, and ``compacter`` (Karimi Mahabadi et al.
2021) makes their matrices of small ones: see `acclimate.model.bottleneck`. These do not fold: the model is saved with
parts that Acclimate reads and sentence-transformers refuses.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt, model_validator

from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import Method, counted, open_groups
from acclimate.model.backbone import hidden_size
from acclimate.model.bottleneck import TERMS, Activation, Bottlenecks, Placement, refuse_bottlenecks, units_for
from acclimate.model.extension import extend
from acclimate.model.feed_forward import feed_forwards, fold, narrow, widen
from acclimate.model.surgery import freeze_all

if TYPE_CHECKING:
    from torch.nn import Parameter

    from acclimate.model.encoder import Encoder

_SHARE = 0.04
_REDUCTION = 32  # of the width to a compacter's bottleneck: 24 of 768 in the paper
_USUAL: dict[Placement, Activation] = {"houlsby": "swish", "pfeiffer": "relu"}  # of AdapterHub


class Adapter(Method):
    """Bottlenecks of ``bottleneck`` units in the top ``layers`` blocks.

    ``bottleneck: auto`` takes as many units as make ``target_share`` of the base's weights. The weights of a compacter
    hardly depend on it; there it is a 32nd of the width. ``activation: auto`` is swish for houlsby, relu for pfeiffer
    and gelu for a compacter.
    """

    kind: Literal["adapter"] = "adapter"
    placement: Literal["parallel", Placement] = "parallel"
    bottleneck: PositiveInt | Literal["auto"] = "auto"
    target_share: Annotated[float, Field(gt=0, le=1)] = _SHARE
    activation: Activation | Literal["auto"] = "auto"
    compacter: bool = False
    layers: PositiveInt | Literal["all"] = "all"

    summary: ClassVar[str] = "small bottlenecks train; beside the feed-forward layers they fold into a standard model"
    default_lr: ClassVar[float] = 4e-3

    @model_validator(mode="after")
    def _all_act(self) -> "Adapter":
        share_given = "target_share" in self.model_fields_set and self.target_share != _SHARE
        if self.bottleneck != "auto" and share_given:
            raise ValueError("give either bottleneck or target_share")
        if self.placement == "parallel" and self.activation != "auto":
            raise ValueError("a parallel adapter has the activation of the layer; take placement houlsby or pfeiffer")
        if self.placement == "parallel" and self.compacter:
            raise ValueError("a compacter cannot be parallel; take placement houlsby or pfeiffer")
        if self.compacter and share_given:
            raise ValueError("target_share does not size a compacter; give bottleneck")
        if self.compacter and self.bottleneck != "auto" and self.bottleneck % TERMS:
            raise ValueError(f"the bottleneck of a compacter should be a multiple of {TERMS}")
        return self

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        narrow(encoder)
        freeze_all(encoder)
        if self.placement == "parallel":
            return open_groups("adapter", self._widened(encoder))
        return open_groups("adapter", extend(encoder, self._bottlenecks(encoder, self.placement)))

    def fold(self, encoder: "Encoder") -> None:
        """See `Method.fold`."""
        fold(encoder)

    def _widened(self, encoder: "Encoder") -> "dict[str, Parameter]":
        refuse_bottlenecks(encoder, "a parallel adapter")
        layers = feed_forwards(encoder)
        count = counted(self.layers, len(layers))
        one = sum(layer.parameters(1) for layer in layers[-count:])
        wanted = round(self.target_share * sum(p.numel() for p in encoder.parameters()) / one)
        return widen(encoder, max(1, wanted) if self.bottleneck == "auto" else self.bottleneck, count)

    def _bottlenecks(self, encoder: "Encoder", placement: Placement) -> Bottlenecks:
        layers = counted(self.layers, len(encoder.blocks()))
        units = self.bottleneck
        if units == "auto" and self.compacter:
            units = TERMS * max(1, round(hidden_size(encoder.backbone) / _REDUCTION / TERMS))
        elif units == "auto":
            units = units_for(encoder, self.target_share, placement, layers)
        activation = self.activation
        if activation == "auto":
            activation = "gelu" if self.compacter else _USUAL[placement]
        return Bottlenecks(
            placement=placement, bottleneck=units, activation=activation, compacter=self.compacter, layers=layers
        )
