"""Whether the weights of two models mean the same, one by one: only then is what lies between them a model."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from acclimate.core.errors import UsageError
from acclimate.model.encoder import Encoder
from acclimate.model.items import ItemTable
from acclimate.model.layout import ITEMS

_KINDS = {"Transformer": "a transformer", "StaticEmbedding": "a static model", ITEMS: "an item table"}
_REMEDY = (
    "give models tuned from one base that kept its shapes; what adapters, a prompt or new words add, fit itself "
    "averages with the base: --set evaluation.merge=SHARE"
)
_UNREAD = "backbone.pooler."  # no vector depends on it; some folders have it and some don't
# What a configuration says of files, of training, of heads that are gone, or of shapes that are compared as such.
_NO_MATTER = {
    "_name_or_path", "architectures", "transformers_version", "dtype", "torch_dtype", "use_cache", "id2label",
    "label2id", "problem_type", "finetuning_task", "task_specific_params", "gradient_checkpointing", "vocab_size",
    "initializer_range", "initializer_factor",
}  # fmt: skip


def require_alike(model: Encoder, base: Encoder, names: tuple[str, str], texts: Sequence[str]) -> None:
    """Refuses two models of which a weight of one has no counterpart in the other.

    Prompts, the longest text and the dimensions kept are no weights and may differ.

    Args:
        model: the one whose settings count.
        base: the other; takes over the prompts and the longest text of ``model``.
        names: what the user calls them.
        texts: to try whether both read a text as the same tokens.

    Raises:
        UsageError: names the first difference.
    """
    one, other = names
    if model.head != base.head:
        raise UsageError(f"{one} is {_KINDS[model.head]} and {other} {_KINDS[base.head]}", _REMEDY)
    found = (
        _extensions(model, base, names)
        or _vocabulary(model, base, names)
        or _settings(_about(model), _about(base), names)
        or _weights(model, base, names)
        or _reading(model, base, names, texts)
    )
    if found:
        raise UsageError(found, _REMEDY)
    if base.normalize and not model.normalize:  # the other way around is what fit makes of a base
        raise UsageError(f"{other} normalizes its vectors and {one} does not", "add a Normalize module to the latter")


def same_weights(model: Encoder, base: Encoder) -> bool:
    """Whether all weights of two models that are alike are equal."""
    weights = dict(base.named_parameters())
    return all(p.equal(weights[name]) for name, p in model.named_parameters() if name in weights)


def _extensions(model: Encoder, base: Encoder, names: tuple[str, str]) -> str:
    ours, theirs = ({e.kind: e.model_dump() for e in encoder.extensions} for encoder in (model, base))
    for kind in {**ours, **theirs}:
        if kind in ours and kind in theirs and ours[kind] != theirs[kind]:
            return f"{names[0]} and {names[1]} have a {kind} each, with other settings"
        if not (kind in ours and kind in theirs):
            has, lacks = names if kind in ours else names[::-1]
            return f"{has} has a part that {lacks} has not: {kind}"
    return ""


def _about(encoder: Encoder) -> dict[str, Any]:
    """What decides the vectors beside the weights and the tokens."""
    about: dict[str, Any] = {}
    if encoder.head == "Transformer":
        config = encoder.backbone.config.to_dict()
        about = {name: value for name, value in config.items() if name not in _NO_MATTER and "drop" not in name}
        about["pooling"] = " + ".join(encoder.pooling.modes)
        about["include_prompt of the pooling"] = encoder.pooling.include_prompt
    layers = cast("Sequence[Any]", encoder.dense)
    about["number of dense layers"] = len(layers)
    for row, layer in enumerate(layers):
        about[f"activation of dense layer {row + 1}"] = layer.activation_name
        about[f"use_residual of dense layer {row + 1}"] = layer.use_residual
    return about


def _settings(ours: Mapping[str, Any], theirs: Mapping[str, Any], names: tuple[str, str]) -> str:
    """The kind of model first; a key that one side lacks is a default."""
    for name in sorted(ours.keys() & theirs.keys(), key=lambda name: (name != "model_type", name)):
        if ours[name] != theirs[name]:
            return f"{name} is {ours[name]} in {names[0]} and {theirs[name]} in {names[1]}"
    return ""


def _vocabulary(model: Encoder, base: Encoder, names: tuple[str, str]) -> str:
    what = "items" if model.reads == "ids" else "tokens"
    ours, theirs = ({row: word for word, row in _rows(encoder).items()} for encoder in (model, base))
    if len(ours) != len(theirs):
        return f"{names[0]} knows {len(ours):,} {what} and {names[1]} {len(theirs):,}"
    row = next((row for row in ours if ours[row] != theirs.get(row)), None)
    if row is None:
        return ""
    mine, other = ours[row], theirs.get(row)
    return f"the {what} differ: number {row} is {mine!r} in {names[0]} and {other!r} in {names[1]}"


def _rows(encoder: Encoder) -> Mapping[str, int]:
    if encoder.reads == "ids":
        return cast("ItemTable", encoder).row_of
    found: Mapping[str, int] = encoder.tokenizer.get_vocab()
    return found


def _weights(model: Encoder, base: Encoder, names: tuple[str, str]) -> str:
    ours, theirs = ({name: tuple(p.shape) for name, p in encoder.named_parameters()} for encoder in (model, base))
    for name in {**ours, **theirs}:
        if name in ours and name in theirs and ours[name] != theirs[name]:
            return f"{name} is {list(ours[name])} in {names[0]} and {list(theirs[name])} in {names[1]}"
        if not (name in ours and name in theirs) and not name.startswith(_UNREAD):
            has, lacks = names if name in ours else names[::-1]
            return f"{has} has weights that {lacks} has not, the first {name}"
    return ""


def _reading(model: Encoder, base: Encoder, names: tuple[str, str], texts: Sequence[str]) -> str:
    if model.reads == "ids":
        return ""
    base.prompts, base.default_prompt_name = model.prompts, model.default_prompt_name
    base.max_length = model.max_length
    for text, ours, theirs in zip(texts, model.tokenize(texts, None), base.tokenize(texts, None), strict=True):
        if ours != theirs:
            return f"{names[0]} and {names[1]} read {text[:40]!r} as different tokens"
    return ""
