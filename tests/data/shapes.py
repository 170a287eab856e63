"""The same rows in every shape that is read without conversion."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROWS = [
    {"query": "reset my password", "positive": 'Open settings, then "Security".\nChoose reset.', "doc_id": "d1"},
    {"query": "怎么退款？", "positive": "在订单页面，点击申请退款。", "doc_id": "d2"},
    {"query": "naïve café, où?", "positive": "À gauche; puis tout droit\tjusqu'au pont", "doc_id": "d3"},
    {"query": "does it ship to Peru", "positive": "Yes, to all of South America", "doc_id": "d4"},
]
WANTED = [(row["query"], row["positive"]) for row in ROWS]


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def delimited(path: Path, delimiter: str, rows: list[dict[str, Any]] = ROWS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def packed(path: Path) -> Path:
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


def _parquet(folder: Path) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(ROWS), folder / "train.parquet")
    return folder / "train.parquet"


def _json_array(folder: Path, indent: int | None) -> Path:
    path = folder / "train.json"
    path.write_text(json.dumps(ROWS, ensure_ascii=False, indent=indent), encoding="utf-8")
    return path


def beir(folder: Path, *, header: bool = True, split: str | None = "train") -> Path:
    folder.mkdir(exist_ok=True)
    jsonl(folder / "corpus.jsonl", [{"_id": r["doc_id"], "title": "", "text": r["positive"]} for r in ROWS])
    jsonl(folder / "queries.jsonl", [{"_id": f"q{i}", "text": r["query"]} for i, r in enumerate(ROWS)])
    lines = ["query-id\tcorpus-id\tscore"] * header + [f"q{i}\t{r['doc_id']}\t1" for i, r in enumerate(ROWS)]
    target = folder / "qrels.tsv" if split is None else folder / "qrels" / f"{split}.tsv"
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(lines) + "\n")
    return folder


def _flag_embedding(folder: Path) -> Path:
    rows = [{"query": r["query"], "pos": [r["positive"]], "neg": ["wrong one", "wrong two"]} for r in ROWS]
    return jsonl(folder / "train.jsonl", rows)


def _tevatron_passages(folder: Path) -> Path:
    rows = [
        {
            "query_id": f"q{i}",
            "query": r["query"],
            "positive_passages": [{"docid": r["doc_id"], "title": "", "text": r["positive"]}],
            "negative_passages": [],
            "answers": ["not the document"],
        }
        for i, r in enumerate(ROWS)
    ]
    return jsonl(folder / "train.jsonl", rows)


def _tevatron_ids(folder: Path) -> Path:
    jsonl(folder / "corpus.jsonl", [{"docid": r["doc_id"], "text": r["positive"]} for r in ROWS])
    rows = [
        {
            "query_id": f"q{i}",
            "query_text": r["query"],
            "query_image": None,
            "positive_document_ids": [r["doc_id"]],
            "negative_document_ids": [],
            "answer": "not the document",
        }
        for i, r in enumerate(ROWS)
    ]
    return jsonl(folder / "train.jsonl", rows)


def llama_index(folder: Path) -> Path:
    document = {
        "queries": {f"q{i}": r["query"] for i, r in enumerate(ROWS)},
        "corpus": {r["doc_id"]: r["positive"] for r in ROWS},
        "relevant_docs": {f"q{i}": [r["doc_id"]] for i, r in enumerate(ROWS)},
        "mode": "text",
    }
    (folder / "train.json").write_text(json.dumps(document, indent=1))
    return folder / "train.json"


def _hugging_face(folder: Path, *, splits: bool) -> Path:
    import datasets

    data = datasets.Dataset.from_list(ROWS)
    target = folder / "saved"
    (datasets.DatasetDict(train=data, test=data.select([0])) if splits else data).save_to_disk(str(target))
    return target


def _shards(folder: Path) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    (folder / "data").mkdir()
    for number, part in enumerate((ROWS[:1], ROWS[1:])):
        parquet.write_table(pa.Table.from_pylist(part), folder / "data" / f"train-0000{number}-of-00002.parquet")
    jsonl(folder / "data" / "test.jsonl", ROWS[:1])
    return folder


def _pandas(_folder: Path) -> Any:
    import pandas as pd

    return pd.DataFrame(ROWS, index=range(7, 7 + len(ROWS)))


def _polars(_folder: Path) -> Any:
    import polars as pl

    return pl.DataFrame(ROWS)


def _datasets(_folder: Path) -> Any:
    import datasets

    return datasets.Dataset.from_list(ROWS[::-1]).select(range(len(ROWS) - 1, -1, -1))


def _jsonl(folder: Path) -> Path:
    return jsonl(folder / "train.jsonl", ROWS)


SHAPES: dict[str, Callable[[Path], Any]] = {
    "jsonl": _jsonl,
    "jsonl.gz": lambda folder: packed(_jsonl(folder)),
    "json lines in .json": lambda folder: jsonl(folder / "train.json", ROWS),
    "json array": lambda folder: _json_array(folder, None),
    "json array, indented": lambda folder: _json_array(folder, 2),
    "json.gz": lambda folder: packed(_json_array(folder, 2)),
    "csv": lambda folder: delimited(folder / "train.csv", ","),
    "csv.gz": lambda folder: packed(delimited(folder / "train.csv", ",")),
    "csv with semicolons": lambda folder: delimited(folder / "train.csv", ";"),
    "tsv": lambda folder: delimited(folder / "train.tsv", "\t"),
    "tsv.gz": lambda folder: packed(delimited(folder / "train.tsv", "\t")),
    "parquet": _parquet,
    "parquet.gz": lambda folder: packed(_parquet(folder)),
    "beir": lambda folder: beir(folder / "beir"),
    "beir without header": lambda folder: beir(folder / "beir", header=False),
    "beir with qrels.tsv": lambda folder: beir(folder / "beir", split=None),
    "beir, its only split": lambda folder: beir(folder / "beir", split="dev"),
    "beir, qrels named": lambda folder: beir(folder / "beir", split="dev") / "qrels" / "dev.tsv",
    "flag embedding": _flag_embedding,
    "tevatron passages": _tevatron_passages,
    "tevatron ids": _tevatron_ids,
    "llama index": llama_index,
    "hugging face data set": lambda folder: _hugging_face(folder, splits=False),
    "hugging face data sets": lambda folder: _hugging_face(folder, splits=True),
    "parquet shards": _shards,
    "list of dicts": lambda _folder: ROWS,
    "pandas": _pandas,
    "polars": _polars,
    "datasets": _datasets,
}
