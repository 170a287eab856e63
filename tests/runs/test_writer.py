"""A model that writes queries: what it is asked, what is drawn, and whole runs on what it wrote."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

import acclimate
from acclimate.core.errors import UsageError
from acclimate.core.files import read_jsonl
from acclimate.runs.writer import load_writer
from small import jsonl, pairs, sentences
from tiny import make_tiny_model, tiny_tokenizer

TEXTS = [f"{text} {row}" for row, (_, text, _) in enumerate(sentences()[:60])]


def _saved(model: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, size = tmp_path_factory.mktemp("writers"), len(tiny_tokenizer())
    torch.manual_seed(0)
    t5 = T5Config(
        vocab_size=size,
        d_model=32,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=4,
        decoder_start_token_id=0,
        pad_token_id=0,
    )
    gpt2 = GPT2Config(vocab_size=size, n_embd=32, n_layer=1, n_head=4, n_positions=128, bos_token_id=2, eos_token_id=3)
    return {
        "t5": _saved(T5ForConditionalGeneration(t5), folder / "t5"),
        "gpt2": _saved(GPT2LMHeadModel(gpt2), folder / "gpt2"),
        "base": make_tiny_model(folder / "base"),
    }


def written(folder: Path, prompt: str = "Text: {} Question:", seed: int = 1, *, known: bool = False) -> list[list[str]]:
    progress: list[tuple[int, int]] = []
    write = load_writer(str(folder), "cpu", seed, lambda *done: progress.append(done), known=known)
    found = [list(some) for some in write(prompt, TEXTS[:20], 2, 6)]
    assert progress == [(16, 20), (20, 20)]
    return found


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_what_is_written_depends_on_the_seed_and_not_on_what_was_drawn_before(
    models: dict[str, Path], kind: str
) -> None:
    torch.manual_seed(3)
    once = written(models[kind])
    drawn = torch.rand(3)
    assert [len(some) for some in once] == [2] * 20
    assert len({query for some in once for query in some}) > 10
    torch.manual_seed(3)
    assert torch.equal(torch.rand(3), drawn)  # nobody else's numbers are drawn
    assert written(models[kind]) == once != written(models[kind], seed=2)
    assert written(models[kind], "Ask: {}") != once
    assert not any("Text:" in query or TEXTS[0] in query for some in once for query in some)


def test_what_was_written_before_is_read(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCLIMATE_CACHE", str(tmp_path))
    once = written(models["t5"], known=True)
    files = sorted(tmp_path.glob("queries/*.json"))
    assert sum(len(json.loads(path.read_text())) for path in files) == 20
    files[0].write_text(json.dumps([["kept", "kept"]] * len(json.loads(files[0].read_text()))))
    again = written(models["t5"], known=True)
    assert ["kept", "kept"] in again
    assert written(models["t5"]) == once


def test_a_run_on_what_a_model_wrote(models: dict[str, Path], tmp_path: Path) -> None:
    run = acclimate.fit(
        jsonl(tmp_path / "texts.jsonl", [{"text": text} for text in TEXTS]),
        base=models["base"],
        general=jsonl(tmp_path / "general.jsonl", pairs(20, seed=5)),
        settings=(f"data.synthetic={{kind: generated, model: {models['t5']}, most_tokens: 6, queries_a_document: 2}}",),
        out=tmp_path / "run",
        method="full",
        epochs=1,
        keep="anyway",
    )
    lines = list(read_jsonl(run.path / "data" / "synthetic.jsonl"))
    assert {line["kind"] for line in lines} == {"generated"}
    assert {line["part"] for line in lines} == {"train", "dev", "test"}
    assert all(line["document"] == TEXTS[line["line"] - 1] for line in lines)
    assert acclimate.load(run.path).encode(["a dog"]).shape == (1, 32)


def test_what_cannot_write_is_told_in_one_line(models: dict[str, Path], tmp_path: Path) -> None:
    mistakes = {
        "nowhere": r"'nowhere' cannot be read: there is no config\.json",
        str(models["base"]): "cannot be read: it lacks 6 weights of one that writes text",
    }
    pickled = tmp_path / "pickled"
    _saved(T5ForConditionalGeneration.from_pretrained(models["t5"]), pickled)
    (pickled / "model.safetensors").unlink()
    torch.save({}, pickled / "pytorch_model.bin")
    mistakes[str(pickled)] = "cannot be read: .*safetensors"
    for name, said in mistakes.items():
        with pytest.raises(UsageError, match=said) as raised:
            load_writer(name, "cpu", 1, lambda *done: None, known=False)
        assert "\n" not in str(raised.value)
    with pytest.raises(UsageError, match=r"give data\.synthetic\.prompt"):
        written(models["gpt2"], "{}")
    with pytest.raises(UsageError, match=r"should have \{\} where the text goes"):
        acclimate.fit(
            [{"text": text} for text in TEXTS],
            settings=(f"data.synthetic={{kind: generated, model: {models['t5']}, prompt: ask}}",),
            out=tmp_path / "run",
        )
