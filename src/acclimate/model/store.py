"""Encoders to and from folders that sentence-transformers reads."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import normalizers
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from acclimate.core.errors import DataError, Place, ResourceError, UsageError
from acclimate.core.files import replace_folder, sync_folder, write_json
from acclimate.model.backbone import hidden_size, position_limit
from acclimate.model.card import card_head, card_use
from acclimate.model.dense import ACTIVATIONS, Dense
from acclimate.model.embedder import Embedder
from acclimate.model.encoder import Encoder
from acclimate.model.extension import Extension, extend
from acclimate.model.extensions import EXTENSIONS
from acclimate.model.heads import read_heads, write_heads
from acclimate.model.items_folder import read_item_file, read_items, write_items
from acclimate.model.layout import ITEMS, Layout, modules_config, pooling_config, read_json, read_layout
from acclimate.model.pooling import Pooling
from acclimate.model.static_folder import path_of, read_static, write_static

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_UNBOUNDED = 512  # tokens, where neither the folder, the tokenizer nor the backbone names a limit
# Models of an encoder and a decoder that are used without the decoder (sentence-t5, gtr-t5).
_ENCODERS_OF_TWO = {"t5": "T5EncoderModel", "mt5": "MT5EncoderModel", "umt5": "UMT5EncoderModel"}
_SAVE_AGAIN = "fetch or save the model again"


def load_encoder(folder: Path) -> Encoder:
    """Reads a model's folder, or an item table's file. fp32, on the CPU.

    The folder is one of sentence-transformers (either generation), of transformers alone, of model2vec or of items.

    No code and no pickle of the folder is run; nothing is fetched.

    Raises:
        UsageError: not a model folder, or one with parts that are not supported.
        DataError: files that are damaged or missing.
    """
    if folder.is_file():
        return cast("Encoder", read_item_file(folder)).eval()
    layout = read_layout(folder)
    encoder = cast("Encoder", _HEADS[layout.head].read(layout))  # the others have what is asked of one
    encoder.dense.extend(_dense(path) for path in layout.dense)
    for path in layout.extensions:
        _extend(encoder, path)
    encoder.heads = read_heads(folder)
    return encoder.eval()


def _read_transformer(layout: Layout) -> Encoder:
    config = _config(layout.backbone)
    tokenizer = _tokenizer(layout)
    backbone = _backbone(layout.backbone, config)
    max_length, notes = _max_length(layout, tokenizer, backbone)
    return Encoder(
        backbone,
        tokenizer,
        Pooling(layout.pooling or _default_pooling(config), layout.include_prompt),
        normalize=layout.normalize,
        prompts=dict(layout.prompts),
        default_prompt_name=layout.default_prompt_name,
        max_length=max_length,
        truncate_dim=layout.truncate_dim,
        lower_case=layout.lower_case,
        notes=layout.notes + notes,
    )


def reads_ids(folder: Path) -> bool:
    """Whether a model is an item table."""
    return folder.is_file() or read_layout(folder).head == ITEMS


def save_encoder(encoder: Encoder, folder: Path, card: str | None = None) -> None:
    """Writes a sentence-transformers folder in the legacy layout; whoever reads sees the old folder or the new one.

    With an extension, sentence-transformers refuses the folder: the rest alone would give the base's vectors.

    Args:
        encoder: what to save; its weights are written as fp32 safetensors.
        folder: replaced when it exists.
        card: the text of README.md; a plain one by default.

    Raises:
        ResourceError: the disk is full or not writable.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _write(encoder, staged, card if card is not None else _plain_card(encoder))
            staged.chmod(0o755)  # mkdtemp makes it for the owner alone, safetensors its files
            for weights in staged.rglob("*.safetensors"):
                weights.chmod(0o644)
            _sync(staged)
            replace_folder(staged, folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise ResourceError(
            f"the model cannot be saved: {error}", "free disk space or choose another --out", Place(folder)
        ) from error


def _config(folder: Path) -> Any:
    raw = read_json(folder / "config.json")
    where = Place(folder / "config.json")
    if "auto_map" in raw:
        remedy = "use a model whose architecture is part of transformers; code from a model folder is never run"
        raise UsageError("this architecture is code of the model's own (auto_map)", remedy, where)
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ValueError, KeyError, OSError, TypeError) as error:
        remedy = "use a model that this version of transformers knows, or update transformers"
        raise UsageError(f"transformers {transformers.__version__} cannot read it: {error}", remedy, where) from error


