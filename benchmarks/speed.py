"""Speed beside sentence-transformers: ``python benchmarks/speed.py --data DIR``.

Whole training runs (optimizer included, tokenizing and evaluation left out on both sides) and encoding, on real text of
natural length; ranking of random vectors; what the command line takes to answer. Each cell runs in a process of its
own, so that its peak of memory is its own; repetitions alternate between all rows. Every cell is a file under
``--out``; a second call measures what is missing. About 100 minutes on one core that does nothing else (``--quick``:
minutes). DIR is what ``benchmarks/data.py`` builds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
from common import RESULTS, Cells, Result, table, write_table
from speed_limits import measure_limits
from speed_memory import held_bytes, peak_bytes
from speed_ranking import measure_ranking

from acclimate.core.files import read_jsonl, write_jsonl
from acclimate.engine.precision import fastest_precision

SET = "debian_pkgs"
BASE = "all-MiniLM-L6-v2"
MAX_LENGTH = 128
REPEATS = 3
RATE = 5e-5  # of both, where the row names no other
PAIRS, TEXTS = 320, 5_000
QUERIES, DOCUMENTS = 300, 2_000

Options = dict[str, Any]

#: What is trained: who, how, and how many passes over the pairs. The first is what all others are compared with.
TRAINING: dict[str, Options] = {
    "peer": {"who": "peer", "epochs": 1},
    "peer, bf16": {"who": "peer", "epochs": 1, "bf16": True},
    "peer, dropout off": {"who": "peer", "epochs": 1, "dropout": False},
    "peer, bf16, dropout off": {"who": "peer", "epochs": 1, "dropout": False, "bf16": True},
    "peer, top layer": {"who": "peer", "epochs": 3, "layers": 1},
    "peer, top 2 layers": {"who": "peer", "epochs": 3, "layers": 2},
    "peer, LoRA": {"who": "peer", "epochs": 1, "lora": 16, "rate": 1e-3},
    "ours": {"who": "ours", "epochs": 1},
    "ours, dropout on": {"who": "ours", "epochs": 1, "dropout": True},
    "ours, fp32": {"who": "ours", "epochs": 1, "precision": "fp32", "beside_bf16": True},
    "ours, top layer": {"who": "ours", "epochs": 3, "layers": 1},
    "ours, top 2 layers": {"who": "ours", "epochs": 3, "layers": 2},
    "ours, LoRA": {"who": "ours", "epochs": 1, "method": "lora", "rate": 1e-3},
    "ours, adapters in all layers": {"who": "ours", "epochs": 1, "method": "adapter", "rate": 1e-3},
    "ours, top layer, nothing kept": {"who": "ours", "epochs": 3, "layers": 1, "cache": False},
    "ours, batch 2048 in passes of 64": {
        **{"who": "ours", "epochs": 1, "batch_size": 2048, "micro_batch": 64},
        "pairs": 2200,
    },
}
ENCODING: dict[str, Options] = {
    "peer": {"who": "peer"},
    "peer, bf16": {"who": "peer", "bf16": True},
    "ours, fp32": {"who": "ours", "precision": "fp32"},
    "ours, bf16": {"who": "ours", "precision": "bf16", "bf16": True},
}
#: Ways to rank, each from the same vectors in memory to metrics. All take the threads that there are, two at most.
RANKING: dict[str, Options] = {
    "all sorted, by scikit-learn and NumPy": {"who": "sorted"},
    "peer's InformationRetrievalEvaluator": {"who": "peer"},
    "faiss, the first 100": {"who": "faiss"},
    "ours": {"who": "ours"},
    "ours, 10,000 x 1,000,000": {"who": "ours", "queries": 10_000, "documents": 1_000_000, "repeats": 1},
}
LIMITS: dict[str, Options] = {"limits": {}}
STARTING: dict[str, Options] = {"acclimate --help": {}}
_LARGE = ("pairs", "queries", "documents", "repeats")  # settings of rows that --quick leaves out
#: Rows that are measured only where the processor multiplies bf16: elsewhere it is emulated, and several times slower.
_NEEDS_BF16 = ("bf16", "beside_bf16")
_WITHOUT_BF16 = (
    "- This processor multiplies bf16 no faster than float32 (`acclimate doctor` tries it): all rows are float32, and "
    "the rows of bf16 are left out"
)


def main() -> None:
    """Measures what is missing, then writes docs/results/speed.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {SET}")
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/speed]")
    parser.add_argument("--quick", action="store_true", help="one repetition of little: shows that it works, no result")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cell is not None:
        print(json.dumps(_cell(arguments.data, json.loads(arguments.cell))))
        return
    out = arguments.out or RESULTS / ("speed-quick" if arguments.quick else "speed")
    repeats, pairs, texts = (1, 128, 200) if arguments.quick else (REPEATS, PAIRS, TEXTS)
    kinds = {"training": TRAINING, "encoding": ENCODING, "ranking": RANKING, "limits": LIMITS, "starting": STARTING}
    if fastest_precision("cpu") != "bf16":
        kinds = {
            what: {name: options for name, options in rows.items() if not any(key in options for key in _NEEDS_BF16)}
            for what, rows in kinds.items()
        }
    documents = 2_000 if arguments.quick else 100_000
    sizes = {"training": pairs, "encoding": texts, "ranking": documents, "limits": 512, "starting": 1}
    planned = sum(min(repeats, options.get("repeats", repeats)) for rows in kinds.values() for options in rows.values())
    cells = Cells(out / "cells", planned)
    found: dict[tuple[str, str], list[Result]] = {}
    for repeat in range(repeats):
        for what, rows in kinds.items():
            for name, options in rows.items():
                if arguments.quick:
                    options = {key: value for key, value in options.items() if key not in _LARGE}
                if repeat >= options.get("repeats", repeats):
                    continue
                config = {**options, "what": what, "size": sizes[what], "seed": repeat}
                work = partial(_in_own_process, arguments.data, config)
                key = f"{what}-{name.replace(', ', '-').replace(' ', '_')}-{repeat}"
                found.setdefault((what, name), []).append(cells.measure(key, config, work))
    lines = _page(found, pairs, texts, cells.provenance())
    print("\n".join(["", *lines]))
    if not arguments.quick:
        write_table("speed", lines)


