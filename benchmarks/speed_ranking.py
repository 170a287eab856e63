"""Ranking beside other ways to do it: from vectors in memory to metrics, in one process that does nothing else."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from speed_memory import held_bytes, peak_bytes

Vectors = NDArray[np.float32]
Metrics = dict[str, float]

DIMENSION = 384
NOISE = 5.0  # of a query against its document, whose length is one: right answers come first for about half of them


def measure_ranking(config: dict[str, Any]) -> dict[str, Any]:
    """Seconds, memory above the vectors, and metrics of one way."""
    queries, documents, wanted = _vectors(config["queries"], config["documents"], config["seed"])
    rank = _WAYS[config["who"]]
    rank(queries[:2], documents[:200], wanted[:2] % 200)  # imports, first touches
    before = held_bytes()
    started, cpu = time.perf_counter(), time.process_time()
    metrics = rank(queries, documents, wanted)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu_seconds": cpu, "above_bytes": peak_bytes() - before, **metrics}


def _vectors(queries: int, documents: int, seed: int) -> tuple[Vectors, Vectors, NDArray[np.int64]]:
    """Random documents of length one, queries near one document each, and which."""
    generator = np.random.default_rng(seed)
    corpus = generator.standard_normal((documents, DIMENSION), np.float32)
    corpus /= np.linalg.norm(corpus, axis=1, keepdims=True)
    wanted = generator.permutation(documents)[:queries]
    asked = generator.standard_normal((queries, DIMENSION), np.float32) * (NOISE / DIMENSION**0.5) + corpus[wanted]
    return asked / np.linalg.norm(asked, axis=1, keepdims=True), corpus, wanted


def _ours(queries: Vectors, documents: Vectors, wanted: NDArray[np.int64]) -> Metrics:
    import torch  # noqa: F401, loaded by whoever has encoded the texts

    from acclimate.evaluation.ranking import document_order, rank_documents
    from acclimate.evaluation.retrieval import retrieval_metrics

    order = document_order([str(row) for row in range(len(documents))])
    relevant = [{int(row): 1} for row in wanted]
    metrics = retrieval_metrics(rank_documents(queries, documents, relevant, document_order=order)).metrics
    return {name: metrics[name] for name in ("mrr@10", "recall@10", "mrr", "median_rank")}


def _sorted(queries: Vectors, documents: Vectors, wanted: NDArray[np.int64]) -> Metrics:
    """All cosines, sorted twice for the rank of every document: what is written by hand."""
    from sklearn.metrics.pairwise import cosine_similarity

    places = np.argsort(np.argsort(-cosine_similarity(queries, documents), axis=1), axis=1)
    ranks = places[np.arange(len(queries)), wanted] + 1
    return _of_ranks(ranks) | {"mrr": float((1 / ranks).mean()), "median_rank": float(np.median(ranks))}


def _peer(queries: Vectors, documents: Vectors, wanted: NDArray[np.int64]) -> Metrics:
    """The evaluator of sentence-transformers at its defaults, with a model that has the queries' vectors already."""
    import torch
    from sentence_transformers import SimilarityFunction
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    evaluator = InformationRetrievalEvaluator(
        {str(n): str(n) for n in range(len(queries))},
        {str(row): "" for row in range(len(documents))},
        {str(n): {str(row)} for n, row in enumerate(wanted)},
        score_functions={"cosine": SimilarityFunction.to_similarity_fn("cosine")},  # type: ignore[dict-item]
        write_csv=False,
    )
    evaluator.embed_inputs = lambda *_, **__: torch.from_numpy(queries)  # type: ignore[method-assign, assignment]
    scores: Any = evaluator.compute_all_metrics(None, corpus_embeddings=torch.from_numpy(documents))  # type: ignore[arg-type]
    return {"mrr@10": scores["cosine"]["mrr@k"][10], "recall@10": scores["cosine"]["recall@k"][10]}


def _faiss(queries: Vectors, documents: Vectors, wanted: NDArray[np.int64]) -> Metrics:
    """The first 100 of an exact index; building it is left out by measuring the search alone."""
    import faiss

    index = faiss.IndexFlatIP(documents.shape[1])
    index.add(documents)
    started = time.perf_counter()
    found = index.search(queries, min(100, len(documents)))[1] == wanted[:, None]
    searched = time.perf_counter() - started
    ranks = np.where(found.any(1), found.argmax(1) + 1, len(documents))
    return _of_ranks(ranks) | {"search_seconds": searched}


def _of_ranks(ranks: NDArray[np.int64]) -> Metrics:
    return {"mrr@10": float(np.where(ranks <= 10, 1 / ranks, 0).mean()), "recall@10": float((ranks <= 10).mean())}


_WAYS: dict[str, Callable[[Vectors, Vectors, NDArray[np.int64]], Metrics]] = {
    "ours": _ours,
    "sorted": _sorted,
    "peer": _peer,
    "faiss": _faiss,
}
