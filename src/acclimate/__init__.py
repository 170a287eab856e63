"""Acclimate fine-tunes embedding models on your own data and proves that they got better."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acclimate import evaluation
    from acclimate.api import (
        Run,
        VectorRun,
        check,
        compare,
        distill_static,
        evaluate,
        fit,
        fit_vectors,
        load,
        load_adapter,
        load_deltas,
        merge,
        plan,
    )
    from acclimate.model.encoder import Encoder
    from acclimate.recipe import Recipe

__version__ = "0.1.0"
__all__ = [
    "Encoder",
    "Recipe",
    "Run",
    "VectorRun",
    "check",
    "compare",
    "distill_static",
    "evaluate",
    "evaluation",
    "fit",
    "fit_vectors",
    "load",
    "load_adapter",
    "load_deltas",
    "merge",
    "plan",
]

_HOMES = {
    "Encoder": "acclimate.model.encoder",
    "Recipe": "acclimate.recipe",
    "Run": "acclimate.api",
    "VectorRun": "acclimate.api",
    "check": "acclimate.api",
    "compare": "acclimate.api",
    "distill_static": "acclimate.api",
    "evaluate": "acclimate.api",
    "fit": "acclimate.api",
    "fit_vectors": "acclimate.api",
    "load": "acclimate.api",
    "load_adapter": "acclimate.api",
    "load_deltas": "acclimate.api",
    "merge": "acclimate.api",
    "plan": "acclimate.api",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used: ``import acclimate`` costs nothing."""
    if name == "evaluation":
        return import_module("acclimate.evaluation")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names too, for completion in shells and notebooks."""
    return sorted({*globals(), *__all__})
