"""Tiny random models, as sentence-transformers folders, for tests. A second or less, the same bytes for a seed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    DebertaV2Config,
    DebertaV2Model,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    GPT2Config,
    GPT2Model,
    ModernBertConfig,
    ModernBertModel,
    MPNetConfig,
    MPNetModel,
    NomicBertConfig,
    NomicBertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3Model,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5EncoderModel,
)

from acclimate.model.encoder import Encoder
from acclimate.model.pooling import Pooling
from acclimate.model.store import save_encoder

# A few hundred words, so that common English is one token a word. All else falls back to bytes: no text is unknown.
_WORDS = """
the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which you
were her all she there would their we him been has when who will no more if out so said what up its about into than
them can only other new some could time these two may then do first any my now such like our over man me even most
made after also did many before must through back years where much your way well down should because each just those
people how too little state good very make world still own see men work long get here between both life being under
never day same another know while last might us great old year off come since against go came right used take three
small large number part place water word place line page answer question find text document title search query
medical disease patient pain skin blood heart bone muscle brain cell gene protein drug dose symptom fever chronic
acute disorder syndrome abnormal growth loss absence presence reduced increased delayed early onset left upper lower
software package library file program code data network server system user tool language license copy source module
law legal right party court contract notice permission warranty liability software terms condition use copyright
animal dog cat bird fish horse plant tree flower fruit food bread milk music song game sport team player win
red green blue black white color light dark high low hot cold fast slow big short strong weak open close
mother father child family friend home house room door window table chair book school student teacher city street
car road train ship air fire sun moon star earth sea river mountain north south east west money price bank market
"""
_ENDINGS = "s es ed ing er est ly tion sion ment ness able ible al ic ous ive ful less ity ance ence ology itis"
_SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}

WIDTH, LAYERS, POSITIONS = 32, 2, 128


def tiny_tokenizer(kind: str = "bert") -> PreTrainedTokenizerFast:
    """A lower-casing WordPiece tokenizer over bytes: short for common English words, complete for any language."""
    characters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*_SPECIAL.values(), *characters, *(f"##{c}" for c in characters)]
    pieces += [f"Ġ{word}" for word in dict.fromkeys(_WORDS.split())] + [f"##{ending}" for ending in _ENDINGS.split()]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=10_000))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    template = "$A [SEP]" if kind == "qwen3" else "[CLS] $A [SEP]"
    marks = [(mark, vocabulary[mark]) for mark in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=marks)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=POSITIONS, **_SPECIAL)


def tiny_backbone(kind: str = "bert", seed: int = 0, **overrides: Any) -> PreTrainedModel:
    """A random backbone of one of KINDS, with weights large enough that texts differ."""
    size = len(tiny_tokenizer(kind))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = KINDS[kind](size, overrides)
        with torch.no_grad():
            for parameter in backbone.parameters():
                if parameter.ndim > 1:
                    parameter.normal_(std=0.2)
    return backbone.eval()


def tiny_encoder(
    kind: str = "bert", *, seed: int = 0, pooling: Pooling | None = None, max_length: int = 64, **options: Any
) -> Encoder:
    """A tiny random encoder; `config` overrides the backbone's configuration, other options go to Encoder."""
    backbone = tiny_backbone(kind, seed, **options.pop("config", {}))
    return Encoder(backbone, tiny_tokenizer(kind), pooling or Pooling(), max_length=max_length, **options).eval()


def make_tiny_model(folder: Path, kind: str = "bert", **options: Any) -> Path:
    """Saves a tiny random encoder as a sentence-transformers folder and returns the folder. See tiny_encoder."""
    save_encoder(tiny_encoder(kind, **options), folder)
    return folder


def _common(overrides: dict[str, Any]) -> dict[str, Any]:
    shape = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 4, "intermediate_size": 64}
    return {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, **shape, **overrides}


def _bert(size: int, o: dict[str, Any]) -> PreTrainedModel:
    config = BertConfig(vocab_size=size, max_position_embeddings=POSITIONS, **_common(o))
    return BertModel(config, add_pooling_layer=False)


def _roberta(size: int, o: dict[str, Any]) -> PreTrainedModel:
    config = RobertaConfig(vocab_size=size, max_position_embeddings=POSITIONS + 1, type_vocab_size=1, **_common(o))
    return RobertaModel(config, add_pooling_layer=False)


def _distilbert(size: int, o: dict[str, Any]) -> PreTrainedModel:
    shape = {"dim": WIDTH, "n_layers": LAYERS, "n_heads": 4, "hidden_dim": 64, "pad_token_id": 0, **o}
    return DistilBertModel(DistilBertConfig(vocab_size=size, max_position_embeddings=POSITIONS, **shape))


def _mpnet(size: int, o: dict[str, Any]) -> PreTrainedModel:
    config = MPNetConfig(vocab_size=size, max_position_embeddings=POSITIONS + 2, **{**_common(o), "pad_token_id": 1})
    return MPNetModel(config, add_pooling_layer=False)


def _electra(size: int, o: dict[str, Any]) -> PreTrainedModel:
    config = ElectraConfig(vocab_size=size, embedding_size=16, max_position_embeddings=POSITIONS, **_common(o))
    return ElectraModel(config)


def _modernbert(size: int, o: dict[str, Any]) -> PreTrainedModel:
    marks = {"cls_token_id": 2, "sep_token_id": 3, "local_attention": 8, "max_position_embeddings": POSITIONS}
    return ModernBertModel(ModernBertConfig(vocab_size=size, **{**marks, **_common(o)}))


def _qwen3(size: int, o: dict[str, Any]) -> PreTrainedModel:
    heads = {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": POSITIONS}
    return Qwen3Model(Qwen3Config(vocab_size=size, **{**heads, **_common(o)}))


def _nomic(size: int, o: dict[str, Any]) -> PreTrainedModel:
    config = NomicBertConfig(vocab_size=size, max_position_embeddings=POSITIONS, head_dim=8, **_common(o))
    return NomicBertModel(config, add_pooling_layer=False)


def _t5(size: int, o: dict[str, Any]) -> PreTrainedModel:
    shape = {"d_model": WIDTH, "d_kv": 8, "d_ff": 64, "num_layers": LAYERS, "num_heads": 4, **o}
    return T5EncoderModel(T5Config(vocab_size=size, pad_token_id=0, eos_token_id=3, **shape))


def _deberta(size: int, o: dict[str, Any]) -> PreTrainedModel:
    relative = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "norm_rel_ebd": "layer_norm"}
    positions = {"max_position_embeddings": POSITIONS, "position_buckets": 16, "type_vocab_size": 0}
    return DebertaV2Model(DebertaV2Config(vocab_size=size, **{**relative, **positions, **_common(o)}))


def _gpt2(size: int, o: dict[str, Any]) -> PreTrainedModel:
    shape = {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4, "n_positions": POSITIONS, "bos_token_id": 2, **o}
    return GPT2Model(GPT2Config(vocab_size=size, eos_token_id=3, **shape))


KINDS: dict[str, Callable[[int, dict[str, Any]], PreTrainedModel]] = {
    "bert": _bert,
    "roberta": _roberta,
    "distilbert": _distilbert,
    "mpnet": _mpnet,
    "electra": _electra,
    "modernbert": _modernbert,
    "nomic-bert": _nomic,
    "qwen3": _qwen3,
    "t5": _t5,
    "deberta-v2": _deberta,
    "gpt2": _gpt2,
}
