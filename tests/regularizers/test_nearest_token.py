"""The penalty on numbers small enough to check by hand."""

import pytest
import torch

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup, Step
from acclimate.regularizers.nearest_token import NearestTokenSpec
from training import make_rig

NOTHING = Step(torch.zeros(0, 2), {}, torch.zeros(0, 0), torch.zeros(0), torch.zeros(0))
TABLE = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 9.0]])


def test_by_hand_and_towards_the_nearest_row() -> None:
    prompt = torch.nn.Parameter(torch.tensor([[1.0, 1.0], [4.0, 2.0]]))
    regularizer = NearestTokenSpec(weight=0.5).build()
    regularizer.begin([ParamGroup("prompt", {"p": prompt}, vocabulary=TABLE)])
    loss = regularizer(NOTHING)
    assert loss.item() == 0.5 * (2 + 4) / 2
    loss.backward()
    torch.testing.assert_close(prompt.grad, torch.tensor([[0.5, 0.5], [0.0, 1.0]]))


def test_it_is_the_least_of_all_distances() -> None:
    generator = torch.Generator().manual_seed(2)
    rows, table = torch.randn(7, 5, generator=generator), torch.randn(50, 5, generator=generator)
    regularizer = NearestTokenSpec(weight=1.0).build()
    regularizer.begin([ParamGroup("prompt", {"p": torch.nn.Parameter(rows)}, vocabulary=table)])
    expected = torch.cdist(rows, table).min(dim=1).values.square().mean()
    torch.testing.assert_close(regularizer(NOTHING).detach(), expected)


def test_it_is_zero_where_a_prompt_starts_as_tokens(tmp_path) -> None:
    for start, low in (("vocabulary", True), ("random", False)):
        method = {"kind": "prompt", "start": start}
        rig = make_rig(tmp_path / start, method=method, regularizers=["nearest_token"], steps=1, evaluate_every=1)
        rig.trainer.train()
        assert (rig.steps[0]["loss"]["nearest_token"] == 0.0) == low


def test_without_a_prompt_it_cannot_act() -> None:
    with pytest.raises(UsageError, match=r"regularizer nearest_token is for prompts.*; take --method prompt"):
        NearestTokenSpec().build().begin([ParamGroup("all", {"p": torch.nn.Parameter(TABLE.clone())})])
