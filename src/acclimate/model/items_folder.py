"""Item tables as folders, and as bare files of vectors with their ids beside them.

A folder holds ``model.safetensors`` (``embeddings`` [N, D] and, where an item has another vector as a query,
``queries`` [N, D]) and ``ids.json``; its modules.json names a type of module that sentence-transformers does not have,
so that it refuses what it would have to take for texts.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from acclimate.core.errors import DataError, Place
from acclimate.core.files import write_json
from acclimate.model.bases import ids_beside
from acclimate.model.items import ItemTable
from acclimate.model.layout import Layout

_SAVE_AGAIN = "fetch or save the model again"


def read_items(layout: Layout) -> ItemTable:
    """The table of a folder.

    Raises:
        DataError: files that are damaged, missing or do not belong together.
    """
    folder = layout.backbone
    return _table(folder / "model.safetensors", folder / "ids.json", normalize=layout.normalize)


def read_item_file(path: Path) -> ItemTable:
    """The table of a ``.npy`` or ``.safetensors`` file, with ids in ``STEM.ids.json`` or ``STEM.ids.txt`` beside it.

    Raises:
        DataError: a file that is damaged or missing, or that does not belong to the other.
    """
    return _table(path, ids_beside(path), normalize=True)


def write_items(encoder: ItemTable, folder: Path) -> None:
    """Writes the table and the ids, not what lies above them."""
    save_file(encoder.vectors, folder / "model.safetensors")
    write_json(folder / "ids.json", encoder.ids)


def _table(vectors: Path, ids: Path, *, normalize: bool) -> ItemTable:
    (table, queries), names = _vectors(vectors), _ids(ids)
    try:
        return ItemTable(table, names, queries=queries, normalize=normalize)
    except DataError as error:
        raise DataError(error.problem, error.remedy, Place(ids)) from None


def _vectors(path: Path) -> tuple[Tensor, Tensor | None]:
    """Those of all items, and as queries, where these are others."""
    where = Place(path)
    try:
        if path.suffix == ".npy":
            array = np.array(np.load(path, mmap_mode="r", allow_pickle=False), dtype=np.float32)
            return _checked(torch.from_numpy(array), where), None
        tensors = load_file(path)
    except FileNotFoundError:
        raise DataError("the vectors are missing", _SAVE_AGAIN, where) from None
    except (SafetensorError, OSError, ValueError, EOFError) as error:
        raise DataError(f"the vectors cannot be read: {error}", _SAVE_AGAIN, where) from error
    table = tensors.get("embeddings", next(iter(tensors.values())) if len(tensors) == 1 else None)
    if table is None:
        problem = f"it holds {', '.join(sorted(tensors)) or 'nothing'}"
        raise DataError(problem, "call the table of vectors embeddings, and those of queries, if any, queries", where)
    queries = tensors.get("queries") if "embeddings" in tensors else None
    return _checked(table.float(), where), None if queries is None else _checked(queries.float(), where)


def _checked(table: Tensor, where: Place) -> Tensor:
    if table.ndim != 2 or not table.numel() or not torch.isfinite(table).all():
        problem = f"the vectors are of shape {tuple(table.shape)}, or hold NaN or infinity"
        raise DataError(problem, "give finite numbers, one vector a row: [count, dimension]", where)
    return table


def _ids(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = json.loads(text) if path.suffix == ".json" else text.splitlines()
    except FileNotFoundError:
        raise DataError("the ids are missing", _SAVE_AGAIN, Place(path)) from None
    except (OSError, ValueError) as error:
        raise DataError(f"the ids cannot be read: {error}", "give a JSON list, or an id a line", Place(path)) from error
    if not isinstance(found, list):
        raise DataError("the ids are no list", "give a JSON list, or an id a line", Place(path))
    return [str(name) for name in found]
