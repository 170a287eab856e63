"""Number formats of the forward and backward pass. Weights and optimizer state are always float32."""

from contextlib import AbstractContextManager
from typing import Literal

import torch

from acclimate.core.errors import UsageError

Precision = Literal["fp32", "bf16", "fp16"]

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: str, precision: Precision) -> AbstractContextManager[object]:
    """The context in which matrix products run in the given format."""
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=_TYPES.get(precision, torch.bfloat16), enabled=precision != "fp32")


def fastest_precision(device: str) -> Precision:
    """bf16 where the hardware multiplies it, else fp32."""
    if torch.device(device).type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    capabilities = torch.backends.cpu.get_cpu_capability()
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if native and "AVX512" in capabilities else "fp32"


def check_precision(device: str, precision: Precision) -> None:
    """Refuses what the device cannot do.

    Raises:
        UsageError: fp16 without CUDA, whose gradients underflow without hardware-tested loss scaling.
    """
    if precision == "fp16" and torch.device(device).type != "cuda":
        raise UsageError("training.precision=fp16 needs a CUDA device", "take bf16, fp32 or auto")


class LossScale:
    """Dynamic loss scaling for fp16: halved after a step that overflows, doubled after 2,000 that don't."""

    def __init__(self, precision: Precision) -> None:
        self.active = precision == "fp16"
        self.value = 2.0**16 if self.active else 1.0
        self.good_steps = 0

    def update(self, *, finite: bool) -> None:
        """Adapts the scale after a step."""
        if not self.active:
            return
        self.good_steps = self.good_steps + 1 if finite else 0
        if not finite:
            self.value /= 2
        elif self.good_steps % 2_000 == 0:
            self.value *= 2
