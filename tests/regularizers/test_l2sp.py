"""L2-SP on numbers small enough to check by hand."""

import torch

from acclimate.core.nouns import ParamGroup, Step
from acclimate.regularizers.l2sp import L2SPSpec, l2sp_penalty

NOTHING = Step(torch.zeros(0, 2), {}, torch.zeros(0, 0), torch.zeros(0), torch.zeros(0))


def test_three_numbers_by_hand() -> None:
    parameters = [torch.tensor([1.0, 2.0]), torch.tensor([[3.0]])]
    anchors = [torch.tensor([1.5, 0.0]), torch.tensor([[2.0]])]
    assert l2sp_penalty(parameters, anchors).item() == (0.25 + 4.0 + 1.0) / 2


def test_the_gradient_points_back_to_the_start_times_the_weight() -> None:
    parameter = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    regularizer = L2SPSpec(weight=0.5).build()
    regularizer.begin([ParamGroup("all", {"p": parameter})])
    assert regularizer(NOTHING).item() == 0.0
    with torch.no_grad():
        parameter += torch.tensor([0.1, 0.0, -0.2])
    regularizer(NOTHING).backward()
    torch.testing.assert_close(parameter.grad, torch.tensor([0.05, 0.0, -0.1]))


def test_the_anchor_is_a_copy_and_no_parameter() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    regularizer = L2SPSpec(weight=1.0).build()
    regularizer.begin([ParamGroup("all", {"p": parameter})])
    with torch.no_grad():
        parameter.zero_()
    assert regularizer(NOTHING).item() == 1.0
    assert list(regularizer.parameters()) == []
    assert regularizer.state_dict() == {}


def test_groups_that_open_later_are_anchored_at_the_start() -> None:
    early, late = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    regularizer = L2SPSpec(weight=2.0).build()
    regularizer.begin([ParamGroup("early", {"e": early}), ParamGroup("late", {"l": late}, starts_at=0.5)])
    with torch.no_grad():
        late += 3.0
    assert regularizer(NOTHING).item() == 9.0
