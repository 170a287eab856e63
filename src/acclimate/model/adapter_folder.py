"""A residual adapter on its own, for vectors that no encoder here makes: ``config.json`` and ``model.safetensors``."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.core.files import write_json
from acclimate.model.layout import read_json
from acclimate.model.residual import Residual, ResidualLayer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_CHUNK = 8192  # vectors at a time


@dataclass(frozen=True, slots=True)
class VectorAdapter:
    """What `load_adapter` reads. It changes vectors of ``dimension`` numbers."""

    settings: Residual
    layer: ResidualLayer
    dimension: int

    def transform(self, vectors: "ArrayLike", role: str = "query") -> "NDArray[np.float32]":
        """Vectors of queries or documents, of any length, as unit vectors of the adapted space.

        With ``side: query`` documents are normalized and nothing else: an index of them stays valid.

        Args:
            vectors: [N, D].
            role: ``query`` or ``document``.

        Raises:
            UsageError: another role, or vectors of another size.
        """
        if role not in ("query", "document"):
            raise UsageError(f"role {role!r} is unknown", "take query or document")
        given = np.asarray(vectors, dtype=np.float32)
        if given.ndim != 2 or given.shape[1] != self.dimension:
            problem = f"vectors of shape {given.shape} do not fit an adapter of {self.dimension} dimensions"
            raise UsageError(problem, f"give [N, {self.dimension}]")
        found = np.empty(given.shape, dtype=np.float32)
        for start in range(0, len(given), _CHUNK):
            part = torch.tensor(given[start : start + _CHUNK])
            with torch.no_grad():
                changed = self.layer(part, torch.full((len(part),), role == "query"))
                found[start : start + _CHUNK] = torch.nn.functional.normalize(changed, dim=-1).numpy()
        return found


def save_adapter(folder: Path, settings: Residual, layer: ResidualLayer) -> None:
    """Writes an adapter; the folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: parameter.detach().contiguous() for name, parameter in layer.named_parameters()}
    save_file(tensors, folder / "model.safetensors")
    write_json(folder / "config.json", {"dimension": layer.up.out_features, **settings.model_dump(mode="json")})


def load_adapter(folder: Path) -> VectorAdapter:
    """Reads what `save_adapter` wrote.

    Args:
        folder: of the adapter, or the run folder with it in ``adapter/``.

    Raises:
        UsageError: there is no adapter.
        DataError: a damaged one.
    """
    place = folder / "adapter" if (folder / "adapter").is_dir() else folder
    if not (place / "config.json").is_file():
        raise UsageError("there is no adapter", "give the folder that fit_vectors wrote", Place(folder))
    try:
        config = read_json(place / "config.json")
        dimension = int(config.pop("dimension"))
        settings = Residual.model_validate(config)
        layer = settings.layer(dimension)
        layer.load_state_dict(load_file(place / "model.safetensors"))
    except (KeyError, ValueError, ValidationError, RuntimeError, SafetensorError, OSError) as error:
        raise DataError(f"the adapter cannot be read: {error}", "copy it again", Place(place)) from error
    return VectorAdapter(settings, layer.eval(), dimension)
