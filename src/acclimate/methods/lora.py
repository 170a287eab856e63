"""LoRA (Hu et al. 2022) and DoRA (Liu et al. 2024) by the peft library: low-rank changes of linear layers.

::

    W x + (alpha / rank) B A x        A: [rank, in], B: [out, rank], which starts at 0

DoRA learns the length of each row of the changed matrix beside its direction. Both merge into the layers they change.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import PositiveFloat, PositiveInt
from torch import nn

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import counted, open_groups
from acclimate.methods.peft_layers import PeftMethod, names_of, peft_library

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder


class LoRA(PeftMethod):
    """Changes of ``rank`` to the linear layers of the top ``layers`` blocks, times ``alpha / rank``."""

    kind: Literal["lora"] = "lora"
    rank: PositiveInt = 16
    alpha: PositiveFloat = 32.0
    dora: bool = False
    layers: PositiveInt | Literal["all"] = "all"

    summary: ClassVar[str] = "low-rank changes of the linear layers train; they merge into the weights"
    default_lr: ClassVar[float] = 1e-3
    marker: ClassVar[str] = ".lora_"
    ending: ClassVar[str] = ".weight"

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        return open_groups("lora", self.inject(encoder))

    def peft_config(self, encoder: "Encoder") -> Any:
        """See `PeftMethod.peft_config`."""
        blocks = encoder.blocks()
        top = blocks[-counted(self.layers, len(blocks)) :]
        names = names_of(encoder, (m for _, block in top for m in block.modules() if isinstance(m, nn.Linear)))
        if not names:
            problem = f"the blocks of this {encoder.backbone.config.model_type} model have no linear layers"
            raise UsageError(problem, "take --method last_layers or full")
        return peft_library(self.kind).LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            use_dora=self.dora,
            target_modules=names,
            lora_dropout=0.0,
            task_type="FEATURE_EXTRACTION",
        )
