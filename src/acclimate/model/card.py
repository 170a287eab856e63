"""What every model card (README.md of a model folder) says: what model hubs read, and how the model is used."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import yaml


def card_head(more: Mapping[str, Any] = MappingProxyType({}), *, standard: bool) -> str:
    """The metadata of a model of standard modules, or of one that Acclimate alone reads, between its two lines.

    ``more`` holds further keys that the Hub knows, with any text in their values.
    """
    tags = ["sentence-similarity", "feature-extraction", "acclimate"]
    head = {
        "library_name": "sentence-transformers" if standard else "acclimate",
        "pipeline_tag": "sentence-similarity",
        "tags": ["sentence-transformers", *tags] if standard else tags,
        **more,
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---"


def model_result(metric: str, dataset: str, metrics: Mapping[str, float]) -> dict[str, Any]:
    """One result of the Hub's ``model-index``.

    Args:
        metric: the main one, by which the kind of task is told.
        dataset: what was scored.
        metrics: value by name.
    """
    kind = {"spearman": "sentence-similarity", "macro_f1": "text-classification"}.get(metric, "text-retrieval")
    return {
        "task": {"type": kind},
        "dataset": {"name": dataset, "type": "unknown"},  # no data set of the Hub
        "metrics": [{"type": name, "value": float(value)} for name, value in metrics.items()],
    }


def card_use(*, standard: bool) -> str:
    """Code that encodes a question and a document."""
    ours = """import acclimate

encoder = acclimate.load("path/to/this/folder")
queries = encoder.encode(["a question"], role="query")
documents = encoder.encode(["a document"], role="document")
scores = queries @ documents.T"""
    peer = """from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder")
queries = model.encode_query(["a question"])
documents = model.encode_document(["a document"])
scores = model.similarity(queries, documents)"""
    if standard:
        return f"```python\n{peer}\n```\n\nor\n\n```python\n{ours}\n```"
    return (
        "It has parts that no standard module can say, so sentence-transformers refuses it instead of leaving them "
        f"out.\n\n```python\n{ours}\n```"
    )
