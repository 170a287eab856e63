"""What a method changed, as a folder beside the base: smaller than the model, and several of them share one base.

``delta.json`` names the method and the base; beside it lies every parameter that trained, in the layout of the method,
and ``words.safetensors`` with the vectors of words that were added to the vocabulary.
"""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.core.files import write_json
from acclimate.methods.base import Method
from acclimate.model.heads import read_heads, write_heads
from acclimate.model.vocabulary import add_words, new_rows

if TYPE_CHECKING:
    from torch.nn import Parameter

    from acclimate.core.specs import Table
    from acclimate.model.encoder import Encoder

_SCHEMA = 1
_WORDS = "words.safetensors"


def write_delta(
    folder: Path, method: Method, encoder: "Encoder", parameters: "Mapping[str, Parameter]", base: Mapping[str, str]
) -> None:
    """Writes a delta.

    Args:
        folder: is made.
        method: what trained.
        encoder: with the method applied and not folded.
        parameters: what trained, by name.
        base: ``name`` and ``fingerprint`` of the base.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: parameter.detach().float().cpu().contiguous() for name, parameter in parameters.items()}
    method.write_tensors(tensors, folder, encoder, base["name"])
    write_heads(encoder.heads, folder)
    words = [] if encoder.new_words is None else list(encoder.new_words.words)
    if words:
        save_file({"rows": new_rows(encoder).cpu().contiguous()}, folder / _WORDS)
    about = {"method": method.model_dump(mode="json"), "base": dict(base), "prompts": encoder.prompts, "words": words}
    write_json(folder / "delta.json", {"schema": _SCHEMA, **about})


def with_delta(encoder: "Encoder", folder: Path, methods: "Table[Any]", fingerprint: str) -> "Encoder":
    """A second encoder that shares the weights of the first and has what the delta changed.

    Args:
        encoder: the base; stays as it is.
        folder: what `write_delta` wrote, or a run folder with it in ``delta/``.
        methods: the table of methods.
        fingerprint: of the base's folder.

    Raises:
        UsageError: no delta, or one of another base.
        DataError: a damaged delta.
    """
    place = folder if (folder / "delta.json").is_file() else folder / "delta"
    try:
        about = json.loads((place / "delta.json").read_text(encoding="utf-8"))
        wanted, method = about["base"], methods.parse(about["method"])
        prompts, tensors = dict(about["prompts"]), method.read_tensors(place)
        words = list(about.get("words", []))
        rows = load_file(place / _WORDS)["rows"] if words else None
    except FileNotFoundError:
        raise UsageError("there is no delta", "give a run folder, or its delta/", Place(folder)) from None
    except (ValueError, KeyError, OSError, SafetensorError) as error:
        raise DataError(f"the delta cannot be read: {error}", "copy it again", Place(place)) from error
    if wanted["fingerprint"] != fingerprint:
        raise UsageError(f"this delta is of another base, {wanted['name']}", "load that base", Place(place))
    changed = _sharing(encoder)
    if words:
        add_words(changed, words, rows)
    named = {name: p for group in method.apply(changed) for name, p in group.parameters.items()}
    if {name: p.shape for name, p in named.items()} != {name: t.shape for name, t in tensors.items()}:
        raise DataError("the delta's tensors are not those of its method", "copy it again", Place(place))
    for name, tensor in tensors.items():
        module, _, attribute = name.rpartition(".")
        setattr(changed.get_submodule(module), attribute, torch.nn.Parameter(tensor.to(encoder.device), False))
    changed.prompts, changed.normalize, changed.heads = prompts, True, read_heads(place)
    return changed.eval()


def _sharing(encoder: "Encoder") -> "Encoder":
    """A copy of the modules around the same tensors."""
    shared: dict[int, Any] = {id(tensor): tensor for tensor in (*encoder.parameters(), *encoder.buffers())}
    shared[id(encoder.tokenizer)] = encoder.tokenizer
    return copy.deepcopy(encoder, shared)
