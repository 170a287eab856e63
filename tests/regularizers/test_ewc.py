"""Importance of weights against closed forms and exact sums; what is held, how strongly, and what is not."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from acclimate.core.errors import DataError, UsageError
from acclimate.core.nouns import ParamGroup, Pull
from acclimate.engine.pulling import pull_back
from acclimate.regularizers.ewc import (
    Ewc,
    EwcSpec,
    carried_on,
    ewc_penalty,
    exact_fisher,
    log_chances,
    normalized,
    signed_draws,
    signed_outputs,
    squared,
)
from training import Rig, make_rig, weights


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def softmax_regression(rows: int, seed: int = 0) -> tuple[Tensor, nn.Parameter]:
    """Inputs [rows, 3] and weights [4, 3] of a softmax over 4 classes."""
    x = torch.randn(rows, 3, generator=seeded(seed), dtype=torch.float64)
    return x, nn.Parameter(torch.randn(4, 3, generator=seeded(seed + 1), dtype=torch.float64))


def closed_form(x: Tensor, weight: Tensor) -> Tensor:
    """E over inputs of p_c (1 - p_c) x_d^2, the diagonal Fisher information of softmax regression [4, 3]."""
    p = torch.softmax(x @ weight.T, dim=1)
    return torch.einsum("ic,id->cd", p * (1 - p), x.square()) / len(x)


def test_the_fisher_of_softmax_regression_is_its_closed_form() -> None:
    x, weight = softmax_regression(20)
    (found,) = exact_fisher(torch.log_softmax(x @ weight.T, dim=1), [weight])
    torch.testing.assert_close(found, closed_form(x, weight))


@pytest.mark.parametrize("batch", [1, 8, 32])
def test_random_signs_give_the_same_whatever_the_batch_where_squared_means_do_not(batch: int) -> None:
    x, weight = softmax_regression(32)
    expected = closed_form(x, weight)
    total, of_means = torch.zeros_like(weight), torch.zeros_like(weight)
    generator, draws = seeded(5), 100 * batch
    for rows in x.split(batch):
        log_p = torch.log_softmax(rows @ weight.T, dim=1)
        for _ in range(draws):
            (square,) = squared(signed_draws(log_p, generator), [weight], again=True)
            total += square / (len(x) * draws)
            drawn = torch.multinomial(log_p.detach().exp(), 1, generator=generator)
            (square,) = squared(log_p.gather(1, drawn).mean(), [weight], again=True)
            of_means += square / (len(x) // batch * draws)
    assert (total / expected).mean().item() == pytest.approx(1.0, abs=0.06)
    assert (of_means / expected).mean().item() == pytest.approx(1 / batch, rel=0.15)


def test_more_draws_come_nearer_to_the_exact_fisher_of_near_texts() -> None:
    vectors = torch.randn(12, 5, generator=seeded(2), dtype=torch.float64)
    weight = nn.Parameter(torch.eye(5, dtype=torch.float64))

    def log_p() -> Tensor:
        return log_chances(nn.functional.normalize(vectors @ weight, dim=1), 0.2)

    (exact,) = exact_fisher(log_p(), [weight])
    apart = []
    for draws in (20, 2_000):
        generator, found = seeded(7), torch.zeros_like(weight)
        for _ in range(draws):
            found += squared(signed_draws(log_p(), generator), [weight])[0] / (len(vectors) * draws)
        apart.append(((found - exact).norm() / exact.norm()).item())
    assert apart[1] < 0.1
    assert apart[1] < apart[0] / 3


def test_output_importance_is_the_mean_square_of_the_jacobian() -> None:
    """Of u = W x without normalization: d(u . r)/dW_kd = r_k x_d, whose mean square is x_d^2 / D."""
    x = torch.randn(16, 3, generator=seeded(3))
    weight = nn.Parameter(torch.randn(4, 3, generator=seeded(4)))
    generator, draws, found = seeded(5), 3_000, torch.zeros(4, 3)
    for _ in range(draws):
        found += squared(signed_outputs(x @ weight.T, generator), [weight])[0] / (len(x) * draws)
    expected = (x.square().mean(0) / 4).expand(4, 3)
    torch.testing.assert_close(found, expected, rtol=0.15, atol=0.0)


def test_importance_has_a_mean_of_one_and_no_weight_outweighs_all() -> None:
    drawn = torch.rand(5_000, generator=seeded(1))
    drawn[7], drawn[100:200] = 1e9, 0.0
    parts = normalized([drawn[:3_000], drawn[3_000:]])
    whole = torch.cat(parts)
    assert whole[drawn > 0].mean().item() == pytest.approx(1.0)
    assert (whole[100:200] == 0).all()
    assert whole[7] == whole.max() < 3
    torch.testing.assert_close(torch.cat(normalized([drawn * 50])), whole)
    assert normalized([torch.zeros(3)])[0].tolist() == [0.0] * 3


def test_three_numbers_by_hand() -> None:
    parameters, anchors = (
        [torch.tensor([1.0, 2.0]), torch.tensor([3.0])],
        [torch.tensor([1.5, 0.0]), torch.tensor([2.0])],
    )
    importance = [torch.tensor([4.0, 0.5]), torch.tensor([0.0])]
    assert ewc_penalty(parameters, anchors, importance).item() == (4 * 0.25 + 0.5 * 4) / 2


def test_a_pull_is_where_the_penalty_would_have_it() -> None:
    """The proximal step: argmin_x |x - p|^2 / (2 lr) + strength / 2 |x - a|^2, found here by its gradient."""
    parameter, anchor = nn.Parameter(torch.tensor([1.0, -2.0, 5.0, 7.0])), torch.tensor([0.0, 1.0, 5.0, 1.0])
    strength, lr, before = torch.tensor([3.0, 0.5, 9.0, 0.0]), 0.2, parameter.detach().clone()
    parameter.grad = torch.zeros(4)
    pull_back({"p": parameter}, [("p", Pull(anchor, strength))], {"p": lr})
    gradient = (parameter - before) / lr + strength * (parameter - anchor)
    assert gradient.abs().max() < 1e-5
    assert parameter[3] == before[3]


def test_an_endless_pull_is_the_anchor_to_the_bit_and_a_closed_group_is_left_alone() -> None:
    parameter, anchor = nn.Parameter(torch.randn(50, generator=seeded(1))), torch.randn(50, generator=seeded(2))
    before = parameter.detach().clone()
    pull_back({"p": parameter}, [("p", Pull(anchor, 1e30))], {"p": 0.1})
    assert torch.equal(parameter, before)  # no gradient: nothing moved it
    parameter.grad = torch.zeros(50)
    pull_back({"p": parameter}, [("p", Pull(anchor, 1e30))], {"p": 0.1})
    assert torch.equal(parameter, anchor)


def rig_of(folder: Path, *, steps: int = 10, dropout: bool = False, **settings: Any) -> Rig:
    return make_rig(folder, regularizers=[{"kind": "ewc", **settings}], lr=3e-3, steps=steps, dropout=dropout)


@pytest.mark.parametrize("importance", ["outputs", "contrastive"])
def test_what_matters_is_held_and_with_a_great_weight_does_not_move(importance: str, tmp_path: Path) -> None:
    start = weights(make_rig(tmp_path / "start").encoder)
    moved = {}
    for weight in (0.0, 300.0, 1e20):
        rig = rig_of(tmp_path / f"{weight}", weight=weight, importance=importance)
        held = next(r for r in rig.trainer.unit.regularizers.values() if isinstance(r, Ewc))
        rig.trainer.train()
        after = weights(rig.encoder)
        if weight:
            said = held._importance
        moved[weight] = {name: (after[name] - start[name]).abs() for name in rig.trainer.parameters}
    matters = {name: importance > 1e-3 for name, importance in said.items()}
    assert all((moved[1e20][name][some] == 0).all() for name, some in matters.items())
    most = {name: importance > 1 for name, importance in said.items()}
    far, near = (torch.cat([moved[w][name][some] for name, some in most.items()]) for w in (0.0, 300.0))
    assert near.mean() < 0.3 * far.mean()


def test_weights_that_no_general_text_needs_are_free(tmp_path: Path) -> None:
    rig = rig_of(tmp_path, weight=1e20)
    held = next(r for r in rig.trainer.unit.regularizers.values() if isinstance(r, Ewc))
    name = next(name for name, group in rig.trainer._group_of.items() if group == "embedding_table")
    unread = held._importance[name].sum(1) == 0
    start = rig.trainer.parameters[name].detach().clone()
    rig.trainer.train()
    moved = (rig.trainer.parameters[name] != start).any(1)
    assert moved[unread].any()
    assert not moved[~unread].any()


def test_the_same_seed_finds_the_same_importance(tmp_path: Path) -> None:
    one, two = (rig_of(tmp_path / name).trainer.unit.regularizers["ewc"]._importance for name in "ab")
    assert all(torch.equal(importance, two[name]) for name, importance in one.items())


def test_decoupled_l2sp_goes_to_the_start_and_not_to_zero(tmp_path: Path) -> None:
    start = weights(make_rig(tmp_path / "start").encoder)
    apart = []
    for number, spec in enumerate(({"weight": 0.0}, {"weight": 100.0}, {"weight": 1e20})):
        penalty = {"kind": "l2sp", "decoupled": True, **spec}
        rig = make_rig(tmp_path / str(number), regularizers=[penalty], lr=3e-3, weight_decay=0.0)
        rig.trainer.train()
        after = weights(rig.encoder)
        apart.append(sum((after[name] - start[name]).square().sum().item() for name in rig.trainer.parameters))
    assert apart[1] < 0.5 * apart[0]
    assert apart[2] == 0.0


def test_a_weight_of_zero_asks_for_no_text() -> None:
    regularizer = EwcSpec(weight=0.0).build()
    regularizer.begin([ParamGroup("all", {"p": nn.Parameter(torch.ones(2))})])
    assert regularizer.measured_on is None
    assert regularizer.pulls() == {}


def test_a_row_that_is_looked_up_twice_has_the_square_of_the_sum() -> None:
    table = torch.randn(4, 3, requires_grad=True)
    rows = torch.tensor([1, 3, 1])
    (sparse,), (dense,) = (squared(F.embedding(rows, table, sparse=by).sum(), [table]) for by in (True, False))
    assert torch.equal(sparse, dense)
    assert dense[1].tolist() == [4.0, 4.0, 4.0]


# -- from run to run -------------------------------------------------------------------------------------------------


def test_the_recursion_by_hand() -> None:
    tasks = [[torch.tensor([2.0, 0.0]), torch.tensor([[1.0]])], [torch.tensor([1.0, 4.0]), torch.tensor([[3.0]])]]
    once = carried_on(tasks[0], tasks[1], 0.5)
    assert [part.tolist() for part in once] == [[2.0, 4.0], [[3.5]]]
    assert [part.tolist() for part in carried_on(once, tasks[0], 0.5)] == [[3.0, 2.0], [[2.75]]]


def test_after_many_tasks_each_counts_by_its_age() -> None:
    tasks = [torch.rand(5, generator=seeded(number), dtype=torch.float64) for number in range(6)]
    held = [tasks[0]]
    for own in tasks[1:]:
        held = carried_on(held, [own], 0.7)
    torch.testing.assert_close(held[0], sum(0.7 ** (5 - age) * own for age, own in enumerate(tasks)))


def ewc_of(rig: Rig) -> Ewc:
    return next(r for r in rig.trainer.unit.regularizers.values() if isinstance(r, Ewc))


def left_by(rig: Rig, path: Path) -> Path:
    left = ewc_of(rig).leaves()
    assert left is not None
    save_file(dict(left.weights), path, dict(left.about))
    return path


def test_a_decay_of_0_forgets_the_earlier_run_and_1_adds_it(tmp_path: Path) -> None:
    first = rig_of(tmp_path / "first", keep_importance=True, importance="contrastive")
    previous = str(left_by(first, tmp_path / "left.safetensors"))
    later = {"previous": previous, "keep_importance": True}
    alone = rig_of(tmp_path / "alone")
    forgets, adds = (rig_of(tmp_path / f"{d}", **later, importance="contrastive", decay=d) for d in (0.0, 1.0))
    own = ewc_of(rig_of(tmp_path / "own", importance="contrastive"))._importance
    assert any(not torch.equal(own[name], other) for name, other in ewc_of(alone)._importance.items())
    assert all(torch.equal(own[name], held) for name, held in ewc_of(forgets)._importance.items())
    assert all(torch.equal(2 * own[name], held) for name, held in ewc_of(adds)._importance.items())
    left = ewc_of(adds).leaves()
    assert left is not None
    assert left.about["runs"] == "2"


def test_without_weight_importance_is_left_and_training_is_plain(tmp_path: Path) -> None:
    plain = make_rig(tmp_path / "plain", lr=3e-3, steps=4, dropout=True)
    leaving = rig_of(tmp_path / "leaving", steps=4, weight=0.0, keep_importance=True, dropout=True)
    for rig in (plain, leaving):
        rig.trainer.train()
    expected = weights(plain.encoder)
    assert all(torch.equal(weight, expected[name]) for name, weight in weights(leaving.encoder).items())
    left = ewc_of(leaving).leaves()
    assert left is not None
    assert left.weights.keys() == leaving.trainer.parameters.keys()


def test_what_cannot_be_gone_on_from_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    group = ParamGroup("all", {"a": nn.Parameter(torch.ones(2)), "b": nn.Parameter(torch.ones(3))})
    about = {"importance": "outputs", "runs": "1"}
    path = tmp_path / "importance.safetensors"

    def begin(tensors: dict[str, Tensor], about: dict[str, str] | None, **settings: Any) -> None:
        save_file(tensors, path, about)
        EwcSpec(previous=str(settings.pop("previous", tmp_path)), **settings).build().begin([group])

    good = {"a": torch.ones(2), "b": torch.ones(3)}
    begin(good, about)
    begin(good, about, previous=path, decay=0.3)
    with pytest.raises(UsageError, match=r"there is no file .*elsewhere; name the folder of a run"):
        begin(good, about, previous=tmp_path / "elsewhere")
    with pytest.raises(UsageError, match=r"of kind outputs, and this run measures contrastive; take importance: outp"):
        begin(good, about, importance="contrastive")
    with pytest.raises(UsageError, match=r"other parameters .*: b is \(4,\) there, \(3,\) here; take the method"):
        begin({**good, "b": torch.ones(4)}, about)
    with pytest.raises(UsageError, match=r"b is nothing there, \(3,\) here"):
        begin({"a": torch.ones(2)}, about)
    with pytest.raises(UsageError, match=r"c is \(1,\) there, nothing here"):
        begin({**good, "c": torch.ones(1)}, about)
    with pytest.raises(DataError, match=r"importance\.safetensors: there are tensors, but no importance"):
        begin(good, None)
    path.write_bytes(b"no tensors")
    with pytest.raises(DataError, match=r"importance\.safetensors: the importance cannot be read"):
        EwcSpec(previous=str(path)).build().begin([group])
    with pytest.raises(ValueError, match="should have previous"):
        EwcSpec(decay=0.9)
