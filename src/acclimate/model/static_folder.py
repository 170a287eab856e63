"""Static models as folders: sentence-transformers' StaticEmbedding, and model2vec's with weights for each token.

What is written is both: ``model.safetensors`` with ``embeddings``, ``tokenizer.json``, ``config.json`` for model2vec
(0.3 and later) and ``modules.json`` for sentence-transformers. model2vec knows neither prompts nor layers above the
table and would leave them out without a word, so where there are any, the table lies in a folder that it does not find.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.core.files import write_json
from acclimate.model.layout import Layout
from acclimate.model.static import ENDLESS, StaticEncoder, cut_at

_APART = "0_Table"  # model2vec looks into 0_StaticEmbedding, and leaves out what stands beside it
_SAVE_AGAIN = "fetch or save the model again"


def read_static(layout: Layout) -> StaticEncoder:
    """The table and the tokenizer of a folder.

    Raises:
        DataError: files that are damaged, missing or do not belong together.
    """
    folder = layout.backbone
    try:
        tensors = load_file(folder / "model.safetensors")
    except FileNotFoundError:
        raise DataError("the weights (model.safetensors) are missing", _SAVE_AGAIN, Place(folder)) from None
    except (SafetensorError, OSError) as error:
        raise DataError(f"the weights cannot be read: {error}", _SAVE_AGAIN, Place(folder)) from error
    table = _table(tensors, folder)
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises a plain one
        raise DataError(f"the tokenizer cannot be read: {error}", _SAVE_AGAIN, Place(folder)) from error
    tokens = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1
    if tokens > len(table):
        problem = f"the tokenizer has {tokens} tokens and the table {len(table)} rows"
        raise DataError(problem, _SAVE_AGAIN, Place(folder))
    cut = tokenizer.truncation
    return StaticEncoder(
        table,
        tokenizer,
        normalize=layout.normalize,
        prompts=dict(layout.prompts),
        default_prompt_name=layout.default_prompt_name,
        max_length=ENDLESS if cut is None else int(cut["max_length"]),
        truncate_dim=layout.truncate_dim,
        notes=layout.notes,
    )


def _table(tensors: dict[str, Tensor], folder: Path) -> Tensor:
    """One fp32 row for each token, whatever the folder keeps: ``embeddings[mapping[t]] * weights[t]``."""
    where = Place(folder / "model.safetensors")
    table = tensors.get("embedding.weight", tensors.get("embeddings"))
    if table is None or table.ndim != 2:
        raise UsageError("no table of embeddings", "use a folder of StaticEmbedding or model2vec", where)
    table = table.float()
    try:
        if "mapping" in tensors:
            table = table[tensors["mapping"].long()]
        if "weights" in tensors:
            table = table * tensors["weights"].float()[:, None]
    except (IndexError, RuntimeError) as error:
        raise DataError(f"mapping or weights do not fit the table: {error}", _SAVE_AGAIN, where) from error
    if not torch.isfinite(table).all():
        raise DataError("the table holds NaN or infinity", _SAVE_AGAIN, where)
    return table


def path_of(encoder: StaticEncoder) -> str:
    """Where in the folder the table lies."""
    plain = encoder.standard and not encoder.dense and not any(encoder.prompts.values()) and not encoder.truncate_dim
    return "" if plain else _APART


def write_static(encoder: StaticEncoder, folder: Path) -> None:
    """Writes the table and the tokenizer, not what lies above them."""
    place = folder / path_of(encoder)
    place.mkdir(exist_ok=True)
    save_file({"embeddings": encoder.table.weight.detach().cpu().contiguous()}, place / "model.safetensors")
    tokenizer = Tokenizer.from_str(encoder.tokenizer.to_str())
    cut_at(tokenizer, encoder.max_length)
    tokenizer.save(str(place / "tokenizer.json"))
    if place == folder:
        about = {"model_type": "model2vec", "architectures": ["StaticModel"], "hidden_dim": encoder.width}
        longest = None if encoder.max_length >= ENDLESS else encoder.max_length
        about |= {"normalize": encoder.normalize, "max_length": longest, "embedding_dtype": "float32"}
        write_json(folder / "config.json", about)
