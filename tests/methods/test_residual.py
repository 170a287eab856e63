"""The residual adapter against its definition: what stays as it was, what folds, and what nobody else may read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from acclimate.core.errors import UsageError
from acclimate.methods import METHODS
from acclimate.model.dense import Dense
from acclimate.model.encoder import Encoder
from acclimate.model.pooling import Pooling
from acclimate.model.store import load_encoder, save_encoder
from acclimate.model.verify import verify
from acclimate.recipe import Recipe
from acclimate.recipe.resolve import Facts, resolve
from tiny import WIDTH, tiny_encoder
from training import GENERAL, Rig, make_rig

TEXTS = [*GENERAL[:6], "", "what doctor near school " * 20]
ROLES = ("query", "document")
TANH = "torch.nn.modules.activation.Tanh"


def moved(encoder: Encoder, **settings: Any) -> Encoder:
    """The encoder with an adapter that is no identity any more."""
    groups = METHODS.parse({"kind": "residual", "rank": 4, **settings}).apply(encoder)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in (p for group in groups for p in group.parameters.values()):
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return encoder


def weights_of(encoder: Encoder) -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in encoder.vector_adapters[0].named_parameters()}


@pytest.mark.parametrize("activation", ["none", "gelu"])
@pytest.mark.parametrize("options", [{}, {"truncate_dim": 20}, {"dense": [Dense(WIDTH, 24, True, TANH)]}])
def test_it_adds_a_map_of_the_unit_vector(activation: str, options: dict[str, Any]) -> None:
    plain = torch.from_numpy(tiny_encoder(**options).encode(GENERAL))
    encoder = moved(tiny_encoder(**options), activation=activation)
    w = weights_of(encoder)
    hidden = (
        plain @ w["down.weight"].T
        if activation == "none"
        else F.gelu(F.linear(plain, w["down.weight"], w["down.bias"]))
    )
    expected = F.normalize(plain + hidden @ w["up.weight"].T, dim=1)
    for role in ROLES:
        np.testing.assert_allclose(encoder.encode(GENERAL, role), expected.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    "settings", [{"side": "query"}, {"side": "query", "activation": "relu"}, {"activation": "gelu"}]
)
@pytest.mark.parametrize("kind", ["bert", "t5"])
def test_it_starts_as_the_base_to_the_last_bit(kind: str, settings: dict[str, Any]) -> None:
    encoder = tiny_encoder(kind)
    before = {role: encoder.encode(TEXTS, role) for role in ROLES}
    METHODS.parse({"kind": "residual", "rank": 4, **settings}).apply(encoder)
    for role in ROLES:
        np.testing.assert_array_equal(encoder.encode(TEXTS, role), before[role])


def test_on_the_side_of_queries_document_vectors_stay_to_the_last_bit(tmp_path: Path) -> None:
    index = tiny_encoder().encode(TEXTS)
    encoder = moved(tiny_encoder(), side="query")
    save_encoder(encoder, tmp_path / "model")
    for model in (encoder, load_encoder(tmp_path / "model")):
        np.testing.assert_array_equal(model.encode(TEXTS, "document"), index)
        np.testing.assert_array_equal(model.encode(TEXTS, None), index)
        assert abs(model.encode(TEXTS, "query") - index).max() > 0.01


@pytest.mark.parametrize("options", [{}, {"truncate_dim": 20}, {"dense": [Dense(WIDTH, 24, True, TANH)]}])
def test_what_is_linear_on_both_sides_folds_into_a_dense_module(options: dict[str, Any], tmp_path: Path) -> None:
    encoder = moved(tiny_encoder(**options))
    expected = encoder.encode(TEXTS)
    METHODS.parse({"kind": "residual", "rank": 4}).fold(encoder)
    assert not encoder.extensions
    save_encoder(encoder, tmp_path / "model")
    np.testing.assert_allclose(load_encoder(tmp_path / "model").encode(TEXTS), expected, atol=1e-6)


def test_sentence_transformers_reads_what_was_folded(tmp_path: Path) -> None:
    dense = [Dense(2 * WIDTH, 24, True, TANH)]
    encoder = moved(
        tiny_encoder(pooling=Pooling(("cls", "mean")), dense=dense, truncate_dim=20, prompts={"query": "ask: "})
    )
    vectors = {role: encoder.encode(TEXTS, role) for role in ROLES}
    METHODS.parse({"kind": "residual", "rank": 4}).fold(encoder)
    for role in ROLES:
        np.testing.assert_allclose(encoder.encode(TEXTS, role), vectors[role], atol=1e-6)
    save_encoder(encoder, tmp_path / "model")
    report = verify(tmp_path / "model", encoder, readers=("sentence_transformers",))
    assert report.passed
    assert report.refused == ()


@pytest.mark.parametrize("settings", [{"side": "query"}, {"activation": "gelu"}])
def test_what_no_standard_module_says_is_refused_by_others(settings: dict[str, Any], tmp_path: Path) -> None:
    encoder = moved(tiny_encoder(), **settings)
    expected = {role: encoder.encode(TEXTS, role) for role in ROLES}
    METHODS.parse({"kind": "residual", "rank": 4, **settings}).fold(encoder)
    save_encoder(encoder, tmp_path / "model")
    for role in ROLES:
        np.testing.assert_array_equal(load_encoder(tmp_path / "model").encode(TEXTS, role), expected[role])
    report = verify(tmp_path / "model", encoder)
    assert (report.refused, report.problems) == (("sentence_transformers",), ())
    assert report.passed  # Acclimate itself reads it in a fresh process


def rig_of(folder: Path, **options: Any) -> Rig:
    method = {"kind": "residual", "rank": 4, **options.pop("settings", {})}
    regularizers = [{"kind": "distill", "texts_a_step": 5}]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make_rig(folder, method=method, regularizers=regularizers, **{"steps": 12, "lr": 3e-3, **options})


@pytest.mark.parametrize("settings", [{}, {"side": "query"}, {"activation": "gelu"}])
@pytest.mark.parametrize("kind", ["bert", "t5", "mpnet"])
def test_the_encoder_reads_every_text_once(kind: str, settings: dict[str, Any], tmp_path: Path) -> None:
    plain, kept = (
        rig_of(tmp_path / str(cache), encoder=tiny_encoder(kind), settings=settings, cache=cache)
        for cache in (False, True)
    )
    counts: list[int] = []
    lower_states = kept.encoder.lower_states

    def counting(tokens: Any, depth: int) -> torch.Tensor:
        counts.append(len(tokens.lengths))
        return lower_states(tokens, depth)

    kept.encoder.lower_states = counting  # type: ignore[method-assign]
    losses = []
    for rig in (plain, kept):
        rig.trainer.train()
        losses.append([record["loss"]["total"] for record in rig.steps])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert kept.depths == [kept.encoder.depth]
    assert sum(counts) <= len(kept.trainer.feed.store)
    assert (tmp_path / "True" / "states" / "states.bin").stat().st_size == 4 * WIDTH * len(kept.trainer.feed.store)


def test_a_resumed_run_ends_where_the_whole_one_does(tmp_path: Path) -> None:
    whole = rig_of(tmp_path / "whole", cache=True, settings={"side": "query"})
    whole.trainer.train()
    first = rig_of(tmp_path / "cut", cache=True, settings={"side": "query"})
    first.stop_at.add(7)
    first.trainer.train()
    second = rig_of(tmp_path / "cut", cache=True, settings={"side": "query"}, records=first.records)
    assert second.restore()
    second.trainer.train()
    for name, weight in weights_of(whole.encoder).items():
        assert torch.equal(weight, weights_of(second.encoder)[name]), name


def test_on_the_side_of_queries_a_text_in_both_roles_is_two_texts(tmp_path: Path) -> None:
    both, query = (rig_of(tmp_path / side, settings={"side": side}).trainer.feed for side in ("both", "query"))
    assert not both.store.queries.any()
    assert query.store.queries[query.table.query].all()
    assert not query.store.queries[np.concatenate(query.table.positives)].any()
    # What must be kept is kept where it could move.
    assert query.store.queries[query.streams["general"].features].all() is np.True_


def test_rows_without_queries_are_refused_on_the_side_of_queries() -> None:
    facts: dict[str, Any] = {"rows": 100, "main_metric": "spearman", "base_max_length": 64, "base_distance": 0.9}
    facts |= {"device": "cpu", "precision": "fp32", "packs": True}
    recipe = Recipe(method={"kind": "residual", "side": "query"})
    for kind in ("scored", "labeled"):
        with pytest.raises(UsageError, match=f"method.side=query .* {kind} rows have none; take side: both"):
            resolve(recipe, Facts(kind=kind, **facts))
    resolve(recipe, Facts(kind="pairs", **facts))


def test_a_base_with_an_adapter_of_its_own_trains_that_one_or_says_no(tmp_path: Path) -> None:
    save_encoder(moved(tiny_encoder(), side="query"), tmp_path / "model")
    again = load_encoder(tmp_path / "model")
    before = again.encode(TEXTS, "query")
    METHODS.parse({"kind": "residual", "rank": 4, "side": "query"}).apply(again)
    np.testing.assert_array_equal(again.encode(TEXTS, "query"), before)
    with pytest.raises(UsageError, match="the base has a residual of its own with rank=4"):
        METHODS.parse({"kind": "residual", "rank": 8, "side": "query"}).apply(again)
