"""Pairs of ids, for item tables: read in columns, cut into train, dev and test, numbered without a look at a row."""

from array import array
from collections.abc import Mapping, Sequence
from csv import reader as csv_rows
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from acclimate.core.errors import DataError, Place
from acclimate.core.files import sha256_file
from acclimate.core.seeds import numpy_generator
from acclimate.data.examples import Dataset, Kind
from acclimate.data.features import FeatureStore
from acclimate.data.pairs import PairTable, Ragged
from acclimate.data.readers import read
from acclimate.data.roles import assign
from acclimate.data.sources import stem_of, suffix_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

_READ = ("query", "positive", "id", "group", "domain", "task")  # roles that the quick way may meet
_MOST_TEST, _MOST_DEV = 10_000, 2_000  # pairs that are held out; more would make no interval that is told narrower


@dataclass(frozen=True, slots=True)
class IdPairs:
    """Pairs of ids as they were read.

    Attributes:
        names: the distinct ids.
        query, positive: [N] places in ``names``.
        weight: [N].
        lines: [N] where each stands, from 1.
        stem, path, sha256, format, roles, unused, notes, rejected: as in `Dataset`.
    """

    names: list[str]
    query: "Numbers"
    positive: "Numbers"
    weight: "NDArray[np.float32]"
    lines: "Numbers"
    stem: str
    path: Path | None
    sha256: str
    format: str
    roles: dict[str, str]
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rejected: Sequence[Any] = ()

    def __len__(self) -> int:
        return len(self.query)


@dataclass(frozen=True, slots=True)
class ItemRows:
    """Pairs of rows of an item table.

    Attributes:
        query, positive: [N] rows of the table.
        weight: [N].
        ids: [N] names of the pairs.
        items: rows of the table.
    """

    query: "Numbers"
    positive: "Numbers"
    weight: "NDArray[np.float32]"
    ids: "PairNames"
    items: int

    def __len__(self) -> int:
        return len(self.query)

    def select(self, chosen: "Numbers") -> "ItemRows":
        """Some of the pairs."""
        ids = self.ids.select(chosen)
        return ItemRows(self.query[chosen], self.positive[chosen], self.weight[chosen], ids, self.items)

    @property
    def pair(self) -> "Numbers":
        """A number for each pair that is the same for both directions [N]."""
        low, high = np.minimum(self.query, self.positive), np.maximum(self.query, self.positive)
        return low * self.items + high


@dataclass(frozen=True, slots=True)
class PairNames(Sequence[str]):
    """``STEM:LINE`` of pairs, made at each look."""

    stem: str
    lines: "Numbers"

    def select(self, chosen: "Numbers") -> "PairNames":
        """Some of them."""
        return PairNames(self.stem, self.lines[chosen])

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> "PairNames": ...

    def __getitem__(self, place: int | slice) -> "str | PairNames":
        if isinstance(place, slice):
            return PairNames(self.stem, self.lines[place])
        return f"{self.stem}:{self.lines.item(place)}"


@dataclass(frozen=True, slots=True)
class ItemSplit:
    """Pairs that train, and pairs that are held out. Every item that is asked about trains."""

    train: ItemRows
    dev: ItemRows
    test: ItemRows
    notes: tuple[str, ...] = field(default=())


def read_ids(source: Any, columns: Mapping[str, str]) -> IdPairs:
    """Reads pairs of ids: any layout that pairs of texts may have, with ids in the place of texts.

    Args:
        source: a path, or rows in memory.
        columns: role -> column.

    Raises:
        DataError: rows that are no pairs.
    """
    path = Path(source) if isinstance(source, str | Path) else None
    quick = None if path is None or not path.is_file() else _in_columns(path, columns)
    if quick is not None:
        return quick
    dataset = read(source, columns=columns)
    if dataset.kind is not Kind.PAIRS:
        problem = "the rows say nothing about which item goes with which"
        raise DataError(problem, "give rows with query and positive, both ids", Place(path) if path else None)
    number: dict[str, int] = {}
    query, positive, lines, weight = array("q"), array("q"), array("q"), array("f")
    wrong = 0
    for example in dataset.examples:
        wrong += len(example.negatives)
        for name in example.positives:
            query.append(number.setdefault(example.query, len(number)))
            positive.append(number.setdefault(name, len(number)))
            lines.append(example.line)
            weight.append(example.weight)
    notes = dataset.notes
    if wrong:
        notes = (*notes, f"{wrong} wrong items are not used: every other item of a step is one")
    return IdPairs(
        list(number),
        np.array(query, np.int64),
        np.array(positive, np.int64),
        np.array(weight, np.float32),
        np.array(lines, np.int64),
        dataset.name, dataset.path, dataset.sha256, dataset.format, dataset.roles, dataset.unused, notes,
        dataset.rejected,
    )  # fmt: skip


