"""The penalty on numbers small enough to check by hand."""

import pytest
import torch

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup, Step
from acclimate.regularizers.vocabulary_norm import VocabularyNormSpec, norm_penalty

NOTHING = Step(torch.zeros(0, 2), {}, torch.zeros(0, 0), torch.zeros(0), torch.zeros(0))
TABLE = torch.tensor([[3.0, 4.0], [0.0, 1.0], [0.0, 0.0]])  # lengths 5, 1, 0: their mean is 2


def test_by_hand() -> None:
    assert norm_penalty(torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor(2.0)).item() == (9 + 1) / 2


def test_the_gradient_makes_long_vectors_shorter_and_short_ones_longer() -> None:
    prompt = torch.nn.Parameter(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    regularizer = VocabularyNormSpec(weight=0.5).build()
    regularizer.begin([ParamGroup("prompt", {"p": prompt}, vocabulary=TABLE)])
    loss = regularizer(NOTHING)
    assert loss.item() == pytest.approx(2.5)
    loss.backward()
    # weight * 2 / m * (length - 2) * direction
    torch.testing.assert_close(prompt.grad, torch.tensor([[0.9, 1.2], [0.0, -0.5]]))


def test_without_a_prompt_it_cannot_act() -> None:
    with pytest.raises(UsageError, match=r"regularizer vocabulary_norm is for prompts.*; take --method prompt"):
        VocabularyNormSpec().build().begin([ParamGroup("all", {"p": torch.nn.Parameter(TABLE.clone())})])
