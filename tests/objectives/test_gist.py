"""GIST against plain loops, sentence-transformers, and InfoNCE where the guide suspects nothing."""

import importlib
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from acclimate.core.nouns import GUIDE, Step
from acclimate.objectives import Facts
from acclimate.objectives.gist import GistSpec, suspects
from acclimate.objectives.infonce import InfoNCE
from training import unit_vectors

ROWS = 6
FACTS = Facts(dimension=8)


def made(**settings: Any) -> nn.Module:
    return GistSpec(**{"temperature": 0.1, **settings}).build(FACTS)


def step_of(negatives: int = 1, positives: int = 1, seed: int = 0, dtype: torch.dtype = torch.float32) -> Step:
    """Distinct texts: queries, right documents, negatives; a guide of its own that is near the right documents."""
    widths = {"query": 1, "positive": positives, "negative": negatives}
    index, end = {}, 0
    for role, width in widths.items():
        if width:
            index[role] = torch.arange(end, end + ROWS * width).view(ROWS, width)
            end += ROWS * width
    relevant = torch.zeros(ROWS, end, dtype=torch.bool)
    relevant.scatter_(1, index["positive"], value=True)
    guide = unit_vectors(end, 4, seed=seed + 1, dtype=dtype)
    target = torch.full((ROWS,), torch.nan)
    unique = unit_vectors(end, 8, seed=seed, dtype=dtype)
    return Step(unique, index, relevant, torch.ones(ROWS), target, frozen={GUIDE: guide})


def by_loops(step: Step, spec: GistSpec) -> list[float]:
    """The module's formula, one exponential at a time."""
    temperature = spec.fixed_temperature()
    s, g = ((v.double() @ v.double().T).tolist() for v in (step.unique, step.frozen[GUIDE]))
    query = step.index["query"][:, 0].tolist()
    positives = step.index["positive"].tolist()
    documents = {d for role in ("positive", "negative") for d in step.index[role].flatten().tolist() if d >= 0}
    losses = []
    for i, q in enumerate(query):
        known = {q} | {j for j in range(len(s)) if step.relevant[i, j]}
        per_positive = []
        for p in (p for p in positives[i] if p >= 0):
            limit = g[q][p] - (spec.margin if spec.margin_strategy == "absolute" else spec.margin * abs(g[q][p]))
            wrong = documents | (set(query) if spec.contrast_queries else set())
            terms = [s[q][j] for j in wrong - known if g[q][j] <= limit]
            if spec.contrast_documents:
                first = positives[i][0]
                others = {row[0] for row in positives} - known
                terms += [s[first][j] for j in others if g[first][j] <= limit]
            total = sum(math.exp(term / temperature) for term in [s[q][p], *terms])
            per_positive.append(math.log(total) - s[q][p] / temperature)
        losses.append(sum(per_positive) / len(per_positive))
    return losses


def of_sentence_transformers(step: Step, columns: list[Tensor], **settings: Any) -> Tensor:
    """Their loss on given embeddings: what embeds the columns is put in the place of their models."""
    module = importlib.import_module("sentence_transformers.sentence_transformer.losses.gist_embed")
    loss = module.GISTEmbedLoss.__new__(module.GISTEmbedLoss)
    nn.Module.__init__(loss)
    given = {"model": "ours", "guide": "guide", "must_retokenize": False, "gather_across_devices": False, **settings}
    for name, value in given.items():
        setattr(loss, name, value)
    loss.similarity_fct, loss.cross_entropy_loss = nn.CosineSimilarity(dim=-1), nn.CrossEntropyLoss()
    roles = [role for role in ("query", "positive", "negative") if role in step.index]
    guides = [step.frozen[GUIDE][step.index[role][:, 0]] for role in roles]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "embed_columns", lambda model, features: columns if model == "ours" else guides)
        return loss([{}] * len(roles), torch.empty(0))


@pytest.mark.parametrize(
    ("guide", "right", "margin", "strategy", "dropped"),
    [
        ([0.79, 0.80, 0.81], 0.8, 0.0, "absolute", [False, False, True]),
        ([0.69, 0.71, 0.80], 0.8, 0.1, "absolute", [False, True, True]),
        ([0.71, 0.73, 0.80], 0.8, 0.1, "relative", [False, True, True]),
        ([-0.23, -0.21, -0.19], -0.2, 0.1, "relative", [False, True, True]),  # g * (1 - margin) would drop -0.19 alone
        ([-0.31, -0.29, -0.2], -0.2, 0.1, "absolute", [False, True, True]),
    ],
)
def test_what_the_guide_drops(guide: Any, right: float, margin: float, strategy: Any, dropped: list[bool]) -> None:
    assert suspects(torch.tensor(guide), torch.tensor([right]), margin, strategy).tolist() == dropped


