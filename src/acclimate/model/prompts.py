"""Continuous prompts: learned vectors that stand where the embeddings of a prompt's tokens would stand.

The prompt is made of tokens that are added to the tokenizer and of a saved prompt that names them, so that positions,
truncation and pooling treat it as they treat any other prompt, and what was learned folds into the embedding table.
"""

import copy
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokenizers import AddedToken
from torch import Tensor, nn
from torch.nn import Parameter

from acclimate.core.errors import UsageError
from acclimate.model.encoder import Encoder
from acclimate.model.rows import embedding_of, joined, looked_up

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PLAIN = "plain"  # the prompt of texts without a role, where the model had none


@dataclass(frozen=True, slots=True)
class _Before:
    """What a prompt changes of an encoder beside its table."""

    tokenizer: "PreTrainedTokenizerBase"
    prompts: dict[str, str]
    default_prompt_name: str | None
    include_prompt: bool


class PromptedEmbedding(nn.Embedding):
    """A table [V, H] with the rows of a prompt [m, H] beside it, for the token ids ``first`` .. ``first + m - 1``.

    ``weight`` is the table's own parameter, so that several encoders can share it.

    Args:
        table: the embedding of the base.
        rows: where the prompt starts.
        first: the id of its first token; below V where the table has rows to spare.
        before: the encoder without the prompt.
    """

    def __init__(self, table: nn.Embedding, rows: Tensor, first: int, before: _Before) -> None:
        super().__init__(
            table.num_embeddings, table.embedding_dim, table.padding_idx, _weight=table.weight.detach(), _freeze=True
        )
        self.weight = table.weight
        self.prompt = Parameter(rows)
        self.first, self.before = first, before

    def forward(self, input: Tensor) -> Tensor:
        """Token ids [...] to embeddings [..., H]."""
        return looked_up(input, self.weight, self.prompt, self.first)

    def plain(self) -> nn.Embedding:
        """The table without the prompt."""
        return embedding_of(self.weight, self.padding_idx)

    def folded(self) -> nn.Embedding:
        """One table that says the same."""
        return embedding_of(Parameter(joined(self.weight, self.prompt, self.first)), self.padding_idx)


def insert_prompt(encoder: Encoder, rows: Tensor) -> dict[str, Parameter]:
    """Puts a prompt that starts as ``rows`` [m, H] between each role's own prompt and the text.

    The added tokens come last in the prompt, so that no tokenizer merges its end with the text's beginning: how many
    tokens pooling leaves out is then the same for every text.

    Returns:
        the prompt by its name in the encoder.

    Raises:
        UsageError: there is no room for so many tokens, or the embeddings are computed in a way of the model's own.
    """
    table = encoder.token_embedding()
    if type(table) is not nn.Embedding:  # Gemma's is multiplied by a factor
        problem = f"the token embeddings of this {encoder.backbone.config.model_type} model are no plain table"
        raise UsageError(problem, "take --method lora or adapter")
    tokenizer = copy.deepcopy(encoder.tokenizer)
    names = _add_tokens(tokenizer, len(rows))
    before = _Before(encoder.tokenizer, encoder.prompts, encoder.default_prompt_name, encoder.pooling.include_prompt)
    embedding = PromptedEmbedding(table, rows, tokenizer.convert_tokens_to_ids(names[0]), before)
    encoder.backbone.set_input_embeddings(embedding)
    encoder.tokenizer, encoder.added_tokens = tokenizer, len(rows)
    marks = "".join(names)
    encoder.prompts = {name: encoder.prompt(name).rstrip() + marks for name in (*encoder.prompts, "query", "document")}
    if encoder.default_prompt_name is None:
        encoder.prompts[_PLAIN], encoder.default_prompt_name = marks, _PLAIN
    if "cls" not in encoder.pooling.modes:  # [CLS] comes before the prompt, and would be left out with it
        encoder.pooling.include_prompt = False
    _check_room(encoder)
    return {name: p for name, p in encoder.named_parameters() if p is embedding.prompt}


def first_token(encoder: Encoder) -> int:
    """The id of the first token of the prompt that `insert_prompt` put in."""
    embedding = encoder.token_embedding()
    assert isinstance(embedding, PromptedEmbedding)
    return embedding.first


def remove_prompt(encoder: Encoder) -> None:
    """Takes back what `insert_prompt` did; an encoder without a prompt stays as it is."""
    embedding = encoder.token_embedding()
    if not isinstance(embedding, PromptedEmbedding):
        return
    encoder.backbone.set_input_embeddings(embedding.plain())
    before = embedding.before
    encoder.tokenizer, encoder.added_tokens = before.tokenizer, 0
    encoder.prompts, encoder.default_prompt_name = before.prompts, before.default_prompt_name
    encoder.pooling.include_prompt = before.include_prompt


def fold_prompt(encoder: Encoder) -> None:
    """Makes the prompt's vectors rows of a plain table; an encoder without a prompt stays as it is."""
    embedding = encoder.token_embedding()
    if not isinstance(embedding, PromptedEmbedding):
        return
    encoder.set_token_embedding(embedding.folded())
    encoder.max_length, encoder.added_tokens = encoder.cut, 0


def _add_tokens(tokenizer: "PreTrainedTokenizerBase", count: int) -> list[str]:
    """Adds tokens with names that no text is likely to have, and that the tokenizer does not have yet."""
    known = tokenizer.get_vocab()
    unused = (name for number in itertools.count() if (name := f"[prompt_{number}]") not in known)
    names = list(itertools.islice(unused, count))
    # Not special ones: a prompt that ends in a special token is taken for one token shorter than it is.
    tokenizer.add_tokens([AddedToken(name, normalized=False, special=False) for name in names])
    ids = tokenizer.convert_tokens_to_ids(names)
    assert ids == list(range(ids[0], ids[0] + count))
    return names


def _check_room(encoder: Encoder) -> None:
    taken = max(len(encoder.tokenize([""], name)[0]) for name in encoder.prompts)
    if taken >= encoder.cut:
        length = encoder.added_tokens
        remove_prompt(encoder)
        raise UsageError(f"a prompt of {length} tokens leaves no room for text", "give a smaller method.length")
