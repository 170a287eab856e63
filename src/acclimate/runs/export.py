"""``export``: a model as another kind of model, or a run's figures as others read them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from acclimate.core.errors import UsageError
from acclimate.core.specs import closest
from acclimate.model.bases import resolve
from acclimate.model.distilled import distilled
from acclimate.model.store import load_encoder, save_encoder
from acclimate.runs.mteb_results import write_mteb_results

Progress = Callable[[int, int], None]
Export = Callable[[str, Path, int | None, Progress | None], dict[str, Any]]

_DIMENSIONS = 256


def _static(model: str, out: Path, dimensions: int | None, progress: Progress | None) -> dict[str, Any]:
    require_no_other(out)
    encoder = load_encoder(resolve(model))
    width = min(_DIMENSIONS, encoder.dimension) if dimensions is None else dimensions
    converted: Any = distilled(encoder, width, progress)
    save_encoder(converted, out)
    return {"dimension": converted.dimension}


def _mteb(model: str, out: Path, dimensions: int | None, progress: Progress | None) -> dict[str, Any]:
    if dimensions is not None:
        raise UsageError("--dimensions is for --to static", "leave it out")
    return {"files": [str(path) for path in write_mteb_results(Path(model), out)]}


#: What a model or a run can be written as, by the name of ``--to``.
EXPORTS: dict[str, Export] = {"static": _static, "mteb": _mteb}


def export(
    model: str, kind: str, out: Path, *, dimensions: int | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Writes a model as one of another kind, or a run's figures for others to read.

    Args:
        model: as `load` takes it; for ``mteb`` the folder of a run.
        kind: a name in `EXPORTS`.
        out: the folder; what lies there is replaced if it is a model.
        dimensions: of the result, where the kind lets one choose.
        progress: told (tokens done, tokens in all).

    Returns:
        ``out``, ``kind`` and what the kind tells: ``dimension``, or ``files``.

    Raises:
        UsageError: no such model, run or kind, one that cannot become it, or a folder of something else.
        ResourceError: no room.
    """
    if kind not in EXPORTS:
        raise UsageError(f"--to {kind!r} is unknown", closest(kind, list(EXPORTS)) or f"take {', '.join(EXPORTS)}")
    return {"schema": 1, "out": str(out), "kind": kind, **EXPORTS[kind](model, out, dimensions, progress)}


def require_no_other(out: Path) -> None:
    """Refuses to replace what is no model.

    Raises:
        UsageError: ``out`` is neither new nor empty nor a model.
    """
    if out.exists() and not (out / "modules.json").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} holds something that is no model", "give another --out")