def _in_columns(path: Path, columns: Mapping[str, str]) -> IdPairs | None:
    """The same from a plain file, a column at a time; None where a row wants to be looked at, or a value is no id."""
    import pyarrow as pa
    import pyarrow.compute as pc

    reader = _READERS.get(suffix_of(path)) if path.suffix != ".gz" else None
    if reader is None:
        return None
    try:
        form, first, table = reader(path)
        roles = assign(dict.fromkeys(table.column_names, 1), columns, str(path))
        if roles.kind is not Kind.PAIRS or roles.negatives or not set(roles.columns) <= set(_READ) or not len(table):
            return None
        given = [table.column(roles.columns[role]) for role in ("query", "positive")]
        if not all(pa.types.is_string(c.type) or pa.types.is_integer(c.type) for c in given):
            return None
        texts = [pc.utf8_trim_whitespace(column.cast(pa.string())) for column in given]
        if any(column.null_count or pc.any(pc.equal(pc.binary_length(column), 0)).as_py() for column in texts):
            return None
        joined = pa.chunked_array([chunk for column in texts for chunk in column.chunks], pa.string())
        coded = joined.combine_chunks().dictionary_encode()
    except (pa.ArrowException, OSError, DataError):
        return None
    numbers = np.asarray(coded.indices).astype(np.int64)
    count = len(table)
    return IdPairs(
        coded.dictionary.to_pylist(), numbers[:count], numbers[count:], np.ones(count, np.float32),
        np.arange(first, first + count), stem_of(path), path, sha256_file(path), form, roles.by_column(),
        roles.unused, roles.notes,
    )  # fmt: skip


def _csv(path: Path) -> tuple[str, int, Any]:
    from pyarrow import csv, string

    separator = "," if suffix_of(path) == ".csv" else "\t"
    parse = csv.ParseOptions(delimiter=separator)
    with path.open(encoding="utf-8-sig") as file:
        names = next(csv_rows([file.readline()], delimiter=separator), [])
    texts = csv.ConvertOptions(column_types=dict.fromkeys(names, string()), strings_can_be_null=False)
    return "CSV" if separator == "," else "TSV", 2, csv.read_csv(path, parse_options=parse, convert_options=texts)


def _jsonl(path: Path) -> tuple[str, int, Any]:
    from pyarrow import json

    return "JSON Lines", 1, json.read_json(path)


def _parquet(path: Path) -> tuple[str, int, Any]:
    from pyarrow import parquet

    return "Parquet", 1, parquet.read_table(path)


_READERS = {".csv": _csv, ".tsv": _csv, ".tab": _csv, ".jsonl": _jsonl, ".ndjson": _jsonl, ".parquet": _parquet}


def in_rows(pairs: IdPairs, row_of: Mapping[str, int]) -> ItemRows:
    """The pairs as rows of a table.

    Raises:
        DataError: an id that the table does not have; it names the first.
    """
    rows = np.fromiter((row_of.get(name, -1) for name in pairs.names), np.int64, len(pairs.names))
    query, positive = rows[pairs.query], rows[pairs.positive]
    unknown = np.flatnonzero((query < 0) | (positive < 0))
    if len(unknown):
        place = unknown[0]
        name = pairs.names[(pairs.query if query[place] < 0 else pairs.positive)[place]]
        others = len({*pairs.query[query < 0].tolist(), *pairs.positive[positive < 0].tolist()}) - 1
        more = f" and {others} others" if others else ""
        remedy = "add it to the base with a vector, or take its pairs out"
        where = Place(pairs.path or pairs.stem, int(pairs.lines[place]))
        raise DataError(f"the base has no item {name!r}{more}", remedy, where)
    apart = query != positive  # an item beside itself says nothing
    rows_of = ItemRows(query, positive, pairs.weight, PairNames(pairs.stem, pairs.lines), len(row_of))
    return rows_of if apart.all() else rows_of.select(np.flatnonzero(apart))


