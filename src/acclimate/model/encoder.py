"""Text to unit vectors: tokenizer, backbone, pooling, dense layers, adapters of the vectors, normalization."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from acclimate.core.errors import UsageError
from acclimate.core.heap import give_back_if_grown
from acclimate.model.attention import Packing, has_interface, packed, use_fast_attention
from acclimate.model.backbone import blocks, first_position, hidden_size, padding_id, position_limit
from acclimate.model.dense import Dense
from acclimate.model.embedder import CHUNK, Embedder
from acclimate.model.linear import use_fast_products
from acclimate.model.pooling import Pooling
from acclimate.model.prefix import frozen_depth, resumed, run_until, states_of
from acclimate.model.reading import reading
from acclimate.model.tokens import (
    ACCELERATOR_COST,
    CPU_COST,
    ENCODED_TOKENS,
    PACKED_TOKENS,
    Padded,
    Tokens,
    length_buckets,
    packed_passes,
    pad,
)

__all__ = ["CHUNK", "Encoder", "Tokens"]

_ALIKE = 1e-4  # of the largest state: rounding stays a hundred times below, a leak between texts far above
_MANY_POSITIONS = 1024  # tokens; beyond it, the trial of packing would take seconds
_BREAKS = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError)  # how a backbone fails a trial


@dataclass(frozen=True, slots=True)
class _Given:
    """What is known of the tokens before the backbone runs: states at a depth, 0 for token embeddings, or nothing."""

    depth: int = 0
    states: Tensor | None = None


class Encoder(Embedder):
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

    head: ClassVar[str] = "Transformer"

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
        super().__init__(normalize, prompts, default_prompt_name, truncate_dim, notes)
        use_fast_attention(backbone)
        use_fast_products(backbone)
        self.backbone = backbone
        self.tokenizer = tokenizer
        self.pooling = pooling
        self.dense = nn.ModuleList(dense)
        self.vector_adapters = nn.ModuleList()
        self.lower_case = lower_case
        self._padding_id = padding_id(backbone, tokenizer)
        self._first_position = first_position(backbone)
        self._packs: bool | None = None
        self._tuples = False  # whether blocks return tuples; known once frozen_depth has tried
        self._max_length = 0
        self.max_length = max_length
        self.added_tokens = 0  # of a continuous prompt

    @property
    def max_length(self) -> int:
        """Tokens, special ones and prompt included, at which texts are cut; a continuous prompt is not counted."""
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
    def cut(self) -> int:
        """Tokens at which texts are cut: a continuous prompt takes none of theirs where the backbone has positions."""
        limit = position_limit(self.backbone)
        wanted = self.max_length + self.added_tokens
        return wanted if limit is None else min(wanted, limit)

    @property
    def width(self) -> int:
        """See `Embedder.width`."""
        return hidden_size(self.backbone) * len(self.pooling.modes)

    @property
    def depth(self) -> int:
        """The blocks, and one more for what comes after them: pooling and dense layers make one vector of a text."""
        return 1 + int(self.backbone.config.num_hidden_layers)

    def blocks(self) -> list[tuple[str, nn.Module]]:
        """The backbone's layers, from the one next to the embeddings up, named block.0, block.1, ..."""
        return [(f"block.{index}", block) for index, block in enumerate(blocks(self.backbone))]

    def token_embedding(self) -> nn.Embedding:
        """The table of token embeddings."""
        table = self.backbone.get_input_embeddings()
        assert isinstance(table, nn.Embedding)
        return table

    def set_token_embedding(self, table: nn.Embedding) -> None:
        """See `Embedder.set_token_embedding`."""
        self.backbone.set_input_embeddings(table)
        self.backbone.config.vocab_size = table.num_embeddings

    @property
    def fast_tokenizer(self) -> Tokenizer:
        """What makes tokens of texts."""
        fast: Tokenizer = self.tokenizer.backend_tokenizer
        return fast

    def prompt_length(self, role: str | None) -> int:
        """Leading tokens of this role's texts that pooling leaves out: 0 unless ``include_prompt`` is false."""
        prompt = self.prompt(role)
        if self.pooling.include_prompt or not prompt:
            return 0
        tokens = self._token_ids([prompt])[0]
        # The leading special token counts as prompt, the trailing one does not: it comes after the text.
        return len(tokens) - (bool(tokens) and tokens[-1] in self.tokenizer.all_special_ids)

    def tokenize(self, texts: Sequence[str], role: str | None) -> list[list[int]]:
        """Token ids of each text: prompt and special tokens included, cut at ``cut``, not padded."""
        prompt = self.prompt(role)
        return self._token_ids([prompt + text for text in texts] if prompt else list(texts))

    def _token_ids(self, texts: list[str]) -> list[list[int]]:
        fast = self.fast_tokenizer
        # A tokenizer.json may carry its own truncation and padding (all-MiniLM-L6-v2: both at 128).
        fast.no_padding()
        fast.enable_truncation(self.cut, direction=self.tokenizer.truncation_side)
        return [encoding.ids for encoding in fast.encode_batch_fast(texts)]

    def forward(self, tokens: Tokens, tokens_a_pass: int = PACKED_TOKENS) -> Tensor:
        """Unit vectors of the texts, in their order. fp32 [U, D]; zeros for a text without tokens.

        Args:
            tokens: of the texts.
            tokens_a_pass: how many packed ones go through the backbone together; decides nothing but the speed, and
                which random numbers dropout draws.
        """
        if not len(tokens.lengths):
            return torch.zeros(0, self.dimension, device=self.device)
        moved = self._moved(tokens)
        known = moved.states if moved.depth == self.depth else None
        return self._finished(self._plain_vectors(moved, tokens_a_pass) if known is None else known, moved)

    def _plain_vectors(self, moved: Tokens, tokens_a_pass: int) -> Tensor:
        """Vectors before adapters and normalization. fp32 [U, D]."""
        passes = self._passes(moved, tokens_a_pass)
        given = _Given(moved.depth, None if moved.states is None else moved.states.float())
        if given.states is None and len(passes) > 1 and self._trains_table():
            # One look-up for all passes: its gradient is a whole table [V, H], which each would fill and add anew.
            given = _Given(0, self.token_embedding()(moved.ids))
        pooled = self._pooled_packed if self.packs else self._pooled_padded
        vectors = []
        for rows in passes:
            vectors.append(pooled(pad(moved, rows, self._padding_id), given))
            give_back_if_grown()
        return self._through_dense(torch.cat(vectors))[torch.cat(passes).argsort()]

    def token_states(self, tokens: Tokens) -> Tensor:
        """The backbone's last hidden state of each token. fp32 [T, H]."""
        moved, places, found = self._moved(tokens), [], []
        states = self._packed_states if self.packs else self._padded_states
        for rows in self._passes(moved, PACKED_TOKENS):
            batch = pad(moved, rows, self._padding_id)
            output = states(batch, _Given())
            found.append((output[0][batch.mask[_read(batch)]] if self.packs else output[batch.mask]).float())
            places.append(batch.places[batch.mask])
        return torch.cat(found)[torch.cat(places).argsort()]

    def lower_states(self, tokens: Tokens, depth: int) -> Tensor:
        """What the block below ``depth`` says of each token, without gradients. fp32 [T, H].

        At the depth of the whole encoder, the vector of each text before adapters and normalization. fp32 [U, D].
        """
        if depth == self.depth:
            with torch.no_grad():
                return self._plain_vectors(self._moved(tokens), ENCODED_TOKENS)
        found = torch.zeros(len(tokens.ids), hidden_size(self.backbone), device=self.device)
        moved, block = self._moved(tokens), self.blocks()[depth - 1][1]
        states = self._packed_states if self.packs else self._padded_states
        with torch.no_grad():
            for rows in self._passes(tokens, PACKED_TOKENS) if len(tokens.lengths) else []:
                batch = pad(moved, rows, self._padding_id)
                output = states_of(run_until(block, lambda batch=batch: states(batch, _Given())))  # type: ignore[misc]
                real = batch.mask[_read(batch)] if self.packs else batch.mask
                found[batch.places[batch.mask]] = (output[0] if self.packs else output)[real].float()
                give_back_if_grown()
        return found

    def going_on(self, tokens: Tokens, depth: int, states: Tensor) -> Tokens:
        """The texts, to be read on from what `lower_states` said of them."""
        if depth < self.depth:
            return replace(tokens, depth=depth, states=states)
        one = torch.ones_like(tokens.lengths)  # a vector a text: what is left to do is as much for each
        return Tokens(one, one, torch.zeros_like(one), depth, states, tokens.queries)

    def frozen_depth(self, tokens: Tokens) -> int:
        """How many of the lowest blocks nothing that trains takes part in, so that their states can be kept.

        One more than there are where nothing below the adapters trains. 0 as well for a backbone that does not go on
        from kept states as if it had computed them: both are tried.

        Args:
            tokens: a few texts to try it on.
        """
        if not self._plain_vectors(self._moved(tokens), PACKED_TOKENS).requires_grad:
            return self.depth
        try:
            blocks = [block for _, block in self.blocks()]
        except UsageError:  # one block that stands for all of them
            return 0
        depth = frozen_depth(blocks, lambda: self(tokens))
        return depth if depth and self._goes_on_alike(tokens, depth) else 0

    def _goes_on_alike(self, tokens: Tokens, depth: int) -> bool:
        training = self.training
        self.eval()
        try:
            with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
                output = run_until(self.blocks()[depth - 1][1], lambda: self(tokens))
                self._tuples = isinstance(output, tuple)
                states = self.lower_states(tokens, depth)
                from_states = self(replace(tokens, depth=depth, states=states))
                return bool(torch.allclose(from_states, self(tokens), atol=_ALIKE, rtol=0))
        except _BREAKS:
            return False
        finally:
            self.train(training)

    @property
    def packs(self) -> bool:
        """Whether texts are read one after another in one row, without padding.

        Found by trying on random tokens: a backbone that cannot tell packed texts apart, or breaks, is padded.
        """
        if self.device.type != "cpu":
            return False  # one launch for each length costs an accelerator more than padding does
        if self._packs is None:
            self._packs = has_interface(self.backbone) and self._reads_packed_texts_alike()
        return self._packs

    def _reads_packed_texts_alike(self) -> bool:
        limit = position_limit(self.backbone) or 0
        longest = max(1, min(64, self.max_length))
        # More tokens than there are positions: some backbones count them in a row.
        lengths = torch.tensor([1, 2, 2, *[longest] * (1 + (limit // longest if limit <= _MANY_POSITIONS else 0))])
        lengths = lengths.clamp(max=longest)
        ids = torch.arange(int(lengths.sum())) * 7919 % self.token_embedding().num_embeddings
        tokens = Tokens(ids, lengths, torch.zeros_like(lengths))
        batch = pad(tokens, torch.arange(len(lengths)), self._padding_id)
        training = self.training
        self.eval()
        try:
            with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
                padded = self._padded_states(batch, _Given())[batch.mask]
                together = self._packed_states(batch, _Given())[0]
        except _BREAKS:
            return False
        finally:
            self.train(training)
        return bool(((together - padded).abs().amax() <= _ALIKE * padded.abs().amax()).item())

    def _passes(self, tokens: Tokens, tokens_a_pass: int) -> list[Tensor]:
        """Which texts [B_i] go through the backbone together."""
        lengths = tokens.lengths.cpu()
        if self.packs:
            return packed_passes(lengths, tokens_a_pass)
        cost = CPU_COST if self.device.type == "cpu" else ACCELERATOR_COST
        return [rows.to(self.device) for rows in length_buckets(lengths, cost)]

    def _trains_table(self) -> bool:
        return torch.is_grad_enabled() and self.token_embedding().weight.requires_grad

    def _pooled_padded(self, batch: Padded, given: "_Given") -> Tensor:
        """One vector a text [B, H'], read with padding."""
        pooled: Tensor = self.pooling(self._padded_states(batch, given), batch.mask, batch.prompt_lengths)
        return pooled

    def _pooled_packed(self, batch: Padded, given: "_Given") -> Tensor:
        """One vector a text [B, H'], read without padding; the texts stand in the order of their lengths."""
        states, packing = self._packed_states(batch, given)[0], Packing.of(_read(batch).sum(1))
        counts, none = list(packing.counts), ~batch.mask[:, 0]
        pooled = []
        for length, part, prompts, empty in zip(
            packing.lengths,
            states.split_with_sizes(packing.sizes),
            batch.prompt_lengths.split_with_sizes(counts),
            none.split_with_sizes(counts),
            strict=True,
        ):
            mask = ~empty[:, None].expand(-1, length)
            pooled.append(self.pooling(part.view(len(prompts), length, -1), mask, prompts))  # [n, l, H] -> [n, H']
        return torch.cat(pooled)

    def _padded_states(self, batch: Padded, given: "_Given") -> Tensor:
        """The backbone's last hidden states [B, L, H]."""
        read = _read(batch)
        known = None if given.states is None else given.states[batch.places]  # [B, L, H]
        # From embeddings alone the model cannot see padding tokens inside a text, which it gives no position.
        counted = known is not None and self._first_position is not None
        return self._last_states(
            batch.ids,
            _Given(given.depth, known),
            attention_mask=read.long(),
            **({"position_ids": self._positions(batch)} if counted else {}),
        )

    def _packed_states(self, batch: Padded, given: "_Given") -> Tensor:
        """The backbone's last hidden states [1, T, H] of all texts in one row."""
        read = _read(batch)
        known = None if given.states is None else given.states[batch.places[read]][None]  # [1, T, H]
        with packed(Packing.of(read.sum(1))):
            return self._last_states(
                batch.ids[read][None],
                _Given(given.depth, known),
                attention_mask=read[read][None].long(),
                position_ids=self._positions(batch)[read][None],
            )

    def _last_states(self, ids: Tensor, given: "_Given", **inputs: Tensor) -> Tensor:
        """From token ids, or from what is known: token embeddings, or the states of lower blocks."""
        with reading(ids):
            if given.states is not None and given.depth == 0:
                found = self.backbone(inputs_embeds=given.states, **inputs)
            elif given.states is not None:
                skipped = [block for _, block in self.blocks()[: given.depth]]
                with resumed(skipped, given.states, as_tuple=self._tuples):
                    found = self.backbone(input_ids=ids, **inputs)
            else:
                found = self.backbone(input_ids=ids, **inputs)
        states: Tensor = found.last_hidden_state
        return states

    def _positions(self, batch: Padded) -> Tensor:
        """The number of each token's position [B, L], as the backbone would count."""
        if self._first_position is None:
            return torch.arange(batch.ids.shape[1], device=batch.ids.device).expand(batch.ids.shape)
        seen = batch.ids != self._padding_id
        return seen.cumsum(1) * seen + self._first_position - 1


def _read(batch: Padded) -> Tensor:
    """The tokens that the backbone reads [B, L]. A text without tokens is one of padding: softmax over none is NaN."""
    mask = batch.mask.clone()
    mask[:, 0] = True
    return mask
