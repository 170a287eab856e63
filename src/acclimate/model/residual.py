"""A residual adapter of vectors (Search-Adaptor, Yoon et al. 2023), on an encoder or on a table of vectors.

With a vector x [D] and its unit vector v = x / |x|::

    v' = normalize(v + up(act(down(v)))) = normalize(x + |x| up(act(down(v))))

The right-hand side is what is computed: where ``up`` is 0 nothing is rounded anew, and the vectors start bit-equal.
"""

from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from acclimate.model.dense import Dense
from acclimate.model.extension import Extension

if TYPE_CHECKING:
    from torch.nn import Parameter

    from acclimate.model.encoder import Encoder

Activation: TypeAlias = Literal["none", "gelu", "relu", "silu", "tanh"]
Side: TypeAlias = Literal["both", "query"]

_ACTIVATIONS = {"none": nn.Identity, "gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}
_LEAST_LENGTH = 1e-12  # a text without tokens is the zero vector, and stays it without a bias


class ResidualLayer(nn.Module):
    """The adapter: linear, of rank ``rank``, or with an activation one hidden layer of so many units.

    Args:
        width: D.
        rank: hidden units.
        activation: a name out of the table; with ``none`` there is no bias either.
        queries_alone: documents pass as they are.
    """

    def __init__(self, width: int, rank: int, activation: Activation, *, queries_alone: bool) -> None:
        super().__init__()
        self.queries_alone = queries_alone
        self.down = nn.Linear(width, rank, bias=activation != "none")
        self.activation = _ACTIVATIONS[activation]()
        self.up = nn.Linear(rank, width, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, vectors: Tensor, queries: Tensor | None) -> Tensor:
        """Vectors of any length [U, D], and which of them are queries [U], to [U, D]; their lengths scale alike."""
        if self.queries_alone and queries is None:
            return vectors
        with torch.autocast(vectors.device.type, enabled=False):
            length = vectors.norm(dim=-1, keepdim=True)
            change = self.up(self.activation(self.down(vectors / length.clamp_min(_LEAST_LENGTH))))
            changed: Tensor = vectors + length * change
        return (
            torch.where(queries[:, None], changed, vectors) if self.queries_alone and queries is not None else changed
        )


class Residual(Extension):
    """The settings of an encoder's residual adapter, the last step before normalization."""

    kind: Literal["residual"] = "residual"
    rank: PositiveInt
    activation: Activation = "none"
    side: Side = "both"

    @property
    def folds(self) -> bool:
        """Whether a standard Dense module says the same: normalization takes the length out of what is linear."""
        return self.activation == "none" and self.side == "both"

    def layer(self, width: int) -> ResidualLayer:
        """A new layer for vectors of ``width`` numbers."""
        return ResidualLayer(width, self.rank, self.activation, queries_alone=self.side == "query")

    def insert(self, encoder: "Encoder") -> None:
        """See `Extension.insert`."""
        encoder.vector_adapters.append(self.layer(encoder.dimension).to(encoder.device))

    def parameters(self, encoder: "Encoder") -> "dict[str, Parameter]":
        """See `Extension.parameters`."""
        named = encoder.named_parameters()
        return {name: p for name, p in named if name.startswith("vector_adapters.")}


def fold(encoder: "Encoder") -> None:
    """Turns a linear adapter of both sides into a Dense module ``I + up down``, in place; others stay as they are.

    The module also cuts the vectors where the encoder does (``truncate_dim``): the adapter was made for what is left.
    """
    for extension in [extension for extension in encoder.extensions if isinstance(extension, Residual)]:
        if not extension.folds:
            continue
        (layer,) = encoder.vector_adapters
        change = layer.up.weight @ layer.down.weight  # type: ignore[union-attr, operator]
        width = encoder.dimension
        encoder.truncate_dim = None
        dense = Dense(encoder.dimension, width, False, "torch.nn.modules.linear.Identity")
        with torch.no_grad():
            dense.linear.weight.zero_()
            dense.linear.weight[:, :width] = torch.eye(width, device=change.device) + change
        encoder.dense.append(dense.to(encoder.device))
        encoder.vector_adapters = nn.ModuleList()
        encoder.extensions.remove(extension)