def split_pairs(rows: ItemRows, *, seed: int, dev: float, test: float) -> ItemSplit:
    """Holds pairs out, in both directions; the items themselves have to be trained, so they stand on both sides.

    A pair whose item has no other pair left trains: nothing could be known of that item.

    Args:
        rows: all pairs.
        seed: of the run.
        dev: share of the distinct pairs, 2,000 at most.
        test: share of the distinct pairs, 10,000 at most.
    """
    distinct, first, number = np.unique(rows.pair, return_index=True, return_inverse=True)
    order = numpy_generator(seed, "pairs").permutation(len(distinct))
    wanted = {"test": min(round(test * len(distinct)), _MOST_TEST), "dev": min(round(dev * len(distinct)), _MOST_DEV)}
    left = np.bincount(np.concatenate([rows.query[first], rows.positive[first]]), minlength=rows.items)
    part, kept = np.zeros(len(distinct), np.int8), 0
    for code, name in ((2, "test"), (1, "dev")):
        taken = 0
        for place in order[part[order] == 0].tolist():
            if taken == wanted[name]:
                break
            one, other = rows.query[first[place]], rows.positive[first[place]]
            if left[one] > 1 and left[other] > 1:
                left[one] -= 1
                left[other] -= 1
                part[place] = code
                taken += 1
            else:
                kept += 1
    of_row = part[number]
    train, in_dev, in_test = (rows.select(np.flatnonzero(of_row == code)) for code in range(3))
    notes = (f"{kept} pairs train that were drawn for the test: they are the only ones of an item",) if kept else ()
    return ItemSplit(train, in_dev, in_test, notes)


def without_pairs(rows: ItemRows, held_out: ItemRows) -> ItemRows:
    """The pairs that are not among the others, in either direction."""
    return rows.select(np.flatnonzero(~np.isin(rows.pair, held_out.pair)))


def neighbors(rows: ItemRows) -> Ragged:
    """What each item goes with, in either direction, and itself, ascending."""
    own = np.arange(rows.items)
    one = np.concatenate([rows.query, rows.positive, own])
    other = np.concatenate([rows.positive, rows.query, own])
    packed = np.unique(one * rows.items + other)
    starts = np.concatenate([[0], np.cumsum(np.bincount(packed // rows.items, minlength=rows.items))])
    return Ragged(packed % rows.items, starts, own)


def item_table(rows: ItemRows, *, roles_differ: bool, first_query: int = 0) -> tuple[PairTable, FeatureStore]:
    """The pairs for batching, and the items as features: an item is its own only token.

    Args:
        rows: what trains.
        roles_differ: an item that asks is read otherwise than one that answers, and is a feature of its own.
        first_query: the token of the first item that asks.
    """
    count, items = len(rows), rows.items
    known = neighbors(rows)
    none = np.zeros(0, dtype=np.int64)
    keys = np.arange(items)
    table = PairTable(
        ids=rows.ids,
        query=rows.query + items * roles_differ,
        positives=Ragged(rows.positive, np.arange(count + 1), np.arange(count)),
        negatives=Ragged(none, np.zeros(2, dtype=np.int64), np.zeros(count, dtype=np.int64)),
        relevant=replace(known, which=rows.query),
        document_key=np.concatenate([keys, np.full(items, -1)]) if roles_differ else keys,
        weight=rows.weight,
        target=np.full(count, np.nan, dtype=np.float32),
        label=np.full(count, -1, dtype=np.int64),
        share=np.bincount(rows.positive, minlength=items * (1 + roles_differ)) / max(1, count),
        crowded=True,
    )
    features = np.concatenate([keys, first_query + keys]) if roles_differ else keys
    store = FeatureStore(
        features.astype(np.int32),
        np.arange(len(features) + 1),
        np.zeros(len(features), np.int32),
        np.arange(len(features)) >= items,
    )
    return table, store


def profile_of_pairs(dataset: Dataset, rows: ItemRows) -> dict[str, Any]:
    """Describes pairs of ids; see `data.check.profile` for texts."""
    pairs, total = np.unique(rows.pair), len(dataset.examples) + len(dataset.rejected)
    return {
        "schema": 1,
        "name": dataset.name,
        "path": str(dataset.path) if dataset.path else None,
        "format": dataset.format,
        "sha256": dataset.sha256,
        "kind": "items",
        "rows": {"total": total, "kept": len(dataset.examples), "rejected": len(dataset.rejected)},
        "roles": dataset.roles,
        "unused": list(dataset.unused),
        "notes": list(dataset.notes),
        "items": rows.items,
        "items_that_train": len(np.unique(np.concatenate([rows.query, rows.positive]))),
        "distinct_pairs": len(pairs),
    }
