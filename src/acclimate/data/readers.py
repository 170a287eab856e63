"""Reading data that users have, as it is."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.core.files import sha256_file
from acclimate.data.assemble import assemble, require_usable, settle_pair_labels
from acclimate.data.examples import Dataset, Example, Kind, RetrievalSet, normalized
from acclimate.data.json_files import load_document
from acclimate.data.judged import (
    Judged,
    as_dataset,
    as_retrieval_set,
    is_beir,
    is_llama_index,
    load_beir,
    load_llama_index,
    retrieval_set,
)
from acclimate.data.roles import assign
from acclimate.data.rows import Source
from acclimate.data.sources import file_source, files_of, first_sign, is_lines, suffix_of, text_encoding
from acclimate.data.tables import content_sha256, python_source
from acclimate.data.tevatron import needs_corpus, with_corpus


def read(source: Any, *, columns: Mapping[str, str] | None = None) -> Dataset:
    """Reads training data.

    Args:
        source: a file (JSONL, JSON array, CSV, TSV, Parquet, a text a line in .txt, each also .gz; FlagEmbedding and
            Tevatron JSONL; LlamaIndex JSON), a folder (BEIR, a saved Hugging Face data set, files named by split), or
            from Python a list of dicts, a pandas or polars frame, or a datasets.Dataset.
        columns: role -> column name, for columns whose name does not say what they are.

    Raises:
        DataError: nothing usable, or more than half of the rows are bad; the first bad place is named.
        UsageError: ``columns`` names no role or no column.
        ResourceError: the file may not be read.
    """
    if not isinstance(source, str | Path):
        return _from_sources([python_source(source)], None, columns)
    judged = _judged(Path(source), "train")
    if judged is not None:
        _refuse_columns(judged, columns)
        return as_dataset(judged, _sha256(judged.files))
    return _from_files(Path(source), "train", columns)


def read_test(
    source: Any, *, columns: Mapping[str, str] | None = None, split: Literal["dev", "test"] = "test"
) -> RetrievalSet | Dataset:
    """Reads test data: a BEIR folder or LlamaIndex JSON as a retrieval set, anything else as :func:`read` does.

    Args:
        source: as in :func:`read`.
        columns: role -> column name.
        split: which part of a folder with several.

    Raises:
        DataError: nothing usable, or more than half of the rows are bad; the first bad place is named.
        UsageError: ``columns`` names no role or no column.
        ResourceError: the file may not be read.
    """
    if not isinstance(source, str | Path):
        return read(source, columns=columns)
    judged = _judged(Path(source), split)
    if judged is not None:
        _refuse_columns(judged, columns)
        return as_retrieval_set(judged)
    return _from_files(Path(source), split, columns)


def read_beside(
    source: Any, columns: Mapping[str, str] | None, split: Literal["dev", "test"]
) -> RetrievalSet | Dataset:
    """Reads test data that is given beside a file whose columns are named: they are its own too, if it has them."""
    try:
        return read_test(source, columns=columns, split=split)
    except UsageError:  # a folder has fixed names, and a file may have its own
        return read_test(source, split=split)


def to_retrieval_set(dataset: Dataset, queries: Sequence[Example] | None = None) -> RetrievalSet:
    """Ranks against all distinct documents of the file, wrong ones included.

    Documents are the same when their normalized texts are equal; queries likewise. A document's id is its
    ``doc_id`` (numbered when one id stands for several texts) or the id of its first row.

    Args:
        dataset: PAIRS; the source of all documents: those of its rows, then those listed apart.
        queries: the examples whose queries are asked; all by default.

    Raises:
        DataError: the data set has no pairs.
    """
    if dataset.kind is not Kind.PAIRS:
        where = Place(dataset.path) if dataset.path else None
        raise DataError(f"{dataset.kind} rows have no queries to search with", "give pairs", where)
    documents: dict[str, str] = {}
    keys: dict[str, str] = {}
    for example in dataset.examples:
        names = example.doc_id if len(example.positives) == 1 else None
        for text in example.positives:
            _add(text, names or f"{example.id}.d", documents, keys)
    for example in dataset.examples:
        for text in example.negatives:
            _add(text, f"{example.id}.n", documents, keys)
    for name, text in dataset.documents.items():
        _add(text, name, documents, keys)
    asked: dict[str, str] = {}
    query_keys: dict[str, str] = {}
    relevant: dict[str, dict[str, int]] = {}
    for example in dataset.examples if queries is None else queries:
        query = _add(example.query, example.id, asked, query_keys)
        for text in example.positives:
            relevant.setdefault(query, {})[_add(text, f"{example.id}.d", documents, keys)] = 1
    return retrieval_set(dataset.name, asked, documents, relevant)


def _add(text: str, name: str, kept: dict[str, str], keys: dict[str, str]) -> str:
    key = normalized(text)
    if key not in keys:
        free, number = name, 1
        while free in kept:
            number += 1
            free = f"{name}:{number}"
        kept[free] = text
        keys[key] = free
    return keys[key]


def _judged(path: Path, split: str) -> Judged | None:
    if path.is_dir() and is_beir(path):
        return load_beir(path, split)
    folder = path.parent.parent if path.parent.name == "qrels" else path.parent
    named = path.parent.name == "qrels" or path.name.startswith("qrels.")
    if path.is_file() and ".tsv" in path.suffixes and named and is_beir(folder):
        return load_beir(folder, split, path)
    if path.is_file() and suffix_of(path) == ".json":
        encoding = text_encoding(path)
        if first_sign(path, encoding) == "{" and not is_lines(path, encoding):
            document = load_document(path, encoding)
            if is_llama_index(document):
                return load_llama_index(path, document)
            problem = "one JSON object that is no LlamaIndex data set (queries, corpus, relevant_docs)"
            raise DataError(problem, "write an array of objects, or one object a line", Place(path))
    return None


def _refuse_columns(judged: Judged, columns: Mapping[str, str] | None) -> None:
    if columns:
        problem = f"--columns has no effect on a {judged.format}, which has fixed names"
        raise UsageError(problem, "leave it out", Place(judged.source))


def _from_files(path: Path, split: str, columns: Mapping[str, str] | None) -> Dataset:
    files = files_of(path, split)
    sources = [file_source(file) for file in files]
    return _from_sources(sources, path, columns, files)


def _from_sources(
    sources: Sequence[Source], path: Path | None, columns: Mapping[str, str] | None, files: Sequence[Path] = ()
) -> Dataset:
    found: dict[str, int] = {}
    for source in sources:
        found = source.columns() | found
    first = sources[0]
    if not found:
        _explain_no_columns(sources)
    if needs_corpus(found):
        sources = with_corpus(sources, files[0] if files else None, file_source)
    roles = settle_pair_labels(sources, assign(found, columns, first.file))
    result = assemble(sources, roles)
    require_usable(result, first.file)
    notes = (*dict.fromkeys(note for source in sources for note in source.notes), *roles.notes, *result.notes)
    sha256 = _sha256(files) if files else content_sha256(first)
    name = (path.name if path.is_dir() else first.stem) if path else first.stem
    return Dataset(
        path, name, roles.kind, result.examples, roles.by_column(), roles.unused, result.rejected, sha256,
        first.format, notes,
    )  # fmt: skip


def _explain_no_columns(sources: Sequence[Source]) -> None:
    """No row has a column: either every row is bad, and the first tells why, or there are none."""
    for source in sources:
        for row in source.rows():
            remedy = 'write one object a line, such as {"query": "...", "positive": "..."}'
            raise DataError(f"{row} (no row can be used)", remedy)
    raise DataError("there are no rows", "give at least one row of data", Place(sources[0].file))


def _sha256(files: Sequence[Path]) -> str:
    if len(files) == 1:
        return sha256_file(files[0])
    listed = [[file.name, sha256_file(file)] for file in files]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
