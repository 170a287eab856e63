"""What every method promises: it opens parameters of an encoder and freezes the rest."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

from acclimate.core.nouns import ParamGroup
from acclimate.core.specs import Spec

if TYPE_CHECKING:
    from torch.nn import Parameter

    from acclimate.model.encoder import Encoder

#: The article's rule: the embedding table trains at a tenth of the rate of the other weights.
TABLE_LR_SCALE = 0.1


class Method(Spec):
    """What trains, how fast and from when. The engine reads the groups and knows no method by name."""

    @abstractmethod
    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """Edits the encoder in place where the method adds parts, freezes all else, returns what trains.

        Groups are disjoint and hold exactly the parameters that require a gradient afterwards.

        Raises:
            UsageError: when a setting matches nothing in this encoder.
        """


def open_groups(
    encoder: "Encoder", name: str, parameters: Iterable[tuple[str, "Parameter"]], lr_scale: float = 1.0
) -> list[ParamGroup]:
    """Opens parameters as two groups, with and without weight decay, leaving out an empty one.

    Biases and normalization gains (every parameter with fewer than two dimensions) do not decay: pulling a gain
    towards zero changes the scale of the layer instead of regularizing it.
    """
    opened = list(parameters)
    for _, parameter in opened:
        parameter.requires_grad_(True)
    weights = {n: p for n, p in opened if p.ndim > 1}
    others = {n: p for n, p in opened if p.ndim <= 1}
    groups = [ParamGroup(name, weights, lr_scale), ParamGroup(f"{name}.no_decay", others, lr_scale, decay=False)]
    return [group for group in groups if group.parameters]


def open_table(encoder: "Encoder", lr_scale: float) -> ParamGroup:
    """Opens the token embedding table; rows that a batch does not touch will not move."""
    table = encoder.token_embedding().weight
    table.requires_grad_(True)
    name = next(n for n, p in encoder.named_parameters() if p is table)
    return ParamGroup("embedding_table", {name: table}, lr_scale, by_row=True)


def freeze(encoder: "Encoder") -> None:
    """Closes every parameter."""
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)


def top_blocks(encoder: "Encoder", layers: int) -> list[tuple[str, "Parameter"]]:
    """The named parameters of the top blocks and of everything above the backbone (dense heads).

    Raises:
        UsageError: when the encoder has fewer blocks.
    """
    from acclimate.core.errors import UsageError

    blocks = encoder.blocks()
    if layers > len(blocks):
        raise UsageError(
            f"method.layers={layers}, but the base has {len(blocks)} blocks", f"take 1 to {len(blocks)} layers"
        )
    names = {id(p): n for n, p in encoder.named_parameters()}
    modules = [module for _, module in blocks[len(blocks) - layers :]] + list(encoder.dense)
    return [(names[id(p)], p) for module in modules for p in module.parameters()]
