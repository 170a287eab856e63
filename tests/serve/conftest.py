"""A corpus of invented texts and two models that are tables of random vectors."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from acclimate.serve.app import State, explorer
from acclimate.serve.corpus import Corpus, Question
from acclimate.serve.feedback import FeedbackLog
from acclimate.serve.space import BASE, TUNED, Space

HOST = "127.0.0.1:8642"


def space(texts: Sequence[str], questions: Sequence[Question] = (), *, dimension: int = 8, **about: object) -> Space:
    """Documents with random unit vectors; a query is encoded as a vector that depends on its text alone."""
    vectors = {share: unit((len(texts), dimension), seed) for seed, share in enumerate((BASE, 0.5, TUNED))}

    def encode(asked: Sequence[str], role: str, share: float) -> np.ndarray:
        return np.concatenate([unit((1, dimension), sum(map(ord, text)) + int(10 * share)) for text in asked])

    ids = [f"d{row}" for row in range(len(texts))]
    corpus = Corpus(ids, list(texts), list(questions), **about)  # type: ignore[arg-type]
    return Space(corpus, (BASE, 0.5, TUNED), vectors.__getitem__, encode)


def unit(shape: tuple[int, int], seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def state(tmp_path: Path) -> State:
    texts = [f"document number {row}" for row in range(40)]
    questions = [
        Question("what is three", "test", np.array([3]), 9, 1),
        Question("what is four", "test", np.array([4, 5]), 1, 2),
        Question("what is five", "test", np.array([5]), 100, 50),
        Question("what trained", "train", np.array([6])),
    ]
    about = {"run": "labs", "base": "all-MiniLM-L6-v2"}
    found = State(about, tmp_path / "metrics.jsonl", FeedbackLog(tmp_path / "feedback.jsonl"))
    found.space, found.phase = space(texts, questions), "ready"
    return found


@pytest.fixture
def client(state: State) -> Callable[..., TestClient]:
    """A browser's view of the application; headers are added to every request."""
    app = explorer(state, [HOST, "localhost:8642"], "")
    return lambda **headers: TestClient(app, base_url=f"http://{HOST}", headers=headers, raise_server_exceptions=False)
