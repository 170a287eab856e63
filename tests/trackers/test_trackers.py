"""What trackers show, read back by the libraries themselves, of a run that was killed and taken up again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fake_run
from acclimate.core.errors import UsageError
from acclimate.recipe.schema import schema
from acclimate.runs import tracking
from acclimate.runs.tracking import Tracking, numbers_of, settings_of
from acclimate.runs.workspace import MetricsLog, Workspace
from acclimate.trackers import TRACKERS, TrackedRun, Tracker, tracker_named

History = dict[str, list[tuple[int, float]]]  # of each number, (step, value) in the order of the steps
SECRET = "patient 4711 has a rash"
LINES = fake_run.metrics(120)
STOPPED, KEPT = 90, 60  # lines when the process was killed, lines that the checkpoint knows
LINES_OF_STEP = {line["step"]: number for number, line in enumerate(LINES) if "loss" in line}
STEPS = [line["step"] for line in LINES if "loss" in line and line["grad_norm"] is not None]


def of_tensorboard(folder: Path, identity: str) -> tuple[History, str]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "trackers" / identity), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    tags = events.Tags()
    texts = [event.tensor_proto.string_val[0] for tag in tags["tensors"] for event in events.Tensors(tag)]
    scalars = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags["scalars"]}
    return scalars, b"\n".join(texts).decode()


def of_mlflow(folder: Path, identity: str) -> tuple[History, str]:
    from mlflow import MlflowClient

    client = MlflowClient((folder.parent / "mlruns").as_uri())
    run = client.get_run(identity)
    assert run.info.status == "FINISHED"
    assert [found.info.run_id for found in client.search_runs([run.info.experiment_id])] == [identity]
    history = {name: client.get_metric_history(identity, name) for name in run.data.metrics}
    told = json.dumps([run.data.params, run.data.tags])
    return {n.replace("_at_", "@"): sorted((m.step, m.value) for m in found) for n, found in history.items()}, told


def of_trackio(folder: Path, identity: str) -> tuple[History, str]:
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    (run,) = [run for run in trackio.Api().runs("acclimate") if run.name == identity]
    history: History = {}
    lines = SQLiteStorage.get_logs("acclimate", identity, run_id=run.id)
    for line in lines:
        for name, value in line.items():
            if isinstance(value, int | float) and name != "step":
                history.setdefault(name, []).append((line["step"], value))
    return history, json.dumps([run.config, lines])


def of_wandb(folder: Path, identity: str) -> tuple[History, str]:
    from wandb.proto.wandb_internal_pb2 import Record

    history: History = {}
    told = []
    for file in sorted((folder.parent / "wandb").glob(f"offline-run-*-{identity}/*.wandb")):
        for piece in framed(file.read_bytes()):
            record = Record.FromString(piece)
            told.append(str(record))
            if record.HasField("history"):
                line = {i.key or ".".join(i.nested_key): json.loads(i.value_json) for i in record.history.item}
                for name in line.keys() - {"step"} if "step" in line else ():
                    if not name.startswith("_"):
                        history.setdefault(name, []).append((line["step"], line[name]))
            for item in record.summary.update:
                if item.key.startswith("scores/"):
                    history.setdefault(item.key, []).append((120, json.loads(item.value_json)))
    return history, "\n".join(told)


def framed(data: bytes) -> list[bytes]:
    """The records of a log in LevelDB's format: blocks of 32 KiB, pieces of a record marked first, middle and last."""
    found, part, at = [], b"", 7  # after the header of the file
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        part += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # full, last
            found.append(part)
            part = b""
    return found


READERS: dict[str, Callable[[Path, str], tuple[History, str]]] = {
    "mlflow": of_mlflow,
    "tensorboard": of_tensorboard,
    "trackio": of_trackio,
    "wandb": of_wandb,
}


def part(names: list[str], folder: Path, kept: int, stop: int, *, ends: bool) -> None:
    """What `fit` does with trackers from a start to an end: of the run, or of the process (Ctrl-C)."""
    said: list[str] = []
    workspace = Workspace(folder)
    shown = Tracking(names, workspace, said.append)
    shown.begin()
    log = MetricsLog(workspace.metrics, kept)
    shown.catch_up()
    for line in LINES[kept:stop]:
        log.append(line)
        shown.record(line)
    log.close()
    if os.environ.get("KILLED") == "yes":
        time.sleep(3)  # what is on its way arrives
        os.kill(os.getpid(), signal.SIGKILL)
    if ends:
        shown.end(fake_run.scores())
    shown.close()
    assert said == []


