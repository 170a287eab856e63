"""Cost metrics: a clock that is handed in, and the real process."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from acclimate.core.errors import DataError
from acclimate.evaluation.efficiency import count_peak_from_here, efficiency_metrics, model_bytes, peak_memory_bytes


def test_times_are_taken_from_the_clock(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").write_bytes(b"x" * 10)
    (tmp_path / "inner" / "b").write_bytes(b"x" * 5)
    now = 0.0

    def encode(texts: Sequence[str], role: str) -> np.ndarray:
        nonlocal now
        now += 0.001 * sum(map(len, texts)) * (2 if role == "query" else 1)
        return np.zeros((len(texts), 2), np.float32)

    queries = ["x" * length for length in range(1, 102)]  # 2 to 202 ms
    metrics = efficiency_metrics(encode, queries, ["xxxx"] * 50, model_folder=tmp_path, clock=lambda: now)
    assert list(metrics) == [
        "latency_ms_p50",
        "latency_ms_p95",
        "documents_per_second",
        "peak_memory_bytes",
        "model_bytes",
    ]
    assert metrics["latency_ms_p50"] == pytest.approx(102)
    assert metrics["latency_ms_p95"] == pytest.approx(192)
    assert metrics["documents_per_second"] == pytest.approx(250)
    assert metrics["model_bytes"] == model_bytes(tmp_path) == 15
    with pytest.raises(DataError, match="at least one query"):
        efficiency_metrics(encode, [], ["a"], model_folder=tmp_path, clock=lambda: now)


def test_peak_memory_is_in_bytes_and_grows() -> None:
    before = peak_memory_bytes()
    assert before > 20 << 20  # Python with NumPy
    held = np.ones(before // 8 + (64 << 20) // 8)  # more than the process ever had
    assert peak_memory_bytes() >= before + (32 << 20)
    assert held.nbytes < peak_memory_bytes() < 100 * held.nbytes


@pytest.mark.skipif(sys.platform != "linux", reason="no other system forgets a peak")
def test_a_second_run_has_a_peak_of_its_own() -> None:
    held = np.ones((128 << 20) // 8)
    high = peak_memory_bytes()
    del held
    count_peak_from_here()
    assert peak_memory_bytes() < high - (96 << 20)
