"""Bottlenecks behind the layers of a block: what leaves a layer is changed before the residual connection adds it.

::

    h = layer(x);  h + up(act(down(h)))        down: H -> r, up: r -> H, which starts at 0

Houlsby et al. (2019) put one behind the attention and one behind the feed-forward layer, Pfeiffer et al. (2021) the
latter alone. All lie before the sum with what went into the layer: a norm that follows the sum, as in BERT, would
otherwise be followed by a bottleneck that changes the whole state and not the layer's part in it.

They are no part of a standard model and do not fold into one, since ``act`` stands between them and the layer.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import Parameter

from acclimate.core.errors import UsageError
from acclimate.model.backbone import hidden_size
from acclimate.model.extension import Extension
from acclimate.model.feed_forward import feed_forwards
from acclimate.model.linear import use_fast_products
from acclimate.model.projections import attention_outputs

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder

Placement = Literal["houlsby", "pfeiffer"]
Activation = Literal["relu", "gelu", "swish"]

#: n, the terms of a Compacter's sum and the size of its rules, as in the paper. Bottleneck and width are multiples.
TERMS = 4
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu, "swish": F.silu}


class Bottleneck(nn.Module):
    """What is added to the output of a layer: [..., H] -> [..., H].

    Args:
        down: H -> r.
        up: r -> H.
        activation: between them.
    """

    def __init__(self, down: nn.Module, up: nn.Module, activation: Activation) -> None:
        super().__init__()
        self.down, self.up, self.activation = down, up, _ACTIVATIONS[activation]

    def forward(self, states: Tensor) -> Tensor:
        """See the class."""
        change: Tensor = self.up(self.activation(self.down(states)))
        return change

    def after(self, layer: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        """A forward hook of the layer. A method of this module, so that a copy of the layer calls the copy of it."""
        changed: Tensor = output + self(output)
        return changed


class Rules(nn.Module):
    """The matrices A_i of a Compacter [n, n, n], which all of its layers share."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = Parameter(torch.randn(TERMS, TERMS, TERMS) / TERMS**0.5)


class CompactLinear(nn.Module):
    """A linear layer with the weight ``sum_i A_i (x) (s_i t_i^T)`` (Karimi Mahabadi et al. 2021): [..., D] -> [..., M].

    Args:
        inputs: D.
        outputs: M.
        rules: A_i.
    """

    def __init__(self, inputs: int, outputs: int, rules: Rules) -> None:
        super().__init__()
        # In a tuple, where torch does not look: the rules belong to one module alone, or files would hold them n times.
        self._rules = (rules,)
        # With A of variance 1 / n, a weight starts with the variance of nn.Linear's, 1 / 3D.
        self.left = Parameter(torch.randn(TERMS, outputs // TERMS))  # s
        self.right = Parameter(torch.randn(TERMS, inputs // TERMS) / (3 * inputs) ** 0.5)  # t
        self.bias = Parameter(torch.zeros(outputs))

    @property
    def weight(self) -> Tensor:
        """[M, D]."""
        return kronecker_sum(self._rules[0].weight, self.left[:, :, None] * self.right[:, None, :])

    def forward(self, states: Tensor) -> Tensor:
        """See the class."""
        return F.linear(states, self.weight, self.bias)


class Bottlenecks(Extension):
    """The bottlenecks in the top ``layers`` blocks, of ``bottleneck`` units each."""

    kind: Literal["bottleneck"] = "bottleneck"
    placement: Placement
    bottleneck: PositiveInt
    activation: Activation
    compacter: bool
    layers: PositiveInt

    def insert(self, encoder: "Encoder") -> None:
        """See `Extension.insert`."""
        width = hidden_size(encoder.backbone)
        rules = None
        if self.compacter:
            if width % TERMS:
                problem = f"a compacter needs a multiple of {TERMS} for a width, and this base has {width}"
                raise UsageError(problem, "take it without compacter")
            rules = Rules().to(encoder.device)
            encoder.backbone.add_module("compacter", rules)
        for layer in self._layers(encoder):
            added = Bottleneck(*_projections(width, self.bottleneck, rules), self.activation)
            use_fast_products(added)
            layer.add_module("adapter", added.to(layer.weight.device))
            layer.register_forward_hook(added.after)

    def parameters(self, encoder: "Encoder") -> dict[str, Parameter]:
        """See `Extension.parameters`."""
        return {
            f"{place}.{name}": parameter
            for place, module in encoder.named_modules()
            if isinstance(module, Bottleneck | Rules)
            for name, parameter in module.named_parameters()
        }

    def _layers(self, encoder: "Encoder") -> Iterator[nn.Linear]:
        """The layers that have a bottleneck behind them."""
        for feed_forward in feed_forwards(encoder)[-self.layers :]:
            yield getattr(*feed_forward.out)
        if self.placement == "houlsby":
            yield from attention_outputs(encoder)[-self.layers :]


def kronecker_sum(rules: Tensor, parts: Tensor) -> Tensor:
    """The sum of the Kronecker products of [n, A, B] and [n, C, D], pair by pair: [A C, B D]."""
    products = rules[:, :, None, :, None] * parts[:, None, :, None, :]  # [n, A, C, B, D]
    return products.sum(0).flatten(2).flatten(0, 1)


def units_for(encoder: "Encoder", share: float, placement: Placement, layers: int) -> int:
    """The bottleneck with which plain bottlenecks have so large a share of the other weights, at least 1."""
    width, places = hidden_size(encoder.backbone), layers * (2 if placement == "houlsby" else 1)
    own = [p for e in encoder.extensions if isinstance(e, Bottlenecks) for p in e.parameters(encoder).values()]
    others = sum(p.numel() for p in encoder.parameters()) - sum(p.numel() for p in own)
    # One has 2 H r + H + r weights.
    return max(1, round((share * others / places - width) / (2 * width + 1)))


def refuse_bottlenecks(encoder: "Encoder", method: str) -> None:
    """For methods that change layers and fold into them: what a bottleneck says hangs on the layer's output.

    Raises:
        UsageError: the base has bottlenecks.
    """
    if any(isinstance(extension, Bottlenecks) for extension in encoder.extensions):
        problem = f"the base has bottlenecks of its own behind layers that {method} would change"
        raise UsageError(problem, "take --method full, or the base that it was made from")


def _projections(width: int, units: int, rules: Rules | None) -> tuple[nn.Module, nn.Module]:
    """Down and up; up gives 0, down does not: were both 0, no gradient would reach either."""
    if rules is not None:
        compact = CompactLinear(width, units, rules), CompactLinear(units, width, rules)
        nn.init.zeros_(compact[1].left)
        return compact
    plain = nn.Linear(width, units), nn.Linear(units, width)
    nn.init.zeros_(plain[0].bias)
    nn.init.zeros_(plain[1].weight)
    nn.init.zeros_(plain[1].bias)
    return plain
