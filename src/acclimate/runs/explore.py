"""``explore``: a page on this machine that shows what a run did to the neighbors of a query."""

import errno
import json
import os
import platform
import socket
import threading
import time
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import uvicorn

from acclimate.core.errors import AcclimateError, DataError, Place, ResourceError, UsageError
from acclimate.evaluation.probe import guard_texts
from acclimate.model.alike import require_alike, same_weights
from acclimate.model.bases import fingerprint, resolve
from acclimate.model.store import load_encoder, reads_ids
from acclimate.recipe.read import read_recipe
from acclimate.report.page import style
from acclimate.report.words import verdict
from acclimate.runs.explored import corpus_of
from acclimate.runs.known_vectors import KnownVectors
from acclimate.runs.machine import choose_device
from acclimate.runs.merging import blend
from acclimate.runs.planning import load_base
from acclimate.runs.show import Show
from acclimate.runs.workspace import Workspace
from acclimate.serve.app import State, explorer
from acclimate.serve.corpus import Corpus
from acclimate.serve.feedback import FeedbackLog
from acclimate.serve.space import BASE, TUNED, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from acclimate.model.encoder import Encoder
    from acclimate.recipe.tree import Recipe

ADDRESS = "127.0.0.1"
PORT = 8642  # by default; another free one where it is taken
SHARES = (BASE, 0.25, 0.5, 0.75, TUNED)  # of the tuned weights
_TRIED_EVERY = 40  # general texts, that show whether two models read alike
_THREADS = torch.get_num_threads()  # of what encodes all documents
_LOOK_EVERY = 2.0  # seconds, for the end of a run


