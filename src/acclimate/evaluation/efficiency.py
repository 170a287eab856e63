"""What a model costs to use: time of one query, documents a second, memory, size on disk."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acclimate.core.errors import DataError

WARM_UP = 3
_PROCESS = Path("/proc/self")  # Linux


def efficiency_metrics(
    encode: Callable[[Sequence[str], str], NDArray[np.float32]],
    queries: Sequence[str],
    documents: Sequence[str],
    *,
    model_folder: Path,
    clock: Callable[[], float],
) -> dict[str, float]:
    """Times encoding with the given clock: queries one by one, documents all at once.

    Args:
        encode: texts and role -> vectors ``[N, D]``.
        queries: each is encoded alone once, after a short warm-up.
        documents: encoded in one call.
        model_folder: its files are counted.
        clock: seconds, for instance ``time.perf_counter``.

    Returns:
        ``latency_ms_p50``, ``latency_ms_p95``, ``documents_per_second``, ``peak_memory_bytes`` (of the process since it
        started) and ``model_bytes``.

    Raises:
        DataError: no queries or no documents.
    """
    if not queries or not documents:
        raise DataError("nothing to time", "give at least one query and one document")
    for query in queries[:WARM_UP]:
        encode([query], "query")
    milliseconds = [1000 * _seconds(encode, [query], "query", clock) for query in queries]
    return {
        "latency_ms_p50": float(np.percentile(milliseconds, 50)),
        "latency_ms_p95": float(np.percentile(milliseconds, 95)),
        "documents_per_second": len(documents) / _seconds(encode, documents, "document", clock),
        "peak_memory_bytes": float(peak_memory_bytes()),
        "model_bytes": float(model_bytes(model_folder)),
    }


def latencies(
    encoders: Sequence[Callable[[Sequence[str], str], NDArray[np.float32]]],
    queries: Sequence[str],
    *,
    clock: Callable[[], float],
) -> list[float]:
    """Median milliseconds of one query by each encoder; they take turns, so that what else the machine does hits all.

    Raises:
        DataError: no queries.
    """
    if not queries:
        raise DataError("nothing to time", "give at least one query")
    for query in queries[:WARM_UP]:
        for encode in encoders:
            encode([query], "query")
    taken = [[_seconds(encode, [query], "query", clock) for encode in encoders] for query in queries]
    return [float(1000 * median) for median in np.median(taken, axis=0)]


def count_peak_from_here() -> None:
    """Makes `peak_memory_bytes` forget what was before, so that a second run has a figure of its own. Linux alone."""
    with suppress(OSError):
        (_PROCESS / "clear_refs").write_text("5")


def peak_memory_bytes() -> int:
    """The most memory that this process has had resident since it started, or since `count_peak_from_here`."""
    if (_PROCESS / "status").is_file():
        lines = (_PROCESS / "status").read_text(encoding="ascii", errors="replace").splitlines()
        return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes


def model_bytes(folder: Path) -> int:
    """Sum of the sizes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _seconds(
    encode: Callable[[Sequence[str], str], NDArray[np.float32]],
    texts: Sequence[str],
    role: str,
    clock: Callable[[], float],
) -> float:
    start = clock()
    encode(texts, role)
    return max(clock() - start, 1e-9)  # a coarse clock may not move
