"""Randomness comes in by the door: every generator is derived from the run's seed and a name."""

import hashlib

import numpy as np


def derive_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on the run's seed and on the names alone, equal on every platform."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numpy_generator(seed: int, *names: str | int) -> np.random.Generator:
    """A NumPy generator for one purpose, for instance ``numpy_generator(seed, "order", epoch)``."""
    return np.random.default_rng(derive_seed(seed, *names))
