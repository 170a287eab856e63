"""BitFit (Ben Zaken, Ravfogel, Goldberg 2022): only the biases train, about 0.1% of the weights."""

from typing import TYPE_CHECKING, ClassVar, Literal

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup
from acclimate.methods.base import Method, open_groups
from acclimate.model.surgery import freeze_all, parts

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder


class BitFit(Method):
    """Every bias, those of norms included."""

    kind: Literal["bitfit"] = "bitfit"

    summary: ClassVar[str] = "only the biases train"
    default_lr: ClassVar[float] = 2e-3

    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """See `Method.apply`."""
        freeze_all(encoder)
        biases = {name: p for name, p in parts(encoder).tunable.items() if name.endswith(".bias") and p.ndim == 1}
        if not biases:
            problem = f"method bitfit trains biases, and this {encoder.backbone.config.model_type} model has none"
            raise UsageError(problem, "take --method lora or last_layers")
        return open_groups("biases", biases)
