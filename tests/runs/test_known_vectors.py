from pathlib import Path

import numpy as np
import pytest
import torch

from acclimate.model.encoder import Encoder
from acclimate.model.extension import extend
from acclimate.model.residual import Residual
from acclimate.model.store import load_encoder, save_encoder
from acclimate.runs.known_vectors import KnownVectors

TEXTS = ["a cat", "the law of the land", "software", "", "a cat", "量子计算机利用叠加态"]


class Counted:
    """An encoder whose calls of ``encode`` are counted."""

    def __init__(self, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        plain = encoder.encode

        def encode(*args, **kwargs):
            self.calls += 1
            return plain(*args, **kwargs)

        monkeypatch.setattr(encoder, "encode", encode)


def known(encoder: Encoder, model: Path, folder: Path, **options) -> KnownVectors:
    return KnownVectors(encoder, model, folder=folder, **options)


def test_vectors_are_those_of_the_encoder_and_read_the_second_time(tiny_model, tmp_path, monkeypatch):
    encoder = load_encoder(tiny_model)
    expected = encoder.encode(TEXTS, "document")
    counted = Counted(encoder, monkeypatch)
    np.testing.assert_array_equal(known(encoder, tiny_model, tmp_path).encode(TEXTS, "document"), expected)
    np.testing.assert_array_equal(known(encoder, tiny_model, tmp_path).encode(TEXTS, "document"), expected)
    assert counted.calls == 1


def _other_text(encoder: Encoder, texts: list[str]) -> None:
    texts[-1] += "!"


def _other_order(encoder: Encoder, texts: list[str]) -> None:
    texts.reverse()


def _other_prompt(encoder: Encoder, texts: list[str]) -> None:
    encoder.prompts = {"document": "passage: "}


def _other_length(encoder: Encoder, texts: list[str]) -> None:
    encoder.max_length = 4


@pytest.mark.parametrize("change", [_other_text, _other_order, _other_prompt, _other_length])
def test_what_decides_the_vectors_decides_the_file(change, tiny_model, tmp_path, monkeypatch):
    encoder, texts = load_encoder(tiny_model), list(TEXTS)
    known(encoder, tiny_model, tmp_path).encode(texts, "document")
    change(encoder, texts)
    expected = encoder.encode(texts, "document")
    counted = Counted(encoder, monkeypatch)
    np.testing.assert_array_equal(known(encoder, tiny_model, tmp_path).encode(texts, "document"), expected)
    assert counted.calls == 1


def test_another_model_of_the_same_name_is_another_model(tiny_model, tmp_path):
    model = tmp_path / "model"
    encoder = load_encoder(tiny_model)
    save_encoder(encoder, model, "")
    before = known(encoder, model, tmp_path / "kept").encode(TEXTS, "document")
    with torch.no_grad():
        encoder.token_embedding().weight.mul_(1.5)
    save_encoder(encoder, model, "")
    after = known(encoder, model, tmp_path / "kept").encode(TEXTS, "document")
    np.testing.assert_array_equal(after, encoder.encode(TEXTS, "document"))
    assert not np.array_equal(before, after)


@pytest.mark.parametrize("damage", [lambda data: data[:-7], lambda data: b"\0" + data[1:], lambda data: b""])
def test_a_damaged_file_is_computed_anew(damage, tiny_model, tmp_path):
    encoder = load_encoder(tiny_model)
    expected = known(encoder, tiny_model, tmp_path).encode(TEXTS, "document")
    (file,) = tmp_path.glob("*.f32")
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    np.testing.assert_array_equal(known(encoder, tiny_model, tmp_path).encode(TEXTS, "document"), expected)
    assert file.read_bytes() == whole


def test_what_was_read_longest_ago_makes_room(tiny_model, tmp_path, monkeypatch):
    encoder = load_encoder(tiny_model)
    size = 4 * encoder.dimension + 4
    vectors = known(encoder, tiny_model, tmp_path, limit_bytes=2 * size)
    for text in ("first", "second", "first", "third"):
        vectors.encode([text], "document")
    assert len(list(tmp_path.iterdir())) == 2
    counted = Counted(encoder, monkeypatch)
    vectors.encode(["first"], "document")
    vectors.encode(["third"], "document")
    assert counted.calls == 0
    vectors.encode(["second"], "document")
    assert counted.calls == 1


def test_more_than_there_is_room_for_is_not_kept(tiny_model, tmp_path):
    encoder = load_encoder(tiny_model)
    vectors = known(encoder, tiny_model, tmp_path, limit_bytes=10).encode(TEXTS, "document")
    np.testing.assert_array_equal(vectors, encoder.encode(TEXTS, "document"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_done_without(tiny_model, tmp_path):
    encoder = load_encoder(tiny_model)
    (tmp_path / "file").write_text("")
    vectors = known(encoder, tiny_model, tmp_path / "file" / "vectors").encode(TEXTS, "document")
    np.testing.assert_array_equal(vectors, encoder.encode(TEXTS, "document"))


def test_roles_that_are_adapted_apart_are_kept_apart(tiny_model, tmp_path):
    encoder = load_encoder(tiny_model)
    parameters = extend(encoder, Residual(rank=2, side="query"))
    with torch.no_grad():
        parameters["vector_adapters.0.up.weight"].fill_(0.1)
    vectors = known(encoder, tiny_model, tmp_path)
    for role in ("document", "query"):
        np.testing.assert_array_equal(vectors.encode(TEXTS, role), encoder.encode(TEXTS, role))