def resolved(folder: Path) -> Path:
    folder.mkdir(parents=True)
    texts = f"query_prompt: {SECRET}, label_texts: {{a: {SECRET}}}, columns: {{text: message}}"
    (folder / "resolved.yaml").write_text(f"data: {{{texts}}}\ntraining: {{lr: 2.0e-05, cache: true}}\n")
    return folder


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nothing of what this machine's user has set up."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in [name for name in os.environ if name.startswith(("MLFLOW_", "WANDB_", "TRACKIO_"))]:
            patch.delenv(variable)
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # for this file's own look at it
        place = tmp_path_factory.mktemp("trackers")
        patch.setenv("TRACKIO_DIR", str(place / "trackio"))  # read when the library is imported
        yield place


@pytest.fixture(scope="module")
def killed(place: Path) -> Path:
    """A run with all trackers whose process was killed."""
    folder, here = resolved(place / "killed" / "terms"), Path(__file__).parent
    code = f"""
import sys
from pathlib import Path
sys.path[:0] = [{str(here)!r}, {str(here.parent)!r}]
from test_trackers import TRACKERS, part
def calls(event, found):
    if event in ("socket.connect", "socket.getaddrinfo"):
        host = found[0] if event == "socket.getaddrinfo" else found[1][0]
        if host not in ("127.0.0.1", "::1", "localhost") and not str(found[1]).startswith("/"):
            print("calls", host, flush=True)
sys.addaudithook(calls)
part(list(TRACKERS), Path({str(folder)!r}), 0, {STOPPED}, ends=False)
"""
    own = ("MLFLOW_ALLOW_FILE_STORE", "WANDB")  # W&B leaves its children the address of its service
    environment = {name: value for name, value in os.environ.items() if not any(part in name for part in own)}
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment | {"KILLED": "yes"})
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert ended.stdout == ""  # where --json writes, and where `calls` tells who else is asked
    return folder


def shown_in(name: str, folder: Path) -> tuple[History, str]:
    state = json.loads((folder / "trackers" / "state.json").read_text())[name]
    assert state == {"identity": state["identity"], "records": len(LINES), "fed": False, "ended": True}
    return READERS[name](folder, state["identity"])


@pytest.mark.parametrize("name", TRACKERS)
def test_a_run_that_was_stopped_is_shown_once_and_whole(place: Path, name: str) -> None:
    folder = resolved(place / f"stopped in {name}" / f"terms of {name}")
    part([name], folder, 0, STOPPED, ends=False)
    part([name], folder, KEPT, len(LINES), ends=True)
    history, told = shown_in(name, folder)
    assert [step for step, _ in history["grad_norm"]] == STEPS
    for tag, key in (("loss/infonce", "infonce"), ("loss/total", "total")):
        wanted = {line["step"]: line["loss"][key] for line in LINES if "loss" in line}
        assert dict(history[tag]) == pytest.approx({step: wanted[step] for step in STEPS}, rel=1e-6)
    dev = {line["step"]: line["dev"]["ndcg@10"] for line in LINES if "dev" in line}
    assert dict(history["dev/ndcg@10"]) == pytest.approx(dev, rel=1e-6)
    assert len(history["dev/ndcg@10"]) == len(dev)
    ((_, gain),) = history["scores/test/delta/ndcg@10/value"]
    assert gain == pytest.approx(fake_run.scores()["test"]["delta"]["ndcg@10"]["value"], rel=1e-6)
    for known in ("2e-05", "message", "gained"):
        assert known in told
    assert SECRET not in told


@pytest.mark.parametrize("name", TRACKERS)
def test_a_run_that_was_killed_goes_on_in_the_same_place_and_repeats_nothing(killed: Path, name: str) -> None:
    part([name], killed, KEPT, len(LINES), ends=True)
    history, _ = shown_in(name, killed)
    steps = [step for step, _ in history["grad_norm"]]
    lost = {step for step in STEPS if LINES_OF_STEP[step] < STOPPED} if name == "wandb" else set()
    assert steps == [step for step in STEPS if step not in lost or step in steps]
    assert steps[0] == 0
    (killed / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES[:STOPPED]))


