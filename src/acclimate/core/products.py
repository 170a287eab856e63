"""Products of float32 matrices by oneDNN where torch would take a library that leaves half of the processor idle.

On processors with AVX-512 that are not Intel's, torch's own products use half as wide registers. The arithmetic is
float32 all the same: only the order of summing differs.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor

from acclimate.core.processor import processor_name

_BITS_LOST = 1e-4  # of the largest product; float32 stays far below it, 16-bit inputs far above


@cache
def has_fast_products() -> bool:
    """Whether this machine's products go through oneDNN. Each machine always answers the same."""
    # On Intel's, 4,096 x 384 x 1,536 on one core: torch's products 166 GFLOP/s, oneDNN's 156, and 108 where an operand
    # is transposed, as for the gradient of a weight.
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or "intel" in processor_name().lower():
        return False
    left, right = torch.linspace(-1, 1, 3 * 70).view(3, 70), torch.linspace(1, 2, 5 * 70).view(5, 70)
    exact = left.double() @ right.double().T
    try:
        found = fast_product(left, right)
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    return bool((found - exact).abs().max() < _BITS_LOST * exact.abs().max())


def fast_product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """``left @ right.T + bias`` for float32 [N, D], [M, D] and [M], on the CPU and without gradients: [N, M]."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")
    return product


class FastLinear(torch.autograd.Function):
    """A linear layer by ``fast_product``, forward and backward."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """States [..., D], weight [M, D] and bias [M] to [..., M]."""
        ctx.save_for_backward(states, weight)
        rows = states.reshape(-1, states.shape[-1])
        return fast_product(rows, weight, bias).view(*states.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The gradients of states, weight and bias, where they are asked for."""
        states, weight = ctx.saved_tensors
        gradient = gradients[0].reshape(-1, weight.shape[0])  # [N, M]
        of_states = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_states = fast_product(gradient, weight.T).view(states.shape)
        if ctx.needs_input_grad[1]:
            of_weight = fast_product(gradient.T, states.reshape(-1, states.shape[-1]).T)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum(0)
        return of_states, of_weight, of_bias
