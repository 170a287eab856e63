"""Tables: Parquet and Arrow files, and rows that come from Python."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.data.examples import Rejected
from acclimate.data.rows import Row, Source, columns_of, shortened
from acclimate.data.text_files import is_gzip, open_bytes, readable

_BATCH = 1000


def parquet_source(path: Path) -> Source:
    """A Parquet file, read a thousand rows at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    def batches() -> Iterator[Any]:
        if is_gzip(path):
            with open_bytes(path) as packed:
                yield from parquet.ParquetFile(pa.BufferReader(packed.read())).iter_batches(_BATCH)
        else:
            with parquet.ParquetFile(path) as file:
                yield from file.iter_batches(_BATCH)

    def schema() -> Any:
        if is_gzip(path):
            with open_bytes(path) as packed:
                return parquet.ParquetFile(pa.BufferReader(packed.read())).schema_arrow
        with parquet.ParquetFile(path) as file:
            return file.schema_arrow

    return _arrow_file(path, "Parquet", schema, batches)


def arrow_source(path: Path) -> Source:
    """An Arrow file as the `datasets` package saves it: the streaming format, memory-mapped."""
    import pyarrow as pa

    def batches() -> Iterator[Any]:
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
            yield from stream

    def schema() -> Any:
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
            return stream.schema

    return _arrow_file(path, "Arrow", schema, batches)


def python_source(data: Any, name: str = "rows") -> Source:
    """A list of dicts, a pandas or polars frame, or a datasets.Dataset.

    Raises:
        UsageError: something else, or rows that are no dicts.
    """
    # Told apart by where the type lives, so that none of the three packages need be installed.
    package = type(data).__module__.partition(".")[0]
    if package in ("pandas", "polars", "datasets") and type(data).__name__ in ("DataFrame", "Dataset"):
        return _PACKAGES[package](data, name)
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _listed(data, name)
    problem = f"cannot read data from {type(data).__module__}.{type(data).__name__}"
    raise UsageError(problem, "give a path, a list of dicts, a pandas or polars DataFrame, or a datasets.Dataset")


def content_sha256(source: Source) -> str:
    """Hexadecimal SHA-256 of all rows' values; equal for equal rows from a list, a frame or a data set."""
    digest = hashlib.sha256()
    for row in source.rows():
        values = dict(row.values) if isinstance(row, Row) else row.raw
        digest.update(json.dumps(values, sort_keys=True, default=str).encode() + b"\n")
    return digest.hexdigest()


def _arrow_file(path: Path, name: str, schema: Callable[[], Any], batches: Callable[[], Iterator[Any]]) -> Source:
    import pyarrow as pa

    stem = path.name.split(".")[0] or path.name
    remedy = "write the file again, it is cut off or is another kind of file"
    with readable(path):
        try:
            known = schema()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowIOError) as error:
            raise DataError(f"not a {name} file that can be read ({error})", remedy, Place(path)) from error

    def rows() -> Iterator[Row]:
        with readable(path):
            try:
                yield from _arrow_rows(known, batches())
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowIOError) as error:
                raise DataError(f"the {name} file is damaged ({error})", remedy, Place(path)) from error

    return Source(str(path), stem, name, rows, _first_line(known.names, str(path)))


def _first_line(names: Sequence[str], file: str) -> Callable[[], dict[str, int]]:
    twice = next((name for name in names if list(names).count(name) > 1), None)
    if twice is not None:
        raise DataError(f"two columns are called {twice!r}", "rename one of them", Place(file))
    return lambda: dict.fromkeys(names, 1)


def _arrow_rows(schema: Any, batches: Iterator[Any]) -> Iterator[Row]:
    names = _class_names(schema)
    line = 0
    for batch in batches:
        for values in batch.to_pylist():
            line += 1
            for column, labels in names.items():
                number = values[column]
                if isinstance(number, int) and 0 <= number < len(labels):
                    values[column] = labels[number]
            yield Row(line, values)


def _class_names(schema: Any) -> dict[str, list[str]]:
    """Names of the classes behind numbers, as `datasets` notes them in the schema; pairs keep their 0 and 1."""
    noted = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = noted.get("info", {}).get("features", {})
    if "text" not in features:
        return {}
    classes = {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    return {name: feature["names"] for name, feature in classes.items() if feature.get("_type") == "ClassLabel"}


def _listed(data: Sequence[Any], name: str) -> Source:
    def rows() -> Iterator[Row | Rejected]:
        for line, values in enumerate(data, 1):
            if isinstance(values, Mapping):
                yield Row(line, {str(key): _plain(value) for key, value in values.items()})
            else:
                reason = f"a {type(values).__name__} where a dict with named columns is needed"
                yield Rejected(name, line, None, reason, shortened(repr(values)))

    return Source(name, name, "Python rows", rows, lambda: columns_of(rows()))


def _pandas(frame: Any, name: str) -> Source:
    columns = [str(column) for column in frame.columns]

    def rows() -> Iterator[Row]:
        for start in range(0, len(frame), _BATCH):
            part = frame.iloc[start : start + _BATCH]
            values = [[_plain(value) for value in part.iloc[:, i].tolist()] for i in range(len(columns))]
            for offset, row in enumerate(zip(*values, strict=True)):
                yield Row(start + offset + 1, dict(zip(columns, row, strict=True)))

    return Source(name, name, "pandas frame", rows, _first_line(columns, name))


def _plain(value: Any) -> Any:
    """What pandas writes for a missing value becomes None; numbers and arrays of NumPy become Python's."""
    if type(value).__module__ == "numpy":
        value = value.tolist()
    if isinstance(value, float) and math.isnan(value):
        return None
    return None if type(value).__name__ in ("NAType", "NaTType") else value


def _polars(frame: Any, name: str) -> Source:
    def rows() -> Iterator[Row]:
        for line, values in enumerate(frame.iter_rows(named=True), 1):
            yield Row(line, values)

    return Source(name, name, "polars frame", rows, _first_line(frame.columns, name))


def _datasets(data: Any, name: str) -> Source:
    schema = data.features.arrow_schema

    def rows() -> Iterator[Row]:
        return _arrow_rows(schema, data.with_format("arrow").iter(_BATCH))

    return Source(name, name, "datasets.Dataset", rows, _first_line(schema.names, name))


_PACKAGES = {"pandas": _pandas, "polars": _polars, "datasets": _datasets}
