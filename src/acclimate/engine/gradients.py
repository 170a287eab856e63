"""Gradients as steps leave them: dense, or sparse by row where a batch reads a few rows of a table.

A dense gradient of a table is as large as the table, whatever a batch touches, and is filled, scanned and summed whole.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from torch.nn import Parameter


def settle(parameters: Iterable["Parameter"]) -> None:
    """Sums up what was said of one row several times. Until then the norm of a sparse gradient is another one."""
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()


def numbers_of(gradient: Tensor) -> Tensor:
    """All numbers of a settled gradient that are not 0, in its own memory."""
    return gradient.values() if gradient.is_sparse else gradient


def touched(table: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of a table [V, D] whose settled gradient is not zero, long [R], and the gradient there [R, D]."""
    gradient = table.grad
    assert gradient is not None
    if not gradient.is_sparse:
        rows = (gradient != 0).any(dim=1).nonzero()[:, 0]
        return rows, gradient[rows]
    rows, values = gradient.indices()[0], gradient.values()
    moved = (values != 0).any(dim=1)
    return (rows, values) if moved.all() else (rows[moved], values[moved])
