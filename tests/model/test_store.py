"""Folders of sentence-transformers, in both directions, against sentence-transformers itself."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertTokenizer

from acclimate.core.errors import DataError, ResourceError, UsageError
from acclimate.model.pooling import POOLING_MODES, Pooling
from acclimate.model.store import load_encoder, save_encoder
from tiny import KINDS, WIDTH, tiny_backbone, tiny_encoder, tiny_tokenizer

TEXTS = [
    "a cat",
    "The patient has a chronic FEVER and pain in the muscle of the upper back.",
    "量子计算机利用叠加态和纠缠",
    "",
    "naïve café, 3.5 %",
    "word " * 200,
]


def by_sentence_transformers(folder: Path, role: str | None = None, **options: Any) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", **options)
    encode = {None: model.encode, "query": model.encode_query, "document": model.encode_document}[role]
    return encode(TEXTS, normalize_embeddings=True)


def assert_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert (ours * theirs).sum(axis=1).min() >= 0.99999


def saved_by_sentence_transformers(folder: Path, kind: str = "bert", pooling: Any = "mean", **options: Any) -> Path:
    """A folder in the newer layout: written by the installed sentence-transformers from a transformers folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    plain = folder.with_name(f"{folder.name}-plain")
    tiny_backbone(kind).save_pretrained(plain)
    tiny_tokenizer(kind).save_pretrained(plain)
    transformer = modules.Transformer(str(plain))
    layers = [transformer, modules.Pooling(WIDTH, pooling, include_prompt=options.pop("include_prompt", True))]
    layers += options.pop("dense", [])
    layers += [modules.Normalize()] * options.pop("normalize", True)
    SentenceTransformer(modules=layers, device="cpu", **options).save_pretrained(str(folder))
    return folder


def rewrite(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "copy"))


def test_minilm_gives_the_vectors_of_sentence_transformers(minilm):
    encoder = load_encoder(minilm)
    assert (encoder.max_length, encoder.dimension, encoder.notes) == (256, 384, ())
    assert_same(encoder.encode(TEXTS), by_sentence_transformers(minilm))


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_save_is_read_alike_by_us_and_by_sentence_transformers(kind, tmp_path):
    encoder = tiny_encoder(kind, prompts={"query": "find: ", "document": "text: "})
    save_encoder(encoder, tmp_path / "model")
    again = load_encoder(tmp_path / "model")
    for role in ("query", "document", None):
        vectors = encoder.encode(TEXTS, role)
        np.testing.assert_array_equal(again.encode(TEXTS, role), vectors)
        assert_same(vectors, by_sentence_transformers(tmp_path / "model", role))


@pytest.mark.parametrize("kind", KINDS)
def test_what_sentence_transformers_saves_is_read_alike(kind, tmp_path):
    pooling = "lasttoken" if kind == "qwen3" else "mean"
    folder = saved_by_sentence_transformers(tmp_path / "theirs", kind, pooling)
    assert_same(load_encoder(folder).encode(TEXTS, None), by_sentence_transformers(folder))


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_decoder_is_pooled_at_its_last_token_whatever_the_padding_side(side, tmp_path):
    folder = saved_by_sentence_transformers(tmp_path / "theirs", "qwen3", "lasttoken")
    rewrite(folder / "tokenizer_config.json", padding_side=side)
    assert_same(load_encoder(folder).encode(TEXTS, None), by_sentence_transformers(folder))


@pytest.mark.parametrize("include_prompt", [True, False])
@pytest.mark.parametrize("pooling", [*POOLING_MODES, ("cls", "mean"), ("mean", "cls", "max")])
def test_pooling_of_the_newer_layout_and_our_copy_of_it(pooling, include_prompt, tmp_path):
    prompts = {"query": "represent the question: ", "document": ""}
    folder = saved_by_sentence_transformers(
        tmp_path / "theirs", pooling=pooling, include_prompt=include_prompt, prompts=prompts
    )
    encoder = load_encoder(folder)
    save_encoder(encoder, tmp_path / "ours")
    for role in ("query", "document"):
        theirs = by_sentence_transformers(folder, role)
        assert_same(encoder.encode(TEXTS, role), theirs)
        assert_same(by_sentence_transformers(tmp_path / "ours", role), theirs)


