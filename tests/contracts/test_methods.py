"""What every method promises. A new method needs an entry in SMALLEST, and nothing else, to be held to it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup
from acclimate.methods import METHODS
from acclimate.methods.base import Method
from acclimate.model.encoder import Encoder
from acclimate.model.store import load_encoder, save_encoder
from acclimate.model.surgery import parts
from tiny import tiny_encoder
from training import GENERAL, make_rig, weights

#: The least settings with which each method trains something on an encoder of two blocks; behind a colon, a variant.
SMALLEST: dict[str, dict[str, Any]] = {
    "full": {},
    "embedding_table": {},
    "last_layers": {"layers": 1},
    "embedding_and_last": {"layers": 1},
    "unfreeze": {"shares": [0.4, 0.6]},
    "bitfit": {},
    "adapter": {"bottleneck": 3},
    "adapter:houlsby": {"placement": "houlsby", "bottleneck": 3},
    "adapter:pfeiffer": {"placement": "pfeiffer", "bottleneck": 3, "layers": 1},
    "adapter:compacter": {"placement": "houlsby", "bottleneck": 4, "compacter": True},
    "lora": {"rank": 2},
    "ia3": {},
    "prompt": {"text": "find the answer to"},
    "prompt:deep": {"text": "find the answer to", "deep": True},
    "residual": {"rank": 2},
    "residual:query": {"rank": 2, "side": "query"},
    "residual:gelu": {"rank": 8, "activation": "gelu"},
}
#: Backbones on which a method has nothing to train, which it has to say.
NOTHING_TO_TRAIN = {("bitfit", backbone) for backbone in ("modernbert", "qwen3", "t5")}
BACKBONES = ("bert", "mpnet", "electra", "modernbert", "qwen3", "t5")

every_method = pytest.mark.parametrize("kind", list(SMALLEST))
every_pair = pytest.mark.parametrize(
    ("kind", "backbone"), [(k, b) for k in SMALLEST for b in BACKBONES if (k, b) not in NOTHING_TO_TRAIN]
)


def smallest(kind: str) -> Method:
    return METHODS.parse({"kind": kind.partition(":")[0], **SMALLEST[kind]})


def opened(groups: list[ParamGroup]) -> dict[str, torch.nn.Parameter]:
    return {name: p for group in groups for name, p in group.parameters.items()}


def test_every_method_is_held_to_the_contract() -> None:
    assert {kind.partition(":")[0] for kind in SMALLEST} == set(METHODS), (
        "give the new method its smallest settings here"
    )


@every_pair
def test_groups_are_disjoint_and_exactly_what_requires_a_gradient(kind: str, backbone: str) -> None:
    encoder = tiny_encoder(backbone)
    groups = smallest(kind).apply(encoder)
    listed = [id(p) for group in groups for p in group.parameters.values()]
    assert len(listed) == len(set(listed)) > 0
    assert len({group.name for group in groups}) == len(groups)
    named = dict(encoder.named_parameters())
    assert all(named[name] is p for name, p in opened(groups).items())
    assert set(opened(groups)) == {name for name, p in named.items() if p.requires_grad}
    assert all(group.parameters for group in groups)


@every_method
def test_a_second_application_opens_the_same(kind: str) -> None:
    encoder = tiny_encoder()
    first = smallest(kind).apply(encoder)
    again = smallest(kind).apply(encoder)
    assert [(g.name, list(g.parameters), g.lr_scale, g.decay, g.by_row, g.starts_at) for g in first] == [
        (g.name, list(g.parameters), g.lr_scale, g.decay, g.by_row, g.starts_at) for g in again
    ]


@every_pair
def test_an_applied_method_starts_as_the_base_where_it_says_so(kind: str, backbone: str) -> None:
    encoder = tiny_encoder(backbone)
    before = encoder.encode(GENERAL[:8])
    smallest(kind).apply(encoder)
    assert (encoder.encode(GENERAL[:8]) == before).all() == smallest(kind).starts_as_base


@every_method
def test_two_steps_move_what_is_open_and_leave_all_else_bit_equal(kind: str, tmp_path: Path) -> None:
    rig = make_rig(tmp_path, method=smallest(kind), steps=2, warmup_steps=0)
    before, open_names = weights(rig.encoder), set(rig.trainer.parameters)
    rig.trainer.train()
    moved = {name for name, weight in weights(rig.encoder).items() if not torch.equal(weight, before[name])}
    # A bias of the keys moves every score of a query alike: softmax does not see it, so its gradient is rounding only.
    assert moved <= open_names
    assert {name for name in open_names - moved if "key.bias" not in name} == set()


@every_method
def test_every_open_parameter_has_a_part_in_the_loss(kind: str, tmp_path: Path) -> None:
    rig = make_rig(tmp_path, method=smallest(kind), steps=2)
    rig.trainer.train()
    assert {name for name, p in rig.trainer.parameters.items() if p.grad is None} == set()
    assert {name for name, p in rig.encoder.named_parameters() if p.grad is not None} == set(rig.trainer.parameters)


@every_method
def test_the_trained_encoder_survives_its_folder(kind: str, tmp_path: Path) -> None:
    rig = make_rig(tmp_path, method=smallest(kind), steps=4)
    before = rig.encoder.encode(GENERAL, "query")
    rig.trainer.train()
    trained = rig.encoder.encode(GENERAL, "query")
    assert abs(trained - before).max() > 1e-4
    smallest(kind).fold(rig.encoder)
    folded = rig.encoder.encode(GENERAL, "query")
    assert abs(folded - trained).max() < 1e-5
    save_encoder(rig.encoder, tmp_path / "model")
    assert (load_encoder(tmp_path / "model").encode(GENERAL, "query") == folded).all()


@every_pair
def test_what_was_added_folds_into_every_backbone(kind: str, backbone: str, tmp_path: Path) -> None:
    encoder = tiny_encoder(backbone)
    groups = smallest(kind).apply(encoder)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in opened(groups).values():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    moved = encoder.encode(GENERAL[:8], "query")
    smallest(kind).fold(encoder)
    save_encoder(encoder, tmp_path / "model")
    assert abs(load_encoder(tmp_path / "model").encode(GENERAL[:8], "query") - moved).max() < 1e-5


@pytest.mark.parametrize(("kind", "backbone"), sorted(NOTHING_TO_TRAIN))
def test_a_method_that_finds_nothing_to_train_says_so(kind: str, backbone: str) -> None:
    with pytest.raises(UsageError, match=f"{kind} .* has none; take"):
        smallest(kind).apply(tiny_encoder(backbone))


@every_method
def test_the_table_trains_at_a_tenth_wherever_other_weights_train_too(kind: str) -> None:
    encoder = tiny_encoder()
    groups = smallest(kind).apply(encoder)
    table = encoder.token_embedding().weight
    holders = [group for group in groups if any(p is table for p in group.parameters.values())]
    others = [group for group in groups if group not in holders]
    assert all(group.by_row and len(group.parameters) == 1 for group in holders)
    assert not any(group.by_row for group in others)
    for group in holders:
        assert group.lr_scale == (pytest.approx(0.1 * max(g.lr_scale for g in others)) if others else 1.0)


@every_method
def test_biases_and_gains_do_not_decay(kind: str) -> None:
    for group in smallest(kind).apply(tiny_encoder()):
        gains = {name for name, p in group.parameters.items() if p.ndim == 1 or ".ia3_l." in name}
        assert gains == (set() if group.decay else set(group.parameters))


@every_method
def test_settings_survive_a_recipe(kind: str) -> None:
    assert METHODS.parse(smallest(kind).model_dump(mode="json")) == smallest(kind)
    assert smallest(kind).summary


def names(groups: list[ParamGroup]) -> set[str]:
    return set(opened(groups))


def of_blocks(encoder: Encoder, *numbers: int) -> set[str]:
    found = parts(encoder)
    return {name for number in numbers for name in found.blocks[number]} | set(found.top)


def test_last_layers_opens_the_top_blocks_and_what_lies_above() -> None:
    for backbone in BACKBONES:
        encoder = tiny_encoder(backbone)
        assert names(METHODS.parse({"kind": "last_layers", "layers": 1}).apply(encoder)) == of_blocks(encoder, 1)
        assert names(METHODS.parse({"kind": "last_layers", "layers": 2}).apply(encoder)) == of_blocks(encoder, 0, 1)


def test_both_ends_open_the_table_and_the_top_blocks() -> None:
    encoder = tiny_encoder()
    groups = METHODS.parse({"kind": "embedding_and_last", "layers": 1}).apply(encoder)
    assert names(groups) == of_blocks(encoder, 1) | set(parts(encoder).token_table)


def test_full_can_leave_the_table_alone() -> None:
    encoder = tiny_encoder()
    groups = METHODS.parse({"kind": "full", "table_lr_scale": 0}).apply(encoder)
    assert not encoder.token_embedding().weight.requires_grad
    assert names(groups) == set(parts(encoder).tunable) - set(parts(encoder).token_table)


@pytest.mark.parametrize("kind", ["last_layers", "embedding_and_last"])
def test_more_layers_than_there_are_is_an_error_that_says_how_many(kind: str) -> None:
    with pytest.raises(UsageError, match=r"method\.layers=3, but the base has 2 blocks; take 1 to 2 layers"):
        METHODS.parse({"kind": kind, "layers": 3}).apply(tiny_encoder())
