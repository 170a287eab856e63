"""InfoNCE against the formula written as plain loops, PyTorch's cross entropy and sentence-transformers."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import zip_longest

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from acclimate.core.nouns import Step
from acclimate.data.batches import assemble
from acclimate.data.examples import Example, Kind
from acclimate.data.pairs import TextNumbers, pair_table
from acclimate.objectives.infonce import InfoNCE
from training import as_step, unit_vectors


def column(lists: Sequence[Sequence[int]]) -> Tensor:
    """Ragged lists as Long [B, K], -1 where a list is shorter."""
    return torch.tensor(list(zip(*zip_longest(*lists, fillvalue=-1), strict=True)), dtype=torch.long)


def make_step(
    unique: Tensor,
    query: Sequence[int],
    positives: Sequence[Sequence[int]],
    negatives: Sequence[Sequence[int]] = (),
    also_right: Sequence[Sequence[int]] = (),
) -> Step:
    """A step by lists of positions in ``unique``; a row's positives are relevant to it, and ``also_right`` too."""
    index = {"query": torch.tensor(query)[:, None], "positive": column(positives)}
    if any(negatives):
        index["negative"] = column(negatives)
    relevant = torch.zeros(len(query), len(unique), dtype=torch.bool)
    for row, right in enumerate(positives):
        relevant[row, [*right, *(also_right[row] if also_right else ())]] = True
    return Step(unique, index, relevant, torch.ones(len(query)), torch.full((len(query),), torch.nan))


def by_loops(step: Step, temperature: float, *, symmetric: bool) -> list[float]:
    """The module's formula, one exponential at a time."""
    similarity = (step.unique.double() @ step.unique.double().T).tolist()
    query = step.index["query"][:, 0].tolist()
    positives = [[p for p in row if p >= 0] for row in step.index["positive"].tolist()]
    listed = [p for role in ("positive", "negative") for p in step.index.get(role, torch.empty(0)).flatten().tolist()]
    documents = sorted({int(p) for p in listed if p >= 0})
    relevant = step.relevant.tolist()
    losses = []
    for row, own in enumerate(positives):
        terms = []
        for right in own:
            wrong = [d for d in documents if not relevant[row][d] and d != query[row]]
            total = sum(math.exp(similarity[query[row]][d] / temperature) for d in [right, *wrong])
            terms.append(math.log(total) - similarity[query[row]][right] / temperature)
        loss = sum(terms) / len(terms)
        if symmetric:
            right = own[0]
            rows = [r for r in range(len(query)) if not relevant[r][right] and query[r] not in (query[row], right)]
            others = {query[r] for r in rows}
            total = sum(math.exp(similarity[q][right] / temperature) for q in [query[row], *others])
            loss = (loss + math.log(total) - similarity[query[row]][right] / temperature) / 2
        losses.append(loss)
    return losses


def simple(rows: int, negatives: int = 0) -> Step:
    """Distinct texts: queries, then documents, then as many negatives for each row."""
    wrong = [[rows * 2 + row * negatives + n for n in range(negatives)] for row in range(rows)]
    unique = unit_vectors(rows * (2 + negatives), 16)
    return make_step(unique, range(rows), [[rows + row] for row in range(rows)], wrong)


def test_three_rows_by_hand() -> None:
    # Queries along the axes; documents at chosen cosines: similarity [[.6, .8, 0], [.8, .6, 0], [0, 0, 1]].
    documents = torch.tensor([[0.6, 0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])
    step = make_step(torch.cat([torch.eye(3), documents]), [0, 1, 2], [[3], [4], [5]])
    e = math.exp
    first = math.log(e(1.2) + e(1.6) + 1) - 1.2
    last = math.log(e(2) + 2) - 2
    expected = torch.tensor([first, first, last])
    torch.testing.assert_close(InfoNCE(0.5, symmetric=False)(step), expected)
    torch.testing.assert_close(InfoNCE(0.5, symmetric=True)(step), expected)  # the matrix equals its transpose


@pytest.mark.parametrize("temperature", [0.02, 0.05, 1.0])
def test_pairs_are_the_cross_entropy_of_the_diagonal(temperature: float) -> None:
    step = simple(7)
    logits = step.unique[:7] @ step.unique[7:].T / temperature
    towards_documents = F.cross_entropy(logits, torch.arange(7), reduction="none")
    towards_queries = F.cross_entropy(logits.T, torch.arange(7), reduction="none")
    torch.testing.assert_close(InfoNCE(temperature, symmetric=False)(step), towards_documents)
    both = (towards_documents + towards_queries) / 2
    torch.testing.assert_close(InfoNCE(temperature, symmetric=True)(step), both)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("negatives", [0, 1, 3])
def test_value_and_gradient_are_those_of_sentence_transformers(symmetric: bool, negatives: int) -> None:
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    step = simple(6, negatives)
    options = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"} if symmetric else {}
    kind = partial(losses.MultipleNegativesRankingLoss, **options)
    theirs_in = step.unique.clone().requires_grad_()
    wrong = [theirs_in[step.index["negative"][:, n]] for n in range(negatives)]
    theirs = kind(None, scale=20.0).compute_loss_from_embeddings([theirs_in[:6], theirs_in[6:12], *wrong], None)
    theirs.backward()
    # Their cosine normalizes, so their gradient has no part along the vector: take that part off ours.
    ours_in = step.unique.clone().requires_grad_()
    ours = InfoNCE(0.05, symmetric=symmetric)(
        Step(F.normalize(ours_in, dim=1), step.index, step.relevant, step.weight, step.target)
    ).mean()
    ours.backward()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours_in.grad, theirs_in.grad, rtol=1e-4, atol=1e-5)


