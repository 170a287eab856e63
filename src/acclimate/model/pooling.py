"""Token states to one vector a text, as sentence-transformers' Pooling module defines it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

# In this order sentence-transformers concatenates the modes of its legacy configuration (one boolean a mode).
POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


class Pooling(nn.Module):
    """One or several pooled views of the token states, concatenated.

    Args:
        modes: names out of POOLING_MODES, in the order of concatenation.
        include_prompt: False leaves the prompt's tokens out.
    """

    def __init__(self, modes: tuple[str, ...] = ("mean",), include_prompt: bool = True) -> None:
        super().__init__()
        self.modes = modes
        self.include_prompt = include_prompt

    def forward(self, states: Tensor, mask: Tensor, prompt_lengths: Tensor) -> Tensor:
        """Pools.

        Args:
            states: the backbone's last hidden states. [B, L, H]
            mask: True at the text's tokens, which start at column 0. Bool [B, L]
            prompt_lengths: leading tokens to leave out. Long [B]

        Returns:
            fp32 [B, H x modes]; zeros where nothing is left to pool.
        """
        columns = torch.arange(mask.shape[1], device=mask.device)
        kept = mask & (columns >= prompt_lengths[:, None])  # [B, L]
        # Sums over hundreds of bf16 states lose digits, and autocast would take the products back to bf16.
        with torch.autocast(states.device.type, enabled=False):
            return torch.cat([_POOL[mode](states.float(), kept) for mode in self.modes], dim=-1)


def _weighted(states: Tensor, weights: Tensor) -> Tensor:
    """The sum of the states, times weights [B, L]. A product of matrices: no [B, L, H] intermediate is kept."""
    return torch.einsum("blh,bl->bh", states, weights)


def _cls(states: Tensor, kept: Tensor) -> Tensor:
    return _at(states, kept.int().argmax(dim=1))  # the first kept one; column 0 when none is


def _max(states: Tensor, kept: Tensor) -> Tensor:
    highest = states.masked_fill(~kept[:, :, None], float("-inf")).amax(dim=1)
    return highest.masked_fill(~kept.any(dim=1)[:, None], 0.0)


def _mean(states: Tensor, kept: Tensor) -> Tensor:
    weights = kept.float()
    return _weighted(states, weights / weights.sum(dim=1, keepdim=True).clamp(min=1))


def _mean_sqrt(states: Tensor, kept: Tensor) -> Tensor:
    weights = kept.float()
    return _weighted(states, weights / weights.sum(dim=1, keepdim=True).clamp(min=1).sqrt())


def _weightedmean(states: Tensor, kept: Tensor) -> Tensor:
    # A prompt that is left out keeps its places: the first token after it has the weight of its own position.
    weights = kept * torch.arange(1, kept.shape[1] + 1, device=kept.device, dtype=torch.float32)
    return _weighted(states, weights / weights.sum(dim=1, keepdim=True).clamp(min=1))


def _lasttoken(states: Tensor, kept: Tensor) -> Tensor:
    columns = torch.arange(kept.shape[1], device=kept.device)
    last = (columns * kept).argmax(dim=1)
    return _at(states, last) * kept.any(dim=1)[:, None]


def _at(states: Tensor, columns: Tensor) -> Tensor:
    return states[torch.arange(len(states), device=states.device), columns]


_POOL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cls": _cls,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt,
    "weightedmean": _weightedmean,
    "lasttoken": _lasttoken,
}
