"""``export``: a model as another kind of model."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.core.errors import UsageError
from acclimate.core.specs import closest
from acclimate.model.bases import resolve
from acclimate.model.distilled import distilled
from acclimate.model.store import load_encoder, save_encoder

if TYPE_CHECKING:
    from acclimate.model.encoder import Encoder

Progress = Callable[[int, int], None]
Convert = Callable[["Encoder", int | None, Progress | None], Any]

_DIMENSIONS = 256


def _static(encoder: "Encoder", dimensions: int | None, progress: Progress | None) -> Any:
    return distilled(encoder, min(_DIMENSIONS, encoder.dimension) if dimensions is None else dimensions, progress)


#: What a model can become, by the name of ``--to``.
EXPORTS: dict[str, Convert] = {"static": _static}


def export(
    model: str, kind: str, out: Path, *, dimensions: int | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Writes a model as one of another kind.

    Args:
        model: as `load` takes it.
        kind: a name in `EXPORTS`.
        out: the folder; what lies there is replaced if it is a model.
        dimensions: of the result, where the kind lets one choose.
        progress: told (tokens done, tokens in all).

    Raises:
        UsageError: no such model or kind, one that cannot become it, or a folder of something else.
        ResourceError: no room.
    """
    if kind not in EXPORTS:
        raise UsageError(f"--to {kind!r} is unknown", closest(kind, list(EXPORTS)) or f"take {', '.join(EXPORTS)}")
    require_no_other(out)
    converted = EXPORTS[kind](load_encoder(resolve(model)), dimensions, progress)
    save_encoder(converted, out)
    return {"schema": 1, "out": str(out), "kind": kind, "dimension": converted.dimension}


def require_no_other(out: Path) -> None:
    """Refuses to replace what is no model.

    Raises:
        UsageError: ``out`` is neither new nor empty nor a model.
    """
    if out.exists() and not (out / "modules.json").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} holds something that is no model", "give another --out")
