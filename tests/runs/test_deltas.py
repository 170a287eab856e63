"""What a run leaves in delta/: small, true to model/, on one shared base, and readable by peft."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import acclimate
from acclimate.core.errors import DataError, UsageError
from small import jsonl, pairs
from tiny import make_tiny_model

TEXTS = ["the dog is under the table", "what doctor near school", "", "river bank"]
METHODS: dict[str, dict[str, Any]] = {
    "adapter": {"method": "adapter"},
    "houlsby": {"method": "adapter", "settings": ["method.placement=houlsby"]},
    "compacter": {"method": "adapter", "settings": ["method.placement=pfeiffer", "method.compacter=true"]},
    "lora": {"method": "lora", "settings": ["method.rank=2"]},
    "dora": {"method": "lora", "settings": ["method.rank=2", "method.dora=true"]},
    "ia3": {"method": "ia3"},
    "bitfit": {"method": "bitfit"},
    "last_layers": {"method": "last_layers"},
    "prompt": {"method": "prompt", "settings": ["method.length=4"]},
    "residual": {"method": "residual"},
    "residual_mlp": {"method": "residual", "settings": ["method.activation=gelu"]},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, acclimate.Run]]:
    folder = tmp_path_factory.mktemp("deltas")
    base = make_tiny_model(folder / "base")
    train = jsonl(folder / "train.jsonl", pairs(60))
    general = jsonl(folder / "general.jsonl", pairs(20, seed=5))
    options: dict[str, Any] = {"base": base, "general": general, "epochs": 2, "lr": 5e-3, "keep": "anyway"}
    options |= {"query_prompt": "ask: "}
    return base, {
        name: acclimate.fit(train, **options, **chosen, out=folder / name) for name, chosen in METHODS.items()
    }


def test_a_delta_gives_the_vectors_of_the_model_and_leaves_the_base_alone(runs: Any) -> None:
    base, found = runs
    plain = acclimate.load(base).encode(TEXTS)
    tuned = acclimate.load_deltas(base, {name: run.path for name, run in found.items()} | {"none": found["lora"].path})
    for name, run in found.items():
        for role in ("query", "document"):
            expected = run.model.encode(TEXTS, role)
            np.testing.assert_allclose(tuned[name].encode(TEXTS, role), expected, atol=1e-5)
        assert abs(expected - plain).max() > 1e-3
    np.testing.assert_array_equal(acclimate.load(base).encode(TEXTS), plain)


def test_deltas_share_the_tensors_of_one_base(runs: Any) -> None:
    base, found = runs
    tuned = acclimate.load_deltas(base, {name: found[name].path / "delta" for name in ("adapter", "lora")})
    tables = {encoder.token_embedding().weight.data_ptr() for encoder in tuned.values()}
    assert len(tables) == 1


def test_a_delta_is_smaller_than_the_model_and_its_size_is_told(runs: Any) -> None:
    for run in runs[1].values():
        files = [path for path in (run.path / "delta").rglob("*") if path.is_file()]
        assert run.scores["cost"]["delta_bytes"] == sum(path.stat().st_size for path in files)
        assert run.scores["cost"]["delta_bytes"] < run.scores["cost"]["model_bytes"] / 2


def test_full_tuning_leaves_no_delta(runs: Any, tmp_path: Path) -> None:
    base = runs[0]
    train = jsonl(tmp_path / "train.jsonl", pairs(60))
    run = acclimate.fit(train, base=base, method="full", epochs=1, keep="anyway", out=tmp_path / "run", general=train)
    assert not (run.path / "delta").exists()


@pytest.mark.parametrize("name", ["lora", "dora", "ia3"])
def test_peft_reads_the_delta_and_gives_the_same_vectors(name: str, runs: Any) -> None:
    from peft import PeftModel
    from transformers import AutoModel

    base, found = runs
    encoder = acclimate.load(base)
    encoder.prompts = found[name].model.prompts
    theirs = PeftModel.from_pretrained(AutoModel.from_pretrained(base), found[name].path / "delta")
    encoder.backbone = theirs.merge_and_unload()
    encoder.backbone.set_attn_implementation("acclimate_sdpa")
    np.testing.assert_allclose(encoder.encode(TEXTS), found[name].model.encode(TEXTS), atol=1e-5)


def test_a_delta_of_another_base_is_refused(runs: Any, tmp_path: Path) -> None:
    other = make_tiny_model(tmp_path / "other", seed=9)
    with pytest.raises(UsageError, match="of another base"):
        acclimate.load_deltas(other, {"law": runs[1]["lora"].path})
    with pytest.raises(UsageError, match="there is no delta"):
        acclimate.load_deltas(other, {"law": tmp_path})


def test_a_damaged_delta_is_told(runs: Any, tmp_path: Path) -> None:
    base, found = runs
    for name in ("delta.json", "delta.safetensors"):
        (tmp_path / name).write_bytes((found["adapter"].path / "delta" / name).read_bytes())
    about = json.loads((tmp_path / "delta.json").read_text())
    (tmp_path / "delta.json").write_text(json.dumps(about | {"method": {"kind": "adapter", "bottleneck": 1}}))
    with pytest.raises(DataError, match="not those of its method"):
        acclimate.load_deltas(base, {"a": tmp_path})
    (tmp_path / "delta.safetensors").write_bytes(b"half")
    with pytest.raises(DataError, match="cannot be read"):
        acclimate.load_deltas(base, {"a": tmp_path})
