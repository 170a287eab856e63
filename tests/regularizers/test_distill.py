"""Distillation against its formulas as plain loops."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from acclimate.core.nouns import Step
from acclimate.regularizers.distill import DistillSpec, margin_penalty, mean_distance, relation_penalty, vector_penalty
from training import unit_vectors


def step_of(student: Tensor, teacher: Tensor) -> Step:
    empty = Step(torch.zeros(0, student.shape[1]), {}, torch.zeros(0, 0), torch.zeros(0), torch.zeros(0))
    return replace(empty, streams={"general": student}, frozen={"general": teacher})


def relations_by_loops(student: Tensor, teacher: Tensor, temperature: float) -> float:
    """mean_i KL( softmax_j(v_i . v_j / t) || softmax_j(u_i . u_j / t) ) over j != i."""

    def softmax(vectors: list[list[float]], i: int) -> dict[int, float]:
        dots = {j: sum(a * b for a, b in zip(vectors[i], v, strict=True)) for j, v in enumerate(vectors) if j != i}
        total = sum(math.exp(dot / temperature) for dot in dots.values())
        return {j: math.exp(dot / temperature) / total for j, dot in dots.items()}

    u, v = student.double().tolist(), teacher.double().tolist()
    rows = [(softmax(v, i), softmax(u, i)) for i in range(len(u))]
    return sum(p * math.log(p / q[j]) for target, q in rows for j, p in target.items()) / len(rows)


def test_vectors_by_hand() -> None:
    student = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    teacher = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert vector_penalty(student, teacher).item() == pytest.approx((0.0 + 0.2) / 2)


def test_a_base_that_holds_all_texts_close_is_kept_as_strictly() -> None:
    """Cosines of one model lie between 0 and 1, of another between 0.8 and 1: the same movement counts the same."""
    near, far = unit_vectors(6, 8, seed=2), unit_vectors(6, 8, seed=1)
    wide = torch.nn.functional.normalize(near + 0.3 * far, dim=1)

    def narrowed(vectors: Tensor) -> Tensor:  # one large common direction added: cosines become 0.8 + 0.2 cos
        return torch.cat([vectors * 0.2**0.5, torch.full((len(vectors), 1), 0.8**0.5)], dim=1)

    expected = vector_penalty(wide, near).item()
    assert expected > 0.01
    assert vector_penalty(narrowed(wide), narrowed(near)).item() == pytest.approx(expected, rel=1e-4)


def test_mean_distance_is_that_of_all_pairs() -> None:
    rows = unit_vectors(7, 8, seed=3)
    pairs = [1 - float(rows[i] @ rows[j]) for i in range(7) for j in range(7) if i != j]
    assert mean_distance(rows).item() == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)


def test_one_text_or_equal_texts_have_a_finite_penalty() -> None:
    one = unit_vectors(1, 8, seed=1)
    assert vector_penalty(unit_vectors(1, 8, seed=2), one).isfinite()
    assert vector_penalty(unit_vectors(3, 8, seed=2), one.expand(3, -1)).isfinite()


def test_margins_are_the_triple_loop() -> None:
    student, teacher = unit_vectors(6, 8, seed=1), unit_vectors(6, 5, seed=2)
    u, v = (student @ student.T).tolist(), (teacher @ teacher.T).tolist()
    squares = [
        ((u[i][j] - u[i][k]) - (v[i][j] - v[i][k])) ** 2
        for i in range(6) for j in range(6) for k in range(6) if i not in (j, k)
    ]  # fmt: skip
    expected = sum(squares) / len(squares) / mean_distance(teacher).item() ** 2
    assert expected > 0.01
    assert margin_penalty(student, teacher).item() == pytest.approx(expected, rel=1e-4)


def test_a_rotation_and_a_common_shift_of_similarities_leave_margins() -> None:
    teacher = unit_vectors(7, 8, seed=2)
    turned = teacher @ torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(1)))[0]
    assert margin_penalty(turned, teacher).item() == pytest.approx(0.0, abs=1e-9)
    nearer = torch.cat([turned, torch.full((7, 1), 0.5)], dim=1)  # not of length one: every similarity is 0.25 higher
    assert margin_penalty(nearer, teacher).item() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("keep", ["vectors", "relations", "margins"])
def test_what_fades_falls_evenly_to_nothing(keep: str) -> None:
    student, teacher = unit_vectors(6, 8, seed=1), unit_vectors(6, 8, seed=2)
    whole = DistillSpec(keep=keep).build()(step_of(student, teacher))
    fading = DistillSpec(keep=keep, fading=True).build()
    for progress in (0.0, 0.25, 1.0):
        found = fading(replace(step_of(student, teacher), progress=progress))
        torch.testing.assert_close(found, (1 - progress) * whole)


def test_the_weight_falls_from_stage_to_stage_and_when_fading_evenly() -> None:
    student, teacher = unit_vectors(6, 8, seed=1), unit_vectors(6, 8, seed=2)
    whole = DistillSpec().build()(step_of(student, teacher))
    stepwise, evenly = (DistillSpec(stages=3, fading=fading).build() for fading in (False, True))
    for progress, left in ((0.0, 1), (0.33, 1), (0.34, 2 / 3), (0.66, 2 / 3), (0.67, 1 / 3), (0.99, 1 / 3)):
        step = replace(step_of(student, teacher), progress=progress)
        torch.testing.assert_close(stepwise(step), left * whole)
        torch.testing.assert_close(evenly(step), (1 - progress) * whole)


def test_too_few_texts_to_compare_are_refused() -> None:
    with pytest.raises(ValueError, match="texts_a_step of at least 3 to keep margins"):
        DistillSpec(keep="margins", texts_a_step=2)


def test_relations_are_the_double_loop() -> None:
    student, teacher = unit_vectors(6, 8, seed=1), unit_vectors(6, 8, seed=2)
    for temperature in (0.05, 0.5):
        expected = relations_by_loops(student, teacher, temperature)
        assert expected > 0.01
        assert relation_penalty(student, teacher, temperature).item() == pytest.approx(expected, rel=1e-4)


def test_relations_do_not_see_a_rotation_and_compare_different_widths() -> None:
    teacher = unit_vectors(6, 8, seed=2)
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(0))).Q
    assert relation_penalty(teacher @ rotation, teacher, 0.05).item() == pytest.approx(0.0, abs=1e-4)
    assert vector_penalty(teacher @ rotation, teacher).item() > 0.1
    wider = torch.cat([teacher, torch.zeros(6, 3)], dim=1)
    assert relation_penalty(wider, teacher, 0.05).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("keep", ["vectors", "relations"])
def test_zero_at_the_start_and_weighted_after(keep: str) -> None:
    student, teacher = unit_vectors(6, 8, seed=1), unit_vectors(6, 8, seed=2)
    once, twice = (DistillSpec(keep=keep, weight=weight).build() for weight in (1.0, 2.0))
    assert once(step_of(teacher, teacher)).item() == pytest.approx(0.0, abs=1e-6)
    assert once(step_of(student, teacher)).item() > 0.1
    assert twice(step_of(student, teacher)).item() == pytest.approx(2 * once(step_of(student, teacher)).item())


@pytest.mark.parametrize("keep", ["vectors", "relations"])
def test_the_gradient_moves_the_student_alone_and_towards_the_teacher(keep: str) -> None:
    student, teacher = unit_vectors(6, 8, seed=1).requires_grad_(), unit_vectors(6, 8, seed=2)
    regularizer = DistillSpec(keep=keep).build()
    before = regularizer(step_of(student, teacher))
    before.backward()
    assert student.grad is not None
    after = regularizer(step_of(student.detach() - 0.01 * student.grad, teacher))
    assert after.item() < before.item()


def test_low_precision_embeddings_are_compared_in_float32() -> None:
    student, teacher = unit_vectors(6, 8, seed=1).bfloat16(), unit_vectors(6, 8, seed=2)
    value = DistillSpec().build()(step_of(student, teacher))
    assert value.dtype == torch.float32
    assert value.item() == DistillSpec().build()(step_of(student.float(), teacher)).item()


def test_how_many_texts_it_wants_is_a_setting() -> None:
    regularizer = DistillSpec(texts_a_step=5).build()
    assert regularizer.streams == {"general": 5}
