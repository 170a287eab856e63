"""Gradient norms: of the whole and of each block, in one pass and one transfer."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from torch.nn import Parameter

    from acclimate.model.encoder import Encoder


def block_of_parameters(encoder: "Encoder") -> dict[str, str]:
    """Parameter name -> its block: ``embedding_table``, ``embeddings``, ``block.0`` .., ``head``."""
    names = {id(p): name for name, p in encoder.named_parameters()}
    blocks = {names[id(p)]: block for block, module in encoder.blocks() for p in module.parameters()}
    dense = {names[id(p)] for p in encoder.dense.parameters()}
    table = names[id(encoder.token_embedding().weight)]
    rest = {name: "head" if name in dense else "embeddings" for name in names.values()}
    return rest | blocks | {table: "embedding_table"}


def gradient_norms(
    parameters: Mapping[str, "Parameter"], block_of: Mapping[str, str]
) -> tuple[float, dict[str, float]]:
    """The norm of all gradients and of each block's. Parameters without gradient are left out."""
    named = [(name, p.grad) for name, p in parameters.items() if p.grad is not None]
    if not named:
        return 0.0, {}
    squares = torch.stack(torch._foreach_norm([grad for _, grad in named])).double().square().tolist()
    blocks: dict[str, float] = {}
    for (name, _), square in zip(named, squares, strict=True):
        block = block_of.get(name, "objective")
        blocks[block] = blocks.get(block, 0.0) + square
    return sum(squares) ** 0.5, {block: blocks[block] ** 0.5 for block in sorted(blocks)}


def scale_gradients(parameters: Sequence[Tensor], factor: float) -> None:
    """Multiplies all gradients in place."""
    if factor != 1.0:
        torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], factor)