def test_prompt_tokens_are_left_out_of_pooling_and_of_nothing_else(tmp_path):
    encoder = tiny_encoder(pooling=Pooling(("mean",), include_prompt=False), prompts={"query": "the question: "})
    # [CLS] and the prompt; not the closing [SEP], which follows the text.
    assert encoder.prompt_length("query") == len(encoder.tokenize(["the question: "], None)[0]) - 1
    assert encoder.prompt_length("document") == 0
    included = tiny_encoder(prompts={"query": "the question: "})
    assert included.prompt_length("query") == 0
    assert not np.allclose(encoder.encode(TEXTS, "query"), included.encode(TEXTS, "query"), atol=1e-3)


def test_dense_layers(tmp_path):
    from sentence_transformers.sentence_transformer import modules

    torch.manual_seed(0)
    dense = [
        modules.Dense(WIDTH, 12, activation_function=torch.nn.Tanh()),
        modules.Dense(12, 12, bias=False, activation_function=torch.nn.Identity(), use_residual=True),
        modules.Dense(12, 8, activation_function=torch.nn.GELU(), use_residual=True),
    ]
    folder = saved_by_sentence_transformers(tmp_path / "theirs", dense=dense)
    encoder = load_encoder(folder)
    theirs = by_sentence_transformers(folder)
    assert encoder.dimension == 8
    assert_same(encoder.encode(TEXTS, None), theirs)
    save_encoder(encoder, tmp_path / "ours")
    assert_same(by_sentence_transformers(tmp_path / "ours"), theirs)
    np.testing.assert_array_equal(load_encoder(tmp_path / "ours").encode(TEXTS), encoder.encode(TEXTS))


def test_a_model_that_does_not_normalize_still_encodes_to_unit_vectors(tmp_path):
    folder = saved_by_sentence_transformers(tmp_path / "theirs", normalize=False, similarity_fn_name="dot")
    encoder = load_encoder(folder)
    assert not encoder.normalize
    assert "dot similarity" in encoder.notes[0]
    assert_same(encoder.encode(TEXTS), by_sentence_transformers(folder))
    save_encoder(encoder, tmp_path / "ours")
    assert not (tmp_path / "ours" / "2_Normalize").exists()


def test_matryoshka_models_keep_their_leading_dimensions(copy, tmp_path):
    rewrite(copy / "config_sentence_transformers.json", truncate_dim=10)
    encoder = load_encoder(copy)
    assert encoder.dimension == 10
    vectors = encoder.encode(TEXTS)
    assert_same(vectors, by_sentence_transformers(copy))
    save_encoder(encoder, tmp_path / "ours")
    np.testing.assert_array_equal(load_encoder(tmp_path / "ours").encode(TEXTS), vectors)


