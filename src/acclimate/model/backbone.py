"""What has to be known about a transformers model beyond its common interface."""

from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from acclimate.core.errors import UsageError


def hidden_size(backbone: PreTrainedModel) -> int:
    """H, the size of a token's state."""
    return int(backbone.config.hidden_size)


def padding_id(backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """The id for padded places. RoBERTa and MPNet count positions past it, so theirs must be the true one."""
    for candidate in (tokenizer.pad_token_id, backbone.config.pad_token_id):
        if candidate is not None:
            return int(candidate)
    return 0  # decoders often have none; the mask hides it


def first_position(backbone: PreTrainedModel) -> int | None:
    """The number of the first token's position where positions are counted past the padding's, else None."""
    for name, module in backbone.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return module.padding_idx + 1
    return None


def position_limit(backbone: PreTrainedModel) -> int | None:
    """The longest text the position table has room for, or None when the model has no bound."""
    for name, module in backbone.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            # RoBERTa, XLM-R and MPNet start counting at padding_idx + 1: 514 rows serve 512 tokens.
            return module.num_embeddings - (first_position(backbone) or 0)
    limit = getattr(backbone.config, "max_position_embeddings", None)
    return int(limit) if limit is not None and limit > 0 else None


def blocks(backbone: PreTrainedModel) -> list[nn.Module]:
    """The layers, bottom up: the first list of modules that is as long as the configuration says.

    Raises:
        UsageError: the architecture has no such list (ALBERT shares one layer).
    """
    count = int(backbone.config.num_hidden_layers)
    for _, module in backbone.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return list(module)
    kind = backbone.config.model_type
    raise UsageError(f"no list of {count} layers in a {kind} model", "use a method that does not name blocks")
