"""The reversed gradient against finite differences, the schedule, and domains that grow together in training."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from acclimate.core.errors import UsageError
from acclimate.core.nouns import Step
from acclimate.evaluation.shift import proxy_a_distance
from acclimate.regularizers.domain_adversarial import (
    DomainAdversarialSpec,
    domain_loss,
    reverse_gradient,
    strength_at,
)
from training import ELSEWHERE, GENERAL, make_rig, unit_vectors, weights

QUERIES = ("source_queries", "target_queries")


def a_classifier(dimension: int, seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(dimension, 16), nn.Tanh(), nn.Linear(16, 1)).double()


def numeric_gradient(of: Tensor, source: Tensor, target: Tensor, classifier: nn.Module) -> Tensor:
    """Central differences of the loss by each number of a tensor that it depends on."""
    found, step = torch.zeros_like(of), 1e-6
    with torch.no_grad():
        for place in range(of.numel()):
            sides = []
            for sign in (1, -1):
                of.view(-1)[place] += sign * step
                sides.append(domain_loss(classifier, source, target, 0.7).item())
                of.view(-1)[place] -= sign * step
            found.view(-1)[place] = (sides[0] - sides[1]) / (2 * step)
    return found


def step_of(streams: dict[str, Tensor], progress: float = 0.5) -> Step:
    empty = Step(torch.zeros(0, 8), {}, torch.zeros(0, 0), torch.zeros(0), torch.zeros(0))
    return replace(empty, streams=streams, progress=progress)


@pytest.mark.parametrize("strength", [0.0, 0.3, 2.0])
def test_what_reaches_the_vectors_is_the_reversed_gradient_of_the_loss(strength: float) -> None:
    source, target = (unit_vectors(3, 5, seed=n, dtype=torch.float64).requires_grad_() for n in (1, 2))
    classifier = a_classifier(5)
    domain_loss(classifier, source, target, strength).backward()
    for side in (source, target):
        true = numeric_gradient(side, source, target, classifier)
        assert true.abs().max() > 1e-3
        assert side.grad is not None
        torch.testing.assert_close(side.grad, -strength * true, rtol=1e-6, atol=1e-9)


def test_the_classifier_descends_whatever_the_strength() -> None:
    source, target = (unit_vectors(3, 5, seed=n, dtype=torch.float64) for n in (1, 2))
    for strength in (0.0, 0.3, 2.0):
        classifier = a_classifier(5)
        domain_loss(classifier, source, target, strength).backward()
        first = next(classifier.parameters())
        assert first.grad is not None
        true = numeric_gradient(first, source, target, classifier)
        torch.testing.assert_close(first.grad, true, rtol=1e-6, atol=1e-9)


def test_the_loss_is_the_cross_entropy_of_both_sides_counting_the_same() -> None:
    classifier, scale = a_classifier(5), math.sqrt(5)
    source, target = (unit_vectors(n, 5, seed=n, dtype=torch.float64) for n in (2, 7))
    says_target = [torch.sigmoid(classifier(side * scale)[:, 0]).tolist() for side in (source, target)]
    of_source = -sum(math.log(1 - p) for p in says_target[0]) / 2
    of_target = -sum(math.log(p) for p in says_target[1]) / 7
    assert domain_loss(classifier, source, target, 1.0).item() == pytest.approx((of_source + of_target) / 2)


def test_the_values_pass_as_they_are() -> None:
    vectors = unit_vectors(3, 5)
    assert torch.equal(reverse_gradient(vectors, 0.3), vectors)


def test_the_schedule_of_the_paper_counts_from_where_it_starts() -> None:
    assert [strength_at(p, 0.0) for p in (0.0, 0.1, 0.5, 1.0)] == pytest.approx(
        [0.0, 0.46211716, 0.98661430, 0.99990920]
    )
    assert [strength_at(p, 0.1) for p in (0.0, 0.05, 0.1)] == [0.0, 0.0, 0.0]
    assert strength_at(0.19, 0.1) == pytest.approx(strength_at(0.1, 0.0))
    assert strength_at(1.0, 0.1) == pytest.approx(strength_at(1.0, 0.0))


def test_before_it_starts_it_says_nothing_and_after_it_the_weight_is_the_last_strength() -> None:
    found = {}
    for weight in (0.5, 1.0):
        regularizer = DomainAdversarialSpec(weight=weight).build()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            regularizer.prepare(8, QUERIES)
        early = regularizer(step_of({}, progress=0.05))
        assert early.item() == 0
        assert not early.requires_grad
        sides = [unit_vectors(4, 8, seed=n).requires_grad_() for n in (1, 2)]
        value = regularizer(step_of(dict(zip(QUERIES, sides, strict=True)), progress=0.999999))
        value.backward()
        assert sides[0].grad is not None
        found[weight] = value.item(), sides[0].grad
    assert found[0.5][0] == found[1.0][0]
    torch.testing.assert_close(2 * found[0.5][1], found[1.0][1])


def test_queries_and_documents_are_never_told_apart() -> None:
    """A classifier that saw both would learn which are which, where the domains have different shares of them."""
    regularizer = DomainAdversarialSpec(starts_at=0.0).build()
    documents = ("source_documents", "target_documents")
    regularizer.prepare(8, (*QUERIES, *documents))
    sides = {name: unit_vectors(4, 8, seed=n).requires_grad_() for n, name in enumerate((*QUERIES, *documents))}
    regularizer(step_of(sides)).backward()
    of_queries = sides["source_queries"].grad
    for name in documents:
        sides[name] = unit_vectors(4, 8, seed=9)
    sides["source_queries"].grad = None
    regularizer(step_of(sides)).backward()
    assert of_queries is not None
    assert torch.equal(sides["source_queries"].grad, of_queries)  # type: ignore[arg-type]


def test_only_what_both_domains_have_is_compared_and_something_has_to_be() -> None:
    regularizer = DomainAdversarialSpec().build()
    regularizer.prepare(8, ("source_documents", "target_documents", "source_queries"))
    assert list(regularizer.classifiers) == ["documents"]
    with pytest.raises(UsageError, match="source and target have neither in common; give rows of one kind"):
        DomainAdversarialSpec().build().prepare(8, ("source_documents", "target_queries"))


def test_training_before_the_start_is_plain_training_bit_for_bit(tmp_path: Path) -> None:
    late = {"kind": "domain_adversarial", "weight": 100.0, "starts_at": 0.5}
    plain, held = (make_rig(tmp_path / f"{len(some)}", regularizers=some, lr=3e-3) for some in ((), (late,)))
    for rig in (plain, held):
        rig.stop_at.add(4)
        rig.trainer.train()
    expected = weights(plain.encoder)
    assert all(torch.equal(weight, expected[name]) for name, weight in weights(held.encoder).items())
    held.stop_at.clear()
    plain.stop_at.clear()
    for rig in (plain, held):
        rig.trainer.train()
    expected = weights(plain.encoder)
    assert not all(torch.equal(weight, expected[name]) for name, weight in weights(held.encoder).items())


def draw(count: int, domain: int, generator: torch.Generator) -> Tensor:
    """Three numbers that matter, one that says the domain, one that says nothing [N, 5]."""
    numbers = torch.randn(count, 5, generator=generator)
    numbers[:, 3] = 1.5 * domain + 0.5 * numbers[:, 3]
    return numbers


def distance_after_training(weight: float) -> tuple[float, float]:
    """The proxy A-distance of fresh numbers, and the loss, of an encoder that needs the first three."""
    generator = torch.Generator().manual_seed(0)
    encoder = nn.Linear(5, 4)
    with torch.no_grad():
        encoder.weight.copy_(torch.eye(5)[:4])
        encoder.weight[3, 4] = 1.0
        encoder.bias.zero_()
    regularizer = DomainAdversarialSpec(weight=weight).build()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        regularizer.prepare(4, QUERIES)
    rates = [(encoder, 3e-3), (regularizer, 3e-2)]
    optimizer = torch.optim.Adam([{"params": list(part.parameters()), "lr": rate} for part, rate in rates])
    embed = lambda numbers: nn.functional.normalize(encoder(numbers), dim=1)  # noqa: E731
    loss = torch.zeros(())
    for number in range(300):
        sides = [draw(64, domain, generator) for domain in (-1, 1)]
        vectors = [embed(side) for side in sides]
        wanted = torch.cat([side[:, :3] for side in sides])
        loss = 1 - nn.functional.cosine_similarity(torch.cat(vectors)[:, :3], wanted).mean()
        penalty = regularizer(step_of(dict(zip(QUERIES, vectors, strict=True)), progress=number / 300))
        optimizer.zero_grad()
        (loss + penalty).backward()
        optimizer.step()
    with torch.no_grad():
        sides = [embed(draw(400, domain, generator)) for domain in (-1, 1)]
    return proxy_a_distance(*sides)["proxy_a_distance"], loss.item()


def test_two_domains_become_inseparable_and_what_matters_stays() -> None:
    told_apart, _ = distance_after_training(0.0)
    drawn_together, loss = distance_after_training(0.3)
    assert told_apart > 1.5
    assert drawn_together < 0.3
    assert loss < 0.02


def test_in_a_run_the_domains_come_nearer(tmp_path: Path) -> None:
    apart = []
    for weight in (0.0, 1.0):
        spec = {"kind": "domain_adversarial", "weight": weight, "texts_a_step": 32}
        rig = make_rig(tmp_path / f"{weight}", regularizers=[spec], lr=1e-3, steps=100, evaluate_every=1000)
        rig.trainer.train()
        centers = [rig.encoder.encode(some, "document").mean(axis=0) for some in (ELSEWHERE, GENERAL)]
        apart.append(float(np.linalg.norm(centers[0] - centers[1])))
    assert apart[1] < 0.8 * apart[0]


def test_a_resumed_run_goes_on_with_the_same_classifier(tmp_path: Path) -> None:
    spec = {"kind": "domain_adversarial", "weight": 1.0, "starts_at": 0.2}
    whole, cut = (make_rig(tmp_path / name, regularizers=[spec], lr=3e-3) for name in ("whole", "cut"))
    whole.trainer.train()
    cut.stop_at.add(5)
    cut.trainer.train()
    again = make_rig(tmp_path / "cut", regularizers=[spec], lr=3e-3, records=cut.records)
    assert again.restore()
    again.trainer.train()
    expected = weights(whole.trainer.unit)
    assert all(torch.equal(weight, expected[name]) for name, weight in weights(again.trainer.unit).items())
    assert [r["loss"] for r in again.steps] == [r["loss"] for r in whole.steps]
