"""Prompts at every depth (Liu et al. 2022, P-tuning v2; Jia et al. 2022): a layer reads vectors of its own for them.

What a layer says of the prompt's tokens is put aside, and the next layer reads learned vectors in their places. The
first layer reads the continuous prompt itself. No standard module can say this, so it is an extension.
"""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn import Parameter

from acclimate.core.errors import UsageError
from acclimate.model.backbone import hidden_size
from acclimate.model.extension import Extension
from acclimate.model.reading import ids_read
from acclimate.model.tokens import Tokens

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder

_NAME = "deep_prompt"  # of the part inside a block


class LayerPrompt(nn.Module):
    """What a block reads at the tokens ``first`` .. ``first + m - 1``: rows [m, H]."""

    def __init__(self, rows: Tensor, first: int) -> None:
        super().__init__()
        self.rows, self.first = Parameter(rows), first

    def put(self, block: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Before a block's forward: its input with the rows in the places of the prompt."""
        if inputs:
            return (self._with_rows(inputs[0]), *inputs[1:]), named
        return inputs, {**named, "hidden_states": self._with_rows(named["hidden_states"])}

    def _with_rows(self, states: Tensor) -> Tensor:
        places = ids_read() - self.first
        ours = (places >= 0) & (places < len(self.rows))  # [B, L]
        return states.index_put((ours,), F.embedding(places[ours], self.rows).to(states.dtype))


class DeepPrompt(Extension):
    """Rows for each of the ``length`` prompt tokens from the id ``first`` on, in every block but the lowest."""

    kind: Literal["deep_prompt"] = "deep_prompt"
    first: NonNegativeInt
    length: PositiveInt

    summary: ClassVar[str] = "what each layer reads at the tokens of the prompt"

    def insert(self, encoder: "Encoder") -> None:
        """See `Extension.insert`."""
        above = encoder.blocks()[1:]
        if not above:
            raise UsageError("a deep prompt needs a second layer, and the base has one", "leave method.deep out")
        for _, block in above:
            prompt = LayerPrompt(torch.zeros(self.length, hidden_size(encoder.backbone)), self.first)
            block.add_module(_NAME, prompt.to(encoder.device))
            block.register_forward_pre_hook(prompt.put, with_kwargs=True)

    def parameters(self, encoder: "Encoder") -> dict[str, Parameter]:
        """See `Extension.parameters`."""
        return {name: p for name, p in encoder.named_parameters() if name.endswith(f".{_NAME}.rows")}

    def start(self, encoder: "Encoder", role: str) -> None:
        """Sets the rows to what the layers say of the prompt before an empty text: the shallow prompt's own states."""
        ids = encoder.tokenize([""], role)
        places = [place for place, token in enumerate(ids[0]) if 0 <= token - self.first < self.length]
        for depth, rows in enumerate(self.parameters(encoder).values(), start=1):  # each needs those below it
            states = encoder.lower_states(Tokens.of(ids), depth)
            with torch.no_grad():
                rows.copy_(states[places])