def test_hardness_is_that_of_sentence_transformers() -> None:
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    step = simple(6, 2)
    theirs_in, ours_in = step.unique.clone().requires_grad_(), step.unique.clone().requires_grad_()
    kind = losses.MultipleNegativesRankingLoss
    peer = kind(None, scale=20.0, hardness_mode="all_negatives", hardness_strength=9.0)
    wrong = [theirs_in[step.index["negative"][:, n]] for n in range(2)]
    theirs = peer.compute_loss_from_embeddings([theirs_in[:6], theirs_in[6:12], *wrong], None)
    theirs.backward()
    objective = InfoNCE(0.05, symmetric=False, hardness=9.0)
    ours = objective(replace(step, unique=F.normalize(ours_in, dim=1))).mean()
    ours.backward()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours_in.grad, theirs_in.grad, rtol=1e-4, atol=1e-5)
    assert ours > InfoNCE(0.05, symmetric=False)(step).mean()


@pytest.mark.parametrize("symmetric", [False, True])
def test_ragged_negatives_are_the_double_loop(symmetric: bool) -> None:
    step = make_step(unit_vectors(13, 8), range(4), [[4], [5], [6], [7]], [[8], [], [9, 10, 11], [8, 12]])
    expected = torch.tensor(by_loops(step, 0.1, symmetric=symmetric))
    torch.testing.assert_close(InfoNCE(0.1, symmetric=symmetric)(step), expected)


@pytest.mark.parametrize("symmetric", [False, True])
def test_several_positives_take_the_mean_outside_of_the_logarithm(symmetric: bool) -> None:
    step = make_step(unit_vectors(11, 8), range(3), [[3, 4, 5], [6], [7, 8]], [[9], [10], []])
    expected = torch.tensor(by_loops(step, 0.1, symmetric=symmetric))
    torch.testing.assert_close(InfoNCE(0.1, symmetric=symmetric)(step), expected)


def test_the_mean_outside_is_not_the_mean_inside() -> None:
    """L_out of Khosla et al. 2020, not L_in: the two differ, so the test above tells them apart."""
    step = make_step(unit_vectors(5, 8), [0, 1], [[2, 3], [4]])
    s = (step.unique @ step.unique.T / 0.1).double()
    out = sum(math.log(math.exp(s[0, p]) + math.exp(s[0, 4])) - float(s[0, p]) for p in (2, 3)) / 2
    inside = -math.log(sum(math.exp(s[0, p]) / (math.exp(s[0, p]) + math.exp(s[0, 4])) for p in (2, 3)) / 2)
    loss = InfoNCE(0.1, symmetric=False)(step)[0].item()
    assert loss == pytest.approx(out, rel=1e-5)
    assert abs(loss - inside) > 0.01


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_known_right_document_of_another_row_is_no_negative(symmetric: bool) -> None:
    unique = unit_vectors(8, 8)
    rows = ([0, 1, 2, 3], [[4], [5], [6], [7]])
    masked = make_step(unique, *rows, also_right=[[5], [], [], [4]])
    loss = InfoNCE(0.1, symmetric=symmetric)(masked)
    torch.testing.assert_close(loss, torch.tensor(by_loops(masked, 0.1, symmetric=symmetric)))
    plain = InfoNCE(0.1, symmetric=symmetric)(make_step(unique, *rows))
    assert (loss[[0, 3]] < plain[[0, 3]]).all()
    if not symmetric:
        assert torch.equal(loss[[1, 2]], plain[[1, 2]])


def test_a_masked_document_feels_nothing_of_the_row_that_masks_it() -> None:
    unique = unit_vectors(4, 8).requires_grad_()
    step = make_step(unique, [0, 1], [[2], [3]], also_right=[[3], []])
    InfoNCE(0.1, symmetric=False)(step)[0].backward()
    assert unique.grad is not None
    assert unique.grad[3].abs().max() == 0.0


