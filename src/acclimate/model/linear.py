"""Linear layers of a backbone whose float32 products on the CPU are the fastest that the machine has."""

import torch
from torch import Tensor, nn

from acclimate.core.products import FastLinear, has_fast_products


class Linear(nn.Linear):
    """nn.Linear in all but the library that multiplies: weights, names and files are the same."""

    def forward(self, input: Tensor) -> Tensor:
        """States [..., D] to [..., M]."""
        if input.numel() and _in_float32_on_the_cpu(input, self.weight):
            found: Tensor = FastLinear.apply(input, self.weight, self.bias)  # type: ignore[no-untyped-call]
            return found
        return super().forward(input)


def use_fast_products(module: nn.Module) -> None:
    """Turns the plain linear layers inside a module into ``Linear``, where the machine gains by it."""
    if not has_fast_products():
        return
    for layer in module.modules():
        if type(layer) is nn.Linear:  # what others derived from it does something of its own
            layer.__class__ = Linear


def _in_float32_on_the_cpu(*tensors: Tensor) -> bool:
    wide = all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in tensors)
    return wide and not torch.is_autocast_enabled("cpu")
