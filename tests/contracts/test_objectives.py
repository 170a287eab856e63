"""What every objective promises. A new objective needs an entry in SMALLEST, and nothing else, to be held to it."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from acclimate.core.errors import UsageError
from acclimate.core.nouns import GUIDE, Step
from acclimate.objectives import OBJECTIVES, Facts, Objective
from training import unit_vectors


@dataclass(frozen=True)
class Case:
    """Settings, and the roles of the texts that the loss reads: those it declares, and those it takes when given.

    ``alone``: a row teaches without others to compare it with.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    roles: tuple[str, ...] = ("query", "positive")
    alone: bool = False


WITH_NEGATIVES = ("query", "positive", "negative")
SMALLEST = {
    "infonce": Case(roles=WITH_NEGATIVES),
    "gist": Case(roles=WITH_NEGATIVES),
    "triplet": Case({"negatives": "own", "margin": "soft"}, roles=WITH_NEGATIVES),
    "margin_mse": Case(roles=WITH_NEGATIVES),
    "kl": Case(roles=WITH_NEGATIVES),
    "cosent": Case(),
    "angle": Case(),
    "cosine": Case(alone=True),
    "contrastive": Case({"margin": 2.0}, alone=True),
    "softmax": Case(roles=("query",), alone=True),
}

ROWS, WIDTH = 5, 8
every_objective = pytest.mark.parametrize("kind", list(OBJECTIVES))


def smallest(kind: str) -> Objective:
    facts = Facts(WIDTH, labels=("a", "b", "c"), binary=True)
    objective = OBJECTIVES.parse({"kind": kind, **SMALLEST[kind].settings}).at_all_sizes(facts)
    generator = torch.Generator().manual_seed(5)
    for parameter in objective.parameters():  # a head that starts at 0 has no gradient to give yet
        torch.nn.init.normal_(parameter, generator=generator)
    return objective


def step_of(kind: str, rows: int = ROWS, dtype: torch.dtype = torch.float32) -> Step:
    """Rows of distinct texts, a column a role, scores where the objective wants them."""
    roles = SMALLEST[kind].roles
    positions = torch.arange(rows * len(roles)).view(len(roles), rows, 1)
    index = dict(zip(roles, positions, strict=True))
    relevant = torch.zeros(rows, rows * len(roles), dtype=torch.bool)
    if "positive" in index:
        relevant[torch.arange(rows), index["positive"][:, 0]] = True
    target = torch.linspace(0, 1, rows) if "score" in smallest(kind).columns else torch.full((rows,), torch.nan)
    unique = unit_vectors(rows * len(roles), WIDTH, seed=3, dtype=dtype)
    frozen = {GUIDE: guide_of(index, rows * len(roles), dtype)} if smallest(kind).guided else {}
    label, said = torch.arange(rows) % 3, torch.linspace(0, 1, rows)[:, None]
    teacher = {"positive": said, "negative": said.flip(0) - 0.3} if OBJECTIVES[kind].taught else {}
    return Step(unique, index, relevant, torch.ones(rows), target, label=label, frozen=frozen, teacher=teacher)


def guide_of(index: dict[str, torch.Tensor], texts: int, dtype: torch.dtype) -> torch.Tensor:
    """A guide that is sure of each row's right document, and drops the second row's negative."""
    vectors = torch.eye(texts, dtype=dtype)
    vectors[index["positive"][:, 0]] = vectors[index["query"][:, 0]]
    if len(index["query"]) > 1:
        vectors[index["negative"][1, 0]] = 2 * vectors[index["query"][1, 0]]
    return vectors


def test_every_objective_is_held_to_the_contract() -> None:
    assert set(SMALLEST) == set(OBJECTIVES), "give the new objective its smallest settings here"


@every_objective
def test_settings_survive_a_recipe_and_say_what_they_do(kind: str) -> None:
    spec = OBJECTIVES.parse({"kind": kind, **SMALLEST[kind].settings})
    assert OBJECTIVES.parse(spec.model_dump(mode="json")) == spec
    assert spec.summary
    assert spec.weight == 1.0
    assert set(smallest(kind).columns) <= {*SMALLEST[kind].roles, "score", "label"}


@every_objective
@pytest.mark.parametrize("rows", [2, 5, 17])
def test_one_finite_float32_loss_a_row(kind: str, rows: int) -> None:
    loss = smallest(kind)(step_of(kind, rows))
    assert loss.shape == (rows,)
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss).all()
    assert (loss >= 0).all()


@every_objective
def test_low_precision_embeddings_are_compared_in_float32(kind: str) -> None:
    step = step_of(kind)
    rounded = step.unique.bfloat16()
    low = smallest(kind)(replace(step, unique=rounded))
    assert low.dtype == torch.float32
    assert torch.equal(low, smallest(kind)(replace(step, unique=rounded.float())))


@every_objective
def test_rows_in_another_order_have_the_same_losses(kind: str) -> None:
    step, order = step_of(kind), torch.tensor([3, 0, 4, 1, 2])
    moved = replace(
        step,
        index={role: column[order] for role, column in step.index.items()},
        relevant=step.relevant[order],
        target=step.target[order],
        label=step.label[order],
        teacher={role: said[order] for role, said in step.teacher.items()},
    )
    torch.testing.assert_close(smallest(kind)(moved), smallest(kind)(step)[order])


