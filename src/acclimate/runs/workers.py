"""Encoding in several processes, each with its own share of the cores."""

import os
import signal
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from acclimate.core.errors import ResourceError

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder

_encoder: "Encoder"  # of a worker, which reads the model once


def encoded_by(
    processes: int, model: Path, parts: Iterable[tuple[int, Sequence[str]]], role: str, precision: str
) -> Generator[tuple[int, NDArray[np.float32]], None, None]:
    """Yields each part's number and vectors [n, D], in the order of the parts.

    No more parts are read ahead than keep the processes busy.

    Raises:
        ResourceError: a process died, as when memory runs out.
    """
    threads = max(1, (os.cpu_count() or 1) // processes)
    # Not forked: a fork of a process whose threads have run would wait for threads that it has not.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (model, threads))
    waiting: deque[tuple[int, Future[NDArray[np.float32]]]] = deque()
    try:
        for part, texts in parts:
            waiting.append((part, pool.submit(_encode, texts, role, precision)))
            if len(waiting) > 2 * processes:
                yield _result(waiting)
        while waiting:
            yield _result(waiting)
    except BrokenProcessPool:
        problem = "a process that encodes has died, perhaps since memory ran out"
        raise ResourceError(problem, "run the same command with fewer --processes; it goes on") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _result(waiting: "deque[tuple[int, Future[NDArray[np.float32]]]]") -> tuple[int, NDArray[np.float32]]:
    part, future = waiting.popleft()
    return part, future.result()


def _begin(model: Path, threads: int) -> None:
    global _encoder
    import torch

    from acclimate.model.store import load_encoder

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one decides
    torch.set_num_threads(threads)
    _encoder = load_encoder(model)


def _encode(texts: Sequence[str], role: str, precision: str) -> NDArray[np.float32]:
    return _encoder.encode(texts, role, precision=precision)  # type: ignore[arg-type]
