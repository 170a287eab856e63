"""Gradient norms: of the whole and of each block, in one pass and one transfer."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from acclimate.model.surgery import parts

if TYPE_CHECKING:
    from torch.nn import Parameter

    from acclimate.model.encoder import Encoder


def block_of_parameters(encoder: "Encoder") -> dict[str, str]:
    """Parameter name -> its block: ``embedding_table``, ``embeddings``, ``block.0`` .., ``top``."""
    found = parts(encoder)
    blocks = {name: f"block.{number}" for number, block in enumerate(found.blocks) for name in block}
    others = (("embedding_table", found.token_table), ("embeddings", found.embeddings), ("top", found.top))
    return blocks | {name: block for block, named in others for name in named}


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
