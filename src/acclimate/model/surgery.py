"""Which parameters an encoder has and what they are for: the words in which methods say what trains."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch.nn import Parameter

from acclimate.core.errors import UsageError
from acclimate.model.encoder import Encoder

Named = dict[str, Parameter]


@dataclass(frozen=True, slots=True)
class Parts:
    """Every parameter of an encoder, once, by what it is for. Names are those of ``encoder.named_parameters()``.

    Attributes:
        token_table: the token embedding table, one entry.
        embeddings: what else is shared by or below all blocks: positions, types, their LayerNorm, projections.
        blocks: the layers, bottom up.
        top: above the blocks: a final norm, dense layers after pooling, adapters of the vectors.
        unused: what no vector depends on (BERT's pooler): never train it, its gradient is always missing.
    """

    token_table: Named
    embeddings: Named
    blocks: tuple[Named, ...]
    top: Named
    unused: Named

    @property
    def tunable(self) -> Named:
        """All parameters that the vectors depend on."""
        merged = self.token_table | self.embeddings
        for block in self.blocks:
            merged |= block
        return merged | self.top


def parts(encoder: Encoder) -> Parts:
    """Sorts the parameters by what they are for."""
    try:
        blocks = encoder.blocks()
    except UsageError:  # ALBERT shares one layer; what names no block can still train it
        blocks = []
    block_of = {id(parameter): index for index, (_, block) in enumerate(blocks) for parameter in block.parameters()}
    table = encoder.token_embedding().weight
    found = Parts({}, {}, tuple({} for _ in blocks), {}, {})
    below = True
    names = {name for name, _ in encoder.named_parameters()}
    for name, parameter in encoder.named_parameters():
        index = block_of.get(id(parameter))
        if parameter is table:
            found.token_table[name] = parameter
        elif index is not None:
            found.blocks[index][name] = parameter
            below = False
        elif name.startswith("backbone.pooler."):
            found.unused[name] = parameter
        # MPNet registers its relative position bias after the layers, though every layer uses it.
        elif name.startswith("backbone.") and (below or not _is_final_norm(name, names)):
            found.embeddings[name] = parameter
        else:
            found.top[name] = parameter
    return found


def _is_final_norm(name: str, names: set[str]) -> bool:
    """Whether a parameter after the layers belongs to the norm of their output."""
    module = name.rpartition(".")[0]
    of_positions = f"{module.rpartition('.')[0]}.rel_embeddings.weight" in names  # DeBERTa normalizes these
    return not of_positions and ("norm" in name.lower() or module.endswith(".ln_f"))


def freeze_all(encoder: Encoder) -> None:
    """Closes every parameter and drops its gradient: an optimizer moves a zero gradient too, only None stays put."""
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None


def matching(encoder: Encoder, patterns: Iterable[str]) -> Named:
    """The parameters whose names match one of the patterns, in the encoder's order.

    A pattern is a shell pattern (``*``, ``?``, ``[0-9]``) for a parameter's own name
    (``backbone.encoder.layer.0.output.dense.bias``) or for its name by block (``block.0.output.dense.bias``).

    Raises:
        UsageError: a pattern that matches nothing.
    """
    aliases = _names_by_block(encoder)
    named = dict(encoder.named_parameters())
    chosen: set[str] = set()
    for pattern in patterns:
        hits = {name for name in named if fnmatchcase(name, pattern) or fnmatchcase(aliases[name], pattern)}
        if not hits:
            last = len(encoder.blocks()) - 1
            remedy = f"blocks are block.0 .. block.{last}; names look like {aliases[list(named)[-1]]}"
            raise UsageError(f"pattern {pattern!r} matches no parameter", remedy)
        chosen |= hits
    return {name: parameter for name, parameter in named.items() if name in chosen}


def decays(name: str, parameter: Parameter) -> bool:
    """Whether weight decay is meant for it: not for biases and the gains of norms, which have one dimension."""
    return parameter.ndim > 1 and not name.endswith(".bias")


def _names_by_block(encoder: Encoder) -> dict[str, str]:
    """block.0.output.dense.bias for each parameter in a block; its own name for the others."""
    names = {id(parameter): name for name, parameter in encoder.named_parameters()}
    aliases = {name: name for name in names.values()}
    for label, block in encoder.blocks():
        for inner, parameter in block.named_parameters():
            aliases[names[id(parameter)]] = f"{label}.{inner}"
    return aliases