def test_a_tracker_that_is_added_later_gets_what_it_missed_and_a_finished_run_is_not_shown_twice(
    tmp_path: Path,
) -> None:
    folder = resolved(tmp_path / "run")
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    for _ in range(2):
        shown = Tracking(["tensorboard"], Workspace(folder), pytest.fail)
        shown.begin()
        shown.catch_up()
        shown.end(fake_run.scores())
        shown.close()
    history, _ = of_tensorboard(folder, "tensorboard")
    assert [step for step, _ in history["grad_norm"]] == STEPS
    assert len(history["scores/test/after/mrr"]) == 1


class Failing(Tracker):
    """Fails at a moment that is chosen."""

    moment = ""

    def __init__(self, run: TrackedRun, settings: Any) -> None:
        self.identity, self.taken = "x", 0
        self._at("begin")

    def log(self, values: Any, step: int) -> None:
        self.taken += 1
        if self.taken == 5:
            self._at("log")

    def end(self, scores: Any, verdict: str, step: int) -> None:
        self._at("end")

    def close(self) -> None:
        self._at("close")

    def _at(self, moment: str) -> None:
        if moment == self.moment:
            raise ConnectionError("no route\nto host")


@pytest.mark.parametrize("moment", ["begin", "log", "end", "close"])
def test_one_that_fails_is_left_out_in_a_line_and_the_others_go_on(
    tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = resolved(tmp_path / "run")
    kind = type("Failing", (Failing,), {"moment": moment})
    monkeypatch.setattr(tracking, "tracker_named", lambda name: kind if name == "failing" else tracker_named(name))
    said: list[str] = []
    shown = Tracking(["failing", "tensorboard"], Workspace(folder), said.append)
    shown.begin()
    for line in LINES:
        shown.record(line)
    shown.end(fake_run.scores())
    shown.close()
    assert [line.strip() for line in said] == [
        "failing fails and is left out, the run goes on: ConnectionError: no route to host"
    ]
    assert [step for step, _ in of_tensorboard(folder, "tensorboard")[0]["grad_norm"]] == STEPS


def test_a_library_that_is_not_there_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r'needs the library mlflow; pip install "acclimate\[mlflow\]"'):
        tracker_named("mlflow")
    with pytest.raises(UsageError, match="did you mean 'wandb'"):
        tracker_named("wandbb")


def test_numbers_alone_leave_a_record() -> None:
    record = {
        "step": 3,
        "loss": {"a": 1.5, "b": None},
        "rows": ["x"],
        "skipped": "text",
        "flag": True,
        "n": float("inf"),
    }
    assert dict(numbers_of(record)) == {"step": 3, "loss/a": 1.5}


def test_every_setting_that_takes_any_text_is_known_to_be_a_name_or_a_text() -> None:
    names = {"base", "train", "dev", "test", "general", "replay", "source", "device", "keep_best", "model", "previous"}
    names |= {"task", "texts", "columns", "feedback"}
    found: set[str] = set()

    def walk(node: Any, name: str) -> None:
        if isinstance(node, dict):
            open_text = node.get("type") == "string" and not node.keys() & {"enum", "const"}
            texts_by_name = isinstance(node.get("additionalProperties"), dict)
            if open_text or (texts_by_name and node["additionalProperties"].get("type") == "string"):
                found.add(name)
            for key, inner in node.get("properties", {}).items():
                walk(inner, key)
            for key in node.keys() - {"properties", "additionalProperties"}:
                walk(node[key], key if name == "" else name)
        elif isinstance(node, list):
            for inner in node:
                walk(inner, name)

    document = schema()
    definitions = document.pop("$defs", {})
    walk(document, "")
    for inner in definitions.values():
        walk(inner, "")
    assert found >= tracking.TEXTS | tracking.HOLD_TEXTS
    assert found - tracking.TEXTS - tracking.HOLD_TEXTS <= names, "say in this test or in TEXTS which it is"
    recipe = {"data": {"prompt": "x", "columns": {"text": "a"}}, "objectives": [{"kind": "k"}], "sizes": [1, 2]}
    told = {"data.columns.text": "a", "objectives.0.kind": "k", "sizes": "1, 2"}
    assert dict(settings_of(recipe)) == told