def test_the_written_layout_is_the_legacy_one(tmp_path):
    encoder = tiny_encoder(prompts={"query": "q: ", "passage": "p: "}, max_length=50)
    save_encoder(encoder, tmp_path / "model", card="# A card\n")
    folder = tmp_path / "model"

    def document(name: str) -> Any:
        return json.loads((folder / name).read_text())

    assert [module["type"] for module in document("modules.json")] == [
        "sentence_transformers.models.Transformer",
        "sentence_transformers.models.Pooling",
        "sentence_transformers.models.Normalize",
    ]
    assert [module["path"] for module in document("modules.json")] == ["", "1_Pooling", "2_Normalize"]
    assert document("sentence_bert_config.json") == {"max_seq_length": 50, "do_lower_case": False}
    assert document("1_Pooling/config.json") == {
        "word_embedding_dimension": WIDTH,
        "pooling_mode_cls_token": False,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_mean_sqrt_len_tokens": False,
        "pooling_mode_weightedmean_tokens": False,
        "pooling_mode_lasttoken": False,
        "include_prompt": True,
    }
    config = document("config_sentence_transformers.json")
    # sentence-transformers' encode_document looks for "document", not for "passage".
    assert config["prompts"] == {"query": "q: ", "passage": "p: ", "document": "p: "}
    assert config["similarity_fn_name"] == "cosine"
    assert document("tokenizer.json")["truncation"] is None
    assert document("tokenizer.json")["padding"] is None
    assert document("tokenizer_config.json")["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert "acclimate" not in (folder / "config.json").read_text()
    assert (folder / "README.md").read_text() == "# A card\n"
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {torch.float32}


def test_a_legacy_folder_written_by_hand_is_read_alike(tmp_path):
    folder = tmp_path / "legacy"
    tiny_backbone("bert").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    kinds = ("Transformer", "Pooling", "Dense", "Normalize")
    modules = [
        {"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "", "type": f"sentence_transformers.models.{kind}"}
        for i, kind in enumerate(kinds)
    ]
    files = {
        "modules.json": modules,
        "sentence_bert_config.json": {"max_seq_length": 24, "do_lower_case": True},
        "config_sentence_transformers.json": {
            "__version__": {"sentence_transformers": "5.1.0", "transformers": "4.50.0", "pytorch": "2.6.0"},
            "prompts": {"query": "q: ", "document": "d: "},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
        "1_Pooling/config.json": {
            "word_embedding_dimension": WIDTH,
            "pooling_mode_cls_token": True,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
            "pooling_mode_weightedmean_tokens": False,
            "pooling_mode_lasttoken": False,
            "include_prompt": False,
        },
        "2_Dense/config.json": {
            "in_features": 2 * WIDTH,
            "out_features": 6,
            "bias": True,
            "activation_function": "torch.nn.modules.activation.Tanh",
        },
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content))
    (folder / "3_Normalize").mkdir()
    linear = torch.nn.Linear(2 * WIDTH, 6)
    weights = {"linear.weight": linear.weight.detach(), "linear.bias": linear.bias.detach()}
    save_file(weights, folder / "2_Dense" / "model.safetensors")
    encoder = load_encoder(folder)
    assert encoder.max_length == 24
    for role in ("query", "document"):
        assert_same(encoder.encode(TEXTS, role), by_sentence_transformers(folder, role))


def test_lower_casing_that_the_folder_asks_for(copy, tmp_path):
    document = json.loads((copy / "tokenizer.json").read_text())
    document["normalizer"] = None
    (copy / "tokenizer.json").write_text(json.dumps(document))
    cased = load_encoder(copy).encode(["FEVER", "fever"])
    assert not np.allclose(cased[0], cased[1], atol=1e-3)
    rewrite(copy / "sentence_bert_config.json", do_lower_case=True)
    encoder = load_encoder(copy)
    lowered = encoder.encode(["FEVER", "fever"])
    np.testing.assert_allclose(lowered[0], lowered[1], atol=1e-6)  # two rows of one batch: not always to the last bit
    save_encoder(encoder, tmp_path / "ours")
    assert_same(load_encoder(tmp_path / "ours").encode(TEXTS), by_sentence_transformers(copy))


def test_lower_casing_survives_a_tokenizer_that_builds_its_own_normalizer(copy, tmp_path):
    BertTokenizer(vocab=tiny_tokenizer().get_vocab(), do_lower_case=False).save_pretrained(copy)
    rewrite(copy / "sentence_bert_config.json", do_lower_case=True)
    encoder = load_encoder(copy)
    save_encoder(encoder, tmp_path / "ours")
    again = load_encoder(tmp_path / "ours")
    assert encoder.tokenize(["FEVER Cat"], None) == encoder.tokenize(["fever cat"], None)
    assert again.tokenize(["FEVER Cat"], None) == encoder.tokenize(["fever cat"], None)
    assert_same(again.encode(TEXTS), by_sentence_transformers(copy))


def test_saving_and_loading_changes_no_bit(minilm, tmp_path):
    save_encoder(load_encoder(minilm), tmp_path / "copy")
    before, after = load_file(minilm / "model.safetensors"), load_file(tmp_path / "copy" / "model.safetensors")
    before.pop("embeddings.position_ids", None)  # a constant that older versions of transformers saved
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    first, second = load_encoder(minilm), load_encoder(tmp_path / "copy")
    np.testing.assert_array_equal(first.encode(TEXTS), second.encode(TEXTS))
    assert first.tokenize(TEXTS, None) == second.tokenize(TEXTS, None)
    assert_same(by_sentence_transformers(tmp_path / "copy"), by_sentence_transformers(minilm))


def test_a_plain_transformers_folder_is_pooled_by_mean_and_says_so(tmp_path):
    tiny_backbone("bert").save_pretrained(tmp_path / "plain")
    tiny_tokenizer().save_pretrained(tmp_path / "plain")
    encoder = load_encoder(tmp_path / "plain")
    assert "no modules.json" in encoder.notes[0]
    assert encoder.pooling.modes == ("mean",)
    assert_same(encoder.encode(TEXTS), by_sentence_transformers(tmp_path / "plain"))


def test_saving_replaces_the_folder_as_a_whole(tmp_path):
    folder = tmp_path / "model"
    save_encoder(tiny_encoder(normalize=True), folder)
    (folder / "stray.txt").write_text("old")
    save_encoder(tiny_encoder(normalize=False, seed=1), folder)
    assert not (folder / "stray.txt").exists()
    assert not (folder / "2_Normalize").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(os.name == "nt", reason="no such permissions")
def test_a_server_under_another_name_may_read_it(tmp_path):
    save_encoder(tiny_encoder(), tmp_path / "model")
    closed = [
        p.name for p in [tmp_path / "model", *(tmp_path / "model").rglob("*")] if p.stat().st_mode & 0o044 != 0o044
    ]
    assert closed == []


def test_a_place_that_cannot_be_written_is_a_resource_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot be saved"):
        save_encoder(tiny_encoder(), tmp_path / "file" / "model")


def test_a_missing_folder(tmp_path):
    with pytest.raises(UsageError, match="no such model folder"):
        load_encoder(tmp_path / "nowhere")


def test_a_folder_that_is_no_model(tmp_path):
    with pytest.raises(UsageError, match="not a model folder"):
        load_encoder(tmp_path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("my_code.MyPooling", "code of the model's own"),
        ("sentence_transformers.base.modules.router.Router", "Router is not supported"),
        ("sentence_transformers.models.WordWeights", "WordWeights is not supported"),
    ],
)
def test_other_modules_are_refused_by_name(copy, kind, said):
    modules = json.loads((copy / "modules.json").read_text())
    modules[1]["type"] = kind
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UsageError, match=said):
        load_encoder(copy)


