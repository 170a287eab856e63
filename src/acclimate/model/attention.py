"""Attention through transformers' attention interface: texts packed without padding, and bf16 that is fast on CPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

_NAME = "acclimate_sdpa"


@dataclass(frozen=True, slots=True)
class Packing:
    """Texts that lie one after another in one row of T tokens, those of one length side by side.

    Attributes:
        counts: how many texts each group has.
        lengths: tokens of each text of the group. counts x lengths add up to T.
    """

    counts: tuple[int, ...]
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, lengths: Tensor) -> "Packing":
        """From the sorted lengths of the texts [B]."""
        distinct, counts = torch.unique_consecutive(lengths, return_counts=True)
        return cls(tuple(counts.tolist()), tuple(distinct.tolist()))

    @property
    def sizes(self) -> list[int]:
        """Tokens of each group."""
        return [count * length for count, length in zip(self.counts, self.lengths, strict=True)]


_packing: ContextVar[Packing | None] = ContextVar("packing", default=None)


@contextmanager
def packed(packing: Packing) -> Iterator[None]:
    """Within it, backbones read one row of packed texts, and no text attends to another."""
    token = _packing.set(packing)
    try:
        yield
    finally:
        _packing.reset(token)


def use_fast_attention(backbone: PreTrainedModel) -> None:
    """Switches the backbone to the attention below; one without the interface keeps what transformers chose."""
    if has_interface(backbone):
        backbone.set_attn_implementation(_NAME)


def has_interface(backbone: PreTrainedModel) -> bool:
    """Whether the backbone's attention can be replaced."""
    return bool(backbone._supports_attention_backend)


def _attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """scaled_dot_product_attention, in fp32 where bf16 would be slower. query, key, value: [B, heads, L, H / heads].

    Returns:
        [B, L, heads, H / heads], and no attention weights.
    """
    packing, kept_type = _packing.get(), query.dtype
    # torch's CPU kernel for the backward of bf16 SDPA is slow. MiniLM, 128 short real texts, one Zen 4 core,
    # bf16 autocast, seconds forward + backward: SDPA 0.34 + 1.16, eager 0.32 + 0.71, SDPA in fp32 0.33 + 0.63.
    if query.device.type == "cpu" and kept_type == torch.bfloat16:
        query, key, value = query.float(), key.float(), value.float()
    with torch.autocast(query.device.type, enabled=False):
        if packing is None:
            out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        else:
            out = _by_length(module, query, key, value, packing, **options)
    return out.to(kept_type), None


def _by_length(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    packing: Packing,
    *,
    position_bias: Tensor | None = None,
    sliding_window: int | None = None,
    **options: Any,
) -> Tensor:
    """Attention of packed texts, a call for each length: no mask, no padding. query, key, value: [1, heads, T, h].

    Texts of one length are a rectangle, so that causal and sliding windows need no knowledge of the packing.
    """
    if position_bias is not None:
        raise NotImplementedError("a bias between positions of different texts")  # such a backbone is padded
    # One split for all groups: slices would each fill a whole tensor with zeros in their backward.
    parts = [
        tensor.transpose(1, 2)[0].split_with_sizes(packing.sizes) for tensor in (query, key, value)
    ]  # [n x l, heads, h]
    outs = []
    for count, length, *group in zip(packing.counts, packing.lengths, *parts, strict=True):
        q, k, v = (part.view(count, length, *part.shape[1:]).transpose(1, 2) for part in group)  # [n, heads, l, h]
        mask = _window(module, length, sliding_window, q.device, options)
        out, _ = sdpa_attention_forward(module, q, k, v, mask, **options)  # [n, l, heads, h]
        outs.append(out.reshape(count * length, *out.shape[2:]))
    return torch.cat(outs)[None]


def _window(
    module: nn.Module, length: int, width: int | None, device: torch.device, options: dict[str, Any]
) -> Tensor | None:
    """True where a token sees another [l, l]; None where the window holds the whole text."""
    if width is None or width >= length:
        return None
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    places = torch.arange(length, device=device)
    back = places[:, None] - places[None, :]
    return (back < width) & (back >= 0) if causal else back.abs() < width


def _mask(**options: Any) -> Tensor | None:
    return None if _packing.get() is not None else sdpa_mask(**options)


AttentionInterface.register(_NAME, _attention)
AttentionMaskInterface.register(_NAME, _mask)
