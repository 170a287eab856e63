"""The page answers what it asks itself, and nobody else."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from acclimate.serve.app import State
from acclimate.serve.corpus import Question
from acclimate.serve.guard import BODY_LIMIT, TOKEN_HEADER
from fake_run import metrics

from .conftest import HOST, space

Client = Callable[..., TestClient]


def token(client: Client) -> str:
    found = re.search(r'name="acclimate-token" content="([^"]+)"', client().get("/").text)
    assert found is not None
    return found[1]


def test_every_file_of_the_page_is_there_and_no_other(client: Client) -> None:
    page = client().get("/")
    assert page.headers["content-type"].startswith("text/html")
    for name in re.findall(r'(?:src|href)="([a-z]+\.[a-z]+)"', page.text):
        assert client().get(f"/{name}").status_code == 200
    for module in ("main", "dom", "live", "map", "neighbors", "tables", "words"):
        assert client().get(f"/{module}.js").headers["content-type"].startswith("text/javascript")
    for other in ("/app.py", "/page/main.js", "/..%2fapp.py", "/%2e%2e/app.py", "/etc/passwd", "/static"):
        assert client().get(other).status_code == 404


@pytest.mark.parametrize("path", ["/", "/main.js", "/api/state", "/api/neighbors", "/nothing", "/api/feedback"])
def test_every_answer_forbids_scripts_that_are_not_the_page_s_own(client: Client, path: str) -> None:
    for answer in (client().get(path), client(host="evil.example").get(path), client().post(path)):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8642", "127.0.0.1", "127.0.0.1:1", "", "0.0.0.0:8642"])
def test_another_name_for_this_machine_is_refused(client: Client, host: str) -> None:
    for path in ("/", "/api/state", "/api/documents"):
        answer = client(host=host).get(path)
        assert answer.status_code == 421
        assert "labs" not in answer.text
    assert client(host="LOCALHOST:8642").get("/api/state").status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_may_lead_to_the_page_and_ask_nothing(client: Client, site: str) -> None:
    foreign = client(**{"sec-fetch-site": site})
    assert foreign.get("/").status_code == 200
    assert foreign.get("/api/state").status_code == 403
    assert client(**{"sec-fetch-site": "same-origin"}).get("/api/state").status_code == 200


def test_only_the_page_writes(client: Client, state: State) -> None:
    said = {"query": "what is three", "row": 3, "verdict": "wrong"}
    right = {TOKEN_HEADER: token(client), "origin": f"http://{HOST}"}
    refused = [
        {},
        {TOKEN_HEADER: "x" * 32},
        {**right, "origin": "http://evil.example"},
        {**right, "origin": "null"},
        {**right, "host": "evil.example"},
        {**right, "sec-fetch-site": "cross-site"},
    ]
    for headers in refused:
        assert client(**headers).post("/api/feedback", json=said).status_code in (403, 421)
    assert not state.feedback.path.exists()
    assert client(**right).post("/api/feedback", json=said).status_code == 200
    assert [json.loads(line) for line in state.feedback.path.read_text().splitlines()] == [
        {"query": "what is three", "negative": "document number 3"}
    ]
    assert client(**right).get("/api/feedback").status_code == 405
    assert client(**right).delete("/api/feedback").status_code == 405


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 60_000,
        b"\xff\xfe",
        json.dumps({"query": "q", "row": 40, "verdict": "wrong"}).encode(),
        json.dumps({"query": "q", "row": -1, "verdict": "wrong"}).encode(),
        json.dumps({"query": "q", "row": True, "verdict": "wrong"}).encode(),
        json.dumps({"query": "q", "row": "3", "verdict": "wrong"}).encode(),
        json.dumps({"query": " ", "row": 3, "verdict": "wrong"}).encode(),
        json.dumps({"query": 7, "row": 3, "verdict": "wrong"}).encode(),
        json.dumps({"query": "q" * 9_000, "row": 3, "verdict": "wrong"}).encode(),
        json.dumps({"query": "q", "row": 3, "verdict": "bad"}).encode(),
        json.dumps({"query": "q", "row": 3, "verdict": ["wrong"]}).encode(),
        json.dumps({"query": "q" * (BODY_LIMIT + 1), "row": 3, "verdict": "wrong"}).encode(),
    ],
)
def test_what_is_no_feedback_is_refused_and_writes_nothing(client: Client, state: State, body: bytes) -> None:
    answer = client(**{TOKEN_HEADER: token(client)}).post("/api/feedback", content=body)
    assert answer.status_code in (400, 413)
    assert answer.json()["problem"]
    assert not state.feedback.path.exists()


@pytest.mark.parametrize(
    "asked",
    [
        "neighbors",
        "neighbors?query=%20",
        f"neighbors?query={'q' * 9_000}",
        "neighbors?row=40",
        "neighbors?row=-1",
        "neighbors?row=1e3",
        "neighbors?row=%D9%A3",
        "neighbors?query=q&count=0",
        "neighbors?query=q&count=101",
        "neighbors?query=q&count=" + "9" * 5_000,
        "neighbors?query=q&share=0.3",
        "neighbors?query=q&share=nan",
        "map?share=2",
        "documents?start=-1",
        "documents?count=100000",
        "questions?count=x",
        "document?row=40",
        "metrics?after=x",
    ],
)
def test_a_question_that_makes_no_sense_is_told_so(client: Client, asked: str) -> None:
    answer = client().get(f"/api/{asked}")
    assert answer.status_code == 400
    assert answer.json()["problem"]


def test_the_page_gets_what_it_shows(client: Client) -> None:
    state = client().get("/api/state").json()
    assert (state["phase"], state["documents"], state["questions"], state["questions_of_train"]) == ("ready", 40, 3, 1)
    assert state["shares"] == [0, 0.5, 1]
    found = client().get("/api/neighbors", params={"query": "What is three", "count": 5}).json()
    assert len(found["before"]) == len(found["after"]) == 5
    assert found["right"] == [3]
    assert found["feedback"] == {}
    points = client().get("/api/map").json()
    assert len(points["rows"]) == len(points["points"]) == 40
    assert client().get("/api/document?row=3").json()["text"] == "document number 3"
    assert client().get("/api/documents?words=NUMBER 39").json()["total"] == 1


def test_what_was_said_is_shown_and_can_be_taken_back(client: Client) -> None:
    writer = client(**{TOKEN_HEADER: token(client)})

    def judged(verdict: str) -> dict[str, str]:
        answer = writer.post("/api/feedback", json={"query": "what is three", "row": 3, "verdict": verdict})
        assert answer.status_code == 200
        found: dict[str, str] = writer.get("/api/neighbors", params={"query": "what is  THREE"}).json()["feedback"]
        return found

    assert judged("wrong") == {"3": "wrong"}
    assert judged("right") == {"3": "right"}
    assert judged("none") == {}


def test_questions_can_be_filtered_and_ordered_by_what_they_gained(client: Client) -> None:
    def texts(**asked: str) -> list[str]:
        return [q["text"] for q in client().get("/api/questions", params=asked).json()["questions"]]

    assert texts() == ["what is three", "what is four", "what is five"]
    assert texts(origin="train") == ["what trained"]
    assert texts(words="FIVE") == ["what is five"]
    assert texts(order="gained") == ["what is three", "what is five", "what is four"]
    assert texts(order="lost") == ["what is four", "what is five", "what is three"]


def test_texts_that_utf8_cannot_hold_are_sent_all_the_same(client: Client, state: State) -> None:
    strange = ["half \ud800 pair", "nul \x00 and \x1b[31m", "\u2028 line", "</script><script>alert(1)</script>"]
    state.space = space(strange, [Question(strange[0], "test", np.array([0]))])
    found = client().get("/api/documents").json()["documents"]
    assert sorted(document["text"] for document in found) == sorted(strange)
    answer = client(**{TOKEN_HEADER: token(client)}).post(
        "/api/feedback", content=json.dumps({"query": strange[0], "row": 1, "verdict": "wrong"})
    )
    assert answer.status_code == 200
    assert len(state.feedback.path.read_text(encoding="utf-8").splitlines()) == 1


def test_before_the_vectors_are_there_the_page_can_wait(client: Client, state: State) -> None:
    state.space, state.phase, state.done, state.total = None, "encoding", 5, 40
    said = client().get("/api/state").json()
    assert (said["phase"], said["done"], said["total"]) == ("encoding", 5, 40)
    assert client().get("/api/neighbors?query=q").status_code == 503


def test_a_training_is_followed_and_nothing_is_changed(client: Client, state: State, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in metrics(60)))
    before = path.stat(), path.read_bytes(), sorted(tmp_path.iterdir())
    first = client().get("/api/metrics").json()
    assert len(first["records"]) == len(metrics(60))
    for _ in range(20):
        assert client().get("/api/metrics", params={"after": first["next"]}).json()["records"] == []
        client().get("/api/neighbors?query=q")
    after = path.stat(), path.read_bytes(), sorted(tmp_path.iterdir())
    assert (before[0].st_mtime_ns, *before[1:]) == (after[0].st_mtime_ns, *after[1:])


def test_labeled_texts_take_no_feedback(client: Client, state: State) -> None:
    state.space = space(["a", "b"], labels=["x", "y"], judged=False)
    assert "feedback" not in client().get("/api/neighbors?query=q").json()
    answer = client(**{TOKEN_HEADER: token(client)}).post(
        "/api/feedback", json={"query": "q", "row": 1, "verdict": "wrong"}
    )
    assert answer.status_code == 400
