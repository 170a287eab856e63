"""The layout every text data set is written in: train, dev and test pairs, and a BEIR folder with all documents."""

import hashlib
import json
import statistics
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_LARGE = 0.03  # share of the pairs from which on a group would make most of a test side


@dataclass(frozen=True, slots=True)
class Pair:
    """A query and its right document; pairs of one group never fall on two sides of a split."""

    query: str
    doc_id: str
    group: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class PairSet:
    """A retrieval data set before it is split.

    ``corpus`` limits how many documents the test folder holds, ``test_queries`` how many queries, and ``train`` how
    many training pairs are written; 0 means all.
    """

    name: str
    source: str
    license: str
    pairs: Sequence[Pair]
    documents: dict[str, str]
    train: int = 0
    test_queries: int = 0
    corpus: int = 0


def key(text: str) -> str:
    """What two texts have in common when only case, width and punctuation differ."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in folded).split())


def draw(*names: str) -> float:
    """A number in [0, 1) that depends on the names alone: the same on every machine, whatever the order of rows."""
    digest = hashlib.sha256("\x1f".join(names).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def shuffled(items: Iterable[T], *names: str) -> list[T]:
    """The items in an order that depends on their own text and on the names, not on the order they came in."""
    return sorted(items, key=lambda item: (draw(*names, str(item)), str(item)))


def cut(data: PairSet, dev: float = 0.1, test: float = 0.1) -> dict[str, list[Pair]]:
    """Splits by group; then drops from train and dev what still repeats a query or a document text of a later side."""
    sides = _dealt(data, {"test": test, "dev": dev, "train": 1.0})
    queries: set[str] = set()
    texts: set[str] = set()
    for side in ("test", "dev", "train"):
        sides[side] = [
            pair
            for pair in sides[side]
            if key(pair.query) not in queries and key(data.documents[pair.doc_id]) not in texts
        ]
        queries |= {key(pair.query) for pair in sides[side]}
        texts |= {key(data.documents[pair.doc_id]) for pair in sides[side]}
    if data.train:
        sides["train"] = sides["train"][: data.train]
    return sides


def write(data: PairSet, folder: Path) -> dict[str, object]:
    """Writes the pairs, the BEIR folder and ``info.json``; returns what ``info.json`` says."""
    sides = cut(data)
    folder.mkdir(parents=True, exist_ok=True)
    for side, pairs in sides.items():
        write_lines(folder / f"{side}.jsonl", (row(pair, data.documents) for pair in pairs))
    queries = write_beir(folder / "test", sides["test"], _corpus(data, sides["test"]), data.test_queries)
    info = _info(data, sides, queries)
    (folder / "info.json").write_text(json.dumps(info, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return info


def row(pair: Pair, documents: dict[str, str]) -> dict[str, str]:
    """A pair as a line of JSON."""
    line = {"query": pair.query, "positive": documents[pair.doc_id], "doc_id": pair.doc_id, "group": pair.group}
    return line if pair.label is None else line | {"label": pair.label}


def write_beir(folder: Path, pairs: Sequence[Pair], documents: dict[str, str], limit: int = 0) -> int:
    """Writes corpus, queries and judgments; a query asked of several documents is written once. Returns how many."""
    wanted: dict[str, set[str]] = {}
    for pair in pairs:
        if pair.query in wanted or not limit or len(wanted) < limit:
            wanted.setdefault(pair.query, set()).add(pair.doc_id)
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    write_lines(folder / "corpus.jsonl", ({"_id": d, "title": "", "text": documents[d]} for d in sorted(documents)))
    write_lines(folder / "queries.jsonl", ({"_id": f"q{n}", "text": query} for n, query in enumerate(wanted)))
    judged = [f"q{n}\t{doc}\t1" for n, docs in enumerate(wanted.values()) for doc in sorted(docs)]
    table = "\n".join(["query-id\tcorpus-id\tscore", *judged]) + "\n"
    (folder / "qrels" / "test.tsv").write_text(table, encoding="utf-8")
    return len(wanted)


def write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Writes JSON Lines."""
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")


def _dealt(data: PairSet, shares: dict[str, float]) -> dict[str, list[Pair]]:
    """Deals whole groups, in a random order, until a side has its share of the pairs; very large ones go to train."""
    members: dict[str, list[Pair]] = {}
    for pair in data.pairs:
        members.setdefault(pair.group, []).append(pair)
    order = shuffled(members, data.name, "group")
    order.sort(key=lambda group: len(members[group]) > len(data.pairs) * _LARGE)
    sides: dict[str, list[Pair]] = {}
    for side, share in shares.items():
        sides[side] = []
        while order and len(sides[side]) < share * len(data.pairs):
            sides[side] += members[order.pop(0)]
        sides[side] = shuffled(sides[side], data.name, "row")
    return sides


def _corpus(data: PairSet, test: Sequence[Pair]) -> dict[str, str]:
    """The test documents first, then others until the limit."""
    if not data.corpus:
        return data.documents
    needed = dict.fromkeys(pair.doc_id for pair in test)
    others = [d for d in shuffled(data.documents, data.name, "corpus") if d not in needed]
    return {d: data.documents[d] for d in [*needed, *others][: max(data.corpus, len(needed))]}


def _info(data: PairSet, sides: dict[str, list[Pair]], test_queries: int) -> dict[str, object]:
    queries = [pair.query for pair in data.pairs]
    documents = list(data.documents.values())
    return {
        "name": data.name,
        "source": data.source,
        "license": data.license,
        "pairs": len(data.pairs),
        "docs": len(documents),
        "groups": len({pair.group for pair in data.pairs}),
        **{side: len(pairs) for side, pairs in sides.items()},
        "test_queries": test_queries,
        "corpus": min(len(documents), data.corpus) if data.corpus else len(documents),
        "q_chars_med": statistics.median(map(len, queries)),
        "d_chars_med": statistics.median(map(len, documents)),
        "labels": len({pair.label for pair in data.pairs if pair.label is not None}),
    }