def _in_own_process(data: Path, config: Options) -> Result:
    command = [sys.executable, __file__, "--data", str(data), "--cell", json.dumps(config)]
    threads = {"OMP_NUM_THREADS": str(_threads())} if config["what"] == "ranking" else {}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **threads})
    if done.returncode:
        raise SystemExit(f"{config}\n{done.stderr}")
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


def _cell(data: Path, config: Options) -> Result:
    match config["what"]:
        case "training":
            return _training(data, config)
        case "encoding":
            return _encoding(data, config)
        case "ranking":
            return measure_ranking({"queries": 1_000, "documents": config["size"], **config})
        case "limits":
            return measure_limits(_texts(data, config["size"]), BASE, MAX_LENGTH)
        case _:
            return _starting()


def _training(data: Path, config: Options) -> Result:
    rows = list(islice(read_jsonl(data / SET / "train.jsonl"), config.get("pairs", config["size"])))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        test = _test(data, folder / "test")
        run = {"peer": _train_peer, "ours": _train_ours}[config["who"]]
        return run(rows, test, config, folder)


def _train_peer(rows: Sequence[Options], test: Path, config: Options, folder: Path) -> Result:
    from peer import Peer

    from acclimate.data.readers import read_test
    from acclimate.evaluation import evaluate
    from acclimate.model.bases import resolve
    from acclimate.runs.tasks import retrieval_task

    peer = Peer(resolve(BASE))
    peer.model.max_seq_length = MAX_LENGTH
    if "layers" in config:
        peer.only_top(config["layers"])
    if "lora" in config:
        peer.with_lora(config["lora"])
    if not config.get("dropout", True):
        peer.without_dropout()
    pairs = [(row["query"], row["positive"]) for row in rows]
    cpu, before = time.process_time(), held_bytes()
    seconds = peer.train(
        pairs,
        rate=config.get("rate", RATE),
        seed=config["seed"],
        epochs=config["epochs"],
        bf16=config.get("bf16", False),
    )
    cpu, peak = time.process_time() - cpu, peak_bytes()
    task = retrieval_task("test", read_test(test))
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "pairs": len(pairs) * config["epochs"],
        "ndcg": evaluate(task, peer.encode).main,
        "training_bytes": peak - before,
    }


