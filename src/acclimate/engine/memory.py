"""How much a pass may hold: found from what the graph of a few texts keeps, and from the memory that is free."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from acclimate.model.encoder import Tokens

_SHARE = 0.5  # of the free memory for the graph; the rest is for gradients, the optimizer's state and evaluation
_TRIED = 16  # texts whose graph is measured
_CGROUP = Path("/sys/fs/cgroup")  # the limits of a container, which the machine's own figures do not show


def tokens_that_fit(
    unit: nn.Module, tokens: "Tokens", within: Callable[[str | int], AbstractContextManager[object]], device: str
) -> int:
    """How many tokens one pass may hold a graph for.

    Args:
        unit: embeds tokens.
        tokens: of a batch; its first texts are tried.
        within: the surroundings of a pass, by its name.
        device: where the unit is.
    """
    few = tokens.parts([min(_TRIED, len(tokens.lengths)), max(0, len(tokens.lengths) - _TRIED)])[0]
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    known = {parameter.untyped_storage().data_ptr() for parameter in unit.parameters()}
    with within("trial"), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        vectors = unit(few)
    graph = sum(size for place, size in kept.items() if place not in known)
    del vectors
    return max(1, int(_SHARE * free_bytes(device) / max(1.0, graph / max(1, len(few.ids)))))


def free_bytes(device: str) -> int:
    """Memory that is free on a device, under the limit of the container that the process may be in."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = int(psutil.virtual_memory().available)
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return free
    return max(0, min(free, limit - used))


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out. torch has an error of its own for it on CUDA alone."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