@every_objective
def test_the_numbering_of_the_inputs_does_not_matter(kind: str) -> None:
    step = step_of(kind)
    order = torch.randperm(len(step.unique), generator=torch.Generator().manual_seed(1))
    place = order.argsort()
    moved = replace(
        step,
        unique=step.unique[order],
        index={role: place[column] for role, column in step.index.items()},
        relevant=step.relevant[:, order],
        frozen={name: vectors[order] for name, vectors in step.frozen.items()},
    )
    torch.testing.assert_close(smallest(kind)(moved), smallest(kind)(step))


@every_objective
def test_the_gradient_reaches_every_text_of_every_column(kind: str) -> None:
    step = step_of(kind)
    unique = step.unique.requires_grad_()
    smallest(kind)(replace(step, unique=unique)).sum().backward()
    assert unique.grad is not None
    for role, column in step.index.items():
        assert (unique.grad[column[:, 0]].norm(dim=1) > 0).all(), role


@every_objective
def test_the_gradient_is_the_derivative(kind: str) -> None:
    step = step_of(kind, rows=3, dtype=torch.float64)
    objective = smallest(kind)
    unique = step.unique.requires_grad_()
    assert torch.autograd.gradcheck(lambda vectors: objective(replace(step, unique=vectors)), (unique,))


@every_objective
def test_a_last_batch_of_one_row_is_finite_and_does_no_harm(kind: str) -> None:
    step = step_of(kind, rows=1)
    unique = step.unique.requires_grad_()
    loss = smallest(kind)(replace(step, unique=unique))
    loss.sum().backward()
    assert loss.shape == (1,)
    assert torch.isfinite(loss).all()
    assert torch.isfinite(unique.grad).all()


@pytest.mark.parametrize("kind", [kind for kind in OBJECTIVES if not SMALLEST[kind].alone])
def test_one_row_without_negatives_teaches_nothing(kind: str) -> None:
    step = step_of(kind, rows=1)
    unique = step.unique.requires_grad_()
    alone = replace(step, unique=unique, index={r: c for r, c in step.index.items() if r != "negative"})
    loss = smallest(kind)(alone)
    loss.sum().backward()
    assert loss.item() == 0.0
    assert unique.grad.abs().max() == 0.0


@every_objective
def test_the_loss_falls_along_its_gradient(kind: str) -> None:
    step = step_of(kind)
    unique = step.unique.requires_grad_()
    loss = smallest(kind)(replace(step, unique=unique)).sum()
    loss.backward()
    with torch.no_grad():
        better = smallest(kind)(replace(step, unique=unique - 1e-3 * unique.grad)).sum()
    assert better < loss


@every_objective
def test_matryoshka_sums_the_loss_over_vectors_cut_at_each_size(kind: str) -> None:
    step, facts = step_of(kind), Facts(WIDTH, labels=("a", "b", "c"), binary=True)
    spec = OBJECTIVES.parse({"kind": kind, **SMALLEST[kind].settings})
    torch.manual_seed(0)
    whole = smallest(kind)
    nested = spec.model_copy(update={"matryoshka": (4, 2)}).at_all_sizes(facts)
    nested.load_state_dict({f"objective.{name}": tensor for name, tensor in whole.state_dict().items()})
    cut = [torch.nn.functional.normalize(step.unique[:, :size], dim=1) for size in (WIDTH, 4, 2)]
    expected = sum(whole(replace(step, unique=unique)) for unique in cut)
    torch.testing.assert_close(nested(step), expected)


@every_objective
def test_a_learned_weight_starts_at_one_and_divides_the_loss_by_its_variance(kind: str) -> None:
    step, facts = step_of(kind), Facts(WIDTH, labels=("a", "b", "c"), binary=True)
    plain = smallest(kind)
    spec = OBJECTIVES.parse({"kind": kind, **SMALLEST[kind].settings, "weight": "uncertainty"})
    learned = spec.at_all_sizes(facts)
    learned.load_state_dict({f"objective.{name}": tensor for name, tensor in plain.state_dict().items()}, strict=False)
    assert (learned.columns, learned.guided) == (plain.columns, plain.guided)
    assert torch.equal(learned(step), plain(step))
    variance = learned.log_variance()
    assert variance is not None
    with torch.no_grad():
        variance.fill_(0.7)
    torch.testing.assert_close(learned(step), plain(step) * math.exp(-0.7) + 0.7)
    one, other = (head() for head in (learned.head, plain.head))
    assert (one is None and other is None) or (one.weight == other.weight).all()


@every_objective
def test_matryoshka_of_the_whole_size_is_the_plain_loss_and_a_larger_one_is_refused(kind: str) -> None:
    facts = Facts(WIDTH, labels=("a", "b", "c"), binary=True)
    spec = OBJECTIVES.parse({"kind": kind, **SMALLEST[kind].settings})
    assert type(spec.model_copy(update={"matryoshka": (WIDTH,)}).at_all_sizes(facts)) is type(smallest(kind))
    with pytest.raises(UsageError, match=f"matryoshka=16, but the vectors have {WIDTH} dimensions"):
        spec.model_copy(update={"matryoshka": (16, 4)}).at_all_sizes(facts)
