from itertools import combinations, pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from acclimate.model.tokens import CPU_COST, BucketCost, Tokens, length_buckets, packed_passes, pad

SOME_LENGTHS = st.lists(st.integers(0, 300), max_size=60).map(lambda lengths: torch.tensor(lengths, dtype=torch.long))


def padded_size(lengths: torch.Tensor, buckets: list[torch.Tensor]) -> int:
    return sum(len(rows) * max(int(lengths[rows].max()), 1) for rows in buckets)


@given(SOME_LENGTHS, st.integers(1, 500), st.integers(300, 5000))
def test_buckets_hold_every_text_once_within_the_budget_and_grow(lengths, per_bucket, budget):
    buckets = length_buckets(lengths, BucketCost(per_bucket, budget))
    assert sorted(row for rows in buckets for row in rows.tolist()) == list(range(len(lengths)))
    assert all(padded_size(lengths, [rows]) <= budget for rows in buckets)
    assert all(lengths[left].max() <= lengths[right].min() for left, right in pairwise(buckets))


@given(SOME_LENGTHS.filter(len), st.integers(1, 2000))
def test_packed_passes_hold_every_text_once_shortest_first_and_end_near_the_budget(lengths, budget):
    passes = packed_passes(lengths, budget)
    assert sorted(row for rows in passes for row in rows.tolist()) == list(range(len(lengths)))
    ordered = lengths[torch.cat(passes)]
    assert ordered.tolist() == sorted(lengths.tolist())
    assert all(len(rows) for rows in passes)
    tokens = [int(lengths[rows].clamp(min=1).sum()) for rows in passes]
    assert len(passes) <= -(-sum(tokens) // budget)
    assert all(size < budget + int(lengths.max().clamp(min=1)) for size in tokens)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(1, 60))
def test_no_other_grouping_is_cheaper(lengths, per_bucket):
    buckets = length_buckets(torch.tensor(lengths), BucketCost(per_bucket, 10_000))
    ordered = sorted(lengths)
    places = range(1, len(lengths))
    costs = []
    for cuts in (c for size in range(len(lengths)) for c in combinations(places, size)):
        edges = [0, *cuts, len(lengths)]
        parts = [ordered[a:b] for a, b in pairwise(edges)]
        costs.append(sum(len(part) * part[-1] + per_bucket for part in parts))
    found = padded_size(torch.tensor(lengths), buckets) + per_bucket * len(buckets)
    assert found == min(costs)


def test_a_batch_of_ordinary_texts_has_little_padding_in_few_buckets():
    generator = torch.Generator().manual_seed(0)
    # Lengths as of search data: short queries, longer and skewed documents.
    queries = torch.randint(5, 15, (64,), generator=generator)
    documents = torch.distributions.LogNormal(3.6, 0.6).sample((64,)).long().clamp(8, 128)
    lengths = torch.cat([queries, documents])
    buckets = length_buckets(lengths, CPU_COST)
    assert padded_size(lengths, buckets) < 1.15 * int(lengths.sum())
    assert len(buckets) <= 12


def test_padding_keeps_ids_and_marks_the_rest():
    tokens = Tokens.of([[5, 6, 7], [], [8]], prompt_length=1)
    batch = pad(tokens, torch.tensor([2, 0, 1]), padding_id=9)
    assert batch.ids.tolist() == [[8, 9, 9], [5, 6, 7], [9, 9, 9]]
    assert batch.mask.tolist() == [[True, False, False], [True, True, True], [False, False, False]]
    assert batch.prompt_lengths.tolist() == [1, 1, 1]
