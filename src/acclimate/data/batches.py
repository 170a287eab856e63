"""The order of training: which rows share a step, as a pure function of (seed, epoch)."""

import math
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.core.nouns import Batch
from acclimate.core.seeds import derive_seed, numpy_generator
from acclimate.data.keys import AT_A_TIME, numbered
from acclimate.data.pairs import PairTable, Ragged

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TRIES = 64  # batches that a row tries before it accepts a repeated text; the loss masks it there

#: The batches of a step: of which table, 0 or the number of a part, and which of its rows.
Planned = tuple[tuple[int, "NDArray[np.int64]"], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that have batches of their own beside those of the training data: of another task, or of earlier data.

    Attributes:
        name: of what is drawn for it.
        table: its rows.
        task: whose objectives they take; empty: those of the training data.
        ratio: its batches for each one of the training data.
        joins: every step of the training data has one of its batches too, instead of steps of their own.
        positives: how many right answers a row brings at most.
        pace: in the place of ``ratio``, and in a fixed order among the others: how many batches it has had, for each
            batch of the training data, when that has been read so many times. It never falls.
    """

    name: str
    table: PairTable
    task: str = ""
    ratio: float = 1.0
    joins: bool = False
    positives: int = 1
    pace: Callable[[float], float] | None = None

    def had(self, read: float, count: int) -> int:
        """How many batches it has had when the ``count`` batches of the training data have been read so many times."""
        if self.pace is not None:
            return math.floor(count * self.pace(read) + 0.5)
        return round(read * (count if self.joins else max(1, round(count * self.ratio))))

    def batches(self, epoch: int, count: int, batch_size: int, seed: int) -> Iterator["NDArray[np.int64]"]:
        """The rows of each batch in an epoch. Over all epochs each row comes once before any comes again."""
        own = derive_seed(seed, "part", self.name)
        a_turn, plan = batch_count(len(self.table), batch_size), list["NDArray[np.int64]"]()
        for number in range(self.had(epoch, count), self.had(epoch + 1, count)):
            turn, place = divmod(number, a_turn)
            if not plan or place == 0:
                plan = plan_epoch(self.table, batch_size, own, turn)
            yield plan[place]


def batch_count(rows: int, batch_size: int) -> int:
    """Batches in which every row is once. Sizes are balanced, so that no small last batch is left."""
    return -(-rows // batch_size)


def steps_until(read: float, table: PairTable, batch_size: int, beside: Sequence[Part] = ()) -> int:
    """Steps in which the table is read so many times, those of other parts among them."""
    count = batch_count(len(table), batch_size)
    an_epoch = count + sum(part.had(1, count) for part in beside if not part.joins and part.pace is None)
    return round(read * an_epoch) + sum(part.had(read, count) for part in beside if part.pace is not None)


def plan_epoch(table: PairTable, batch_size: int, seed: int, epoch: int) -> list["NDArray[np.int64]"]:
    """Every row once, in ``batch_count`` batches whose sizes differ by one at most.

    No text occurs in two rows of a batch as long as one of the 64 batches that wait longest has none of the row's.
    The result depends on nothing but the table, the batch size, the seed and the epoch.
    """
    return [rows for ((_, rows),) in plan_steps(table, (), batch_size, seed, epoch)]


def plan_steps(table: PairTable, beside: Sequence[Part], batch_size: int, seed: int, epoch: int) -> list[Planned]:
    """The steps of an epoch: the table's rows as in `plan_epoch`, and batches of the parts, each of one part alone.

    All other documents of a batch are then of its own task and domain. A part goes round on its own, as often as its
    share of the batches allows, at random steps or at its pace.
    """
    count = batch_count(len(table), batch_size)
    if table.crowded:  # what the loss masks either way
        batches = np.array_split(numpy_generator(seed, "order", epoch).permutation(len(table)), count)
    else:
        batches = _once(table, count, seed, epoch)
    steps: list[Planned] = [((0, rows),) for rows in batches]
    numbered_parts = list(enumerate(beside, start=1))
    drawn = [found for found in numbered_parts if found[1].pace is None]
    # What joins the steps of the training data comes first, while there are no others.
    for number, part in sorted(drawn, key=lambda found: not found[1].joins):
        found = [((number, rows),) for rows in part.batches(epoch, count, batch_size, seed)]
        steps = [a + b for a, b in zip(steps, found, strict=True)] if part.joins else [*steps, *found]
    if drawn or not table.crowded:
        # Full batches close in an order of their own: shuffle, so that the last steps are like the first.
        order = numpy_generator(seed, "batches", epoch).permutation(len(steps))
        steps = [steps[step] for step in order]
    for number, part in numbered_parts:
        if part.pace is not None:
            had = [part.had(epoch + place / len(steps), count) for place in range(len(steps) + 1)]
            own = part.batches(epoch, count, batch_size, seed)
            mixed: list[Planned] = []
            for step, (before, after) in zip(steps, pairwise(had), strict=True):
                mixed += [((number, rows),) for rows in islice(own, after - before)]
                mixed.append(step)
            steps = mixed
    return steps


def _once(table: PairTable, count: int, seed: int, epoch: int) -> list["NDArray[np.int64]"]:
    """The rows of the table, each once, in so many batches."""
    number = len(table)
    capacity = [len(part) for part in np.array_split(np.arange(number), count)]
    members = [array("q") for _ in range(count)]
    seen: list[set[int]] = [set() for _ in range(count)]  # the texts of each that other rows have too
    waiting = deque(range(count))  # batches with room, the one that waits longest first
    texts = _texts(table)
    shared = np.bincount(texts.ravel()) - np.bincount(texts[texts[:, 0] == texts[:, 1], 0], minlength=texts.max() + 1)
    rows = _crowded_first(texts, shared, numpy_generator(seed, "order", epoch).permutation(number))
    for row, own in _shared_texts(texts, shared, rows):
        chosen = next((b for b in islice(waiting, _TRIES) if seen[b].isdisjoint(own)), waiting[0])
        waiting.remove(chosen)
        members[chosen].append(row)
        seen[chosen].update(own)
        if len(members[chosen]) < capacity[chosen]:
            waiting.append(chosen)
    return [np.array(of_batch, dtype=np.int64) for of_batch in members]


def _texts(table: PairTable) -> "NDArray[np.int64]":
    """What a row surely brings into its batch [N, 2], twice the same where it is one text.

    Which of several positives a row brings is chosen later.
    """
    first, last = table.positives.ends
    other = np.where(first == table.query, last, first)  # a row's own text may be among its positives
    one = table.positives.lengths - table.own_among_positives == 1
    return np.stack([table.query, np.where(one, other, table.query)], axis=1)


def _crowded_first(
    texts: "NDArray[np.int64]", rows_with: "NDArray[np.int64]", order: "NDArray[np.int64]"
) -> "NDArray[np.int64]":
    """The rows of a text one after another, the text with the most rows first, else in the order given.

    So they go round all batches while each still has room.
    """
    one, other = texts.T
    more = (rows_with[other] > rows_with[one]) | ((rows_with[other] == rows_with[one]) & (other > one))
    crowded = np.where(more, other, one)[order]
    return order[np.lexsort((numbered(crowded)[0], -rows_with[crowded]))]


def _shared_texts(
    texts: "NDArray[np.int64]", rows_with: "NDArray[np.int64]", rows: "NDArray[np.int64]"
) -> Iterator[tuple[int, list[int]]]:
    """Each row with those of its texts that other rows have too; the others are no trouble to any batch."""
    for start in range(0, len(rows), AT_A_TIME):
        part = rows[start : start + AT_A_TIME]
        several = rows_with[texts[part]] > 1
        for row, own, again in zip(part.tolist(), texts[part].tolist(), several.tolist(), strict=True):
            yield row, [text for text, shared in zip(own, again, strict=True) if shared]


def assemble(
    table: PairTable, rows: "NDArray[np.int64]", seed: int, epoch: int, *, positives: int, negatives: int
) -> Batch:
    """The batch of some rows: each distinct text once, at most so many positives and negatives a row.

    A row with more takes a random choice, again a pure function of (seed, epoch, row). A role that no row has a text in
    is no column.
    """
    own = table.query[rows] if table.own_among_positives else None
    documents = (
        ("positive", table.positives, table.positive_scores, positives, own),
        ("negative", table.negatives, table.negative_scores, negatives, None),
    )
    columns, teacher = {"query": table.query[rows][:, None]}, {}
    for role, arrays, scores, limit, without in documents:
        places, counts = _chosen(arrays, rows, limit, seed, epoch, role, without)
        there = np.arange(counts.max()) < counts[:, None]  # [B, K]
        if there.shape[1]:
            columns[role] = _spread(arrays.values[places], there, -1)
        if there.shape[1] and scores is not None:
            teacher[role] = _spread(scores[places], there, np.nan)
    unique = np.unique(np.concatenate([column[column >= 0] for column in columns.values()]))
    columns = {role: np.where(column < 0, -1, np.searchsorted(unique, column)) for role, column in columns.items()}
    relevant = _named(table.document_key[unique], table.relevant, rows)
    chance = None if table.share is None else _log_chance(table.share[unique], len(rows))
    return Batch(
        rows, unique, columns, relevant, table.weight[rows], table.target[rows], table.label[rows], chance, teacher
    )


def _spread(values: "NDArray[Any]", there: "NDArray[np.bool_]", absent: float) -> "NDArray[Any]":
    """Values where there is one and ``absent`` elsewhere, [B, K]."""
    column = np.full(there.shape, absent, dtype=values.dtype)
    column[there] = values
    return column


def _log_chance(share: "NDArray[np.float64]", rows: int) -> "NDArray[np.float32]":
    """log(1 - (1 - share)^rows): a batch of so many rows has an answer of that share. 0 for what is none."""
    never = rows * np.log1p(-np.clip(share, 0.0, 1.0 - 1e-9))
    return np.where(share > 0, np.log(-np.expm1(np.minimum(never, -1e-30))), 0.0).astype(np.float32)


def _named(keys: "NDArray[np.int64]", relevant: Ragged, rows: "NDArray[np.int64]") -> "NDArray[np.bool_]":
    """Which keys [U] each row's array names [B, U]."""
    distinct, place = np.unique(keys, return_inverse=True)
    _, one_of, group = np.unique(relevant.which[rows], return_index=True, return_inverse=True)  # rows share arrays
    places, counts = relevant.joined(rows[one_of])
    values = relevant.values[places]
    found = np.minimum(np.searchsorted(distinct, values), len(distinct) - 1)
    hit = np.flatnonzero(distinct[found] == values)
    named = np.zeros((len(one_of), len(distinct)), dtype=np.bool_)
    named[np.repeat(np.arange(len(one_of)), counts)[hit], found[hit]] = True
    of_rows = named.take(group, axis=0)
    return of_rows if np.array_equal(distinct, keys) else of_rows.take(place, axis=1)


def _chosen(
    arrays: Ragged,
    rows: "NDArray[np.int64]",
    limit: int,
    seed: int,
    epoch: int,
    role: str,
    own: "NDArray[np.int64] | None" = None,
) -> tuple["NDArray[np.int64]", "NDArray[np.int64]"]:
    """Where at most ``limit`` features of each row lie in ``values`` [T], and how many each has [B].

    ``own`` [B] are features that are not meant, each one of the (then sorted) features of its row.
    """
    if own is None and (arrays.counts(rows) <= limit).all():
        return arrays.joined(rows)  # without a look at each row
    without = repeat(None) if own is None else own.tolist()
    parts = [
        arrays.starts[arrays.which[row]] + _choose(arrays[row], limit, seed, epoch, row, role, one)
        for row, one in zip(rows.tolist(), without, strict=False)
    ]
    return np.concatenate(parts), np.array([len(part) for part in parts])


def _choose(
    features: "NDArray[np.int64]", limit: int, seed: int, epoch: int, row: int, role: str, without: int | None = None
) -> "NDArray[np.int64]":
    """Places of at most ``limit`` features; ``without`` is one of the (then sorted) features that is not meant."""
    count = len(features) - (without is not None)
    if count <= limit:
        picked = np.arange(count)
    else:
        picked = numpy_generator(seed, role, epoch, row).choice(count, limit, replace=False)
    if without is not None:
        picked = picked + (picked >= np.searchsorted(features, without))
    return picked


def epochs(
    table: PairTable, batch_size: int, seed: int, start_step: int = 0, beside: Sequence[Part] = ()
) -> Iterator[tuple[int, int, Planned]]:
    """Endless (step, epoch, batches) from a step on; steps count from 0. Epochs before the start are not planned."""
    epoch, begins, step = 0, 0, start_step
    while (ends := steps_until(epoch + 1, table, batch_size, beside)) <= start_step:
        epoch, begins = epoch + 1, ends
    while True:
        for batches in plan_steps(table, beside, batch_size, seed, epoch)[step - begins :]:
            yield step, epoch, batches
            step += 1
        epoch, begins = epoch + 1, step
