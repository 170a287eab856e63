"""Weights between models: both ends to the last bit, the mean in the middle, sums of changes, and what does not fit."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import acclimate
from acclimate.core.errors import UsageError
from acclimate.data.readers import read_test
from acclimate.evaluation import evaluate, evaluate_general
from acclimate.evaluation.probe import tasks_from
from acclimate.methods import METHODS
from acclimate.model.dense import ACTIVATIONS, Dense
from acclimate.model.items import ItemTable
from acclimate.model.pooling import Pooling
from acclimate.model.static import StaticEncoder
from acclimate.model.store import load_encoder, save_encoder
from acclimate.model.verify import verify
from acclimate.runs.tasks import smaller, task_of
from small import jsonl, pairs
from tiny import make_tiny_model, tiny_encoder, tiny_tokenizer


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other weights, other prompts, another longest text."""
    prompts = {"query": "question: "}
    return make_tiny_model(tmp_path_factory.mktemp("tuned") / "model", seed=1, prompts=prompts, max_length=32)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("other") / "model", seed=2)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("alpha", [0, 1])
def test_both_ends_are_the_models_to_the_last_bit(base: Path, tuned: Path, tmp_path: Path, alpha: int) -> None:
    acclimate.merge(tuned, base, alpha=alpha, out=tmp_path / "out")
    found, end = weights(tmp_path / "out"), weights(tuned if alpha else base)
    assert found.keys() == end.keys()
    assert all(torch.equal(found[name], end[name]) for name in end)


def test_half_of_each_is_the_mean_of_every_weight(base: Path, tuned: Path, tmp_path: Path) -> None:
    acclimate.merge(tuned, base, alpha=0.5, out=tmp_path / "out")
    found, one, two = weights(tmp_path / "out"), weights(tuned), weights(base)
    for name, weight in found.items():
        torch.testing.assert_close(weight, (one[name] + two[name]) / 2, rtol=0, atol=1e-7)  # rounded at 0.5


