"""Number formats of the forward and backward pass. Weights and optimizer state are always float32."""

import time
from contextlib import AbstractContextManager
from functools import cache
from typing import Literal

import torch

from acclimate.core.errors import UsageError

Precision = Literal["fp32", "bf16", "fp16"]

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_TRIED_WIDTH, _TRIES = 256, 8
_CLEARLY = 1.2  # what converting weights and activations takes comes on top of the products


def autocast(device: str, precision: Precision) -> AbstractContextManager[object]:
    """The context in which matrix products run in the given format."""
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=_TYPES.get(precision, torch.bfloat16), enabled=precision != "fp32")


@cache
def fastest_precision(device: str) -> Precision:
    """bf16 where the device multiplies it clearly faster than float32, else fp32.

    On a processor both are timed, for some milliseconds: there are some whose bf16 instructions are half as fast.
    """
    if torch.device(device).type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    single, half = (torch.ones(_TRIED_WIDTH, _TRIED_WIDTH, dtype=kind) for kind in (torch.float32, torch.bfloat16))
    times = [(_product_seconds(single), _product_seconds(half)) for _ in range(_TRIES)]  # in turn: load meets both
    fp32, bf16 = (min(column) for column in zip(*times, strict=True))
    return "bf16" if fp32 > _CLEARLY * bf16 else "fp32"


def _product_seconds(matrix: torch.Tensor) -> float:
    started = time.perf_counter()
    torch.mm(matrix, matrix)
    return time.perf_counter() - started


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
