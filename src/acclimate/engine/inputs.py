"""From planned batches to tensors: which rows and which extra texts make up step n."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from acclimate.core.nouns import Batch
from acclimate.core.seeds import derive_seed, numpy_generator
from acclimate.data.batches import Part, assemble, epochs, steps_until
from acclimate.data.features import FeatureStore
from acclimate.data.pairs import PairTable
from acclimate.engine.unit import Inputs, Rows
from acclimate.model.encoder import Tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Stream:
    """Extra texts that regularizers want beside each batch.

    Attributes:
        features: [G] their numbers in the feature store.
        frozen: [G, D] what the untuned encoder says of them; None where nobody asks.
        size: how many a step takes; 0 where they are looked at once.
        stages: parts of the training, of which each but the first has the encoder as it began for a teacher.
        starts_at: the progress in [0, 1) from which steps take any.
    """

    features: "NDArray[np.int64]"
    frozen: "NDArray[np.float32] | None"
    size: int
    stages: int = 1
    starts_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Feed:
    """The data of a run as a sequence of steps, each a pure function of (seed, step) while the table stays.

    Attributes:
        fixed: every step has all rows, the same choice of their positives and negatives, and the same extra texts.
        guide: [F, D] what the untuned encoder says of every text of the store, for objectives that ask.
        renewed: the table of an epoch, where its negatives change; asked again for the same epoch it gives the same.
        beside: rows of other tasks, of a source, and of earlier data.
    """

    table: PairTable
    store: FeatureStore
    streams: Mapping[str, Stream]
    batch_size: int
    seed: int
    positives: int = 1
    negatives: int = 4
    fixed: bool = False
    guide: "NDArray[np.float32] | None" = None
    renewed: Callable[[int], PairTable] | None = None
    beside: Sequence[Part] = ()

    def steps_until(self, read: float) -> int:
        """Steps in which every row of the table is seen so many times; of those beside it, as many as have room."""
        return round(read) if self.fixed else steps_until(read, self.table, self.batch_size, self.beside)

    def steps(self, start: int) -> Iterator[tuple[int, int, tuple[Batch, ...]]]:
        """Endless (step, epoch, its batches) from a step on."""
        if self.fixed:
            batches = (self._batch(0, np.arange(len(self.table)), epoch=0),)
            yield from ((step, step, batches) for step in count(start))
        for step, epoch, planned in epochs(self.table, self.batch_size, self.seed, start, self.beside):
            yield step, epoch, tuple(self._batch(part, rows, epoch) for part, rows in planned)

    def ids(self, batches: Sequence[Batch]) -> list[str]:
        """The ids of the examples of some batches."""
        tables = [self.table, *(part.table for part in self.beside)]
        return [tables[batch.part].ids[row] for batch in batches for row in batch.rows.tolist()]

    def tasks(self, batches: Sequence[Batch]) -> list[str]:
        """Whose objectives each of some batches takes; empty: those of the training data."""
        return [self.beside[batch.part - 1].task if batch.part else "" for batch in batches]

    def _batch(self, part: int, rows: "NDArray[np.int64]", epoch: int) -> Batch:
        if not part:
            table = self.table if self.renewed is None else self.renewed(epoch)
            return assemble(table, rows, self.seed, epoch, positives=self.positives, negatives=self.negatives)
        of = self.beside[part - 1]
        seed = derive_seed(self.seed, "part", of.name)
        found = assemble(of.table, rows, seed, epoch, positives=of.positives, negatives=self.negatives)
        return replace(found, part=part)

    def drawn(self, name: str, step: int) -> "NDArray[np.int64]":
        """Which texts of a stream a step takes."""
        stream = self.streams[name]
        generator = numpy_generator(self.seed, "stream", name, 0 if self.fixed else step)
        return generator.choice(len(stream.features), min(stream.size, len(stream.features)), replace=False)

    def inputs(
        self,
        batches: Sequence[Batch],
        step: int,
        progress: float,
        device: str,
        teachers: "Mapping[str, NDArray[np.float32]] | None" = None,
    ) -> Inputs:
        """The tensors of the batches of a step and of the streams' texts.

        ``teachers``: stream name -> what is said of its texts [G, D], where that is not what the untuned encoder says.
        """
        features, rows, frozen = [batch.unique for batch in batches], {}, {}
        ends = np.cumsum([len(texts) for texts in features]).tolist()
        position = ends[-1]
        for name, stream in self.streams.items():
            if not stream.size or progress < stream.starts_at:
                continue
            chosen = self.drawn(name, step)
            features.append(stream.features[chosen])
            rows[name] = slice(position, position + len(chosen))
            said = stream.frozen if teachers is None else teachers.get(name, stream.frozen)
            if said is not None:
                frozen[name] = torch.from_numpy(said[chosen]).to(device)
            position += len(chosen)
        texts = np.concatenate(features)
        return Inputs(
            texts=texts,
            tokens=self.tokens(texts, device),
            rows=tuple(
                self._rows(batch, task, slice(end - len(batch.unique), end), device)
                for batch, task, end in zip(batches, self.tasks(batches), ends, strict=True)
            ),
            progress=progress,
            streams=rows,
            frozen=frozen,
        )

    def _rows(self, batch: Batch, task: str, at: slice, device: str) -> Rows:
        tensor: Callable[[NDArray[Any]], Tensor] = lambda array: torch.from_numpy(array).to(device)  # noqa: E731
        return Rows(
            task=task,
            at=at,
            index={role: tensor(column) for role, column in batch.columns.items()},
            relevant=tensor(batch.relevant),
            weight=tensor(batch.weight),
            target=tensor(batch.target),
            label=tensor(batch.label),
            log_chance=None if batch.log_chance is None else tensor(batch.log_chance),
            teacher={role: tensor(scores) for role, scores in batch.teacher.items()},
            guide=None if self.guide is None else tensor(self.guide[batch.unique]),
        )

    def tokens(self, texts: "NDArray[np.int64]", device: str) -> Tokens:
        """The tokens of texts by their numbers in the feature store."""
        ids, lengths, prompts = (torch.from_numpy(array).to(device) for array in self.store.take(texts))
        return Tokens(ids, lengths, prompts, queries=torch.from_numpy(self.store.queries[texts]).to(device))
