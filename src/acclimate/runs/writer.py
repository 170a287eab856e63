"""A model of the user's that writes queries for texts, as docT5query does (Nogueira, Yang, Lin & Cho 2019)."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from acclimate.core.errors import UsageError
from acclimate.core.files import cache_folder, write_atomic
from acclimate.core.seeds import derive_seed
from acclimate.data.query_makers import TEXT_GOES, Writer
from acclimate.model.bases import fingerprint
from acclimate.model.store import quietly

_TOGETHER = 16  # texts
_READ = 350  # tokens of a text
_LIKELY = 0.95  # of the next token, those are drawn from that have so much of the probability together


def load_writer(name: str, device: str, seed: int, progress: Callable[[int, int], None], *, known: bool) -> Writer:
    """What writes queries for texts. They are drawn, and depend on the seed and on the texts that are read together.

    Args:
        name: a folder of transformers'. Weights are read from safetensors alone, and no code of the model's runs.
        device: where it computes.
        seed: of what is drawn.
        progress: told (texts done, texts in all).
        known: what was written before is read from the cache folder.

    Raises:
        UsageError: there is no such model, it cannot be read, or it needs a prompt.
    """
    folder = Path(name)
    model, tokenizer = _read(folder)
    model.to(device).eval()
    versions = [metadata.version(package) for package in ("acclimate", "torch", "transformers")]
    about = [fingerprint(folder), device, *versions, seed]

    def write(prompt: str, texts: Sequence[str], count: int, most: int) -> Iterator[Sequence[str]]:
        if prompt == TEXT_GOES and not model.config.is_encoder_decoder:
            problem = f"data.synthetic.model={name!r} goes on with what it reads, and is told nothing but the text"
            raise UsageError(problem, "give data.synthetic.prompt, as 'Text: {} Question:'")
        for start in range(0, len(texts), _TOGETHER):
            some = texts[start : start + _TOGETHER]
            key = hashlib.sha256(json.dumps([*about, prompt, count, most, list(some)]).encode()).hexdigest()
            path = cache_folder() / "queries" / f"{key}.json"
            found = json.loads(path.read_text()) if known and path.is_file() else None
            if found is None:
                found = _written(model, tokenizer, prompt, some, count, most, derive_seed(seed, "write", *some))
                if known:
                    write_atomic(path, json.dumps(found))
            yield from found
            progress(start + len(some), len(texts))

    return write


def _read(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    problem = f"data.synthetic.model={str(folder)!r} cannot be read"
    remedy = "name a folder of a model that writes text, with safetensors and a tokenizer"
    if not (folder / "config.json").is_file():
        raise UsageError(f"{problem}: there is no config.json", remedy)
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(folder, **local)
        kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        tokenizer = AutoTokenizer.from_pretrained(folder, **local, padding_side="left")
        settings = {"config": config, "dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
        with quietly():
            model, report = kind.from_pretrained(folder, **settings, **local)
    except Exception as error:  # each of these libraries has its own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"{problem}: {reason}", remedy) from None
    if report["missing_keys"]:
        raise UsageError(f"{problem}: it lacks {len(report['missing_keys'])} weights of one that writes text", remedy)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def _written(
    model: Any, tokenizer: Any, prompt: str, texts: Sequence[str], count: int, most: int, seed: int
) -> list[list[str]]:
    """The first lines of what is drawn for each text."""
    cut = tokenizer(list(texts), truncation=True, max_length=_READ, add_special_tokens=False)["input_ids"]
    read = [prompt.replace(TEXT_GOES, tokenizer.decode(ids)) for ids in cut]
    inputs = tokenizer(read, padding=True, return_tensors="pt", return_token_type_ids=False).to(model.device)
    with torch.random.fork_rng(), torch.inference_mode():  # transformers draws from the global generator alone
        torch.manual_seed(seed)
        tokens = model.generate(
            **inputs,
            do_sample=True,
            top_p=_LIKELY,
            num_return_sequences=count,
            max_new_tokens=most,
            pad_token_id=tokenizer.pad_token_id,
        )
    if not model.config.is_encoder_decoder:
        tokens = tokens[:, inputs["input_ids"].shape[1] :]
    lines = [
        (text.strip().splitlines() or [""])[0] for text in tokenizer.batch_decode(tokens, skip_special_tokens=True)
    ]
    return [lines[start : start + count] for start in range(0, len(lines), count)]