def test_modules_in_an_order_that_would_change_the_vectors_are_refused(copy):
    modules = json.loads((copy / "modules.json").read_text())
    modules.append({"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"})
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UsageError, match="the modules are Transformer, Pooling, Normalize, Dense"):
        load_encoder(copy)


def test_a_module_outside_the_folder_is_refused(copy):
    modules = json.loads((copy / "modules.json").read_text())
    modules[1]["path"] = "../elsewhere"
    (copy / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UsageError, match="leads out of the folder"):
        load_encoder(copy)


def test_code_of_the_models_own_is_refused(copy):
    rewrite(copy / "config.json", auto_map={"AutoModel": "modeling.MyModel"})
    with pytest.raises(UsageError, match="auto_map"):
        load_encoder(copy)


def test_an_unknown_architecture_is_refused(copy):
    rewrite(copy / "config.json", model_type="from_the_future")
    with pytest.raises(UsageError, match=r"config\.json: transformers .* cannot read it"):
        load_encoder(copy)


def test_pickled_weights_are_refused(copy):
    (copy / "model.safetensors").unlink()
    torch.save({}, copy / "pytorch_model.bin")
    with pytest.raises(UsageError, match=r"pytorch_model\.bin: the weights are a pickle"):
        load_encoder(copy)


def test_settings_that_would_act_on_the_input_are_refused(copy):
    rewrite(copy / "sentence_bert_config.json", processing_kwargs={"text": {"max_length": 8}})
    with pytest.raises(UsageError, match="processing_kwargs"):
        load_encoder(copy)


def test_an_unknown_pooling_mode_is_refused(copy):
    (copy / "1_Pooling" / "config.json").write_text('{"embedding_dimension": 32, "pooling_mode": "median"}')
    with pytest.raises(UsageError, match="'median' is unknown"):
        load_encoder(copy)


def test_missing_weights_are_a_data_error(copy):
    (copy / "model.safetensors").unlink()
    with pytest.raises(DataError, match="are missing"):
        load_encoder(copy)


def test_truncated_weights_are_a_data_error(copy):
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DataError, match="weights cannot be read"):
        load_encoder(copy)


def test_a_missing_weight_is_a_data_error_not_a_random_one(copy):
    weights = load_file(copy / "model.safetensors")
    weights.pop("encoder.layer.1.output.dense.weight")
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match=r"encoder\.layer\.1\.output\.dense\.weight"):
        load_encoder(copy)


def test_weights_of_another_shape_are_a_data_error(copy):
    rewrite(copy / "config.json", intermediate_size=48)
    with pytest.raises(DataError, match="weights cannot be read"):
        load_encoder(copy)


@pytest.mark.parametrize("name", ["tokenizer.json", "modules.json", "1_Pooling/config.json", "config.json"])
def test_a_damaged_file_is_a_data_error_that_names_its_place(copy, name):
    (copy / name).write_text('{"half": ')
    with pytest.raises(DataError, match=str(copy)):
        load_encoder(copy)