def test_the_result_has_the_settings_of_the_model(base: Path, tuned: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    acclimate.merge(tuned, base, alpha=0.3, out=out)
    encoder = acclimate.load(out)
    assert encoder.prompts["query"] == "question: "
    assert encoder.max_length == 32
    assert str(tuned) in (out / "README.md").read_text()


@pytest.mark.long
def test_the_result_is_read_alike_by_both_libraries(base: Path, tuned: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    acclimate.merge(tuned, base, alpha=0.3, out=out)
    report = verify(out)
    assert report.passed, report
    assert {"acclimate", "sentence_transformers"} == {comparison.reader for comparison in report.comparisons}


def static(seed: int, vocabulary: int | None = None) -> StaticEncoder:
    tokenizer = tiny_tokenizer().backend_tokenizer
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(vocabulary or tokenizer.get_vocab_size(), 16, generator=generator)
    return StaticEncoder(table, tokenizer)


def test_of_a_model_that_is_linear_in_its_weights_the_vectors_lie_on_a_line(tmp_path: Path) -> None:
    for seed, name in ((0, "base"), (1, "tuned")):
        save_encoder(static(seed), tmp_path / name)
    acclimate.merge(tmp_path / "tuned", tmp_path / "base", alpha=0.3, out=tmp_path / "out")

    def means(name: str) -> torch.Tensor:
        """Vectors before they are brought to length one."""
        encoder: Any = load_encoder(tmp_path / name)
        ids = encoder.tokenize(["acute pain of the heart", "a red bird", "license"], None)
        return torch.stack([encoder.table.weight[row].mean(0) for row in ids])

    torch.testing.assert_close(means("out"), 0.7 * means("base") + 0.3 * means("tuned"), rtol=1e-5, atol=1e-6)


def test_item_tables_with_the_same_ids_merge_and_others_do_not(tmp_path: Path) -> None:
    ids, generator = [f"item {n}" for n in range(20)], torch.Generator().manual_seed(0)
    tables = [torch.randn(20, 8, generator=generator) for _ in range(2)]
    for name, table, names in (
        ("base", tables[0], ids),
        ("tuned", tables[1], ids),
        ("turned", tables[1], ids[::-1]),
        ("fewer", tables[1][:9], ids[:9]),
    ):
        save_encoder(ItemTable(table, names), tmp_path / name)  # type: ignore[arg-type]
    acclimate.merge(tmp_path / "tuned", tmp_path / "base", alpha=0.25, out=tmp_path / "out")
    merged: Any = load_encoder(tmp_path / "out")
    assert merged.ids == ids
    torch.testing.assert_close(merged.table.weight.detach(), 0.75 * tables[0] + 0.25 * tables[1])
    with pytest.raises(UsageError, match=r"the items differ: number 0 is 'item 19' in .*turned and 'item 0' in .*base"):
        acclimate.merge(tmp_path / "turned", tmp_path / "base", alpha=0.5, out=tmp_path / "no")
    with pytest.raises(UsageError, match=r"fewer knows 9 items and .*base 20"):
        acclimate.merge(tmp_path / "fewer", tmp_path / "base", alpha=0.5, out=tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_what_two_models_changed_adds_up(base: Path, tuned: Path, other: Path, tmp_path: Path) -> None:
    acclimate.merge([tuned, other], base, alpha=[0.5, 0.25], out=tmp_path / "one")
    acclimate.merge([other, tuned], base, alpha=[0.25, 0.5], out=tmp_path / "two")
    found, turned = weights(tmp_path / "one"), weights(tmp_path / "two")
    start, first, second = weights(base), weights(tuned), weights(other)
    for name, weight in found.items():
        expected = start[name] + 0.5 * (first[name] - start[name]) + 0.25 * (second[name] - start[name])
        torch.testing.assert_close(weight, expected, rtol=1e-5, atol=1e-6)
        assert torch.equal(weight, turned[name])  # the order says only whose settings count


def test_a_model_without_a_share_takes_no_part(base: Path, tuned: Path, other: Path, tmp_path: Path) -> None:
    acclimate.merge([tuned, other], base, alpha=[0.7, 0], out=tmp_path / "several")
    acclimate.merge(tuned, base, alpha=0.7, out=tmp_path / "one")
    several, one = weights(tmp_path / "several"), weights(tmp_path / "one")
    assert all(torch.equal(several[name], one[name]) for name in one)


def test_parts_that_both_have_merge_too(tmp_path: Path) -> None:
    """Bottlenecks behind the layers, which do not fold, with the base's zeros and with others."""
    method = METHODS.parse({"kind": "adapter", "placement": "houlsby", "bottleneck": 2})
    for seed, name in ((0, "base"), (1, "tuned")):
        encoder = tiny_encoder()
        for group in method.apply(encoder):
            with torch.no_grad():
                for parameter in group.parameters.values():
                    parameter.normal_(generator=torch.Generator().manual_seed(seed))
        method.fold(encoder)
        save_encoder(encoder, tmp_path / name)
    acclimate.merge(tmp_path / "tuned", tmp_path / "base", alpha=0.5, out=tmp_path / "out")
    found, one, two = (dict(load_encoder(tmp_path / n).named_parameters()) for n in ("out", "tuned", "base"))
    assert any("bottleneck" in name or "adapter" in name for name in found)
    for name, weight in found.items():
        torch.testing.assert_close(weight, (one[name] + two[name]) / 2, rtol=1e-5, atol=1e-7)


def tuned_by(kind: str, folder: Path) -> Path:
    """The tiny base after a method has had its way, folded and saved."""
    encoder, method = tiny_encoder(), METHODS.parse(kind)
    with torch.no_grad():
        for group in method.apply(encoder):
            for parameter in group.parameters.values():
                parameter += 0.1
    method.fold(encoder)
    save_encoder(encoder, folder)
    return folder


@pytest.mark.parametrize("kind", ["full", "lora", "ia3", "bitfit", "last_layers"])
def test_what_methods_change_in_place_goes_back_to_the_base(base: Path, tmp_path: Path, kind: str) -> None:
    tuned = tuned_by(kind, tmp_path / "tuned")
    acclimate.merge(tuned, base, alpha=0.5, out=tmp_path / "out")
    found, one, two = weights(tmp_path / "out"), weights(tuned), weights(base)
    assert any(not torch.equal(one[name], two[name]) for name in one)
    for name, weight in found.items():
        torch.testing.assert_close(weight, (one[name] + two[name]) / 2, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("adapter", r"intermediate_size is \d+ in .* and 64"),
        ("prompt", "knows .* tokens and"),
        ("residual", "dense layers is 1 in .* and 0"),
    ],
)
def test_what_methods_add_is_left_to_fit(base: Path, tmp_path: Path, kind: str, said: str) -> None:
    with pytest.raises(UsageError, match=f"{said}.*--set evaluation.merge=SHARE"):
        acclimate.merge(tuned_by(kind, tmp_path / "tuned"), base, alpha=0.5, out=tmp_path / "out")


def test_equal_weights_have_nothing_between_them(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "copy")
    with pytest.raises(UsageError, match=r"equal weights.*rejected/"):
        acclimate.merge(tmp_path / "copy", base, alpha=0.5, out=tmp_path / "out")


MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "kind": ({"kind": "roberta"}, "model_type is roberta in .* and bert in"),
    "wider": ({"config": {"intermediate_size": 72}}, "intermediate_size is 72 in .* and 64 in .*evaluation.merge"),
    "deeper": ({"config": {"num_hidden_layers": 3}}, "num_hidden_layers is 3 in .* and 2 in"),
    "heads": ({"config": {"num_attention_heads": 2}}, "num_attention_heads is 2 in .* and 4 in"),
    "activation": ({"config": {"hidden_act": "relu"}}, "hidden_act is relu in .* and gelu in"),
    "pooling": ({"pooling": Pooling(("cls",))}, "pooling is cls in .* and mean in"),
    "prompt": ({"pooling": Pooling(include_prompt=False)}, "include_prompt of the pooling is False in .* and True"),
    "dense": ({"dense": [Dense(32, 32, True, next(iter(ACTIVATIONS)))]}, "number of dense layers is 1 in .* and 0 in"),
    "normalize": ({"normalize": False}, "normalizes its vectors and .* does not"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_model_that_does_not_fit_is_refused(base: Path, tmp_path: Path, name: str) -> None:
    options, said = MISFITS[name]
    make_tiny_model(tmp_path / "model", seed=1, **options)
    with pytest.raises(UsageError, match=said):
        acclimate.merge(tmp_path / "model", base, alpha=0.5, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_base_that_fit_gave_a_normalization_is_still_its_base(tuned: Path, tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "base", normalize=False)
    acclimate.merge(tuned, tmp_path / "base", alpha=0.5, out=tmp_path / "out")
    assert load_encoder(tmp_path / "out").normalize


def with_tokens(folder: Path, change: Callable[[dict[str, int]], object], *, seed: int = 1) -> Path:
    """A model with another vocabulary."""
    make_tiny_model(folder, seed=seed)
    document = json.loads((folder / "tokenizer.json").read_text())
    change(document["model"]["vocab"])
    (folder / "tokenizer.json").write_text(json.dumps(document))
    return folder


def test_another_vocabulary_is_refused(base: Path, tmp_path: Path) -> None:
    fewer = with_tokens(tmp_path / "fewer", lambda vocabulary: vocabulary.pop("Ġheart"))
    with pytest.raises(UsageError, match=r"fewer knows [\d,]+ tokens and .*model [\d,]+;"):
        acclimate.merge(fewer, base, alpha=0.5, out=tmp_path / "out")

    def swap(vocabulary: dict[str, int]) -> None:
        vocabulary["Ġheart"], vocabulary["Ġbone"] = vocabulary["Ġbone"], vocabulary["Ġheart"]

    swapped = with_tokens(tmp_path / "swapped", swap)
    with pytest.raises(UsageError, match=r"the tokens differ: number .*'Ġ(heart|bone)'.*'Ġ(bone|heart)'"):
        acclimate.merge(swapped, base, alpha=0.5, out=tmp_path / "out")


def test_a_tokenizer_that_cuts_texts_otherwise_is_refused(base: Path, tmp_path: Path) -> None:
    folder = with_tokens(tmp_path / "model", lambda vocabulary: None)
    document = json.loads((folder / "tokenizer.json").read_text())
    document["normalizer"] = None  # upper case stays, and has other tokens
    (folder / "tokenizer.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"read '.*' as different tokens"):
        acclimate.merge(folder, base, alpha=0.5, out=tmp_path / "out")


def test_a_part_that_one_side_has_is_named(base: Path, tmp_path: Path) -> None:
    encoder = tiny_encoder(seed=1)
    METHODS.parse({"kind": "adapter", "placement": "houlsby", "bottleneck": 2}).apply(encoder)
    save_encoder(encoder, tmp_path / "model")
    with pytest.raises(UsageError, match=r"has a part that .* has not: bottleneck.*evaluation.merge"):
        acclimate.merge(tmp_path / "model", base, alpha=0.5, out=tmp_path / "out")


def test_a_transformer_and_a_table_do_not_merge(base: Path, tmp_path: Path) -> None:
    save_encoder(static(0), tmp_path / "static")
    with pytest.raises(UsageError, match=r"static is a static model and .* a transformer"):
        acclimate.merge(tmp_path / "static", base, alpha=0.5, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"alpha": 1.5}, "1.5 is not between the base"),
        ({"alpha": -0.1}, "-0.1 is not between"),
        ({"alpha": float("nan")}, "nan is not between"),
        ({"alpha": "half"}, "'half' is no number"),
        ({"alpha": [0.5, 0.5]}, "names 2 shares for 1 models"),
        ({"alpha": "auto"}, "auto needs data.*--target"),
        ({"alpha": 0.5, "target": "dev.jsonl"}, "data cannot act where --alpha is given"),
    ],
    ids=str,
)
def test_a_share_or_data_that_cannot_act_is_refused(base: Path, tuned: Path, tmp_path: Path, given: Any, said: str):
    with pytest.raises(UsageError, match=said):
        acclimate.merge(tuned, base, out=tmp_path / "out", **given)


def test_neither_a_model_that_is_merged_nor_other_files_are_replaced(base: Path, tuned: Path, tmp_path: Path) -> None:
    before = weights(base)
    with pytest.raises(UsageError, match="one of the models that are merged"):
        acclimate.merge(tuned, base, alpha=0.5, out=base)
    assert all(torch.equal(before[name], weight) for name, weight in weights(base).items())
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="no model"):
        acclimate.merge(tuned, base, alpha=0.5, out=tmp_path)


def test_a_delta_is_no_model(base: Path, tmp_path: Path) -> None:
    (tmp_path / "delta.json").write_text("{}")
    with pytest.raises(UsageError, match="is a delta, no model; give the run folder"):
        acclimate.merge(tmp_path, base, alpha=0.5, out=tmp_path / "out")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("data")
    rows = {"target": pairs(40), "general": pairs(40, seed=7, name="general")}
    return {name: jsonl(folder / f"{name}.jsonl", part) for name, part in rows.items()}


def test_auto_takes_the_share_that_scoring_every_one_of_them_would_take(
    base: Path, tuned: Path, data: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "acclimate.runs.merge.fastest_precision", lambda device: "fp32"
    )  # as the models are scored here
    document = acclimate.merge(tuned, base, alpha="auto", out=tmp_path / "out", **data)
    target = smaller(task_of("test", read_test(data["target"])), 42)
    general = tasks_from(read_test(data["general"]), "dev")

    def scored(alpha: float) -> tuple[float, float]:
        acclimate.merge(tuned, base, alpha=alpha, out=tmp_path / "one")
        encode = load_encoder(tmp_path / "one").encode
        return evaluate(target, encode).main, evaluate_general(general, encode).score

    dev, kept = {}, {}
    for alpha in (1.0, 0.8, 0.6, 0.4, 0.2, 0.0):
        dev[alpha], kept[alpha] = scored(alpha)
    curve = document["curve"]
    assert curve["base"] == pytest.approx({"dev": dev[0.0], "general": kept[0.0]}, abs=1e-6)
    assert curve["floor"] == pytest.approx(kept[0.0] - 0.005, abs=1e-6)
    tried = [1.0, 0.8, 0.6]
    tried += [alpha for alpha in (0.4, 0.2) if all(kept[larger] < curve["floor"] for larger in kept if larger > alpha)]
    for trial, alpha in zip(curve["trials"], tried, strict=True):
        assert trial == pytest.approx({"alpha": alpha, "dev": dev[alpha], "general": kept[alpha]}, abs=1e-6)
    allowed = [alpha for alpha in tried if kept[alpha] >= curve["floor"]]
    best = max(allowed, key=lambda alpha: (dev[alpha], alpha)) if allowed else max(tried, key=lambda alpha: kept[alpha])
    assert document["alphas"] == [best]
    acclimate.merge(tuned, base, alpha=document["alphas"], out=tmp_path / "again")
    found, again = weights(tmp_path / "out"), weights(tmp_path / "again")
    assert all(torch.equal(found[name], again[name]) for name in again)
    assert "Chosen on dev data" in (tmp_path / "out" / "README.md").read_text()


def test_auto_takes_one_share_of_all_that_several_models_changed(
    base: Path, tuned: Path, other: Path, data: dict[str, Path], tmp_path: Path
) -> None:
    document = acclimate.merge([tuned, other], base, alpha="auto", out=tmp_path / "out", **data)
    share = document["curve"]["alpha"]
    assert document["alphas"] == [share, share]
    acclimate.merge([tuned, other], base, alpha=document["alphas"], out=tmp_path / "again")
    found, again = weights(tmp_path / "out"), weights(tmp_path / "again")
    for name, weight in found.items():
        torch.testing.assert_close(weight, again[name], rtol=1e-5, atol=1e-6)


@pytest.mark.long
def test_the_general_score_of_the_probe_needs_no_file(base: Path, tuned: Path, tmp_path: Path) -> None:
    target = jsonl(tmp_path / "target.jsonl", pairs(10))
    curve = acclimate.merge(tuned, base, alpha="auto", out=tmp_path / "out", target=target)["curve"]
    assert 0 < curve["base"]["general"] < 1
