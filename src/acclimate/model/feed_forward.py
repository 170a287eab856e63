"""The feed-forward layers of a backbone, and extra width beside what they were trained with.

A feed-forward layer computes ``out(act(inner(x)))``, or with a gate ``out(act(gate(x)) * inner(x))``. Hidden units do
not see each other, so r more of them are a second, parallel layer with the same activation, and the widened layer is
an ordinary one: the concatenated weights of both.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from acclimate.core.errors import UsageError
from acclimate.model.encoder import Encoder

Place = tuple[nn.Module, str]  # a module, and the attribute of it that is the layer

_WIDTHS = ("intermediate_size", "hidden_dim", "d_ff")  # what configurations call the inner width


class WiderIn(nn.Module):
    """A linear layer into the feed-forward layer, with r more units: [..., H] -> [..., parts x (I + r)].

    Args:
        base: its own linear layer.
        units: r.
        parts: 2 where one linear layer holds the gate and the inner units, one after the other.
    """

    def __init__(self, base: nn.Linear, units: int, parts: int) -> None:
        super().__init__()
        self.base, self.parts = base, parts
        self.added = _like(base, base.in_features, parts * units, bias=base.bias is not None)

    @property
    def weight(self) -> Tensor:
        """Of the base: some backbones ask for its format."""
        return self.base.weight

    def forward(self, states: Tensor) -> Tensor:
        """See the class."""
        return _interleaved(self.base(states), self.added(states), self.parts, dim=-1)

    def folded(self) -> nn.Linear:
        """One linear layer that says the same."""
        bias = None
        if self.base.bias is not None:
            bias = _interleaved(self.base.bias, self.added.bias, self.parts)
        return _linear(_interleaved(self.base.weight, self.added.weight, self.parts), bias)


class WiderOut(nn.Module):
    """The linear layer out of a widened feed-forward layer: [..., I + r] -> [..., H]. The r units start unheard."""

    def __init__(self, base: nn.Linear, units: int) -> None:
        super().__init__()
        self.base = base
        self.added = _like(base, units, base.out_features, bias=False)
        nn.init.zeros_(self.added.weight)

    @property
    def weight(self) -> Tensor:
        """Of the base: some backbones ask for its format."""
        return self.base.weight

    def forward(self, hidden: Tensor) -> Tensor:
        """See the class."""
        # One split: slices would each fill a whole tensor with zeros in their backward.
        own, more = hidden.split_with_sizes([self.base.in_features, self.added.in_features], dim=-1)
        found: Tensor = self.base(own) + self.added(more)
        return found

    def folded(self) -> nn.Linear:
        """One linear layer that says the same."""
        return _linear(torch.cat([self.base.weight, self.added.weight], dim=1), self.base.bias)


@dataclass(frozen=True, slots=True)
class FeedForward:
    """Where the feed-forward layer of a block is.

    Attributes:
        ins: (module, attribute) of each linear layer into it: one, or gate and inner units.
        out: (module, attribute) of the linear layer out of it.
        parts: 2 where one linear layer holds gate and inner units.
        width: H.
        bias: whether the layers into it have a bias.
    """

    ins: tuple[Place, ...]
    out: Place
    parts: int
    width: int
    bias: bool

    def parameters(self, units: int) -> int:
        """How many parameters so many more units are."""
        return units * (len(self.ins) * self.parts * (self.width + self.bias) + self.width)


def feed_forwards(encoder: Encoder) -> list[FeedForward]:
    """The feed-forward layer of each block, bottom up.

    Raises:
        UsageError: a backbone whose blocks have none that is made of linear layers.
    """
    inner = _inner_width(encoder)
    found = []
    for label, block in encoder.blocks():
        places = dict(linear_layers(block))
        outs = [place for place, layer in places.items() if layer.in_features == inner]
        ins = [place for place, layer in places.items() if layer.out_features == inner]
        parts = 1
        if not ins:
            ins, parts = [place for place, layer in places.items() if layer.out_features == 2 * inner], 2
        if len(outs) != 1 or not 1 <= len(ins) <= 2:
            kind = encoder.backbone.config.model_type
            problem = f"{label} of a {kind} model has no feed-forward layer that is made of linear ones"
            raise UsageError(problem, "take --method lora or full")
        out = places[outs[0]]
        found.append(FeedForward(tuple(ins), outs[0], parts, out.out_features, places[ins[0]].bias is not None))
    return found


def linear_layers(block: nn.Module) -> Iterator[tuple[Place, nn.Linear]]:
    """The linear layers that a block was trained with, and where they are: not what lies within them."""
    for name, child in block.named_children():
        if isinstance(layer := _own(child), nn.Linear):
            yield (block, name), layer
        else:
            yield from linear_layers(child)


def widen(encoder: Encoder, units: int, layers: int) -> dict[str, Parameter]:
    """Gives the feed-forward layers of the top blocks more units, in place; the vectors stay what they are.

    Args:
        encoder: not widened already.
        units: r, of each layer.
        layers: how many blocks, from the top.

    Returns:
        the new parameters by name.

    Raises:
        UsageError: see `feed_forwards`.
    """
    new: set[int] = set()
    for layer in feed_forwards(encoder)[-layers:]:
        _widen(layer, units)
        for module, name in (*layer.ins, layer.out):
            new |= {id(parameter) for parameter in getattr(module, name).added.parameters()}
    return {name: parameter for name, parameter in encoder.named_parameters() if id(parameter) in new}


def narrow(encoder: Encoder) -> None:
    """Takes away what `widen` added."""
    for layer in feed_forwards(encoder):
        for module, name in (*layer.ins, layer.out):
            setattr(module, name, _own(getattr(module, name)))


def fold(encoder: Encoder) -> None:
    """Makes what `widen` added part of ordinary layers. All get one width, as the configuration knows only one."""
    layers = feed_forwards(encoder)
    units = max((_units_of(getattr(*layer.out)) for layer in layers), default=0)
    if not units:
        return
    for layer in layers:
        if not isinstance(getattr(*layer.out), WiderOut):
            _widen(layer, units)
            for module, name in layer.ins:  # units that nothing hears: not of random numbers in the file
                nn.init.zeros_(getattr(module, name).added.weight)
        for module, name in (*layer.ins, layer.out):
            setattr(module, name, getattr(module, name).folded())
    config = encoder.backbone.config
    setattr(config, _width_name(encoder), _inner_width(encoder) + units)


def _widen(layer: FeedForward, units: int) -> None:
    for module, name in layer.ins:
        setattr(module, name, WiderIn(getattr(module, name), units, layer.parts))
    setattr(*layer.out, WiderOut(getattr(*layer.out), units))


def _units_of(layer: nn.Module) -> int:
    return layer.added.in_features if isinstance(layer, WiderOut) else 0


def _own(layer: nn.Module) -> nn.Module:
    return layer.base if isinstance(layer, WiderIn | WiderOut) else layer


def _width_name(encoder: Encoder) -> str:
    config = encoder.backbone.config
    name = next((name for name in _WIDTHS if isinstance(getattr(config, name, None), int)), None)
    if name is None:
        problem = f"a {config.model_type} model does not say how wide its feed-forward layers are"
        raise UsageError(problem, "take --method lora or full")
    return name


def _inner_width(encoder: Encoder) -> int:
    return int(getattr(encoder.backbone.config, _width_name(encoder)))


def _like(base: nn.Linear, inputs: int, outputs: int, *, bias: bool) -> nn.Linear:
    """A new layer of the base's kind (it may multiply by another library) on its device."""
    layer = nn.Linear(inputs, outputs, bias=bias, device=base.weight.device)
    layer.__class__ = base.__class__
    return layer


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device=weight.device)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


def _interleaved(own: Tensor, more: Tensor, parts: int, dim: int = 0) -> Tensor:
    """The first part of one and of the other, then the second parts."""
    pairs = zip(own.chunk(parts, dim), more.chunk(parts, dim), strict=True)
    return torch.cat([part for pair in pairs for part in pair], dim)
