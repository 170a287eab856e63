"""Norms of gradients and of updates: of the whole and of each block, in one pass and one transfer."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from acclimate.engine.gradients import numbers_of
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
    """The norm of all gradients and of each block's, from the input up. Parameters without gradient are left out."""
    named = [(name, numbers_of(p.grad)) for name, p in parameters.items() if p.grad is not None]
    if not named:
        return 0.0, {}
    squares = torch.stack(torch._foreach_norm([grad for _, grad in named])).double().square().tolist()
    return sum(squares) ** 0.5, _norms_by_block([name for name, _ in named], squares, block_of)


def norms_of(gradients: Mapping[str, Sequence[Tensor | None]]) -> dict[str, float]:
    """The norm of each gradient, a part for each parameter, in one transfer. Without any part it is 0."""
    found = {name: [part for part in gradient if part is not None] for name, gradient in gradients.items()}
    named = [name for name, parts in found.items() if parts]
    if not named:
        return dict.fromkeys(found, 0.0)
    norms = [torch.stack(torch._foreach_norm(found[name])).double().norm() for name in named]
    return dict.fromkeys(found, 0.0) | dict(zip(named, torch.stack(norms).tolist(), strict=True))


def update_ratios(moves: Mapping[str, tuple[Tensor, Tensor]], block_of: Mapping[str, str]) -> dict[str, float]:
    """How far a step moved each block: ``||w_after - w_before|| / ||w_before||``, in one transfer.

    Args:
        moves: parameter name -> norm of its weights before the step, norm of their change.
        block_of: parameter name -> its block.

    Returns:
        block -> ratio, from the input up, without blocks whose weights were all 0.
    """
    if not moves:
        return {}
    squares = torch.stack([torch.stack(pair) for pair in moves.values()]).double().square()
    weights, changes = (_norms_by_block(moves, column, block_of) for column in squares.T.tolist())
    return {block: changes[block] / weight for block, weight in weights.items() if weight > 0}


def _norms_by_block(names: Iterable[str], squares: Sequence[float], block_of: Mapping[str, str]) -> dict[str, float]:
    blocks: dict[str, float] = {}
    for name, square in zip(names, squares, strict=True):
        block = block_of.get(name, "objective")
        blocks[block] = blocks.get(block, 0.0) + square
    return {block: blocks[block] ** 0.5 for block in sorted(blocks, key=_height)}


def _height(block: str) -> tuple[int, int]:
    """Sorts blocks in the order of the forward pass."""
    kind, _, number = block.partition(".")
    return ("embedding_table", "embeddings", "block", "top", "objective").index(kind), int(number or 0)


def scale_gradients(parameters: Sequence[Tensor], factor: float) -> None:
    """Multiplies all gradients in place."""
    if factor != 1.0:
        torch._foreach_mul_([numbers_of(p.grad) for p in parameters if p.grad is not None], factor)
