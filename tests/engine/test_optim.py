"""AdamW against PyTorch's own, for dense weights and for tables by row; and the schedule."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from acclimate.core.nouns import ParamGroup
from acclimate.engine.optim import AdamW, rate_factor, warmup_then_linear


def parameter(*shape: int, seed: int = 0) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)))


def gradient(like: Tensor, seed: int) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(100 + seed))


def twin(p: torch.nn.Parameter) -> torch.nn.Parameter:
    return torch.nn.Parameter(p.detach().clone())


def move(optimizer: AdamW, *grads: tuple[torch.nn.Parameter, Tensor | None]) -> None:
    """One step with the given gradients."""

    def closure() -> float:
        for p, grad in grads:
            p.grad = None if grad is None else grad.clone()
        return 0.0

    optimizer.step(closure)


@pytest.mark.parametrize(("fused", "tolerance"), [(True, 0.0), (False, 1e-6)])
def test_dense_steps_are_those_of_torch(fused: bool, tolerance: float) -> None:
    weight, bias = parameter(7, 5), parameter(5, seed=1)
    weight_twin, bias_twin = twin(weight), twin(bias)
    ours = AdamW(
        [ParamGroup("a", {"w": weight}), ParamGroup("b", {"b": bias}, lr_scale=0.1, decay=False)],
        lr=1e-2,
        weight_decay=0.3,
    )
    theirs = torch.optim.AdamW(
        [
            {"params": [weight_twin], "lr": 1e-2, "weight_decay": 0.3},
            {"params": [bias_twin], "lr": 1e-3, "weight_decay": 0.0},
        ],
        fused=fused,
    )
    for step in range(12):
        factor = warmup_then_linear(step, 12, 3)
        ours.schedule(step, 12, 3)
        for group, full in zip(theirs.param_groups, (1e-2, 1e-2 * 0.1), strict=True):
            group["lr"] = full * factor
        grads = gradient(weight, step), gradient(bias, 50 + step)
        weight_twin.grad, bias_twin.grad = grads[0].clone(), grads[1].clone()
        theirs.step()
        move(ours, (weight, grads[0]), (bias, grads[1]))
        torch.testing.assert_close(weight, weight_twin, rtol=0, atol=tolerance)
        torch.testing.assert_close(bias, bias_twin, rtol=0, atol=tolerance)


def only_rows(grad: Tensor, rows: list[int]) -> Tensor:
    kept = torch.zeros_like(grad)
    kept[rows] = grad[rows]
    return kept


@pytest.mark.parametrize("sparse", [False, True])
def test_each_row_of_a_table_is_an_adamw_of_its_own(sparse: bool) -> None:
    """The reference: a torch optimizer a row, stepped when the row is touched."""
    table = parameter(6, 4)
    ours = AdamW([ParamGroup("t", {"t": table}, by_row=True)], lr=1e-2, weight_decay=0.3)
    rows = [torch.nn.Parameter(row.detach().clone()) for row in table]
    references = [torch.optim.AdamW([row], lr=1e-2, weight_decay=0.3) for row in rows]
    touched = [[0, 1, 2], [1], [], [1, 5], [0, 1, 5], [2], [1, 2, 3]]
    for step, chosen in enumerate(touched):
        before = table.detach().clone()
        grad = only_rows(gradient(table, step), chosen)
        move(ours, (table, grad.to_sparse(1) if sparse else grad))
        for row in chosen:
            rows[row].grad = grad[row].clone()
            references[row].step()
        left = [row for row in range(6) if row not in chosen]
        assert torch.equal(table[left], before[left])  # no decay, no momentum, not a bit
        torch.testing.assert_close(table.detach(), torch.stack([r.detach() for r in rows]), rtol=1e-6, atol=1e-7)


def test_a_row_first_seen_late_moves_by_the_learning_rate() -> None:
    """With one step count for the whole table its first update would grow to three times as large."""
    table = parameter(3, 4)
    optimizer = AdamW([ParamGroup("t", {"t": table}, by_row=True)], lr=1e-2, weight_decay=0.0)
    for step in range(500):
        move(optimizer, (table, only_rows(gradient(table, step), [0, 1])))
    before = table.detach().clone()
    grad = only_rows(gradient(table, 1000), [2])
    move(optimizer, (table, grad))
    torch.testing.assert_close(table.detach()[2], before[2] - 1e-2 * grad[2].sign(), rtol=0, atol=1e-6)


def test_a_parameter_without_gradient_is_left_alone_whatever_its_momentum() -> None:
    closed, open_ = parameter(3, 3), parameter(3, 3, seed=1)
    optimizer = AdamW([ParamGroup("all", {"c": closed, "o": open_})], lr=1e-2, weight_decay=0.3)
    move(optimizer, (closed, gradient(closed, 0)), (open_, gradient(open_, 1)))
    before, state = closed.detach().clone(), {k: v.clone() for k, v in optimizer.state[closed].items()}
    move(optimizer, (closed, None), (open_, gradient(open_, 2)))
    assert torch.equal(closed, before)
    assert all(torch.equal(state[k], v) for k, v in optimizer.state[closed].items())
    move(optimizer, (closed, torch.zeros(3, 3)), (open_, None))
    assert not torch.equal(closed, before)  # why None matters: a zero gradient is decayed and moved


def test_a_closure_that_fails_leaves_weights_and_state_untouched() -> None:
    p = parameter(3, 3)
    optimizer = AdamW([ParamGroup("all", {"p": p})], lr=1e-2, weight_decay=0.3)
    move(optimizer, (p, gradient(p, 0)))
    before, state = p.detach().clone(), {k: v.clone() for k, v in optimizer.state[p].items()}

    def fails() -> float:
        p.grad = torch.full_like(p, torch.nan)
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        optimizer.step(fails)
    assert torch.equal(p, before)
    assert all(torch.equal(state[k], v) for k, v in optimizer.state[p].items())


def test_state_goes_through_flat_tensors_bit_for_bit() -> None:
    def make() -> tuple[AdamW, list[torch.nn.Parameter]]:
        found = [parameter(4, 3), parameter(5, 3, seed=1), parameter(2, seed=2)]
        groups = [ParamGroup("a", {"w": found[0], "never": found[2]}), ParamGroup("t", {"t": found[1]}, by_row=True)]
        return AdamW(groups, lr=1e-2, weight_decay=0.1), found

    def go(optimizer: AdamW, found: list[torch.nn.Parameter], steps: range) -> None:
        for step in steps:
            grads = gradient(found[0], step), only_rows(gradient(found[1], step), [step % 5])
            move(optimizer, (found[0], grads[0]), (found[1], grads[1]), (found[2], None))

    whole, expected = make()
    go(whole, expected, range(8))
    first, start = make()
    go(first, start, range(3))
    saved = {name: tensor.clone() for name, tensor in first.state_tensors().items()}
    assert set(saved) == {f"{p}:{s}" for p in "wt" for s in ("step", "exp_avg", "exp_avg_sq")}
    second, resumed = make()
    with torch.no_grad():
        for to, come in zip(resumed, start, strict=True):
            to.copy_(come)
    second.load_state_tensors(saved)
    go(second, resumed, range(3, 8))
    assert all(torch.equal(a, b) for a, b in zip(resumed, expected, strict=True))


def test_the_schedule_warms_up_and_ends_at_zero() -> None:
    factors = [warmup_then_linear(step, 10, 4) for step in range(10)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[4:] == pytest.approx([1.0, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    assert warmup_then_linear(10, 10, 4) == 0.0
    assert all(0 < factor <= 1 for factor in factors)
    assert warmup_then_linear(0, 1, 0) == 1.0


def test_the_schedule_sets_every_group_by_its_own_full_rate() -> None:
    groups = [ParamGroup("a", {"a": parameter(2, 2)}), ParamGroup("t", {"t": parameter(2, 2)}, lr_scale=0.1)]
    optimizer = AdamW(groups, lr=1e-3, weight_decay=0.0)
    optimizer.schedule(1, 8, 3)
    optimizer.schedule(0, 8, 3)
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([2.5e-4, 2.5e-5])


def test_a_group_that_opens_later_warms_up_from_there() -> None:
    late = [rate_factor(step, 10, 2, 0.4) for step in range(10)]
    line = [warmup_then_linear(step, 10, 2) for step in range(10)]
    assert late[:4] == [0.0] * 4
    assert late[4] == pytest.approx(1 / 3)
    assert late[5:] == line[5:]  # 5/8 of the way down is below 2/3 of the way up
    assert [rate_factor(step, 10, 2, 0.0) for step in range(10)] == line


@given(steps=st.integers(1, 60), share=st.floats(0, 0.99), warmup=st.integers(0, 5))
def test_a_group_has_a_rate_from_the_step_on_at_which_the_loop_opens_it(steps: int, share: float, warmup: int) -> None:
    for step in range(steps):
        assert (rate_factor(step, steps, warmup, share) > 0) == (step / steps >= share)
