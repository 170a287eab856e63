"""The linear layers of attention. Shapes do not tell them apart, so they are known by the names that backbones use."""

from collections.abc import Iterator, Set

from torch import nn

from acclimate.core.errors import UsageError
from acclimate.model.encoder import Encoder
from acclimate.model.feed_forward import feed_forwards, linear_layers

_OUT = {"dense", "o", "o_proj", "out_lin", "out_proj", "Wo"}
_KEY = {"key", "k", "k_lin", "k_proj", "key_proj"}
_VALUE = {"value", "v", "v_lin", "v_proj", "value_proj"}
_TOGETHER = {"Wqkv", "qkv_proj", "query_key_value"}  # queries, keys and values in one layer


def attention_outputs(encoder: Encoder) -> list[nn.Linear]:
    """The layer out of the attention of each block, bottom up.

    Raises:
        UsageError: a backbone whose blocks have none that is known.
    """
    return [_only(encoder, label, "out of", _among(layers, _OUT)) for label, layers in _attentions(encoder)]


def keys_and_values(encoder: Encoder) -> list[tuple[nn.Linear, ...]]:
    """The layers of keys and of values of each block, bottom up; one layer where that one holds the queries as well.

    Raises:
        UsageError: a backbone whose blocks have none that are known.
    """
    found: list[tuple[nn.Linear, ...]] = []
    for label, layers in _attentions(encoder):
        if together := _among(layers, _TOGETHER):
            found.append((_only(encoder, label, "into", together),))
        else:
            found.append(tuple(_only(encoder, label, "into", _among(layers, names)) for names in (_KEY, _VALUE)))
    return found


def _attentions(encoder: Encoder) -> Iterator[tuple[str, list[tuple[str, nn.Linear]]]]:
    """The label of each block, and its linear layers with their names, those of the feed-forward layer left out."""
    for (label, block), feed_forward in zip(encoder.blocks(), feed_forwards(encoder), strict=True):
        others = {*feed_forward.ins, feed_forward.out}
        yield label, [(place[1], layer) for place, layer in linear_layers(block) if place not in others]


def _among(layers: list[tuple[str, nn.Linear]], names: Set[str]) -> list[nn.Linear]:
    return [layer for name, layer in layers if name in names]


def _only(encoder: Encoder, label: str, side: str, layers: list[nn.Linear]) -> nn.Linear:
    if len(layers) != 1:
        kind = encoder.backbone.config.model_type
        problem = f"{label} of a {kind} model has no linear layers {side} its attention that are known by name"
        raise UsageError(problem, "take --method lora, or adapter with placement pfeiffer")
    return layers[0]