def explore(
    run: Path,
    *,
    test: Path | None = None,
    port: int | None = None,
    browser: bool = True,
    show: Show,
    told: Callable[[str], None] = lambda address: None,
) -> None:
    """Serves the page until the process is stopped.

    Args:
        run: its folder; of a run that still trains, the page follows the training first.
        test: other data to look at than the run's test.
        port: of this machine; by default `PORT`, or any free one where that is taken.
        browser: open the page.
        show: told where the page is.
        told: takes the address, before the first request is answered.

    Raises:
        UsageError: no run, or one without texts.
        ResourceError: the port is taken.
    """
    state, recipe = state_of(run)
    listening = _listen(port)
    port = listening.getsockname()[1]
    hosts = [f"{name}:{port}" for name in (ADDRESS, "localhost")]
    address = f"http://{ADDRESS}:{port}/"
    app = explorer(state, hosts, style())
    threading.Thread(target=_prepare, args=(run, recipe, test, state, show), daemon=True).start()
    told(address)
    show.say(f"explore {address} (Ctrl-C ends it)")
    if browser and _has_screen():
        webbrowser.open(address)
    settings = uvicorn.Config(
        app, log_level="critical", access_log=False, server_header=False, lifespan="off", limit_concurrency=100,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    try:
        uvicorn.Server(settings).run(sockets=[listening])
    except KeyboardInterrupt:
        show.detail("ended")


def state_of(run: Path) -> "tuple[State, Recipe]":
    """What can be said of a run at once, and its recipe.

    Raises:
        UsageError: no run, or one whose texts are ids or vectors.
    """
    if not (run / "recipe.yaml").is_file():
        raise UsageError(f"{run} holds no run of fit", "name the folder of a run, as runs/demo")
    recipe = read_recipe(run / "recipe.yaml")
    if recipe.base.startswith("items:") or _is_item_table(recipe.base):
        raise UsageError("explore shows texts, and this run has items", "look at its report instead")
    about = {"run": run.resolve().name, "base": recipe.base, **_judged(run)}
    return State(about, run / "metrics.jsonl", FeedbackLog(run / "feedback.jsonl")), recipe


def space_of(run: Path, recipe: "Recipe", corpus: Corpus, show: Show, state: State) -> Space:
    """A corpus as the base and the tuned model of a finished run see it."""
    folders = {BASE: resolve(recipe.base), TUNED: _tuned(run)}
    return _Models(recipe, folders, corpus, show, state).space()


def _prepare(run: Path, recipe: "Recipe", test: Path | None, state: State, show: Show) -> None:
    """Makes the space, as soon as the run is finished. The only thread that changes the state."""
    workspace = Workspace(run)
    try:
        while not (workspace.scores.is_file() and (workspace.model.is_dir() or workspace.rejected.is_dir())):
            time.sleep(_LOOK_EVERY)
        state.about = {**state.about, **_judged(run)}
        state.phase = "encoding"
        corpus = corpus_of(run, recipe.data, test)
        space = space_of(run, recipe, corpus, show, state)
        state.space, state.phase = space, "ready"
        show.detail(f"{len(corpus.texts):,} documents, {len(corpus.questions):,} questions")
        for note in (*state.notes, *corpus.notes):
            show.detail(f"note: {note}")
    except AcclimateError as error:
        state.problem, state.phase = str(error), "failed"
        show.detail(f"{error}")
    except Exception as error:
        state.problem, state.phase = (
            f"a defect of Acclimate: {type(error).__name__}: {error}; please report it",
            "failed",
        )
        show.detail(f"{state.problem}")


def encode_query(encoder: "Encoder", texts: Sequence[str], role: str) -> "NDArray[np.float32]":
    """Vectors of a query or two [n, D], on one core.

    Each thread that answers would bring threads of its own along, and these would wait for each other longer than one
    takes for so little.
    """
    torch.set_num_threads(1)
    try:
        return encoder.encode(texts, role)
    finally:
        torch.set_num_threads(_THREADS)  # what is asked here is 1 while another query is read


class _Models:
    """The two models of a run, and what lies between their weights."""

    def __init__(self, recipe: "Recipe", folders: dict[float, Path], corpus: Corpus, show: Show, state: State) -> None:
        self._folders, self._corpus, self._show, self._state = folders, corpus, show, state
        device = choose_device(recipe.training.device)
        self._encoders = {BASE: load_base(recipe, folders[BASE]), TUNED: load_encoder(folders[TUNED])}
        for encoder in self._encoders.values():
            encoder.to(device)
        self._between: tuple[float, Encoder] | None = None  # one at a time
        self._vectors: dict[float, NDArray[np.float32]] = {}
        # Of an encoder each, and so that nothing is encoded twice: one at an end answers while another is busy.
        self._locks = {BASE: threading.Lock(), TUNED: threading.Lock()}
        self._lock_between = threading.Lock()

    def space(self) -> Space:
        """What is searched; the documents are encoded by now."""
        shares, why = self._shares()
        if why:
            self._state.notes = (*self._state.notes, why)
        for share in (BASE, TUNED):
            self.documents(share)
        space = Space(self._corpus, shares, self.documents, self.encode)
        _ = space.layout, space.moved  # now, and not while somebody waits for an answer
        return space

    def documents(self, share: float) -> "NDArray[np.float32]":
        """The vectors of all documents [N, D]."""
        if share not in self._vectors:
            with self._lock(share):
                if share not in self._vectors:
                    # What is kept lies in the folder for caches: looking at a run changes nothing in it.
                    variant = "" if share in self._folders else f"{share} of {fingerprint(self._folders[BASE])}"
                    folder = self._folders[BASE if share == BASE else TUNED]
                    known = KnownVectors(self._encoder(share), folder, progress=self._progress, variant=variant)
                    self._vectors[share] = known.encode(self._corpus.texts, "document")
        return self._vectors[share]

    def encode(self, texts: Sequence[str], role: str, share: float) -> "NDArray[np.float32]":
        """Vectors of queries [n, D]."""
        with self._lock(share):
            return encode_query(self._encoder(share), texts, role)

    def _lock(self, share: float) -> threading.Lock:
        return self._locks.get(share, self._lock_between)

    def _progress(self, done: int, total: int) -> None:
        self._state.done, self._state.total = done, total
        self._show.encoding(done, total)

    def _encoder(self, share: float) -> "Encoder":
        if share in self._encoders:
            return self._encoders[share]
        if self._between is None or self._between[0] != share:
            encoder = (
                self._between[1]
                if self._between
                else load_encoder(self._folders[TUNED]).to(self._encoders[TUNED].device)
            )
            base, tuned = (dict(self._encoders[end].named_parameters()) for end in (BASE, TUNED))
            shared = {name: p for name, p in encoder.named_parameters() if name in base}
            blend(shared, base, tuned, share)
            self._between = share, encoder
        return self._between[1]

    def _shares(self) -> tuple[tuple[float, ...], str]:
        """The shares of the tuned weights that can be looked at, and why there are none between."""
        base, tuned = self._encoders[BASE], self._encoders[TUNED]
        try:
            # It gives the other one the settings of the first: a base of its own, for the page shows the run's.
            require_alike(tuned, load_encoder(self._folders[BASE]), ("model", "base"), guard_texts()[::_TRIED_EVERY])
        except UsageError as error:
            return (BASE, TUNED), f"no model lies between base and tuned: {error.problem}"
        if same_weights(tuned, base):
            return (BASE, TUNED), "the model has the weights of the base: nothing has changed"
        return SHARES, ""


def _tuned(run: Path) -> Path:
    """The model that was tuned, whatever the gate said."""
    return run / "rejected" if (run / "rejected").is_dir() else run / "model"


def _judged(run: Path) -> dict[str, Any]:
    """What the gate says, once it has."""
    path = run / "scores.json"
    if not path.is_file():
        return {}
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise DataError("the file is damaged", "run the same `acclimate fit` again", Place(path)) from None
    rejected = (run / "rejected").is_dir()
    found = verdict(scores, limit=scores["gate"].get("general_drop_limit", 0.01), rejected=rejected)
    return {"method": scores.get("method", ""), "verdict": found.word, "tone": found.tone, "rejected": rejected}


def _is_item_table(base: str) -> bool:
    try:
        return reads_ids(resolve(base))
    except AcclimateError:
        return False  # told when it is loaded


def _has_screen() -> bool:
    """Whether a browser would open beside the terminal. Without a screen, Linux may have one that takes it over."""
    return platform.system() != "Linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _listen(port: int | None) -> socket.socket:
    """A socket that answers on this machine alone."""
    for tried in (PORT, 0) if port is None else (port,):
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows: nobody else may listen there too
            found.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((ADDRESS, tried))
            found.listen()  # by now: who is told the address may ask at once and waits for the answer
            return found
        except (OSError, OverflowError) as error:
            found.close()
            taken = isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES)
            if port is not None or not taken:
                problem = f"cannot listen on port {tried}: {getattr(error, 'strerror', None) or error}"
                raise ResourceError(problem, "give another --port, or none") from None
    raise AssertionError("port 0 is any free one")
