"""Where prompts start, and the settings that cannot act."""

import pytest
import torch

from acclimate.core.errors import UsageError
from acclimate.core.nouns import Step
from acclimate.methods import METHODS
from acclimate.regularizers.l2sp import L2SPSpec
from tiny import tiny_encoder


def start(**settings: object) -> torch.Tensor:
    torch.manual_seed(4)
    groups = METHODS.parse({"kind": "prompt", **settings}).apply(tiny_encoder())
    (rows,) = [p for group in groups for p in group.parameters.values()]
    return rows.detach()


def table() -> torch.Tensor:
    return tiny_encoder().token_embedding().weight.detach()


def test_a_text_is_cut_or_repeated_to_the_length() -> None:
    ids = tiny_encoder().tokenizer("find the answer", add_special_tokens=False)["input_ids"]
    for length, expected in (("auto", ids), (2, ids[:2]), (7, (ids * 3)[:7])):
        assert torch.equal(start(text="find the answer ", length=length), table()[expected])


def test_rows_are_drawn_from_the_table_each_once_and_none_of_a_special_token() -> None:
    rows, special = start(length=100), tiny_encoder().tokenizer.all_special_ids
    places = [int((table() == row).all(dim=1).nonzero()[0, 0]) for row in rows]
    assert len(set(places)) == 100
    assert set(places).isdisjoint(special)
    assert len(start()) == 10


def test_at_random_rows_lie_as_those_of_the_table_do() -> None:
    rows = start(length=100, start="random")
    distances = torch.cdist(rows, table()).min(dim=1).values
    assert distances.min() > 0.1
    torch.testing.assert_close(rows.mean(0), table().mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(rows.std(0), table().std(0), atol=0.06, rtol=0)


def test_the_group_tells_the_vocabulary() -> None:
    encoder = tiny_encoder()
    (group,) = METHODS.parse("prompt").apply(encoder)
    assert group.vocabulary is encoder.token_embedding().weight
    assert not encoder.token_embedding().weight.requires_grad


def test_the_distance_from_the_start_is_l2sp() -> None:
    encoder = tiny_encoder()
    groups = METHODS.parse({"kind": "prompt", "length": 3}).apply(encoder)
    pull = L2SPSpec(weight=2.0).build()
    pull.begin(groups)
    nothing = Step(torch.zeros(0, 2), {}, torch.zeros(0, 0), torch.zeros(0), torch.zeros(0))
    assert pull(nothing).item() == 0.0
    with torch.no_grad():
        encoder.token_embedding().prompt[1, :4] += 0.5
    assert pull(nothing).item() == 1.0


def test_settings_that_cannot_act_are_errors() -> None:
    with pytest.raises(ValueError, match="give either start or text"):
        METHODS.parse({"kind": "prompt", "start": "random", "text": "find"})
    with pytest.raises(UsageError, match=r"method\.text has no tokens"):
        start(text="  ")
