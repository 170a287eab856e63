"""What the backbone reads at present, for parts inside of it that have to know which token stands where."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

_ids: ContextVar[Tensor] = ContextVar("ids")


@contextmanager
def reading(ids: Tensor) -> Iterator[None]:
    """Within it, the backbone reads these token ids, of the shape of its states without their last dimension."""
    token = _ids.set(ids)
    try:
        yield
    finally:
        _ids.reset(token)


def ids_read() -> Tensor:
    """The token ids that are being read: [B, L], or [1, T] of packed texts."""
    return _ids.get()
