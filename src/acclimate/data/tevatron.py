"""Tevatron's newer layout: training rows that name documents by id, and the corpus in a file beside them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from acclimate.core.errors import DataError, Place
from acclimate.data.examples import Rejected
from acclimate.data.rows import Row, Source

_IDS = ("positive_document_ids", "negative_document_ids")
_CORPUS_NAMES = ("corpus.jsonl", "corpus.parquet", "corpus.json", "corpus.csv", "corpus.tsv")


def needs_corpus(columns: Mapping[str, int]) -> bool:
    """Whether rows name their documents by id."""
    return "positive_document_ids" in columns


def with_corpus(sources: Sequence[Source], path: Path | None, open_source: Callable[[Path], Source]) -> list[Source]:
    """The same rows with documents in the place of their ids.

    Args:
        sources: the training rows.
        path: their file; the corpus is looked for beside it.
        open_source: how a file is read.

    Raises:
        DataError: there is no corpus.
    """
    folder = path.parent if path else Path()
    candidates = (folder / name for base in _CORPUS_NAMES for name in (base, f"{base}.gz"))
    corpus = next((file for file in candidates if path and file.is_file()), None)
    if corpus is None:
        problem = "documents are named by id (positive_document_ids) and there is no corpus"
        raise DataError(problem, "put corpus.jsonl with docid and text beside the file", Place(path or "rows"))
    documents = dict(_documents(open_source(corpus)))
    return [_joined(source, documents) for source in sources]


def _documents(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in source.rows():
        if isinstance(row, Row):
            key = row.values.get("docid", row.values.get("_id"))
            text = row.values.get("text", row.values.get("document_text"))
            yield str(key), {"docid": str(key), "title": row.values.get("title"), "text": text}


def _joined(source: Source, documents: Mapping[str, dict[str, Any]]) -> Source:
    def rows() -> Iterator[Row | Rejected]:
        for row in source.rows():
            yield _join(row, source, documents) if isinstance(row, Row) else row

    return replace(source, rows=rows)


def _join(row: Row, source: Source, documents: Mapping[str, dict[str, Any]]) -> Row | Rejected:
    values = dict(row.values)
    for column in _IDS:
        keys = values.get(column) or []
        if not isinstance(keys, list | tuple):
            return Rejected(source.file, row.line, source.locate(row, column), f"{column} is not a list", row.written())
        missing = next((key for key in keys if str(key) not in documents), None)
        if missing is not None:
            reason = f"document {missing!r} is not in the corpus"
            return Rejected(source.file, row.line, source.locate(row, column), reason, row.written())
        values[column] = [documents[str(key)] for key in keys]
    return replace(row, values=values, raw=row.written())
