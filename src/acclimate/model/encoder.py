"""Text to unit vectors: tokenizer, backbone, pooling, dense layers, normalization."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from acclimate.core.errors import UsageError
from acclimate.model.backbone import blocks, first_position, hidden_size, padding_id, position_limit
from acclimate.model.dense import Dense
from acclimate.model.pooling import Pooling
from acclimate.model.tokens import ACCELERATOR_COST, CPU_COST, Padded, Tokens, length_buckets, pad

__all__ = ["Encoder", "Tokens"]

# A role's prompt is the first of these names that the model has, else none: sentence-transformers' encode_query and
# encode_document do not fall back to the default prompt either.
_PROMPT_NAMES = {"query": ("query",), "document": ("document", "passage", "corpus")}
_CHUNK = 4096  # texts tokenized at once by encode: bounds memory, long enough for sorting to save the padding


class Encoder(nn.Module):
    """A text encoder. Its vectors have length one.

    Args:
        backbone: a transformers model whose output has ``last_hidden_state``.
        tokenizer: its fast tokenizer.
        pooling: token states to one vector.
        dense: linear layers after pooling, often none.
        normalize: whether the saved folder normalizes. ``forward`` and ``encode`` always do.
        prompts: text put before the user's text, by name (query, document, ...).
        default_prompt_name: the prompt of texts without a role.
        max_length: tokens, special ones and prompt included, at which texts are cut.
        truncate_dim: leading dimensions to keep (Matryoshka models), None for all.
        lower_case: whether the saved folder asks its readers to lower-case texts; the tokenizer does so by itself.
        notes: what a user should know about how the folder was read.

    Raises:
        UsageError: max_length exceeds what the backbone has positions for.
    """

    def __init__(
        self,
        backbone: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        pooling: Pooling,
        *,
        dense: Iterable[Dense] = (),
        normalize: bool = True,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        max_length: int,
        truncate_dim: int | None = None,
        lower_case: bool = False,
        notes: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.tokenizer = tokenizer
        self.pooling = pooling
        self.dense = nn.ModuleList(dense)
        self.normalize = normalize
        self.prompts = prompts or {}
        self.default_prompt_name = default_prompt_name
        self.truncate_dim = truncate_dim
        self.lower_case = lower_case
        self.notes = notes
        self._padding_id = padding_id(backbone, tokenizer)
        self._first_position = first_position(backbone)
        self._max_length = 0
        self.max_length = max_length

    @property
    def max_length(self) -> int:
        """Tokens, special ones and prompt included, at which texts are cut."""
        return self._max_length

    @max_length.setter
    def max_length(self, value: int) -> None:
        special = self.tokenizer.num_special_tokens_to_add()
        limit = position_limit(self.backbone)
        if value <= special:
            raise UsageError(f"max_length {value} leaves no room for text", f"use more than {special}")
        if limit is not None and value > limit:
            raise UsageError(f"max_length {value} is more than the model has positions for", f"use at most {limit}")
        self._max_length = value

    @property
    def dimension(self) -> int:
        """D, the size of the vectors."""
        size = hidden_size(self.backbone) * len(self.pooling.modes)
        for layer in self.dense:
            size = layer.linear.out_features  # type: ignore[union-attr, assignment]
        return min(size, self.truncate_dim or size)

    @property
    def device(self) -> torch.device:
        """Where the token embeddings are."""
        return self.token_embedding().weight.device

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """The backbone's layers, from the one next to the embeddings up, named block.0, block.1, ..."""
        return [(f"block.{index}", block) for index, block in enumerate(blocks(self.backbone))]

    def token_embedding(self) -> nn.Embedding:
        """The table of token embeddings."""
        table = self.backbone.get_input_embeddings()
        assert isinstance(table, nn.Embedding)
        return table

    def prompt(self, role: str | None) -> str:
        """The text put before texts of this role, empty for none.

        Raises:
            UsageError: a role other than query and document that is no prompt's name.
        """
        if role is None:
            return self.prompts[self.default_prompt_name] if self.default_prompt_name is not None else ""
        if role not in self.prompts and role not in _PROMPT_NAMES:
            known = ", ".join(sorted({*self.prompts, *_PROMPT_NAMES}))
            raise UsageError(f"the model has no prompt for role {role!r}", f"use one of {known}")
        names = _PROMPT_NAMES.get(role, (role,))
        return next((self.prompts[name] for name in names if name in self.prompts), "")

    def prompt_length(self, role: str | None) -> int:
        """Leading tokens of this role's texts that pooling leaves out: 0 unless ``include_prompt`` is false."""
        prompt = self.prompt(role)
        if self.pooling.include_prompt or not prompt:
            return 0
        tokens = self._token_ids([prompt])[0]
        # The leading special token counts as prompt, the trailing one does not: it comes after the text.
        return len(tokens) - (bool(tokens) and tokens[-1] in self.tokenizer.all_special_ids)

    def tokenize(self, texts: Sequence[str], role: str | None) -> list[list[int]]:
        """Token ids of each text: prompt and special tokens included, cut at ``max_length``, not padded."""
        prompt = self.prompt(role)
        return self._token_ids([prompt + text for text in texts] if prompt else list(texts))

    def _token_ids(self, texts: list[str]) -> list[list[int]]:
        fast = self.tokenizer.backend_tokenizer
        # A tokenizer.json may carry its own truncation and padding (all-MiniLM-L6-v2: both at 128).
        fast.no_padding()
        fast.enable_truncation(self.max_length, direction=self.tokenizer.truncation_side)
        return [encoding.ids for encoding in fast.encode_batch_fast(texts)]

    def forward(self, tokens: Tokens) -> Tensor:
        """Unit vectors of the texts, in their order. fp32 [U, D]; zeros for a text without tokens."""
        device = self.device
        lengths = tokens.lengths.cpu()
        if not len(lengths):
            return torch.zeros(0, self.dimension, device=device)
        moved = Tokens(tokens.ids.to(device), tokens.lengths.to(device), tokens.prompt_lengths.to(device))
        buckets = length_buckets(lengths, CPU_COST if device.type == "cpu" else ACCELERATOR_COST)
        # One look-up for all buckets: its gradient is a whole table [V, H], which each bucket would fill and add anew.
        shared = self.token_embedding()(moved.ids) if self._trains_table() else None  # [T, H]
        vectors = [self._embed(pad(moved, rows.to(device), self._padding_id), shared) for rows in buckets]
        places = torch.cat(buckets).argsort().to(device)
        return torch.cat(vectors)[places]

    def _trains_table(self) -> bool:
        return torch.is_grad_enabled() and self.token_embedding().weight.requires_grad

    def _embed(self, batch: Padded, shared: Tensor | None) -> Tensor:
        vectors = self.pooling(self._states(batch, shared), batch.mask, batch.prompt_lengths)  # [B, L, H] -> [B, H']
        for layer in self.dense:
            vectors = layer(vectors)
        return F.normalize(vectors.float()[:, : self.truncate_dim], dim=-1)  # [B, D]; eps keeps zeros zeros

    def _states(self, batch: Padded, shared: Tensor | None) -> Tensor:
        """The backbone's last hidden states [B, L, H], from ids or from token embeddings [T, H] looked up before."""
        mask = batch.mask.clone()
        mask[:, 0] = True  # a text without tokens attends to its padding: softmax over nothing is NaN
        inputs = {"input_ids": batch.ids} if shared is None else {"inputs_embeds": shared[batch.places]}
        if shared is not None and self._first_position is not None:
            # From embeddings alone the model cannot see padding tokens inside a text, which it gives no position.
            seen = batch.ids != self._padding_id
            inputs["position_ids"] = seen.cumsum(1) * seen + self._first_position - 1
        states: Tensor = self.backbone(**inputs, attention_mask=mask.long()).last_hidden_state
        return states

    def encode(
        self,
        texts: Sequence[str],
        role: str | None = "document",
        *,
        precision: Literal["fp32", "bf16"] = "fp32",
        progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Unit vectors of the texts.

        Args:
            texts: N texts.
            role: query or document: which saved prompt is put before them. None takes the model's default prompt.
            precision: of the backbone's arithmetic; the vectors are float32 always.
            progress: told (texts done, texts in all) after each part.

        Returns:
            float32 [N, D], each row of length one (or zero, for a text that has no tokens).

        Raises:
            UsageError: an unknown role.
        """
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        prompt_length = self.prompt_length(role)
        training = self.training
        self.eval()
        try:
            for start in range(0, len(texts), _CHUNK):
                chunk = texts[start : start + _CHUNK]
                tokens = Tokens.of(self.tokenize(chunk, role), prompt_length)
                with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
                    vectors[start : start + len(chunk)] = self(tokens).cpu().numpy()
                if progress is not None:
                    progress(start + len(chunk), len(texts))
        finally:
            self.train(training)
        return vectors