@pytest.mark.parametrize("negatives", [0, 1])
@pytest.mark.parametrize(("margin", "strategy"), [(0.0, "absolute"), (0.2, "absolute"), (0.3, "relative")])
@pytest.mark.parametrize(("queries", "documents"), [(True, True), (False, False), (True, False)])
def test_value_and_gradient_are_those_of_sentence_transformers(
    negatives: int, margin: float, strategy: str, queries: bool, documents: bool
) -> None:
    pytest.importorskip("sentence_transformers")
    step = step_of(negatives)
    theirs_in = step.unique.clone().requires_grad_()
    columns = [theirs_in[column[:, 0]] for column in step.index.values()]
    settings = {"temperature": 0.1, "margin": margin, "margin_strategy": strategy}
    theirs = of_sentence_transformers(step, columns, **settings, contrast_anchors=queries, contrast_positives=documents)
    theirs.backward()
    ours_in = step.unique.clone().requires_grad_()
    loss = made(**settings, contrast_queries=queries, contrast_documents=documents)
    ours = loss(replace(step, unique=F.normalize(ours_in, dim=1))).mean()
    ours.backward()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours_in.grad, theirs_in.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("strategy", ["absolute", "relative"])
def test_several_positives_and_negatives_are_the_loops(seed: int, strategy: Any) -> None:
    step = step_of(negatives=2, positives=2, seed=seed)
    step.index["positive"][1, 1] = -1
    spec = GistSpec(temperature=0.1, margin=0.15, margin_strategy=strategy)
    torch.testing.assert_close(spec.build(FACTS)(step), torch.tensor(by_loops(step, spec)))


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_guide_that_suspects_nothing_leaves_infonce(symmetric: bool) -> None:
    step = step_of(negatives=2, dtype=torch.float64)
    sure = torch.eye(len(step.unique), dtype=torch.float64)
    sure[step.index["positive"][:, 0]] = sure[step.index["query"][:, 0]]
    plain = made(contrast_queries=False, contrast_documents=False, symmetric=symmetric)
    torch.testing.assert_close(
        plain(replace(step, frozen={GUIDE: sure})), InfoNCE(0.1, symmetric=symmetric)(step), rtol=1e-14, atol=0
    )


def test_a_suspected_query_is_dropped_from_the_other_direction_too() -> None:
    step = step_of(negatives=0)
    guide = torch.eye(len(step.unique))
    guide[step.index["positive"][:, 0]] = guide[step.index["query"][:, 0]]
    guide[1] = 2 * guide[0]  # the guide takes query 1 for one that document 0 answers
    plain = {"contrast_queries": False, "contrast_documents": False}
    both, one = (made(**plain, symmetric=s)(replace(step, frozen={GUIDE: guide})) for s in (True, False))
    others = [0, 2, 3, 4, 5]
    towards = torch.logsumexp(step.unique[others] @ step.unique[ROWS] / 0.1, 0)
    expected = (one[0] + towards - step.unique[0] @ step.unique[ROWS] / 0.1) / 2
    torch.testing.assert_close(both[0], expected)


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_right_document_stays_when_everything_else_is_dropped(symmetric: bool) -> None:
    loss = made(margin=10.0, symmetric=symmetric)(step_of())
    assert loss.tolist() == [0.0] * ROWS


def test_a_query_that_is_its_own_answer_is_no_negative_of_itself() -> None:
    """The guide cannot suspect it: it says 1 of both, and 1 is not above 1."""
    step = step_of(negatives=0)
    step.index["positive"][0, 0] = 0
    step.relevant[0, 0] = True
    spec = GistSpec(temperature=0.1)
    found = spec.build(FACTS)(replace(step, frozen={GUIDE: torch.eye(len(step.unique))}))
    others = torch.cat([step.unique[1:ROWS], step.unique[ROWS + 1 :], step.unique[ROWS + 1 :]])
    expected = torch.logsumexp(torch.cat([others @ step.unique[0], torch.ones(1)]) / 0.1, 0) - 1 / 0.1
    torch.testing.assert_close(found[0], expected)


def test_at_several_sizes_the_guide_stays_whole() -> None:
    step, spec = step_of(), GistSpec(temperature=0.1, matryoshka=(4,))
    both = spec.at_all_sizes(FACTS)
    assert both.guided
    cut = replace(step, unique=F.normalize(step.unique[:, :4], dim=1))
    torch.testing.assert_close(both(step), spec.build(FACTS)(step) + spec.build(FACTS)(cut))
