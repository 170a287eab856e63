"""What every method promises: it opens parameters of an encoder and freezes the rest."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from safetensors.torch import load_file, save_file

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup
from acclimate.core.specs import Spec
from acclimate.model.surgery import decays, parts

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from torch.nn import Parameter

    from acclimate.model.encoder import Encoder

#: The article's rule: the embedding table trains at a tenth of the rate of the other weights.
TABLE_LR_SCALE = 0.1
_TENSORS = "delta.safetensors"


class Method(Spec):
    """What trains, how fast and from when. The engine reads the groups and knows no method by name."""

    #: The learning rate that ``auto`` stands for, with batches of 64.
    default_lr: ClassVar[float] = 2e-4
    #: Whether it trains the embedding table, which is all there is of some bases.
    trains_table: ClassVar[bool] = False
    #: Whether the vectors are the base's before the first step.
    starts_as_base: ClassVar[bool] = True

    @abstractmethod
    def apply(self, encoder: "Encoder") -> list[ParamGroup]:
        """Edits the encoder in place where the method adds parts, freezes all else, returns what trains.

        Groups are disjoint and hold exactly the parameters that require a gradient afterwards.

        Raises:
            UsageError: when a setting matches nothing in this encoder.
        """

    def check_rows(self, kind: str) -> None:
        """Whether it can act on rows of a kind: ``pairs``, ``scored`` or ``labeled``.

        Raises:
            UsageError: nothing that it trains would ever take part in the loss.
        """

    def fold(self, encoder: "Encoder") -> None:
        """Makes what ``apply`` added part of standard layers, in place; the vectors stay the same to rounding."""

    def write_tensors(self, tensors: "dict[str, Tensor]", folder: "Path", encoder: "Encoder", base: str) -> None:
        """Writes what trained, by the names of the encoder after ``apply``; ``base`` is the name of the base."""
        save_file(tensors, folder / _TENSORS)

    def read_tensors(self, folder: "Path") -> "dict[str, Tensor]":
        """What `write_tensors` was given."""
        return load_file(folder / _TENSORS)


def open_groups(name: str, parameters: "Mapping[str, Parameter]", lr_scale: float = 1.0) -> list[ParamGroup]:
    """Opens parameters as two groups, with and without weight decay, leaving out an empty one.

    Biases and normalization gains do not decay: pulling a gain towards zero changes the scale of the layer instead of
    regularizing it.
    """
    for parameter in parameters.values():
        parameter.requires_grad_(True)
    decayed = {n: p for n, p in parameters.items() if decays(n, p)}
    others = {n: p for n, p in parameters.items() if n not in decayed}
    groups = [ParamGroup(name, decayed, lr_scale), ParamGroup(f"{name}.no_decay", others, lr_scale, decay=False)]
    return [group for group in groups if group.parameters]


def starting_at(progress: float, groups: Sequence[ParamGroup]) -> list[ParamGroup]:
    """The groups, to train from a progress in [0, 1) on."""
    return [replace(group, starts_at=progress) for group in groups]


def open_table(encoder: "Encoder", lr_scale: float) -> ParamGroup:
    """Opens the token embedding table; rows that a batch does not touch will not move."""
    table = parts(encoder).token_table
    for parameter in table.values():
        parameter.requires_grad_(True)
    return ParamGroup("embedding_table", table, lr_scale, by_row=True)


def counted(layers: int | Literal["all"], blocks: int) -> int:
    """How many of the top blocks ``method.layers`` means.

    Raises:
        UsageError: more than there are.
    """
    if layers == "all":
        return blocks
    if layers > blocks:
        raise UsageError(f"method.layers={layers}, but the base has {blocks} blocks", f"take 1 to {blocks} layers")
    return layers


def top_blocks(encoder: "Encoder", layers: int) -> "dict[str, Parameter]":
    """The named parameters of the top blocks and of everything above them (final norm, dense layers).

    Raises:
        UsageError: when the encoder has fewer blocks.
    """
    found = parts(encoder)
    if not found.blocks:
        encoder.blocks()  # says why there are none
    chosen = dict(found.top)
    for block in found.blocks[-counted(layers, len(found.blocks)) :]:
        chosen |= block
    return chosen
