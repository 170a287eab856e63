"""A run that is killed at any moment is taken up by the same command, and ends bit for bit as if nothing had been."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from small import jsonl, pairs, start

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork and no kill -9")

KILLED = -signal.SIGKILL


@dataclass
class Ended:
    """How a command ended.

    Attributes:
        status: exit status, negative for a signal.
        events: the changes of files that it made in its folder; empty when it was killed.
    """

    status: int
    out: str
    err: str
    events: list[str]
    cpu: float


class Driver:
    """Runs commands in forks of one process that has everything imported. See driver.py."""

    def __init__(self, scratch: Path) -> None:
        command = [sys.executable, str(Path(__file__).with_name("driver.py"))]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._process: subprocess.Popen[str] = subprocess.Popen(command, env=environment, **pipes)
        self._scratch, self._jobs = scratch, 0

    def begin(self, folder: Path, arguments: list[object], **moment: Any) -> tuple[int, Path]:
        """Starts a command; a moment is ``signal`` with ``event`` or ``cpu``."""
        self._jobs += 1
        output = self._scratch / f"job{self._jobs}"
        job = {"arguments": [str(a) for a in arguments], "folder": str(folder), "output": str(output), **moment}
        return self._ask(job), output

    def end(self, pid: int, output: Path) -> Ended:
        """Waits for a command."""
        status = self.wait(pid)
        used = output.with_suffix(".json")
        figures = json.loads(used.read_text()) if used.exists() else {"events": [], "cpu": 0.0}
        said = [output.with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".out", ".err")]
        return Ended(status, *said, **figures)

    def wait(self, pid: int) -> int:
        """The exit status of a command that has ended, or 0 for one that has stopped."""
        return self._ask(pid)

    def run(self, folder: Path, arguments: list[object], **moment: Any) -> Ended:
        """`begin` and `end`."""
        return self.end(*self.begin(folder, arguments, **moment))

    def close(self) -> None:
        self._process.communicate()

    def _ask(self, question: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@dataclass
class Whole:
    """A run that nobody disturbed, and the means to run others like it."""

    driver: Driver
    options: list[object]
    weights: bytes
    metrics: list[dict[str, Any]]
    scores: dict[str, Any]
    ended: Ended

    def run(self, folder: Path, **moment: Any) -> Ended:
        return self.driver.run(folder, [*self.options, folder], **moment)

    def event(self, text: str, *, after: int = 0) -> int:
        """The number of the first change of a file that holds a text."""
        return next(n for n, event in enumerate(self.ended.events, 1) if text in event and n > after)

    def same(self, folder: Path) -> bool:
        """Whether a run ended as this one did."""
        assert weights_of(folder) == self.weights
        assert metrics_of(folder) == self.metrics
        scores = json.loads((folder / "scores.json").read_text())
        assert (scores["test"], scores["general"]) == (self.scores["test"], self.scores["general"])
        left = {path.name for path in folder.rglob("*")}
        assert not [name for name in left if name.startswith(".") and name != ".lock"]
        assert not left & {"checkpoints", "cache"}
        assert (folder / "report.html").is_file()
        return True


def weights_of(folder: Path) -> bytes:
    return (folder / "model" / "model.safetensors").read_bytes()


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Whole]:
    place = tmp_path_factory.mktemp("kill")
    data = [jsonl(place / "train.jsonl", pairs(100)), "--general", jsonl(place / "general.jsonl", pairs(20, 7, "g"))]
    options: list[object] = ["fit", *data, "--base", tiny_model, "--batch-size", 8, "--epochs", 2, "--lr", "3e-3"]
    options += ["--method", "full", "--keep", "anyway"]
    options += ["--set", "regularizers=[l2sp]", "--out"]  # cheaper than general texts in every run
    # In a process of its own: its hashes of words are other ones than those of the forks.
    process = start(*options, place / "whole")
    driver = Driver(place)
    listed = driver.run(place / "listed", [*options, place / "listed"])
    assert process.wait(timeout=300) in (0, 3)
    found = json.loads((place / "whole" / "scores.json").read_text())
    whole = Whole(driver, options, weights_of(place / "whole"), metrics_of(place / "whole"), found, listed)
    assert whole.same(place / "listed")
    assert len({str(record.get("dev")) for record in whole.metrics}) > 2  # the weights did move
    yield whole
    driver.close()


#: The end of a checkpoint's save.
SAVED = ".tmp checkpoints/0"
#: A change of a file or words, in each stage of a run; the kill comes before them.
STAGES = {
    "claiming": "os.rename data/.fingerprint.json",
    "reading": "os.rename data/.profile.json",
    "scoring the base": "open cache/general_before",
    "tokenizing": "os.rename cache/features",
    "training": " 12/",
    "inside the first checkpoint": "os.rename checkpoints/.00000",
    "removing an old checkpoint": "os.rmdir",
    "merging": "choosing how much",
    "scoring the tuned model": "scoring the tuned model",
    "saving the model": "os.rename .model.",
    "the figures": "os.rename .scores.json",
    "the report": "os.rename .report.html",
    "cleaning up": "shutil.rmtree cache",
}


def moment(whole: Whole, stage: str) -> dict[str, Any]:
    """The moment of a stage, as the driver takes it."""
    is_event = STAGES[stage].split()[0] in {"open", "os.rename", "os.rmdir", "shutil.rmtree"}
    return {"event": whole.event(STAGES[stage])} if is_event else {"words": STAGES[stage]}


@pytest.mark.parametrize("stage", STAGES)
def test_a_kill_in_each_stage(whole: Whole, tmp_path: Path, stage: str) -> None:
    run = tmp_path / "run"
    assert whole.run(run, signal=signal.SIGKILL, **moment(whole, stage)).status == KILLED
    ended = whole.run(run)
    assert ended.status == whole.ended.status, ended.err
    assert whole.same(run)


def test_a_kill_of_a_run_as_it_is_by_default(whole: Whole, tmp_path: Path) -> None:
    options = [option for option in whole.options if option not in ("--set", "regularizers=[l2sp]")]
    for name, words in (("whole", ()), ("killed", (" 12/",)), ("killed", ())):
        moment = {"signal": signal.SIGKILL, "words": words[0]} if words else {}
        ended = whole.driver.run(tmp_path / name, [*options, tmp_path / name], **moment)
        assert ended.status == (KILLED if words else whole.ended.status)
    assert weights_of(tmp_path / "killed") == weights_of(tmp_path / "whole") != whole.weights
    assert metrics_of(tmp_path / "killed") == metrics_of(tmp_path / "whole")


def test_several_kills_of_one_run(whole: Whole, tmp_path: Path) -> None:
    moments = random.Random(4)
    for _ in range(4):
        share = moments.uniform(0.1, 0.9)
        whole.run(tmp_path / "run", signal=signal.SIGKILL, cpu=share * whole.ended.cpu)
    assert whole.run(tmp_path / "run").status == whole.ended.status
    assert whole.same(tmp_path / "run")


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
def test_a_kill_at_a_random_moment(whole: Whole, tmp_path: Path, seed: int) -> None:
    moments = random.Random(seed)
    killed = whole.run(tmp_path / "run", signal=signal.SIGKILL, cpu=moments.uniform(0.02, 0.98) * whole.ended.cpu)
    assert killed.status in (KILLED, whole.ended.status)
    assert whole.run(tmp_path / "run").status == whole.ended.status
    assert whole.same(tmp_path / "run")


@pytest.mark.long
def test_a_kill_before_any_change_of_a_file(whole: Whole, tmp_path: Path) -> None:
    for event in range(1, len(whole.ended.events) + 1, 3):
        run = tmp_path / f"run{event}"
        assert whole.run(run, signal=signal.SIGKILL, event=event).status == KILLED
        assert whole.run(run).status == whole.ended.status, whole.ended.events[event - 1]
        assert whole.same(run)


def test_a_flipped_byte_in_the_newest_checkpoint(whole: Whole, tmp_path: Path) -> None:
    run = tmp_path / "run"
    second = whole.event(SAVED, after=whole.event(SAVED))
    whole.run(run, signal=signal.SIGKILL, event=second + 1)
    older, newest = sorted(path for path in (run / "checkpoints").iterdir() if path.name.isdigit())
    content = bytearray((newest / "weights.safetensors").read_bytes())
    content[len(content) // 2] ^= 1
    (newest / "weights.safetensors").write_bytes(content)
    ended = whole.run(run)
    assert f"checkpoint {int(newest.name)} is damaged and is passed over for the one before it" in ended.out
    assert f"resuming at step {int(older.name)} of " in ended.out
    assert whole.same(run)


def test_ctrl_c_in_training_saves_and_says_so_in_one_line(whole: Whole, tmp_path: Path) -> None:
    run = tmp_path / "run"
    stopped = whole.run(run, signal=signal.SIGINT, event=whole.event("os.mkdir checkpoints/.00000"))
    assert stopped.status == 130
    assert stopped.err.count("\n") == 1
    assert stopped.err.startswith("stopped and saved at step ")
    assert stopped.err.endswith("; run the same command to go on\n")
    step = max(int(path.name) for path in (run / "checkpoints").iterdir())
    assert f"at step {step} of" in stopped.err
    ended = whole.run(run)
    assert f"resuming at step {step} of" in ended.out
    assert whole.same(run)


@pytest.mark.parametrize("stage", ["reading", "merging", "saving the model"])
def test_ctrl_c_elsewhere_is_one_line_as_well(whole: Whole, tmp_path: Path, stage: str) -> None:
    run = tmp_path / "run"
    stopped = whole.run(run, signal=signal.SIGINT, **moment(whole, stage))
    assert (stopped.status, stopped.err) == (130, "interrupted; run the same command to go on\n")
    assert whole.run(run).status == whole.ended.status
    assert whole.same(run)


@pytest.mark.parametrize("share", [0.5, 1.5])  # of the model's bytes; the optimizer's state has twice as many
def test_a_full_disk_is_told_in_one_line_and_can_be_freed(whole: Whole, tmp_path: Path, share: float) -> None:
    run = tmp_path / "run"
    ended = whole.run(run, largest=int(share * len(whole.weights)))
    assert ended.status == 5
    assert ended.err.count("\n") == 1
    assert "File too large" in ended.err
    assert "; free disk space and run the same command" in ended.err
    assert whole.run(run).status == whole.ended.status
    assert whole.same(run)


def test_a_second_process_on_the_same_folder_is_refused(whole: Whole, tmp_path: Path) -> None:
    run = tmp_path / "run"
    held, output = whole.driver.begin(
        run, [*whole.options, run], signal=signal.SIGSTOP, event=whole.event("os.mkdir checkpoints/.00000")
    )
    whole.driver.wait(held)
    second = whole.run(run)
    assert second.status == 5
    assert second.err == f"another process works in {run}; wait for it, or give another --out\n"
    os.kill(held, signal.SIGCONT)
    assert whole.driver.end(held, output).status == whole.ended.status
    assert whole.same(run)
