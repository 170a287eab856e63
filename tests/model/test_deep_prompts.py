"""Deep prompts against a hand-made forward pass, and through copies, folders and both ways of reading texts."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup
from acclimate.methods import METHODS
from acclimate.model.deep_prompts import DeepPrompt
from acclimate.model.encoder import Encoder
from acclimate.model.store import load_encoder, save_encoder
from acclimate.model.verify import verify
from tiny import KINDS, tiny_encoder
from training import make_rig

DEEP = {"kind": "prompt", "text": "find the answer to", "deep": True}
TEXTS = ["the dog under the table", "what is a cat?", "", "long " * 200]


def applied(encoder: Encoder, noise: float = 0.3) -> list[ParamGroup]:
    groups = METHODS.parse(DEEP).apply(encoder)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for group in groups:
            for parameter in group.parameters.values():
                parameter.add_(noise * torch.randn(parameter.shape, generator=generator))
    return groups


def test_each_layer_above_the_lowest_reads_its_own_rows() -> None:
    encoder = tiny_encoder(config={"num_hidden_layers": 3})
    groups = applied(encoder)
    assert [(g.name, len(g.parameters), g.vocabulary is None) for g in groups] == [
        ("prompt", 1, False),
        ("deep_prompt", 2, True),
    ]
    first, second = groups[1].parameters.values()
    ids = torch.tensor(encoder.tokenize(["the dog"], "query"))
    bert, places = encoder.backbone, slice(1, 5)
    states = bert.embeddings(input_ids=ids)
    for block, rows in zip(bert.encoder.layer, (None, first, second), strict=True):
        if rows is not None:
            states = torch.cat([states[:, :1], rows[None], states[:, places.stop :]], dim=1)
        plain = copy.deepcopy(block)
        plain._forward_pre_hooks.clear()
        states = plain(states)
    kept = states[0, places.stop :].mean(0)
    expected = torch.nn.functional.normalize(kept, dim=0).detach().numpy()
    np.testing.assert_allclose(encoder.encode(["the dog"], "query")[0], expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_untrained_they_are_near_the_shallow_prompt_and_packed_texts_read_as_padded_ones(kind: str) -> None:
    shallow, deep = tiny_encoder(kind), tiny_encoder(kind)
    METHODS.parse({**DEEP, "deep": False}).apply(shallow)
    applied(deep, noise=0.0)
    # Before an empty text, the states are the shallow prompt's own.
    np.testing.assert_allclose(deep.encode([""]), shallow.encode([""]), atol=1e-5)
    applied(deep)
    assert abs(deep.encode(TEXTS) - shallow.encode(TEXTS)).max() > 1e-3
    packed = deep.encode(TEXTS)
    deep._packs = False
    np.testing.assert_allclose(deep.encode(TEXTS), packed, atol=1e-5)


@pytest.mark.parametrize("kind", ["bert", "mpnet", "modernbert", "qwen3", "t5"])
def test_a_folder_keeps_them_and_sentence_transformers_refuses_it(kind: str, tmp_path: Path) -> None:
    encoder = tiny_encoder(kind, prompts={"query": "question: "})
    applied(encoder)
    before = encoder.encode(TEXTS, "query")
    METHODS.parse(DEEP).fold(encoder)
    np.testing.assert_array_equal(encoder.encode(TEXTS, "query"), before)
    save_encoder(encoder, tmp_path / "model")
    np.testing.assert_array_equal(load_encoder(tmp_path / "model").encode(TEXTS, "query"), before)
    report = verify(tmp_path / "model", encoder)
    assert report.passed, report
    assert report.refused == ("sentence_transformers",)


def test_a_copy_has_rows_of_its_own() -> None:
    encoder = tiny_encoder()
    applied(encoder)
    before, second = encoder.encode(TEXTS), copy.deepcopy(encoder)
    np.testing.assert_array_equal(second.encode(TEXTS), before)
    with torch.no_grad():
        second.backbone.encoder.layer[1].deep_prompt.rows.zero_()
    assert abs(second.encode(TEXTS) - before).max() > 1e-3
    np.testing.assert_array_equal(encoder.encode(TEXTS), before)


def test_a_second_application_opens_the_same_and_another_length_is_refused() -> None:
    encoder = tiny_encoder()
    first, again = applied(encoder), METHODS.parse(DEEP).apply(encoder)
    assert [(g.name, list(g.parameters)) for g in first] == [(g.name, list(g.parameters)) for g in again]
    assert len(encoder.extensions) == 1
    with pytest.raises(UsageError, match="the base has a deep_prompt of its own with first="):
        METHODS.parse({**DEEP, "length": 2}).apply(encoder)


def test_one_layer_has_none_above_the_lowest() -> None:
    with pytest.raises(UsageError, match=r"a deep prompt needs a second layer.*; leave method\.deep out"):
        applied(tiny_encoder(config={"num_hidden_layers": 1}))


def test_they_train_alone_and_resume(tmp_path: Path) -> None:
    whole = make_rig(tmp_path / "whole", method=DEEP, lr=1e-2, steps=6)
    before = {name: p.detach().clone() for name, p in whole.encoder.named_parameters()}
    whole.trainer.train()
    moved = {name for name, p in whole.encoder.named_parameters() if not torch.equal(p, before[name])}
    assert moved == set(whole.trainer.parameters)
    assert moved == {
        "backbone.embeddings.word_embeddings.prompt",
        "backbone.encoder.layer.1.deep_prompt.rows",
    }
    first = make_rig(tmp_path / "cut", method=DEEP, lr=1e-2, steps=6)
    first.stop_at.add(4)
    first.trainer.train()
    second = make_rig(tmp_path / "cut", method=DEEP, lr=1e-2, steps=6)
    assert second.restore()
    second.trainer.train()
    for name, p in whole.trainer.parameters.items():
        assert torch.equal(second.trainer.parameters[name], p)


def test_another_method_can_train_a_base_that_has_them(tmp_path: Path) -> None:
    encoder = tiny_encoder()
    applied(encoder)
    METHODS.parse(DEEP).fold(encoder)
    save_encoder(encoder, tmp_path / "model")
    for kind in ("full", "last_layers"):
        base = load_encoder(tmp_path / "model")
        assert base.extensions == [DeepPrompt(first=encoder.extensions[0].first, length=4)]
        rig = make_rig(tmp_path / kind, method=kind, encoder=base, steps=3, cache=True)
        rig.trainer.train()
        assert rig.steps[-1]["loss"]["total"] < rig.steps[0]["loss"]["total"] + 1
