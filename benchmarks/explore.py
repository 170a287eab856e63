"""How soon the explorer answers a query: `acclimate explore`, asked over HTTP on this machine.

    python benchmarks/explore.py --documents 20000 --out explore.json

Both sides encode the query with all-MiniLM-L6-v2; the documents are random vectors of its size, for exact search takes
as long whatever they are. Queries are those of the demo's test, one after another, each of them new.
"""

import argparse
import http.client
import json
import platform
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import torch
import uvicorn

import acclimate
from acclimate.core.files import read_jsonl, write_json
from acclimate.core.processor import processor_name
from acclimate.runs.explore import encode_query
from acclimate.serve.app import State, explorer
from acclimate.serve.corpus import Corpus, Question
from acclimate.serve.feedback import FeedbackLog
from acclimate.serve.space import BASE, TUNED, Space

DIMENSION = 384
WARM = 20  # answers that are not counted


def main() -> None:
    """Measures, prints and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    demo = Path(acclimate.__file__).parent / "assets" / "demo" / "test"
    asked = [row["text"] for row in read_jsonl(demo / "queries.jsonl")][: given.queries + WARM]
    texts = [row["text"] for row in read_jsonl(demo / "corpus.jsonl")]
    space = _space([texts[row % len(texts)] for row in range(given.documents)], asked)
    _ = space.layout, space.moved
    milliseconds, cpu = (figures[WARM:] for figures in _asked(space, asked, given.count))
    document = {
        "documents": given.documents,
        "queries": len(milliseconds),
        **{f"p{share}_ms": round(float(np.percentile(milliseconds, share)), 1) for share in (50, 95, 99)},
        "cpu_ms": round(float(np.mean(cpu)), 1),
        "threads": given.threads,
        "processor": processor_name(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    print(json.dumps(document, indent=2))
    if given.out:
        write_json(given.out, document)


def _space(texts: Sequence[str], asked: Sequence[str]) -> Space:
    generator = np.random.default_rng(42)
    vectors = {}
    for share in (BASE, TUNED):
        drawn = generator.standard_normal((len(texts), DIMENSION), np.float32)
        vectors[share] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    encoders = {share: acclimate.load("all-MiniLM-L6-v2") for share in (BASE, TUNED)}
    questions = [Question(text, "test", np.array([row])) for row, text in enumerate(asked)]
    corpus = Corpus([str(row) for row in range(len(texts))], texts, questions)
    return Space(
        corpus, (BASE, TUNED), vectors.__getitem__, lambda some, role, share: encode_query(encoders[share], some, role)
    )


def _asked(space: Space, asked: Sequence[str], count: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each query from the request to the whole answer, and those that the processors worked."""
    state = State(
        {"run": "benchmark"}, Path("metrics.jsonl"), FeedbackLog(Path("feedback.jsonl")), "ready", space=space
    )
    server = uvicorn.Server(uvicorn.Config(explorer(state, (), ""), port=0, log_level="error", lifespan="off"))
    listening = server.config.bind_socket()
    port = listening.getsockname()[1]
    server.config.app = explorer(state, [f"127.0.0.1:{port}"], "")
    threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
    connection, found = http.client.HTTPConnection("127.0.0.1", port, timeout=60), list[float]()
    worked = list[float]()
    while not server.started:
        time.sleep(0.01)
    for text in asked:
        began, cpu = time.perf_counter(), time.process_time()
        connection.request("GET", f"/api/neighbors?{urlencode({'query': text, 'count': count})}")
        answer = connection.getresponse()
        body = answer.read()
        found.append(1000 * (time.perf_counter() - began))
        worked.append(1000 * (time.process_time() - cpu))
        assert answer.status == 200, body
    server.should_exit = True
    return found, worked


if __name__ == "__main__":
    main()
