"""What a run on an item table reads: pairs of ids, of which some are held out, and all that may be recommended."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.core.files import cache_folder
from acclimate.data.examples import Dataset, Example, Kind
from acclimate.data.items import IdPairs, ItemRows, in_rows, neighbors, read_ids, split_pairs, without_pairs
from acclimate.evaluation import RetrievalTask
from acclimate.model.encoder import Encoder
from acclimate.model.items import ItemTable
from acclimate.model.store import load_encoder, save_encoder
from acclimate.recipe.tree import DataSettings
from acclimate.runs.cut import FEW_QUERIES, MIN_ROWS
from acclimate.runs.prepare import Prepared
from acclimate.runs.tasks import smaller

_PREFIX = "items:"
_NEW = re.compile(rf"{_PREFIX}([1-9]\d*)")


def start_table(base: str, source: Any, data: DataSettings) -> Path | None:
    """The folder of an untrained table where the base is ``items:DIMENSIONS``: every id of TRAIN gets random vectors.

    Raises:
        UsageError: no number of dimensions.
        DataError: rows that are no pairs.
    """
    if not base.startswith(_PREFIX):
        return None
    found = _NEW.fullmatch(base)
    if found is None:
        raise UsageError(f"base {base!r} does not say how many dimensions", "take for instance items:64")
    ids = sorted(read_ids(source, data.columns).names)
    digest = hashlib.sha256(json.dumps([base, "a vector for each role", ids]).encode()).hexdigest()[:16]
    folder = cache_folder() / "items" / digest
    if not (folder / "modules.json").is_file():  # saved whole or not at all, so one file stands for all
        save_encoder(cast("Encoder", ItemTable.untrained(ids, int(found[1]))), folder)
    return folder


def prepare_items(source: Any, data: DataSettings, seed: int, base: Path) -> Prepared:
    """Reads training, dev and test pairs, and holds out what is not given.

    Ranked for each item that is asked are all items but those that only ask, and but those that training has shown
    beside it: they would be recommended again.

    Args:
        source: TRAIN.
        data: where the others are.
        seed: of the run.
        base: the item table.

    Raises:
        UsageError: a setting that is for texts.
        DataError: an id that the base does not have, or too few pairs.
    """
    _require_no_texts(data)
    table = _table(base)
    row_of = table.row_of
    pairs = read_ids(source, data.columns)
    rows = in_rows(pairs, row_of)
    test, dev = (_given(where, data, row_of) for where in (data.test, data.dev))
    leaked = len(rows)
    for held_out in (test, dev):
        rows = rows if held_out is None else without_pairs(rows, held_out)
    leaked -= len(rows)
    shares = {"dev": data.dev_share if dev is None else 0.0, "test": data.test_share if test is None else 0.0}
    parts = split_pairs(rows, seed=seed, **shares)
    if len(parts.train) < MIN_ROWS:
        problem = f"{len(parts.train)} usable pairs are too few to train on"
        raise DataError(problem, f"give at least {MIN_ROWS}", Place(pairs.path) if pairs.path else None)
    test, dev = parts.test if test is None else test, parts.dev if dev is None else dev
    names = list(row_of)
    tasks = [_task("test", test, [parts.train, dev], names), _task("dev", dev, [parts.train], names)]
    few = len(tasks[0].queries) < FEW_QUERIES
    notes = [*pairs.notes, *parts.notes, *([f"only {len(tasks[0].queries)} test items: expect wide intervals"] * few)]
    silent = np.setdiff1d(parts.train.positive, parts.train.query)
    if table.first_query and len(silent):
        notes.append(f"{len(silent)} items never ask, and as queries have no vector that was learned")
    return Prepared(
        dataset=_dataset(pairs),
        train=parts.train,
        kind=Kind.PAIRS,
        dev=smaller(tasks[1], seed),
        test=tasks[0],
        general_dev=[],
        general_test=[],
        leaked=leaked,
        notes=tuple(notes),
        hashes={
            "train": pairs.sha256,
            "dev": "split" if data.dev == "split" else read_ids(data.dev, data.columns).sha256,
            "test": "split" if data.test == "split" else read_ids(data.test, data.columns).sha256,
            "general": "none",
        },
    )


def item_task(test: Path, train: Path | None, columns: Mapping[str, str], model: Path) -> RetrievalTask:
    """The task of a file of pairs; what goes together in ``train``, if given, is known and not ranked.

    Raises:
        DataError: rows that are no pairs, or an id that the table does not have.
    """
    row_of = _table(model).row_of
    asked = in_rows(read_ids(test, columns), row_of)
    known = [] if train is None else [without_pairs(in_rows(read_ids(train, columns), row_of), asked)]
    return _task("test", asked, known, list(row_of))


def _table(model: Path) -> ItemTable:
    table = load_encoder(model)
    assert isinstance(table, ItemTable)
    return table


def _require_no_texts(data: DataSettings) -> None:
    for name in ("query_prompt", "document_prompt"):
        if getattr(data, name) is not None:
            raise UsageError(f"data.{name} cannot act on a base that reads ids", "leave it out")
    if data.general != "builtin":
        raise UsageError("data.general is for texts, and the base reads ids", "leave it out")
    if data.replay != "none":
        raise UsageError("data.replay reads texts, and the base reads ids", "leave it out")
    if data.source != "none":
        raise UsageError("data.source reads texts, and the base reads ids", "leave it out")
    if data.feedback != "none":
        raise UsageError("data.feedback is of texts, and the base reads ids", "leave it out")
    if data.tasks:
        raise UsageError("data.tasks are of texts, and the base reads ids", "leave it out")
    if data.mining != "none":
        raise UsageError("data.mining reads texts, and the base reads ids", "leave it out")
    if data.synthetic != "auto":
        raise UsageError("data.synthetic makes queries of texts, and the base reads ids", "leave it out")
    if data.label_texts != "none":
        raise UsageError("data.label_texts is for texts, and the base reads ids", "leave it out")


def _given(where: str, data: DataSettings, row_of: Mapping[str, int]) -> ItemRows | None:
    return None if where == "split" else in_rows(read_ids(where, data.columns), row_of)


def _task(name: str, asked: ItemRows, known: Sequence[ItemRows], names: Sequence[str]) -> RetrievalTask:
    answers = np.zeros(asked.items, dtype=np.bool_)
    only_ask = np.zeros(asked.items, dtype=np.bool_)
    for rows in (asked, *known):
        only_ask[rows.query] = True
        answers[rows.positive] = True
    documents = np.flatnonzero(answers | ~only_ask)
    place = np.full(asked.items, -1)
    place[documents] = np.arange(len(documents))
    queries = [int(query) for query in np.unique(asked.query)]
    right: dict[int, dict[int, int]] = {query: {} for query in queries}
    for query, positive in zip(asked.query.tolist(), place[asked.positive].tolist(), strict=True):
        right[query][positive] = 1
    beside = [neighbors(rows) for rows in known]
    excluded = []
    for query in queries:
        shown = np.unique(np.concatenate([np.array([query]), *(found[query] for found in beside)]))
        left_out = place[shown]
        excluded.append([row for row in left_out[left_out >= 0].tolist() if row not in right[query]])
    return RetrievalTask(
        name=name,
        query_ids=[names[query] for query in queries],
        queries=[names[query] for query in queries],
        document_ids=[names[row] for row in documents.tolist()],
        documents=[names[row] for row in documents.tolist()],
        relevant=list(right.values()),
        excluded=excluded,
    )


def _dataset(pairs: IdPairs) -> Dataset:
    return Dataset(
        path=pairs.path,
        name=pairs.stem,
        kind=Kind.PAIRS,
        examples=cast("Sequence[Example]", range(len(pairs))),  # their number is what is asked of it
        roles=pairs.roles,
        unused=pairs.unused,
        rejected=pairs.rejected,
        sha256=pairs.sha256,
        format=pairs.format,
        notes=pairs.notes,
    )
