"""The configuration files of a sentence-transformers folder: both generations read, the older one written.

The older layout (up to sentence-transformers 5.3: one boolean a pooling mode, ``max_seq_length``) is what every
reader understands: sentence-transformers from 2 to 6, text-embeddings-inference, vLLM. Readers of the old layout
crash on the new keys or, worse, fall back to another pooling without a word.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.model.pooling import POOLING_MODES

_LEGACY_KEYS = {
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
_STANDARD = ("Transformer", "Pooling", "StaticEmbedding", "Dense", "Normalize")
_HEADS = ("Transformer, Pooling", "StaticEmbedding")  # what comes first; all that follows is the same
# A table of items: texts mean nothing to it, so no reader of texts may take it for a model of theirs.
ITEMS = "acclimate.items"
# No module of this name exists: whoever would leave these parts out fails instead.
_EXTENSION = "acclimate.extension"
_TRANSFORMER_CONFIGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
# Settings of the newer layout that change what the backbone is fed; a text model without them has them absent or empty.
_UNSUPPORTED_SETTINGS = (
    "processing_kwargs", "query_length", "document_length", "query_expansion", "tokenizer_name_or_path",
)  # fmt: skip
_TEXT_FORWARD = {"method": "forward", "method_output_name": "last_hidden_state"}


@dataclass(frozen=True, slots=True)
class Layout:
    """What a model folder says about everything but the backbone and the tokenizer.

    Attributes:
        backbone: the folder with config.json, weights and tokenizer.
        head: the name of the first module.
        pooling: modes in the order of concatenation, or None where the folder does not say.
        include_prompt: whether prompts are pooled.
        dense: the folders of Dense modules, in order.
        extensions: the folders of what no standard module can say.
        normalize: whether the vectors are normalized.
        max_length: ``max_seq_length``, None where the tokenizer decides.
        lower_case: whether texts are lower-cased before tokenizing.
        prompts: by name.
        default_prompt_name: the prompt of texts without a role.
        truncate_dim: leading dimensions kept.
        notes: what a user should know.
    """

    backbone: Path
    head: str = "Transformer"
    pooling: tuple[str, ...] | None = None
    include_prompt: bool = True
    dense: tuple[Path, ...] = ()
    extensions: tuple[Path, ...] = ()
    normalize: bool = True
    max_length: int | None = None
    lower_case: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None
    truncate_dim: int | None = None
    notes: tuple[str, ...] = ()


def read_layout(folder: Path) -> Layout:
    """Reads the configuration of a sentence-transformers or plain transformers folder.

    Raises:
        UsageError: no model folder, or one that uses modules other than Transformer and Pooling or StaticEmbedding,
            Dense and Normalize.
        DataError: a configuration file that cannot be read.
    """
    if not folder.is_dir():
        raise UsageError("no such model folder", "give the path of a model folder", Place(folder))
    if not (folder / "modules.json").exists():
        if not (folder / "config.json").exists():
            remedy = "give a folder that sentence-transformers or transformers saved"
            raise UsageError("not a model folder: it has neither modules.json nor config.json", remedy, Place(folder))
        config = read_json(folder / "config.json")
        if "StaticModel" in (config.get("architectures") or []):  # of model2vec, from before it wrote modules.json
            return Layout(folder, "StaticEmbedding", normalize=bool(config.get("normalize", False)))
        note = "no modules.json: vectors are pooled as sentence-transformers does for such a folder, and normalized"
        return Layout(folder, notes=(note,))
    names, paths = _modules(folder)
    backbone, pools = paths[0], "Pooling" in names
    settings = _transformer_settings(backbone) if pools else {}
    pooling = read_json(paths[1] / "config.json") if pools else {}
    model = read_json(folder / "config_sentence_transformers.json", missing_ok=True)
    normalize = "Normalize" in names
    return Layout(
        backbone=backbone,
        head=names[0],
        pooling=_pooling_modes(pooling, paths[1]) if pools else None,
        include_prompt=pooling.get("include_prompt", True),
        dense=tuple(path for name, path in zip(names, paths, strict=True) if name == "Dense"),
        extensions=tuple(path for name, path in zip(names, paths, strict=True) if name == _EXTENSION),
        normalize=normalize,
        max_length=settings.get("max_seq_length"),
        lower_case=settings.get("do_lower_case", False),
        prompts={name: text or "" for name, text in (model.get("prompts") or {}).items()},
        default_prompt_name=_default_prompt(model, folder),
        truncate_dim=model.get("truncate_dim"),
        notes=_similarity_note(model.get("similarity_fn_name"), normalize),
    )


def read_json(path: Path, *, missing_ok: bool = False) -> dict[str, Any]:
    """One JSON object.

    Raises:
        DataError: the file is missing (unless that is fine, then {}), unreadable or not a JSON object.
    """
    if missing_ok and not path.exists():
        return {}
    document = _read(path)
    if not isinstance(document, dict):
        raise DataError("not a JSON object", "fetch or save the model again", Place(path))
    return document


def _read(path: Path) -> Any:
    remedy = "fetch or save the model again"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError("this file of the model is missing", remedy, Place(path)) from None
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON: {error.msg}", remedy, Place(path, error.lineno, error.colno)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", remedy, Place(path)) from None


def _modules(folder: Path) -> tuple[list[str], list[Path]]:
    """Names and folders of the modules: Transformer, Pooling, Dense ..., Normalize, and extensions after them."""
    where = Place(folder / "modules.json")
    entries = _read(folder / "modules.json")
    try:
        types, paths = [str(entry["type"]) for entry in entries], [str(entry["path"]) for entry in entries]
    except (TypeError, KeyError):
        raise DataError("not a list of modules with type and path", "save the model again", where) from None
    names = [_name(kind) for kind in types]
    for kind, name in zip(types, names, strict=True):
        if name in (_EXTENSION, ITEMS):
            continue
        if not kind.startswith("sentence_transformers."):
            remedy = "use a model made of standard modules; code from a model folder is never run"
            raise UsageError(f"module type {kind} is code of the model's own", remedy, where)
        if name not in _STANDARD:
            remedy = f"use a text model made of {', '.join(_STANDARD)}"
            raise UsageError(f"module type {kind} is not supported", remedy, where)
    if any(Path(path).is_absolute() or ".." in Path(path).parts for path in paths):
        raise UsageError("a module's path leads out of the folder", "use a model whose modules lie inside it", where)
    standard = [name for name in names if name != _EXTENSION]
    first = 2 if "Pooling" in names else 1
    middle = standard[first:-1] if standard[-1:] == ["Normalize"] else standard[first:]
    if ", ".join(names[:first]) not in (*_HEADS, ITEMS) or any(name != "Dense" for name in middle):
        order = f"{' or '.join(_HEADS)}, any number of Dense, at most one Normalize"
        raise UsageError(f"the modules are {', '.join(names)}", f"use a model whose modules are {order}", where)
    return names, [folder / path for path in paths]


def _name(kind: str) -> str:
    if kind == ITEMS:
        return ITEMS
    return _EXTENSION if kind.startswith(f"{_EXTENSION}.") else kind.rpartition(".")[2]


def _transformer_settings(folder: Path) -> dict[str, Any]:
    path = next((folder / name for name in _TRANSFORMER_CONFIGS if (folder / name).exists()), None)
    if path is None:
        return {}
    settings = read_json(path)
    text = settings.get("modality_config", {}).get("text", _TEXT_FORWARD)
    if settings.get("transformer_task", "feature-extraction") != "feature-extraction" or text != _TEXT_FORWARD:
        raise UsageError("this transformer is not used as a text encoder", "use a text embedding model", Place(path))
    for key in _UNSUPPORTED_SETTINGS:
        if settings.get(key):
            raise UsageError(f"setting {key} is not supported", "use a model that does without it", Place(path))
    return settings


def _pooling_modes(config: dict[str, Any], folder: Path) -> tuple[str, ...]:
    where = Place(folder / "config.json")
    chosen = config.get("pooling_mode")
    if chosen is None:
        return tuple(mode for mode, key in _LEGACY_KEYS.items() if config.get(key)) or ("mean",)
    modes = (chosen,) if isinstance(chosen, str) else tuple(chosen)
    for mode in modes:
        if mode not in POOLING_MODES:
            raise UsageError(f"pooling mode {mode!r} is unknown", f"use one of {', '.join(POOLING_MODES)}", where)
    return modes


def _default_prompt(model: dict[str, Any], folder: Path) -> str | None:
    name: str | None = model.get("default_prompt_name")
    if name is not None and name not in (model.get("prompts") or {}):
        where = Place(folder / "config_sentence_transformers.json")
        raise UsageError(f"default_prompt_name {name!r} is not among the prompts", "name one of the prompts", where)
    return name


def _similarity_note(similarity: str | None, normalize: bool) -> tuple[str, ...]:
    if normalize or similarity in (None, "cosine"):
        return ()
    return (f"the model was made for {similarity} similarity; Acclimate normalizes its vectors and compares by cosine",)


def pooling_config(modes: tuple[str, ...], include_prompt: bool, dimension: int) -> dict[str, Any]:
    """1_Pooling/config.json. Legacy keys, except for an order of concatenation that they cannot express.

    Args:
        modes: in the order of concatenation.
        include_prompt: whether prompts are pooled.
        dimension: H of the backbone.
    """
    in_order = tuple(mode for mode in POOLING_MODES if mode in modes)
    if modes != in_order:
        return {"embedding_dimension": dimension, "pooling_mode": list(modes), "include_prompt": include_prompt}
    legacy = {key: mode in modes for mode, key in _LEGACY_KEYS.items()}
    return {"word_embedding_dimension": dimension, **legacy, "include_prompt": include_prompt}


def modules_config(
    dense: int, normalize: bool, extensions: Sequence[str] = (), *, head: str = "Transformer", path: str = ""
) -> list[dict[str, Any]]:
    """modules.json with the legacy type names: every version of sentence-transformers knows them.

    Args:
        dense: how many Dense modules there are.
        normalize: whether the vectors are normalized.
        extensions: kinds; sentence-transformers refuses a folder that has one.
        head: the first module, with what belongs to it; `ITEMS` is refused as an extension is.
        path: of the first module.
    """
    first = {"Transformer": ["Transformer", "Pooling"]}.get(head, [head])
    names = [*first, *["Dense"] * dense, *["Normalize"] * normalize]
    types = [name if name == ITEMS else f"sentence_transformers.models.{name}" for name in names]
    types += [f"{_EXTENSION}.{kind}" for kind in extensions]
    return [
        {
            "idx": index,
            "name": str(index),
            "path": f"{index}_{kind.rpartition('.')[2]}" if index else path,
            "type": kind,
        }
        for index, kind in enumerate(types)
    ]
