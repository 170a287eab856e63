"""Encoding a file: in parts, in processes, taken up after a kill, refused before anything is written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import acclimate
from acclimate.core.errors import InterruptedRunError, ResourceError, UsageError
from acclimate.runs import encode as module
from acclimate.runs.encode import encode_file
from acclimate.runs.show import Show
from acclimate.runs.vector_file import PART, VectorFile
from acclimate.runs.workers import encoded_by

TEXTS = [f"a {animal} and {number} trees" for number in range(900) for animal in ("dog", "cat", "bird")]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n")
    return path


def encode(model: Path, source: Path, out: Path, processes: int = 1) -> np.ndarray:
    show = Show(quiet=True)
    encode_file(str(model), source, out, column=None, role="document", precision="fp32", processes=processes, show=show)
    return np.load(out, allow_pickle=False)


@pytest.mark.parametrize("processes", [1, 2])
def test_parts_and_processes_give_the_vectors_of_one_call(
    tiny_model: Path, source: Path, tmp_path: Path, processes: int
) -> None:
    assert len(TEXTS) > 2 * PART
    expected = acclimate.load(tiny_model).encode(TEXTS)
    vectors = encode(tiny_model, source, tmp_path / "v.npy", processes)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["texts.txt", "v.npy"]


def test_the_result_is_a_file_that_numpy_maps(tiny_model: Path, source: Path, tmp_path: Path) -> None:
    vectors = encode(tiny_model, source, tmp_path / "v.npy")
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, vectors)


class Stop:
    """Encodes some parts and then is stopped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
        self.left, self.plain = parts, VectorFile.write
        self.seen: list[int] = []
        monkeypatch.setattr(VectorFile, "write", lambda file, part, vectors: self.write(file, part, vectors))

    def write(self, file: VectorFile, part: int, vectors: np.ndarray) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        self.seen.append(part)
        self.plain(file, part, vectors)


def test_what_was_stopped_goes_on(
    tiny_model: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "v.npy"
    Stop(monkeypatch, 2)
    with pytest.raises(
        InterruptedRunError, match=f"saved after {2 * PART} of {len(TEXTS)} texts; run the same command"
    ):
        encode(tiny_model, source, out)
    assert not out.exists()
    monkeypatch.undo()
    again = Stop(monkeypatch, 99)
    vectors = encode(tiny_model, source, out)
    assert again.seen == [2]
    np.testing.assert_allclose(vectors, acclimate.load(tiny_model).encode(TEXTS), atol=1e-6)


def test_a_damaged_part_is_encoded_again(
    tiny_model: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "v.npy"
    Stop(monkeypatch, 2)
    with pytest.raises(InterruptedRunError):
        encode(tiny_model, source, out)
    monkeypatch.undo()
    partial = tmp_path / ".v.npy.partial" / "vectors.npy"
    data = bytearray(partial.read_bytes())
    data[200] ^= 1
    partial.write_bytes(data)
    with (tmp_path / ".v.npy.partial" / "parts.jsonl").open("a") as log:
        log.write('\n{"part": 2, "cr')  # killed while it was noted
    again = Stop(monkeypatch, 99)
    vectors = encode(tiny_model, source, out)
    assert again.seen == [0, 2]
    np.testing.assert_allclose(vectors, acclimate.load(tiny_model).encode(TEXTS), atol=1e-6)


def test_other_texts_begin_anew(
    tiny_model: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "v.npy"
    Stop(monkeypatch, 2)
    with pytest.raises(InterruptedRunError):
        encode(tiny_model, source, out)
    monkeypatch.undo()
    changed = ["a horse", *TEXTS[1:]]
    source.write_text("\n".join(changed) + "\n")
    again = Stop(monkeypatch, 99)
    vectors = encode(tiny_model, source, out)
    assert again.seen == [0, 1, 2]
    np.testing.assert_allclose(vectors, acclimate.load(tiny_model).encode(changed), atol=1e-6)


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_command_is_taken_up(tiny_model: Path, tmp_path: Path, processes: int) -> None:
    source, out = tmp_path / "many.txt", tmp_path / "v.npy"
    texts = [f"{text} {number}" for number in range(8) for text in TEXTS]
    source.write_text("\n".join(texts) + "\n")
    program = [
        sys.executable,
        "-c",
        "from acclimate.cli import main; main()",
        "encode",
        str(tiny_model),
        str(source),
        "--out",
        str(out),
    ]
    program += ["--processes", str(processes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(program, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    log = tmp_path / ".v.npy.partial" / "parts.jsonl"
    while not (log.exists() and len(log.read_text().splitlines()) > 2):
        assert first.poll() is None
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not out.exists()
    second = subprocess.run(program, env=environment, capture_output=True, text=True, check=True)
    assert "going on: " in second.stdout
    np.testing.assert_allclose(np.load(out), acclimate.load(tiny_model).encode(texts), atol=1e-6)


def test_a_process_that_dies_is_told(
    tiny_model: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "gone"
    monkeypatch.setattr(module, "encoded_by", lambda n, folder, *rest: encoded_by(n, broken, *rest))
    with pytest.raises(ResourceError, match=r"has died.*fewer --processes"):
        encode(tiny_model, source, tmp_path / "v.npy", processes=2)
    assert not (tmp_path / ".v.npy.partial").exists()


def test_two_commands_do_not_write_one_file(tiny_model: Path, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "v.npy"
    with VectorFile.opened(out, 10, 4, {}), pytest.raises(ResourceError, match="another process writes"):
        encode(tiny_model, source, out)


def test_no_room_is_told_before_anything_is_encoded(tmp_path: Path) -> None:
    with (
        pytest.raises(ResourceError, match=r"needs .* GB, and .* GB are free"),
        VectorFile.opened(tmp_path / "v.npy", 1 << 40, 384, {}),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_no_process_is_refused(tiny_model: Path, source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--processes 0"):
        encode(tiny_model, source, tmp_path / "v.npy", processes=0)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process alone is known on Linux")
def test_memory_does_not_grow_with_the_texts(tiny_model: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from acclimate.runs.encode import encode_file;"
        "from acclimate.runs.show import Show;"
        "encode_file(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), column=None, role='document',"
        "precision='fp32', processes=1, show=Show(quiet=True));"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    peaks = []
    for count in (4, 24):
        source = tmp_path / f"{count}.txt"
        source.write_text("\n".join("dog" + " " * 2000 for _ in range(count * PART)) + "\n")
        command = [sys.executable, "-c", code, str(tiny_model), str(source), str(tmp_path / f"{count}.npy")]
        peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    more = 20 * PART * (2000 + 4 * 32) // 1024  # KiB of texts and vectors
    assert peaks[1] - peaks[0] < more // 2, peaks
