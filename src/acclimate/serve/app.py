"""The explorer over HTTP: its page, and the answers that the page asks for."""

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from acclimate.core.errors import AcclimateError
from acclimate.serve.feedback import COLUMNS, FeedbackLog
from acclimate.serve.guard import BODY_LIMIT, Guard
from acclimate.serve.live import followed
from acclimate.serve.space import TUNED, Space

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_MOST_NEIGHBORS = 100
_MOST_ROWS = 200  # of a table, at a time
_LONGEST = 8_000  # characters of a query


@dataclass
class State:
    """What can be asked for by now. One thread sets it, the answers read it.

    Attributes:
        phase: ``waiting`` for the end of a run, ``encoding``, ``ready`` or ``failed``.
        about: what the page says of the run.
        metrics: the run's ``metrics.jsonl``.
        feedback: where what users say is kept.
        done, total: how far a phase is: texts.
        problem: why it failed.
        space: what is searched, as soon as it is ready.
    """

    about: Mapping[str, Any]
    metrics: Path
    feedback: FeedbackLog
    phase: str = "waiting"
    done: int = 0
    total: int = 0
    problem: str = ""
    space: Space | None = None
    notes: tuple[str, ...] = field(default=())


def explorer(state: State, hosts: Iterable[str], style: str) -> Guard:
    """The application.

    Args:
        state: what is shown.
        hosts: names and port by which the page may be asked.
        style: the look that this page shares with others, put before its own.
    """
    token = secrets.token_urlsafe(24)
    page = _page(token, style)

    async def file(request: Request) -> Response:
        found = page.get(request.path_params.get("name", "index.html"))
        if found is None:
            raise HTTPException(404, "there is no such file")
        return Response(found[0], media_type=found[1])

    answers: dict[str, Callable[[State, Mapping[str, str]], Any]] = {
        "state": _state,
        "metrics": _metrics,
        "neighbors": _neighbors,
        "map": _map,
        "document": _document,
        "documents": _documents,
        "questions": _questions,
    }
    routes = [
        Route("/", file),
        *(Route(f"/api/{name}", _answering(answer, state)) for name, answer in answers.items()),
        Route("/api/feedback", _feedback(state), methods=["POST"]),
        Route("/{name}", file),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _told, AcclimateError: _told_of_ours})
    return Guard(app, hosts, token)


def _page(token: str, style: str) -> dict[str, tuple[str, str]]:
    """Every file of the page and its type."""
    folder = files("acclimate.serve") / "page"
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.is_file()}
    found["index.html"] = found["index.html"].replace("TOKEN", token)
    found["explorer.css"] = style + found["explorer.css"]
    return {name: (text, _TYPES[Path(name).suffix]) for name, text in found.items()}


def _json(document: Any, status: int = 200) -> Response:
    # In ASCII: a text of the user's may hold half of a surrogate pair, which UTF-8 has no bytes for.
    return Response(json.dumps(document, allow_nan=False), status, media_type="application/json")


