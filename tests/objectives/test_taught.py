"""Losses that learn from a teacher's scores: sentence-transformers' values and gradients, and rows without scores."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from acclimate.core.nouns import Step
from acclimate.objectives import OBJECTIVES, Facts
from training import unit_vectors

ROWS, NEGATIVES, WIDTH = 5, 3, 6


def built(kind: str, facts: Facts | None = None, **settings: Any) -> Any:
    return OBJECTIVES.parse({"kind": kind, **settings}).build(facts or Facts(WIDTH))


def make_step(right: Tensor, wrong: Tensor, unique: Tensor | None = None) -> Step:
    """Row i asks with input i; its one right document and its wrong ones come behind all queries."""
    rows, width = wrong.shape
    index = {
        "query": torch.arange(rows)[:, None],
        "positive": rows + torch.arange(rows)[:, None],
        "negative": 2 * rows + torch.arange(rows * width).view(rows, width),
    }
    unique = unit_vectors(rows * (2 + width), WIDTH, seed=1) if unique is None else unique
    relevant = torch.zeros(rows, len(unique), dtype=torch.bool)
    none = torch.full((rows,), math.nan)
    return Step(unique, index, relevant, torch.ones(rows), none, teacher={"positive": right, "negative": wrong})


def scores(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 3


def gradient(loss: Tensor, of: Tensor) -> Tensor:
    return torch.autograd.grad(loss, of)[0]


def peers(step: Step, unique: Tensor) -> list[Tensor]:
    return [unique[step.index["query"][:, 0]], unique[step.index["positive"][:, 0]]] + [
        unique[column] for column in step.index["negative"].T
    ]


def test_margin_mse_is_that_of_sentence_transformers() -> None:
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    step = make_step(scores(ROWS, 1, seed=2), scores(ROWS, NEGATIVES, seed=3))
    unique = step.unique.requires_grad_()
    ours = built("margin_mse", scale=1.0)(step).mean()
    theirs = losses.MarginMSELoss(model=None).compute_loss_from_embeddings(
        peers(step, unique), step.teacher["positive"] - step.teacher["negative"]
    )
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradient(ours, unique), gradient(theirs, unique), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_kl_is_that_of_sentence_transformers_without_its_squared_temperature(temperature: float) -> None:
    losses = pytest.importorskip("sentence_transformers.sentence_transformer.losses")
    step = make_step(scores(ROWS, 1, seed=2), scores(ROWS, NEGATIVES, seed=3))
    unique = step.unique.requires_grad_()
    ours = built("kl", temperature=temperature, teacher_temperature=temperature)(step).mean()
    theirs = losses.DistillKLDivLoss(model=None, temperature=temperature).compute_loss_from_embeddings(
        peers(step, unique), torch.cat([step.teacher["positive"], step.teacher["negative"]], dim=1)
    )
    torch.testing.assert_close(ours, theirs / temperature**2)
    torch.testing.assert_close(gradient(ours, unique), gradient(theirs, unique) / temperature**2, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("kind", "settings"), [("margin_mse", {"scale": 1.0}), ("kl", {"temperature": 0.05})])
def test_a_student_that_says_what_the_teacher_says_has_nothing_to_learn(kind: str, settings: dict[str, Any]) -> None:
    step = make_step(torch.zeros(ROWS, 1), torch.zeros(ROWS, NEGATIVES))
    cosine = (step.unique[:, None] * step.unique[None]).sum(2)
    query = step.index["query"]
    shifted = 7.0  # only differences are learned
    teacher = {role: cosine[query, step.index[role]] + shifted for role in ("positive", "negative")}
    if kind == "kl":
        settings = settings | {"teacher_temperature": 0.05}
    taught = make_step(teacher["positive"], teacher["negative"], step.unique)
    assert built(kind, **settings)(taught).abs().max() < 1e-6


@pytest.mark.parametrize("kind", ["margin_mse", "kl"])
def test_documents_that_the_teacher_does_not_score_count_for_nothing(kind: str) -> None:
    wrong = scores(ROWS, NEGATIVES, seed=3)
    wrong[:, 1] = math.nan
    whole = make_step(scores(ROWS, 1, seed=2), wrong)
    index = {role: column.clone() for role, column in whole.index.items()}
    index["negative"] = index["negative"][:, [0, 2]]
    less = Step(
        whole.unique, index, whole.relevant, whole.weight, whole.target,
        teacher={"positive": whole.teacher["positive"], "negative": wrong[:, [0, 2]]},
    )  # fmt: skip
    torch.testing.assert_close(built(kind)(whole), built(kind)(less))
    silent = make_step(torch.full((ROWS, 1), math.nan), torch.full((ROWS, NEGATIVES), math.nan))
    unique = silent.unique.requires_grad_()
    loss = built(kind)(silent)
    assert loss.tolist() == [0.0] * ROWS
    assert gradient(loss.sum(), unique).abs().max() == 0.0


def test_the_widest_margin_of_the_rows_is_one_in_cosines_by_default() -> None:
    step = make_step(scores(ROWS, 1, seed=2), scores(ROWS, NEGATIVES, seed=3))
    torch.testing.assert_close(
        built("margin_mse", Facts(WIDTH, widest_margin=12.0))(step), built("margin_mse", scale=12.0)(step)
    )