def example(row: int, query: str, positive: str, *wrong: str, doc_id: str | None = None) -> Example:
    return Example(f"r{row}", row, query, (positive,), wrong, doc_id=doc_id)


def batch_of(examples: Sequence[Example]) -> Step:
    """All rows as one batch, through the data room, with random embeddings."""
    table = pair_table(examples, Kind.PAIRS, TextNumbers({"query": "", "document": ""}))
    batch = assemble(table, torch.arange(len(table)).numpy(), seed=0, epoch=0, positives=9, negatives=9)
    return as_step(batch, unit_vectors(len(batch.unique), 8))


def test_duplicate_rows_do_not_push_their_own_answer_away() -> None:
    step = batch_of([example(0, "a", "x"), example(1, "a", "x"), example(2, "b", "y")])
    loss = InfoNCE(0.1, symmetric=True)(step)
    torch.testing.assert_close(loss[0], loss[1])
    single = InfoNCE(0.1, symmetric=True)(batch_of([example(0, "a", "x"), example(2, "b", "y")]))
    torch.testing.assert_close(loss[[0, 2]], single)  # and they count once as negatives of others


def test_the_same_document_for_two_queries_is_a_negative_of_neither() -> None:
    step = batch_of([example(0, "a", "x"), example(1, "b", "x")])
    assert InfoNCE(0.1, symmetric=True)(step).tolist() == [0.0, 0.0]


def test_another_text_of_the_same_document_is_no_negative() -> None:
    rows = [example(0, "a", "x one", doc_id="x"), example(1, "b", "x two", doc_id="x")]
    assert InfoNCE(0.1, symmetric=True)(batch_of(rows)).tolist() == [0.0, 0.0]


def test_a_query_that_is_also_a_document_is_no_negative_of_itself() -> None:
    step = batch_of([example(0, "a", "b"), example(1, "b", "c")])
    torch.testing.assert_close(InfoNCE(0.1, symmetric=False)(step), torch.tensor(by_loops(step, 0.1, symmetric=False)))
    assert InfoNCE(0.1, symmetric=False)(step)[1] == 0.0  # "b" is its own text, "c" its answer: nothing is left


def test_the_last_row_of_an_epoch_learns_from_its_hard_negative_alone() -> None:
    step = batch_of([example(0, "a", "x", "wrong")])
    q, x, wrong = (step.unique[step.index[role][0, 0]] for role in ("query", "positive", "negative"))
    expected = F.softplus((q @ wrong - q @ x) / 0.1)
    torch.testing.assert_close(InfoNCE(0.1, symmetric=False)(step)[0], expected)


texts = st.sampled_from("abcdef")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(texts, st.lists(texts, min_size=1, max_size=3, unique=True), st.lists(texts, max_size=2)),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_any_batch_with_shared_texts_is_the_double_loop(
    rows: list[tuple[str, list[str], list[str]]], symmetric: bool
) -> None:
    examples = [
        Example(f"r{i}", i, query, tuple(right), tuple(w for w in wrong if w not in right))
        for i, (query, right, wrong) in enumerate(rows)
    ]
    step = batch_of(examples)
    loss = InfoNCE(0.2, symmetric=symmetric)(step)
    torch.testing.assert_close(loss, torch.tensor(by_loops(step, 0.2, symmetric=symmetric)), rtol=1e-4, atol=1e-5)


def test_a_candidate_counts_as_often_as_it_was_missing_from_batches() -> None:
    """Of three documents with chances 1, 1/2 and 1/4, the sum is exp(s_0) + 2 exp(s_1) + 4 exp(s_2) by hand."""
    unique = torch.nn.functional.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    step = Step(
        unique=unique,
        index={"query": torch.tensor([[0], [1], [2]]), "positive": torch.tensor([[3], [4], [5]])},
        relevant=torch.zeros(3, 6, dtype=torch.bool).index_put(
            (torch.arange(3), torch.arange(3, 6)), torch.tensor(True)
        ),
        weight=torch.ones(3),
        target=torch.full((3,), torch.nan),
        log_chance=torch.tensor([1, 1, 1, 1, 0.5, 0.25]).log(),
    )
    loss = InfoNCE(0.5, symmetric=False)(step)
    weight = torch.tensor([1.0, 2.0, 4.0])
    scores = (unique[:3] @ unique[3:].T / 0.5).exp()
    for row in range(3):
        others = sum(weight[j] * scores[row, j] for j in range(3) if j != row)
        torch.testing.assert_close(loss[row], -(scores[row, row] / (scores[row, row] + others)).log())