async def _told(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json({"problem": error.detail}, error.status_code)


async def _told_of_ours(_request: Request, error: Exception) -> Response:
    return _json({"problem": str(error)}, 400)


def _answering(answer: Callable[[State, Mapping[str, str]], Any], state: State) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:  # no coroutine: it runs in a thread, and others are answered meanwhile
        return _json(answer(state, request.query_params))

    return endpoint


def _state(state: State, _asked: Mapping[str, str]) -> Any:
    space = state.space
    found = {
        **state.about,
        "phase": state.phase,
        "done": state.done,
        "total": state.total,
        "problem": state.problem,
        "notes": list(state.notes),
    }
    if space is not None:
        corpus = space.corpus
        found |= {
            "documents": len(corpus.texts),
            "questions": sum(question.origin == "test" for question in corpus.questions),
            "questions_of_train": sum(question.origin == "train" for question in corpus.questions),
            "shares": list(space.shares),
            "judged": corpus.judged,
            "labeled": corpus.labels is not None,
            "notes": [*state.notes, *corpus.notes],
            "map": space.layout is not None,
            "shown": len(space.shown),
        }
    return found


def _metrics(state: State, asked: Mapping[str, str]) -> Any:
    return followed(state.metrics, _number(asked, "after", 0, 0, 1 << 50))


def _neighbors(state: State, asked: Mapping[str, str]) -> Any:
    space = _ready(state)
    count = _number(asked, "count", 10, 1, _MOST_NEIGHBORS)
    if "row" in asked:
        query: str | int = _number(asked, "row", 0, 0, len(space.corpus.texts) - 1)
    else:
        query = _query(asked.get("query"))
    found = space.neighbors(query, count, _share(space, asked))
    if isinstance(query, str) and space.corpus.judged:
        texts = {int(row): space.corpus.texts[int(row)] for row in found["documents"]}
        found["feedback"] = state.feedback.of(query, texts)
    return found


def _map(state: State, asked: Mapping[str, str]) -> Any:
    space = _ready(state)
    if space.layout is None:
        raise HTTPException(404, "the vectors of the two models have different sizes, so no map holds both")
    return {"rows": space.shown.tolist(), "points": space.points(_share(space, asked)).tolist()}


def _document(state: State, asked: Mapping[str, str]) -> Any:
    space = _ready(state)
    return space.document(_number(asked, "row", 0, 0, len(space.corpus.texts) - 1))


def _documents(state: State, asked: Mapping[str, str]) -> Any:
    start, count = _number(asked, "start", 0, 0, 1 << 40), _number(asked, "count", 25, 1, _MOST_ROWS)
    return _ready(state).table(asked.get("words", "")[:_LONGEST], start, count)


def _questions(state: State, asked: Mapping[str, str]) -> Any:
    questions = _ready(state).corpus.questions
    words, origin = asked.get("words", "")[:_LONGEST].casefold(), asked.get("origin", "test")
    start, count = _number(asked, "start", 0, 0, 1 << 40), _number(asked, "count", 25, 1, _MOST_ROWS)
    found = [q for q in questions if q.origin == origin and words in q.text.casefold()]
    if (order := asked.get("order", "file")) != "file":
        # By 1/rank, as MRR counts: from 2 to 1 is more than from 200 to 100.
        gains = [1 / (q.rank_after or 1e9) - 1 / (q.rank_before or 1e9) for q in found]
        sign = -1 if order == "gained" else 1
        found = [found[place] for place in sorted(range(len(found)), key=lambda place: sign * gains[place])]
    shown = found[start : start + count]
    return {
        "total": len(found),
        "questions": [{"text": q.text, "before": q.rank_before, "after": q.rank_after} for q in shown],
    }


def _feedback(state: State) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        space = _ready(state)
        document = await _body(request)
        row, verdict = document.get("row"), document.get("verdict")
        query = _query(document.get("query"))
        if not isinstance(row, int) or isinstance(row, bool) or not 0 <= row < len(space.corpus.texts):
            raise HTTPException(400, "there is no such document")
        if not isinstance(verdict, str) or verdict not in COLUMNS:
            raise HTTPException(400, f"a verdict is one of {', '.join(COLUMNS)}")
        if not space.corpus.judged:
            raise HTTPException(400, "these rows have no queries of which a document could be a wrong answer")
        try:
            state.feedback.add(query, space.corpus.texts[row], verdict)
        except OSError as error:
            raise HTTPException(507, f"{state.feedback.path}: {error.strerror or error}") from None
        return _json({"row": row, "verdict": verdict})

    return endpoint


async def _body(request: Request) -> Mapping[str, Any]:
    data = bytearray()
    try:
        async for part in request.stream():
            data += part
            if len(data) > BODY_LIMIT:
                raise HTTPException(413, f"more than {BODY_LIMIT} bytes")
        document = json.loads(data)
    except (ValueError, RecursionError, ClientDisconnect):
        raise HTTPException(400, "no JSON") from None
    if not isinstance(document, dict):
        raise HTTPException(400, "no JSON object")
    return document


def _ready(state: State) -> Space:
    if state.space is None:
        raise HTTPException(503, "the vectors are not there yet")
    return state.space


def _query(text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        raise HTTPException(400, "there is no query")
    if len(text) > _LONGEST:
        raise HTTPException(400, f"the query is longer than {_LONGEST} characters")
    return text


def _number(asked: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = asked.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 20) or not least <= int(text) <= most:
        raise HTTPException(400, f"{name} is a whole number from {least} to {most}")
    return int(text)


def _share(space: Space, asked: Mapping[str, str]) -> float:
    text = asked.get("share", str(TUNED))
    share = next((share for share in space.shares if f"{share:g}" == text or str(share) == text), None)
    if share is None:
        raise HTTPException(400, f"share is one of {', '.join(f'{share:g}' for share in space.shares)}")
    return share
