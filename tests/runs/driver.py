"""A process that runs commands in forks of itself and can stop each at any moment: torch is imported once for all.

Reads a job a line, as JSON: ``arguments`` of ``acclimate``, the run's ``folder``, ``output`` (prefix of the files that
take what the command says), and a ``signal`` with its moment: ``event``, the number of the change of a file in the
folder that it comes before; ``words`` that it comes before; or ``cpu``, the seconds of work that it comes after.
Answers with the process id. A line that is a number waits until that process ends or is stopped and answers with its
exit status, negative for a signal. With ``largest``, no file may grow beyond that many bytes, as on a full disk.

A finished command leaves ``OUTPUT.json``: the file operations that it made in its folder and the CPU seconds it took.
"""

import json
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}


def _watch(job: dict[str, Any]) -> list[str]:
    """Lists every change of a file in the run's folder, and sends the signal when its moment has come."""
    folder, events = os.path.abspath(job["folder"]), []  # noqa: PTH100 (pathlib would call itself here)
    number = job.get("signal", 0)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            changes = (isinstance(mode, str) and bool({*mode} & {*"wax+"})) or bool(flags & (os.O_WRONLY | os.O_RDWR))
        else:
            changes = event in CHANGES
        if not changes or not isinstance(arguments[0], str | os.PathLike):
            return
        path = os.path.abspath(os.fspath(arguments[0]))  # noqa: PTH100
        if not path.startswith(folder):
            return
        target = os.path.relpath(arguments[1], folder) if event == "os.rename" else ""
        events.append(" ".join([event, os.path.relpath(path, folder), target]).strip())
        if job.get("event") == len(events):
            os.kill(os.getpid(), number)

    def clock() -> None:
        while time.process_time() < job["cpu"]:
            time.sleep(0.002)
        os.kill(os.getpid(), number)

    sys.addaudithook(hook)
    if "cpu" in job:
        threading.Thread(target=clock, daemon=True).start()
    return events


class _Spoken:
    """Standard output that sends the signal before a line that holds the words of the job is said."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._file, self._words, self._signal = sys.stdout, job["words"], job["signal"]

    def write(self, text: str) -> int:
        if self._words in text:
            os.kill(os.getpid(), self._signal)
        return self._file.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _work(job: dict[str, Any]) -> None:
    from acclimate.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(f"{job['output']}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    if "words" in job:
        sys.stdout = _Spoken(job)  # type: ignore[assignment]
    if "largest" in job:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest"], job["largest"]))
    sys.argv = ["acclimate", *job["arguments"]]
    events = _watch(job)
    try:
        main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        used = {"events": events, "cpu": time.process_time()}
        if "largest" not in job:
            Path(f"{job['output']}.json").write_text(json.dumps(used))


def serve() -> None:
    """The loop of the parent."""
    import sklearn.linear_model  # noqa: F401
    import transformers.models.bert.modeling_bert  # noqa: F401

    import acclimate.api
    import acclimate.cli
    import acclimate.runs.fit  # noqa: F401

    for line in sys.stdin:
        job = json.loads(line)
        if isinstance(job, int):
            status = os.waitpid(job, os.WUNTRACED)[1]
            print(0 if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            try:
                _work(job)
            except SystemExit as stop:
                os._exit(int(stop.code or 0))
            os._exit(99)
        print(pid, flush=True)


if __name__ == "__main__":
    serve()
