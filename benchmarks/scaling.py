"""What more of it costs: ``python benchmarks/scaling.py``.

Seconds and memory against the number of pairs, of tokens and of documents, with the exponent of a power law fitted to
the upper half of the sizes (1: twice as much costs twice as much). Pairs are of words drawn at random and train a
random encoder of two layers, so that reading, checking, splitting and tokenizing weigh what they weigh at most. Each
cell runs in a process of its own and is a file under ``--out``; a second call measures what is missing. About 20
minutes on one core that does nothing else (``--quick``: one minute).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, Cells, Result, table, write_table
from speed_memory import held_bytes, peak_bytes
from speed_ranking import measure_ranking

from acclimate.core.files import write_jsonl

BASE = "all-MiniLM-L6-v2"
PAIRS = (1_000, 3_000, 10_000, 30_000, 100_000, 1_000_000)
TEXTS = (500, 1_000, 2_000, 4_000, 8_000)  # of 64 tokens
LENGTHS = (16, 32, 64, 128, 256)  # tokens of a text
TOKENS = 65_536  # in all, where texts have these lengths
DOCUMENTS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
SIZES = {"pairs": PAIRS, "texts": TEXTS, "length": LENGTHS, "documents": DOCUMENTS}
TITLES = {
    "pairs": ("Pairs", "a whole `fit` of one epoch with a two-layer encoder, from a file of pairs to a saved model"),
    "texts": ("Texts", f"encoding texts of 64 tokens with {BASE} in the fastest format of the machine"),
    "length": ("Length", f"encoding {TOKENS:,} tokens with {BASE}, in texts of so many tokens"),
    "documents": ("Documents", "ranking for 200 queries, 384 dimensions; memory is above the vectors"),
}


def main() -> None:
    """Measures what is missing, then writes docs/results/scaling.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/scaling]")
    parser.add_argument("--quick", action="store_true", help="the two smallest sizes: shows that it works, no result")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cell is not None:
        print(json.dumps(_cell(**json.loads(arguments.cell))))
        return
    out = arguments.out or RESULTS / ("scaling-quick" if arguments.quick else "scaling")
    sizes = {what: some[:2] if arguments.quick else some for what, some in SIZES.items()}
    cells = Cells(out / "cells", planned=sum(map(len, sizes.values())))
    found: dict[str, list[Result]] = {what: [] for what in sizes}
    for what, some in sizes.items():
        for size in some:
            config = {"what": what, "size": size}
            found[what].append(cells.measure(f"{what}-{size}", config, partial(_in_own_process, config)))
    lines = _page(sizes, found, cells.provenance())
    print("\n".join(["", *lines]))
    if not arguments.quick:
        write_table("scaling", lines)


def _in_own_process(config: dict[str, Any]) -> Result:
    command = [sys.executable, __file__, "--cell", json.dumps(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{config}\n{done.stderr}")
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


def _cell(what: str, size: int) -> Result:
    match what:
        case "pairs":
            return _fitting(size)
        case "texts":
            return _encoding(size, 64)
        case "length":
            return _encoding(TOKENS // size, size)
        case _:
            return measure_ranking({"who": "ours", "queries": 200, "documents": size, "seed": 0})


def _fitting(pairs: int) -> Result:
    import acclimate

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        base = _small_base(folder / "base")
        for name, rows, seed in (("train", pairs, 0), ("dev", 200, 1), ("test", 200, 2), ("general", 50, 3)):
            write_jsonl(folder / f"{name}.jsonl", _pairs(rows, seed))
        before, started, cpu = held_bytes(), time.perf_counter(), time.process_time()
        run = acclimate.fit(
            folder / "train.jsonl",
            base=base,
            dev=folder / "dev.jsonl",
            test=folder / "test.jsonl",
            general=folder / "general.jsonl",
            settings=["regularizers=[]", "evaluation.evaluations=1", "evaluation.merge=1.0"],
            epochs=1,
            batch_size=256,
            keep="anyway",
            out=folder / "run",
        )
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        return {
            "seconds": seconds,
            "cpu_seconds": cpu,
            "above_bytes": peak_bytes() - before,
            "train_seconds": run.scores["cost"]["train_seconds"],
        }


def _encoding(texts: int, length: int) -> Result:
    import acclimate
    from acclimate.engine.precision import fastest_precision

    precision = fastest_precision("cpu")
    encoder = acclimate.load(BASE)
    encoder.max_length = length
    # Cut at the length: every text has it exactly.
    some = [" ".join(words) for words in islice(_words(0, length), texts)]
    encoder.encode(some[:16], precision=precision)
    before, started, cpu = held_bytes(), time.perf_counter(), time.process_time()
    encoder.encode(some, precision=precision)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"seconds": seconds, "cpu_seconds": cpu, "above_bytes": peak_bytes() - before}


def _pairs(rows: int, seed: int) -> Any:
    for words in islice(_words(seed, 16), rows):
        yield {"query": " ".join(words[4:8]), "positive": " ".join(words)}


def _words(seed: int, count: int) -> Any:
    """Without end, texts of so many words that are drawn at random from the vocabulary of the base."""
    from tokenizers import Tokenizer

    from acclimate.model.bases import resolve

    vocabulary = Tokenizer.from_file(str(resolve(BASE) / "tokenizer.json")).get_vocab()
    whole = np.array(sorted(word for word in vocabulary if word.isalpha() and word.isascii() and len(word) > 2))
    generator = np.random.default_rng(seed)
    while True:
        yield from whole[generator.integers(len(whole), size=(1024, count))].tolist()


def _small_base(folder: Path) -> Path:
    """A random encoder of two layers, 64 wide, with the tokenizer of the base."""
    import torch
    from transformers import BertConfig, BertModel

    import acclimate
    from acclimate.model.encoder import Encoder
    from acclimate.model.pooling import Pooling
    from acclimate.model.store import save_encoder

    tokenizer = acclimate.load(BASE).tokenizer
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=256
    )
    backbone = BertModel(config, add_pooling_layer=False)
    save_encoder(Encoder(backbone, tokenizer, Pooling(("mean",)), max_length=128).eval(), folder, "")
    return folder


def _exponent(sizes: tuple[int, ...], values: list[float]) -> float:
    """Of the power law through the upper half of the sizes, by least squares of logarithms."""
    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half:]), np.log(values[half:]), 1)[0])


def _page(sizes: dict[str, tuple[int, ...]], found: dict[str, list[Result]], provenance: list[str]) -> list[str]:
    lines = ["# What more of it costs", "", "Written by `python benchmarks/scaling.py`.", "", *provenance]
    for what, results in found.items():
        title, about = TITLES[what]
        seconds = [result["seconds"] for result in results]
        grows = "" if what == "length" else f"; exponent {_exponent(sizes[what], seconds):.2f}"
        rows = [
            (f"{size:,}", f"{result['seconds']:.2f}", f"{result['above_bytes'] / 1e6:,.0f}")
            for size, result in zip(sizes[what], results, strict=True)
        ]
        sentence = f"{about[0].upper()}{about[1:]}{grows}."
        lines += ["", f"## {title}", "", sentence, "", *table((title.lower(), "seconds", "memory, MB"), rows)]
    return lines


if __name__ == "__main__":
    main()