def _tokenizer(layout: Layout) -> PreTrainedTokenizerBase:
    try:
        tokenizer = AutoTokenizer.from_pretrained(layout.backbone, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a damaged tokenizer.json raises a plain Exception
        raise DataError(f"the tokenizer cannot be read: {error}", _SAVE_AGAIN, Place(layout.backbone)) from error
    if not tokenizer.is_fast:
        raise UsageError("the model has no fast tokenizer", "use a model with a tokenizer.json", Place(layout.backbone))
    if layout.lower_case:
        _lower_case(tokenizer.backend_tokenizer)
    return tokenizer


def _lower_case(fast: Any) -> None:
    """Puts lower-casing before the tokenizer's own normalization, where sentence-transformers has it."""
    lower = normalizers.Lowercase()
    fast.normalizer = lower if fast.normalizer is None else normalizers.Sequence([lower, fast.normalizer])


def _backbone(folder: Path, config: Any) -> PreTrainedModel:
    if not any((folder / name).exists() for name in _WEIGHTS):
        raise _no_safetensors(folder)
    encoder_of_two = config.model_type in _ENCODERS_OF_TWO
    if config.is_encoder_decoder and not encoder_of_two:
        raise UsageError(f"{config.model_type} has an encoder and a decoder", "use an encoder model", Place(folder))
    config.use_cache = False  # keys and values of earlier calls are for generating text
    kind = getattr(transformers, _ENCODERS_OF_TWO[config.model_type]) if encoder_of_two else AutoModel
    with quietly():
        try:
            backbone, report = kind.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except (SafetensorError, OSError, RuntimeError, ValueError, KeyError) as error:
            raise DataError(f"the weights cannot be read: {error}", _SAVE_AGAIN, Place(folder)) from error
    missing = {name for name in report["missing_keys"] if not name.startswith("pooler.")}
    if missing:
        what = f"{len(missing)} weights are missing, among them {min(missing)}"
        raise DataError(what, _SAVE_AGAIN, Place(folder))
    if report["missing_keys"]:
        # transformers has drawn a random pooler. No vector depends on it, and it must not be saved.
        backbone.pooler = None
    return backbone


def _dense(folder: Path) -> Dense:
    settings = read_json(folder / "config.json")
    where = Place(folder / "config.json")
    activation = settings.get("activation_function", "torch.nn.modules.activation.Tanh")
    if activation not in ACTIVATIONS:
        raise UsageError(f"activation {activation} is unknown", f"use one of {', '.join(ACTIVATIONS)}", where)
    if {settings.get(f"module_{side}_name") or "sentence_embedding" for side in ("input", "output")} != {
        "sentence_embedding"
    }:
        raise UsageError("this Dense module does not act on the text's vector", "use a single-vector model", where)
    if not (folder / "model.safetensors").exists():
        raise _no_safetensors(folder)
    try:
        dense = Dense(
            settings["in_features"],
            settings["out_features"],
            settings.get("bias", True),
            activation,
            settings.get("use_residual", False),
        )
        dense.load_state_dict(load_file(folder / "model.safetensors"))
    except (KeyError, RuntimeError, SafetensorError, OSError) as error:
        raise DataError(f"the Dense module cannot be read: {error}", _SAVE_AGAIN, Place(folder)) from error
    return dense


def _extend(encoder: Encoder, folder: Path) -> None:
    where = Place(folder / "config.json")
    try:
        extension = EXTENSIONS.parse(read_json(folder / "config.json"))
    except (ValidationError, PydanticCustomError) as error:
        remedy = "use the version of Acclimate that saved the model, or a later one"
        raise UsageError(f"the model has parts that cannot be read: {error}", remedy, where) from error
    if not (folder / "model.safetensors").exists():
        raise _no_safetensors(folder)
    parameters = extend(encoder, extension)
    try:
        tensors = load_file(folder / "model.safetensors")
        with torch.no_grad():
            for name in parameters.keys() | tensors.keys():
                parameters[name].copy_(tensors[name])
    except (KeyError, RuntimeError, SafetensorError, OSError) as error:
        raise DataError(f"the {extension.kind} cannot be read: {error}", _SAVE_AGAIN, Place(folder)) from error


def _no_safetensors(folder: Path) -> UsageError | DataError:
    pickled = next((name for pattern in ("*.bin", "*.pt", "*.pth") for name in sorted(folder.glob(pattern))), None)
    if pickled is None:
        return DataError("the weights (model.safetensors) are missing", _SAVE_AGAIN, Place(folder))
    remedy = "save it with safetensors first: loading a pickle runs whatever code it carries"
    return UsageError("the weights are a pickle, not safetensors", remedy, Place(pickled))


def _default_pooling(config: Any) -> tuple[str, ...]:
    """What sentence-transformers takes for a folder without modules.json."""
    decoder = (config.architectures or [""])[0].endswith("ForCausalLM") and getattr(config, "is_causal", True)
    return ("lasttoken",) if decoder else ("mean",)


def _max_length(
    layout: Layout, tokenizer: PreTrainedTokenizerBase, backbone: PreTrainedModel
) -> tuple[int, tuple[str, ...]]:
    wanted = layout.max_length or tokenizer.model_max_length
    limit = position_limit(backbone)
    if limit is not None:
        return min(wanted, limit), ()
    if wanted < 1_000_000:  # transformers writes 1e30 for "no limit"
        return wanted, ()
    return _UNBOUNDED, (f"the model names no longest text: texts are cut at {_UNBOUNDED} tokens",)


def _write(encoder: Encoder, folder: Path, card: str) -> None:
    head = _HEADS[encoder.head]
    head.write(encoder, folder)
    kinds = [extension.kind for extension in encoder.extensions]
    layers = len(encoder.dense)
    modules = modules_config(layers, encoder.normalize, kinds, head=encoder.head, path=head.path(encoder))
    write_json(folder / "modules.json", modules)
    for extension, module in zip(encoder.extensions[::-1], modules[::-1], strict=False):  # they come last
        _write_extension(extension, encoder, folder / module["path"])
    write_json(folder / "config_sentence_transformers.json", _model_config(encoder))
    above = [folder / module["path"] for module in modules[len(modules) - len(kinds) - layers - encoder.normalize :]]
    for dense, place in zip(encoder.dense, above, strict=False):
        _write_dense(dense, place)  # type: ignore[arg-type]
    if encoder.normalize:
        # Empty, but a folder that some copying tools and git would drop when it had no file.
        write_json(above[layers] / "config.json", {})
    write_heads(encoder.heads, folder)
    (folder / "README.md").write_text(card, encoding="utf-8")


def _write_transformer(encoder: Encoder, folder: Path) -> None:
    apart = {name for extension in encoder.extensions for name in extension.parameters(encoder)}
    state = {name: tensor for name, tensor in encoder.backbone.state_dict().items() if f"backbone.{name}" not in apart}
    with quietly():
        # One file, whatever its size: the legacy layout and most readers know model.safetensors alone.
        encoder.backbone.save_pretrained(folder, max_shard_size="1TB", state_dict=state)
    _write_tokenizer(encoder, folder)
    # Said here too, though it is part of tokenizer.json by now: tokenizers of some classes build a normalizer anew.
    settings = {"max_seq_length": encoder.max_length, "do_lower_case": encoder.lower_case}
    write_json(folder / "sentence_bert_config.json", settings)
    pooling, width = encoder.pooling, hidden_size(encoder.backbone)
    write_json(folder / "1_Pooling" / "config.json", pooling_config(pooling.modes, pooling.include_prompt, width))


def _model_config(encoder: Encoder) -> dict[str, Any]:
    config: dict[str, Any] = {
        "__version__": {"transformers": transformers.__version__, "pytorch": torch.__version__},
        "default_prompt_name": encoder.default_prompt_name,
        # Both roles by name: sentence-transformers 5 and 6 look for "document" alone, not for E5's "passage".
        "prompts": {**encoder.prompts, **{role: encoder.prompt(role) for role in ("query", "document")}},
        # All that Acclimate reports is measured by cosine, so that is what the folder asks of its readers.
        "similarity_fn_name": "cosine",
    }
    return config if encoder.truncate_dim is None else {**config, "truncate_dim": encoder.truncate_dim}


def _write_tokenizer(encoder: Encoder, folder: Path) -> None:
    fast = encoder.tokenizer.backend_tokenizer
    # Truncation set for our own calls must not reach readers that take tokenizer.json at its word.
    fast.no_truncation()
    fast.no_padding()
    encoder.tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    settings = read_json(path)
    settings["model_max_length"] = encoder.max_length
    if settings.get("tokenizer_class") == "TokenizersBackend":
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"  # the name that transformers 4 knows too
    write_json(path, settings)


def _write_dense(dense: Dense, folder: Path) -> None:
    linear = dense.linear
    config = {
        "in_features": linear.in_features,
        "out_features": linear.out_features,
        "bias": linear.bias is not None,
        "activation_function": dense.activation_name,
    }
    # Readers of the old layout crash on keys they do not know, so the default is left out.
    write_json(folder / "config.json", {**config, "use_residual": True} if dense.use_residual else config)
    save_file({name: weight.contiguous() for name, weight in dense.state_dict().items()}, folder / "model.safetensors")


def _write_extension(extension: Extension, encoder: Encoder, folder: Path) -> None:
    write_json(folder / "config.json", extension.model_dump(mode="json"))
    tensors = {name: parameter.detach().contiguous() for name, parameter in extension.parameters(encoder).items()}
    save_file(tensors, folder / "model.safetensors")


def _plain_card(encoder: Encoder) -> str:
    return f"""{card_head(standard=encoder.standard)}
# A model saved by Acclimate

It makes vectors of {encoder.dimension} dimensions from {encoder.reads}, compared by cosine.

{card_use(standard=encoder.standard)}
"""


@dataclass(frozen=True, slots=True)
class _Head:
    """How the first module of a folder is read and written; all that comes after it is the same."""

    read: Callable[[Layout], Embedder]
    write: Callable[[Any, Path], None]
    path: Callable[[Any], str] = lambda encoder: ""


_HEADS = {
    "Transformer": _Head(_read_transformer, _write_transformer),
    "StaticEmbedding": _Head(read_static, write_static, path_of),
    ITEMS: _Head(read_items, write_items),
}


def _sync(folder: Path) -> None:
    """Makes the files durable before the rename makes them visible."""
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb+") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


@contextmanager
def quietly() -> Iterator[None]:
    """Without transformers' progress bars and load reports: what matters in them is raised as an error."""
    logging = transformers.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