def _train_ours(rows: Sequence[Options], test: Path, config: Options, folder: Path) -> Result:
    import acclimate

    write_jsonl(folder / "train.jsonl", list(rows))
    write_jsonl(folder / "general.jsonl", [{"query": f"a {n}", "positive": f"the {n}"} for n in range(20)])
    settings = {
        "regularizers": "[]",
        "training.lr": config.get("rate", RATE),
        "training.dropout": config.get("dropout", False),
        "training.micro_batch": config.get("micro_batch", "auto"),
        "evaluation.evaluations": 1,
        "evaluation.merge": 1.0,
        "data.dev_share": 0.02,
        **({"method.kind": "last_layers", "method.layers": config["layers"]} if "layers" in config else {}),
        **({"method.kind": config["method"]} if "method" in config else {}),
    }
    cpu, before = time.process_time(), held_bytes()
    run = acclimate.fit(
        folder / "train.jsonl",
        test=test,
        general=folder / "general.jsonl",
        settings=[f"{key}={value}" for key, value in settings.items()],
        epochs=config["epochs"],
        batch_size=config.get("batch_size", 64),
        max_length=MAX_LENGTH,
        precision=config.get("precision"),
        no_cache=not config.get("cache", True),
        seed=config["seed"],
        keep="anyway",
        out=folder / "run",
    )
    cost = run.scores["cost"]
    return {
        "seconds": cost["train_seconds"],
        "cpu_seconds": time.process_time() - cpu,
        "pairs": cost["train_seconds"] * cost["examples_per_second"],
        "ndcg": run.scores["test"]["after"]["ndcg@10"],
        "training_bytes": peak_bytes() - before,
    }


def _encoding(data: Path, config: Options) -> Result:
    texts = _texts(data, config["size"])
    from acclimate.model.bases import resolve

    if config["who"] == "peer":
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(resolve(BASE)), model_kwargs={"dtype": "bfloat16"} if "bf16" in config else {})
        model.max_seq_length = MAX_LENGTH
        encode: Callable[[Sequence[str]], Any] = partial(model.encode, show_progress_bar=False)
    else:
        import acclimate

        encoder = acclimate.load(BASE)
        encoder.max_length = MAX_LENGTH
        encode = partial(encoder.encode, precision=config["precision"])
    encode(texts[:64])
    started, cpu = time.perf_counter(), time.process_time()
    vectors = np.asarray(encode(texts), np.float32)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    exact = acclimate_vectors(texts)
    cosines = (vectors * exact).sum(1) / np.linalg.norm(vectors, axis=1)
    return {"seconds": seconds, "cpu_seconds": cpu, "texts": len(texts), "least_cosine": float(cosines.min())}


