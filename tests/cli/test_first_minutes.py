"""What a user sees in the first minutes: the screens of fit, in their order, on a CSV as users have them."""

import csv
import io
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

import acclimate as package
from small import CommandLine, Result, jsonl, pairs, start
from tiny import make_tiny_model

WIDTH = 80


def faq(path: Path) -> Path:
    """A CSV of questions and answers: a BOM, repeated rows, empty cells, other answers, a quote that never ends."""
    rows = [(row["query"], row["positive"]) for row in pairs(160)]
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["question", "answer"])
    table.writerows([*rows, *rows[:8]])
    table.writerows([(rows[20][0], ""), (rows[21][0], ""), (rows[22][0], ""), ("", rows[23][1])])
    table.writerows([(rows[40 + number][0], rows[100 + number][1]) for number in range(3)])
    broken = 'what is open,"an answer whose quote never ends\r\nwhat is whole,"a whole answer"\r\n'
    path.write_bytes(b"\xef\xbb\xbf" + (out.getvalue() + broken).encode())
    return path


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a user works: faq.csv, a base, general texts."""
    folder = tmp_path_factory.mktemp("desk")
    faq(folder / "faq.csv")
    jsonl(folder / "general.jsonl", pairs(30, seed=7, name="general"))
    make_tiny_model(folder / "tiny")
    return folder


@pytest.fixture
def at_desk(desk: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(desk)
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    return desk


FIT = ("fit", "faq.csv", "--base", "./tiny", "--general", "general.jsonl", "--precision", "fp32", "--method", "full")


def in_order(patterns: list[str], text: str) -> list[str]:
    """The patterns that are not found, each searched for behind the one before."""
    missing, at = [], 0
    for pattern in patterns:
        found = re.compile(pattern).search(text, at)
        if found is None:
            missing.append(pattern)
        else:
            at = found.end()
    return missing


def flat(text: str) -> str:
    """Without the breaks of lines."""
    return " ".join(text.split())


def screen(result: Result) -> str:
    assert max(map(len, result.out.splitlines())) <= WIDTH
    return flat(result.out)


def test_the_screens_come_in_order(at_desk: Path, acclimate: CommandLine) -> None:
    result = acclimate(*FIT, "--epochs", 30, "--lr", "2e-3")
    assert (result.status, result.err) == (0, ""), result.out
    scores = json.loads((at_desk / "runs/faq/scores.json").read_text())
    test, general = scores["test"], scores["general"]
    before, after, change = (test[side]["ndcg@10"] for side in ("before", "after", "delta"))
    low, high = change["ci95"]
    queries = scores["queries"]
    expected = [
        rf"^acclimate {re.escape(package.__version__)}, run runs/faq, seed 42, cpu with \d+ threads?, torch \d\S+",
        r"1 Data faq\.csv: 177 rows, CSV, utf-8 with a mark \(BOM\)",
        r"question -> query, answer -> positive \(by name; --columns ROLE=COLUMN changes it\)",
        r"172 kept, 5 set aside, listed in runs/faq/data/quarantine\.jsonl",
        r"3 positive is empty; 1 query is empty; 1 unterminated quote",
        r"the first: faq\.csv:170:\d+: positive is empty",
        r"8 repeat another row, \d+ have a query with other answers elsewhere; look: acclimate check faq\.csv",
        r"\d+ train, \d+ dev, \d+ test; no query or right answer of test occurs in train",
        r"2 Plan method full: every weight trains",
        r"objective infonce",
        r"30 epochs of \d+ rows, batch 64, learning rate 0\.002, fp32",
        "acclimate plan with the same options measures time, memory and disk beforehand",
        rf"3 Before scoring the base ndcg@10 {before:.4f}, mrr@10",
        rf"BM25, which compares words alone: ndcg@10 {scores['bm25']['ndcg@10']:.4f}",
        rf"general {general['before']['score']:.4f}",
        r"4 Train Ctrl-C saves and stops, twice stops at once",
        r"\d+ steps, [\d,]+ weights train; dev is ndcg@10",
        r"acclimate explore runs/faq",
        r"\d+/\d+ dev 0\.\d{3}, best 0\.\d{3} [\d.]+ (steps/s|s/step) [\d.]+ s left",
        r"5 After scoring the tuned model before after change 95% interval",
        re.escape(f"ndcg@10 {before:.4f} {after:.4f} {change['value']:+.4f} {low:+.4f} .. {high:+.4f}"),
        r"median_rank \d+\.\d \d+\.\d",
        rf"general score {general['before']['score']:.4f}",
        f"queries: {queries['better']} better, {queries['same']} the same, {queries['worse']} worse",
        r"model \d+\.\d -> \d+\.\d MB, \d+\.\d -> \d+\.\d ms a query",
        r"gained passed: .*general may fall by 0\.01 at most",
        r'model runs/faq/model in Python: SentenceTransformer\("runs/faq/model"\)',
        r"report runs/faq/report\.html",
        r"next acclimate explore runs/faq acclimate verify runs/faq",
    ]
    assert in_order(expected, screen(result)) == []
    assert sum(queries[name] for name in ("better", "same", "worse")) == len(
        (at_desk / "runs/faq/data/test.jsonl").read_text().splitlines()
    )
    quarantine = (at_desk / "runs/faq/data/quarantine.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(quarantine) == 5
    assert json.loads(quarantine[-1])["line"] == 177


def test_the_line_that_loads_the_model_does(at_desk: Path, acclimate: CommandLine) -> None:
    said = screen(acclimate(*FIT, "--epochs", 30, "--lr", "2e-3"))  # finished by now, and said again
    assert "runs/faq is finished; --restart trains again" in said
    line = re.search(r"in Python: SentenceTransformer\(\"(.+?)\"\)", said)
    assert line is not None
    transformers = pytest.importorskip("sentence_transformers")
    model = transformers.SentenceTransformer(line[1], device="cpu")
    assert model.encode(["a dog"]).shape == (1, 32)


def test_no_gain_is_said_with_its_likely_causes(at_desk: Path, acclimate: CommandLine) -> None:
    result = acclimate(*FIT, "--epochs", 1, "--lr", "1e-12", "--out", "runs/none")
    assert result.status == 3
    expected = [
        r"no_gain not passed: test changed by \+0\.0000 \(95% interval .*\): not better",
        r"model/ is the base; the tuned model is in runs/none/rejected \(--keep anyway takes it\)",
        r"likely causes, the most probable first: 1\. the learning rate 1e-12 is far below the usual 0\.0002; leave",
        r" 2\. ",
        r"model runs/none/model",
    ]
    assert in_order(expected, screen(result)) == []


def test_a_base_that_finds_all_has_little_to_gain(at_desk: Path, acclimate: CommandLine) -> None:
    rows = [{"query": row["positive"], "positive": row["positive"].upper()} for row in pairs(160)]
    jsonl(at_desk / "same.jsonl", rows)
    command = ["fit", "same.jsonl", *FIT[2:], "--epochs", 1]
    result = acclimate(*command)
    assert result.status == 3
    cause = r"most probable first: 1\. the base reaches ndcg@10 (0\.9\d+|1\.0+) of 1 already, so little is left to gain"
    assert re.search(cause, screen(result)), result.out


@pytest.mark.skipif(sys.platform == "win32", reason="no terminal to draw on, and no such signal")
def test_a_terminal_has_a_bar_and_ctrl_c_is_resumed(at_desk: Path) -> None:
    import pty

    command = [*FIT, "--epochs", 40, "--set", "regularizers=[]", "--out", "runs/stopped"]
    master, slave = pty.openpty()
    process = start(*command, stdout=slave, stderr=slave, environment={"COLUMNS": str(WIDTH), "TERM": "xterm"})
    os.close(slave)
    drawn, stopped, limit = b"", False, time.monotonic() + 120
    while time.monotonic() < limit:
        try:
            drawn += os.read(master, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not stopped and re.search(rb"\d/\d+.{0,40}loss", drawn):
            process.send_signal(signal.SIGINT)
            stopped = True
    os.close(master)
    assert process.wait(timeout=60) == 130, drawn
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())
    assert max(map(len, re.split(r"[\r\n]+", shown))) <= WIDTH or "stopped and saved" in shown
    assert re.search(r"━+ +\d+/\d+ loss \d+\.\d{3} +dev 0\.\d{3}, best 0\.\d{3} ", shown)
    saved = re.search(r"stopped and saved at step (\d+) of (\d+); run the same command to go on", shown)
    assert saved is not None
    resumed = start(*command)
    said = flat(resumed.communicate(timeout=120)[0])
    assert resumed.returncode in (0, 3)
    told = "resuming at step {} of {}: the checkpoint is whole, data and recipe are unchanged".format(*saved.groups())
    assert in_order(["3 Before the base's scores, found by the run before", "4 Train", re.escape(told)], said) == []


def test_doctor_tells_what_the_machine_has(at_desk: Path, acclimate: CommandLine) -> None:
    import torch

    result = acclimate("doctor")
    said = flat(result.out)
    threads = torch.get_num_threads()
    expected = [
        rf"machine .*, {os.cpu_count()} cores, Python {sys.version_info[0]}\.",
        r"memory [\d.]+ GB, [\d.]+ GB of it free; disk [\d.]+ GB free",
        rf"training on (cpu|cuda) .*, {threads} threads?, in (bf16|fp32)",
        rf"packages .*torch {re.escape(torch.__version__)}",
        r"extras ",
        r"models all-MiniLM-L6-v2: ",
    ]
    assert in_order(expected, said) == []
