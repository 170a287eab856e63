"""Token ids without padding, and the plan that pads as few of them as is useful."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Tokens:
    """The token ids of several texts, one text after another, without padding.

    Attributes:
        ids: all texts' token ids, special tokens and prompt included. Long [T].
        lengths: tokens of each text. Long [U]; they add up to T.
        prompt_lengths: leading tokens that pooling leaves out. Long [U]; zeros when prompts are pooled.
        depth: how many of the lowest blocks have been computed before.
        states: what the last of those says of each token [T, H]; None when ``depth`` is 0.
    """

    ids: Tensor
    lengths: Tensor
    prompt_lengths: Tensor
    depth: int = 0
    states: Tensor | None = None

    def parts(self, sizes: Sequence[int]) -> "list[Tokens]":
        """The texts in runs of the given sizes, which add up to U."""
        texts = list(sizes)
        lengths = self.lengths.split_with_sizes(texts)
        tokens = [int(part.sum()) for part in lengths]
        ids, prompts = self.ids.split_with_sizes(tokens), self.prompt_lengths.split_with_sizes(texts)
        states = [None] * len(tokens) if self.states is None else self.states.split_with_sizes(tokens)
        parts = zip(ids, lengths, prompts, states, strict=True)
        return [Tokens(part, length, prompt, self.depth, given) for part, length, prompt, given in parts]

    @classmethod
    def of(cls, texts: Sequence[Sequence[int]], prompt_length: int = 0) -> "Tokens":
        """Joins lists of token ids that share one prompt."""
        return cls(
            ids=torch.tensor([token for text in texts for token in text], dtype=torch.long),
            lengths=torch.tensor([len(text) for text in texts], dtype=torch.long),
            prompt_lengths=torch.full((len(texts),), prompt_length, dtype=torch.long),
        )


@dataclass(frozen=True, slots=True)
class Padded:
    """Some of the texts as a rectangle, padded on the right.

    Attributes:
        ids: Long [B, L].
        places: where each padded place's token stands in ``Tokens.ids``, 0 in the padding. Long [B, L].
        mask: True at the text's tokens. Bool [B, L].
        prompt_lengths: Long [B].
    """

    ids: Tensor
    places: Tensor
    mask: Tensor
    prompt_lengths: Tensor


def pad(tokens: Tokens, rows: Tensor, padding_id: int) -> Padded:
    """The chosen texts as one rectangle, as wide as the longest of them and at least one token wide.

    Args:
        tokens: where the texts are.
        rows: which texts. Long [B].
        padding_id: the id in the padded places.
    """
    lengths = tokens.lengths[rows]
    starts = (tokens.lengths.cumsum(0) - tokens.lengths)[rows]
    columns = torch.arange(max(int(lengths.max()), 1), device=lengths.device)
    mask = columns < lengths[:, None]  # [L] < [B, 1] -> [B, L]
    places = (starts[:, None] + columns) * mask
    ids = torch.full(mask.shape, padding_id, dtype=torch.long, device=tokens.ids.device)
    ids[mask] = tokens.ids[places[mask]]
    return Padded(ids, places, mask, tokens.prompt_lengths[rows])


@dataclass(frozen=True, slots=True)
class BucketCost:
    """What decides how texts are grouped by length.

    Attributes:
        per_bucket: the fixed cost of one more pass through the backbone, in tokens' worth of time.
        budget: a bucket's largest number of tokens, padding included.
    """

    per_bucket: int
    budget: int


# Measured with a 6-layer, 384-wide BERT on one core: a pass costs 25 (fp32, forward) to 90 (bf16, forward and
# backward) tokens' worth of time before the first token, and beyond 4096 tokens a pass falls out of the cache
# (+10% a token at 8192). A GPU is the other way round: launches dominate, and large passes are free.
CPU_COST = BucketCost(per_bucket=64, budget=4096)
ACCELERATOR_COST = BucketCost(per_bucket=2048, budget=65536)


PACKED_TOKENS = 8192  # in one pass of packed texts that leaves a graph behind: each costs a step in the backward too
ENCODED_TOKENS = 2048  # in one pass without a graph: what a block hands to the next stays in the cache, a tenth faster


def packed_passes(lengths: Tensor, budget: int) -> list[Tensor]:
    """Cuts the texts, shortest first, into passes of about equally many tokens, as few as the budget allows.

    Args:
        lengths: tokens of each text. Long [U], on the CPU.
        budget: tokens of a pass; a text that is longer makes a pass of its own.

    Returns:
        The rows of each pass, Long [B_i]; together every row once.
    """
    order = torch.argsort(lengths, stable=True)
    tokens = lengths[order].clamp(min=1)
    before = tokens.cumsum(0) - tokens
    count = -(-int(tokens.sum()) // budget)
    number = before * count // int(tokens.sum())  # which pass each text starts in
    sizes = torch.unique_consecutive(number, return_counts=True)[1]
    return list(order.split_with_sizes(sizes.tolist()))


def length_buckets(lengths: Tensor, cost: BucketCost) -> list[Tensor]:
    """Groups texts of similar length so that padding plus the fixed cost of a pass is least.

    The sorted lengths are cut at the places that minimize ``sum(texts x longest) + per_bucket x buckets``
    exactly, by dynamic programming over the distinct lengths. A bucket above the budget is cut evenly.

    Args:
        lengths: tokens of each text. Long [U], on the CPU.
        cost: the two constants of the machine.

    Returns:
        The rows of each bucket, Long [B_i]; together every row once, shortest first.
    """
    if not len(lengths):
        return []
    order = torch.argsort(lengths, stable=True)
    distinct, counts = torch.unique(lengths, return_counts=True)
    widths = distinct.clamp(min=1)
    ends = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])  # texts before each distinct length
    best, cut = torch.zeros(len(ends), dtype=torch.long), [0] * len(ends)
    for end in range(1, len(ends)):
        totals = best[:end] + (ends[end] - ends[:end]) * widths[end - 1] + cost.per_bucket
        cut[end] = int(totals.argmin())
        best[end] = totals[cut[end]]
    buckets: list[Tensor] = []
    end = len(ends) - 1
    while end > 0:
        rows = order[ends[cut[end]] : ends[end]]
        texts = max(cost.budget // int(widths[end - 1]), 1)  # that fit; one text always does
        buckets.extend(reversed(torch.tensor_split(rows, -(-len(rows) // texts))))
        end = cut[end]
    return buckets[::-1]