def _texts(data: Path, count: int) -> list[str]:
    """Half documents and half short queries."""
    texts = [row["text"] for row in islice(read_jsonl(data / SET / "test" / "corpus.jsonl"), count // 2)]
    return texts + [row["query"] for row in islice(read_jsonl(data / SET / "train.jsonl"), count - len(texts))]


def acclimate_vectors(texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The vectors in fp32, as the ruler."""
    import acclimate

    encoder = acclimate.load(BASE)
    encoder.max_length = MAX_LENGTH
    return encoder.encode(texts)


def _test(data: Path, folder: Path) -> Path:
    """A BEIR folder of a few hundred queries of dev: enough to see that both train as well."""
    rows = list(islice(read_jsonl(data / SET / "dev.jsonl"), DOCUMENTS))
    documents = {row["doc_id"]: row["positive"] for row in rows}
    write_jsonl(folder / "corpus.jsonl", [{"_id": key, "text": text} for key, text in documents.items()])
    asked = rows[:QUERIES]
    write_jsonl(folder / "queries.jsonl", [{"_id": str(n), "text": row["query"]} for n, row in enumerate(asked)])
    judged = [f"{n}\t{row['doc_id']}\t1" for n, row in enumerate(asked)]
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]) + "\n")
    return folder


def _starting() -> Result:
    before = os.times()
    subprocess.run([Path(sys.executable).with_name("acclimate"), "--help"], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"seconds": after.elapsed - before.elapsed, "cpu_seconds": cpu}


def _page(found: dict[tuple[str, str], list[Result]], pairs: int, texts: int, provenance: Sequence[str]) -> list[str]:
    """The lines of the page."""
    return [
        "# Speed beside sentence-transformers",
        "",
        "Written by `python benchmarks/speed.py --data DIR`; `benchmarks/data.py` builds DIR.",
        "",
        *provenance,
        *([] if fastest_precision("cpu") == "bf16" else [_WITHOUT_BF16]),
        "",
        f"{BASE}, texts of {SET} cut at {MAX_LENGTH} tokens; medians of the repetitions, the range in brackets.",
        "",
        "## Training",
        "",
        f"{pairs} pairs, batch 64 where nothing else is said, the in-batch softmax loss alone, whole runs with their "
        "optimizer; tokenizing and evaluation are left out. Dropout is on for the peer (its default) and off for ours "
        "(ours) unless the row says otherwise. Where only top layers train, it is three epochs, among them the first, "
        "in which what the frozen blocks say is computed. Memory is what the process took above what it held before.",
        "",
        *table(
            ("row", "pairs a second", "beside the peer's default", "nDCG@10", "memory, MB"),
            [
                (
                    name,
                    _spread([r["pairs"] / r["seconds"] for r in results], "{:.1f}"),
                    f"{_rate(results, 'pairs') / _rate(found['training', 'peer'], 'pairs'):.2f}x",
                    _spread([100 * r["ndcg"] for r in results], "{:.1f}"),
                    _spread([r["training_bytes"] / 1e6 for r in results], "{:.0f}"),
                )
                for (what, name), results in found.items()
                if what == "training"
            ],
        ),
        "",
        "## Encoding",
        "",
        f"{texts} texts, half documents and half short queries, in one call after a first one of 64 texts.",
        "",
        *table(
            ("row", "texts a second", "beside the peer's default", "least cosine to fp32"),
            [
                (
                    name,
                    _spread([r["texts"] / r["seconds"] for r in results], "{:.0f}"),
                    f"{_rate(results, 'texts') / _rate(found['encoding', 'peer'], 'texts'):.2f}x",
                    f"{min(r['least_cosine'] for r in results):.6f}",
                )
                for (what, name), results in found.items()
                if what == "encoding"
            ],
        ),
        "",
        "## Ranking",
        "",
        f"1,000 queries and 100,000 documents of 384 dimensions where nothing else is said, threads: {_threads()}. "
        "What faiss takes to copy the documents is counted, and it gives no rank below 100. Memory is above the "
        "vectors.",
        "",
        *table(
            ("row", "seconds", "beside ours", "memory, MB", "MRR@10", "median rank"),
            [
                (
                    name,
                    _spread([r["seconds"] for r in results], "{:.2f}"),
                    f"{_seconds(results) / _seconds(found['ranking', 'ours']):.2f}x",
                    _spread([r["above_bytes"] / 1e6 for r in results], "{:.0f}"),
                    f"{median(r['mrr@10'] for r in results):.4f}",
                    f"{median(r['median_rank'] for r in results):g}" if "median_rank" in results[0] else "",
                )
                for (what, name), results in found.items()
                if what == "ranking"
            ],
        ),
        "",
        "## Against the machine's matrix products",
        "",
        *_limits(found["limits", "limits"]),
        "",
        "## Starting",
        "",
        *(
            f"`{name}`: {_spread([r['cpu_seconds'] for r in results], '{:.2f}')} s of CPU time."
            for (what, name), results in found.items()
            if what == "starting"
        ),
    ]


def _limits(results: Sequence[Result]) -> list[str]:
    rates = {name: _spread([r["rates"][name] / 1e9 for r in results], "{:.0f}") for name in results[0]["rates"]}
    kinds = sorted({kind for result in results for work in result["works"].values() for kind in work["shares"]})
    measured = {name: [result["works"][name] for result in results] for name in results[0]["works"]}
    return [
        "The products of the base's linear layers alone, on 4,096 tokens, reach "
        + " and ".join(f"{rate} GFLOP/s in {name}" for name, rate in rates.items())
        + ". The floor is all products of the work at that rate; shares are of the profiled time.",
        "",
        *table(
            ("work", "floor, share of the time", *kinds),
            [
                (
                    name,
                    f"{100 * median(work['floor_seconds'] / work['seconds'] for work in works):.0f}%",
                    *(f"{100 * median(work['shares'].get(kind, 0.0) for work in works):.0f}%" for kind in kinds),
                )
                for name, works in measured.items()
            ],
        ),
        "",
        "Against the floor: with every other kind of work gone, the same products would let "
        + " and ".join(
            f"{name} be {median(work['seconds'] / work['floor_seconds'] for work in works):.2f} times as fast"
            for name, works in measured.items()
        )
        + ". What training gains over the peer beyond that is work left out: padding, dropout's random numbers, blocks "
        "that don't train. In encoding both sort by length, so that there is little padding to leave out, and in "
        "float32 the products alone bound what can be gained.",
    ]


def _threads() -> int:
    """Threads of a ranking: two, where the process may use two cores."""
    return min(2, len(psutil.Process().cpu_affinity()))


def _seconds(results: Sequence[Result]) -> float:
    return median(result["seconds"] for result in results)


def _rate(results: Sequence[Result], unit: str) -> float:
    return median(result[unit] / result["seconds"] for result in results)


def _spread(values: Sequence[float], form: str) -> str:
    middle = form.format(median(values))
    return middle if len(values) == 1 else f"{middle} ({form.format(min(values))} to {form.format(max(values))})"


if __name__ == "__main__":
    main()
