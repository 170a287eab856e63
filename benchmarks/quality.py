"""Quality beside sentence-transformers: ``python benchmarks/quality.py --data DIR``.

On each set, ours is ``acclimate.fit`` without options, and the peer is sentence-transformers' own trainer on the same
base, pairs and epochs. The peer's learning rate is picked on dev with the first seed; then its default rate and its
best run with every seed, in alternation with ours. Both are scored by the same functions. Every cell is a file under
``--out``; a second call measures what is missing. About an hour on 2 cores that do nothing else (``--quick``: minutes).
DIR is what ``benchmarks/data.py`` builds.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import yaml
from common import RESULTS, Cells, Result, write_table
from cuts import Cut, Sizes, cut
from peer import Peer
from quality_page import Measured, page

import acclimate
from acclimate.core.files import read_jsonl
from acclimate.data.examples import RetrievalSet
from acclimate.data.readers import read_test
from acclimate.evaluation import RetrievalTask, evaluate, evaluate_general
from acclimate.evaluation.probe import general_tasks
from acclimate.model.bases import resolve
from acclimate.runs.tasks import retrieval_task

BASE = "all-MiniLM-L6-v2"
SETS = ("icd10cm", "hpo")
SEEDS = (1, 2, 3)
RATES = (2e-5, 5e-5, 1e-4)
DEFAULT_RATE = 5e-5
FULL = Sizes(pairs=2_000, characters=200, dev=(400, 2_500), test=(1_000, 5_000))
QUICK = Sizes(pairs=200, characters=200, dev=(50, 200), test=(100, 300))
SAME = 1e-3  # a tenth of a point: by how much two programs may differ on one model


def main() -> None:
    """Measures what is missing, then writes docs/results/quality.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {', '.join(SETS)}")
    parser.add_argument("--out", type=Path, help="folder of the cells [benchmarks/results/quality]")
    parser.add_argument("--quick", action="store_true", help="one set, one seed, tiny: shows that it works, no result")
    arguments = parser.parse_args()
    out = arguments.out or RESULTS / ("quality-quick" if arguments.quick else "quality")
    sets, seeds, sizes = (SETS[:1], SEEDS[:1], QUICK) if arguments.quick else (SETS, SEEDS, FULL)
    # A set: ours with every seed, every rate with the first seed, the default and the best with the others.
    cells = Cells(out / "cells", planned=len(sets) * (len(seeds) + len(RATES) + 2 * (len(seeds) - 1)))
    measured = [_measure(cells, arguments.data / name, sizes, seeds, out) for name in sets]
    lines = page(measured, BASE, RATES, DEFAULT_RATE, seeds, cells.provenance())
    print("\n".join(["", *lines]))
    if not arguments.quick:
        write_table("quality", lines)


def _measure(cells: Cells, data: Path, sizes: Sizes, seeds: Sequence[int], out: Path) -> Measured:
    name = data.name
    files = cut(data, sizes, out / "data" / name)
    about = {"set": name, "files": files.sha256(), "base": BASE}

    def ours(seed: int) -> Result:
        work = partial(_ours, files, seed, out / "runs" / f"{name}-{seed}", peer_too=seed == seeds[0])
        return cells.measure(f"{name}-ours-{seed}", {**about, "seed": seed}, work)

    def peer(rate: float, seed: int) -> Result:
        config = {**about, "seed": seed, "rate": rate, "epochs": epochs}
        return cells.measure(f"{name}-peer-{rate:g}-{seed}", config, partial(_peer, files, rate, seed, epochs))

    # Ours goes first once: it chooses the epochs that the peer gets too.
    our_results = [ours(seeds[0])]
    epochs = our_results[0]["resolved"]["training"]["epochs"]
    picks = {rate: peer(rate, seeds[0]) for rate in RATES}
    best = max(RATES, key=lambda rate: picks[rate]["dev"])  # test is not looked at
    peers = {rate: [picks[rate]] for rate in (DEFAULT_RATE, best)}
    cells.planned -= (2 - len(peers)) * (len(seeds) - 1)
    for seed in seeds[1:]:
        our_results.append(ours(seed))
        for rate, results in peers.items():
            results.append(peer(rate, seed))
    return Measured(name, sizes, our_results, peers[DEFAULT_RATE], peers[best], best)


def _ours(files: Cut, seed: int, folder: Path, *, peer_too: bool) -> Result:
    """``fit`` without options, and what its run folder says."""
    scores = acclimate.fit(files.train, dev=files.dev, test=files.test, seed=seed, out=folder).scores
    profile = json.loads((folder / "data" / "profile.json").read_text(encoding="utf-8"))
    queries = read_jsonl(folder / "data" / "queries.jsonl")
    result: Result = {
        "resolved": yaml.safe_load((folder / "resolved.yaml").read_text(encoding="utf-8")),
        "pairs": profile["splits"]["train"],
        "train_seconds": scores["cost"]["train_seconds"],
        "test_before": scores["test"]["before"],
        "test": scores["test"]["after"],
        "ndcg": {query["query_id"]: query["ndcg_after"] for query in queries},
        "general_before": scores["general"]["before"],
        "general": scores["general"]["after"],
        "merge": scores.get("merge"),
        "verdict": scores["gate"]["verdict"],
    }
    if peer_too:
        tuned = folder / "rejected"
        result["differs"] = _difference(result, _scored(Peer(tuned if tuned.is_dir() else folder / "model"), files))
    for weights in ("model", "rejected"):  # 90 MB each; the figures are what is kept
        shutil.rmtree(folder / weights, ignore_errors=True)
    return result


def _peer(files: Cut, rate: float, seed: int, epochs: float) -> Result:
    """The peer's trainer with one rate and seed."""
    peer, pairs = Peer(resolve(BASE)), files.pairs()
    seconds = peer.train(pairs, rate=rate, seed=seed, epochs=epochs)
    dev = evaluate(_task(files.dev), peer.encode).main
    return {"pairs": len(pairs), "train_seconds": round(seconds, 3), "dev": dev, **_scored(peer, files)}


def _scored(peer: Peer, files: Cut) -> Result:
    task = _task(files.test)
    test, general = evaluate(task, peer.encode), evaluate_general(general_tasks("test"), peer.encode)
    ndcg = dict(zip(task.query_ids, test.per_item["ndcg@10"].tolist(), strict=True))
    return {"test": test.metrics, "ndcg": ndcg, "general": general.metrics}


def _task(folder: Path) -> RetrievalTask:
    data = read_test(folder)
    assert isinstance(data, RetrievalSet)
    return retrieval_task(folder.name, data)


def _difference(ours: Result, as_peer_reads: Result) -> float:
    """The largest between the scores of one model, encoded by us and by the peer: the ruler must be the same."""
    names = (("test", "ndcg@10"), ("test", "mrr@10"), ("general", "score"))
    largest: float = max(abs(ours[part][metric] - as_peer_reads[part][metric]) for part, metric in names)
    if largest > SAME:
        raise SystemExit(f"the peer reads our model differently: a score differs by {largest:.4f}")
    return largest


if __name__ == "__main__":
    main()
