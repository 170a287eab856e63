"""(IA)^3 (Liu et al. 2022) by the peft library: learned gains on keys, on values and within the feed-forward layers.

::

    keys = l_k * (W_k x),  values = l_v * (W_v x),  out(l_ff * act(in(x)))        all gains start at 1

A gain on what leaves a linear layer is one on the rows of its weight, a gain on what enters it one on the columns: all
merge.
"""

import re
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import PositiveInt

from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import counted
from acclimate.methods.peft_layers import PeftMethod, names_of, peft_library
from acclimate.model.feed_forward import feed_forwards
from acclimate.model.projections import keys_and_values

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder


class IA3(PeftMethod):
    """Gains in the top ``layers`` blocks; on queries as well where one layer holds them with keys and values."""

    kind: Literal["ia3"] = "ia3"
    layers: PositiveInt | Literal["all"] = "all"

    summary: ClassVar[str] = "gains on keys, values and feed-forward layers train; they merge into the weights"
    default_lr: ClassVar[float] = 1e-2
    marker: ClassVar[str] = ".ia3_l."
    ending: ClassVar[str] = ""

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        # No decay, though peft gives the gains two dimensions: it would pull them to 0, and the base is at 1.
        return [ParamGroup("ia3", self.inject(encoder), decay=False)]

    def peft_config(self, encoder: "Encoder") -> Any:
        """See `PeftMethod.peft_config`."""
        outputs, attention = feed_forwards(encoder), keys_and_values(encoder)
        count = counted(self.layers, len(outputs))
        inside = names_of(encoder, (getattr(*layer.out) for layer in outputs[-count:]))
        into = names_of(encoder, (layer for layers in attention[-count:] for layer in layers))
        return peft_library(self.kind).IA3Config(
            target_modules=[*into, *inside],
            # As a pattern: from 20 layers on, peft shortens the list of targets in the saved settings but not this one,
            # and then refuses them for not being among the targets.
            feedforward_modules="|".join(map(re.escape, inside)),
            task_type="FEATURE_EXTRACTION",
        )
