"""From planned batches to tensors: which rows and which extra texts make up step n."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import torch

from acclimate.core.nouns import GUIDE, Batch
from acclimate.core.seeds import numpy_generator
from acclimate.data.batches import assemble, epochs, steps_an_epoch
from acclimate.data.features import FeatureStore
from acclimate.data.pairs import PairTable
from acclimate.engine.unit import Inputs
from acclimate.model.encoder import Tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Stream:
    """Extra texts that a regularizer wants beside each batch.

    Attributes:
        features: [G] their numbers in the feature store.
        frozen: [G, D] what the untuned encoder says of them; [0, D] where no step takes any.
        size: how many a step takes; 0 where they are looked at once.
    """

    features: "NDArray[np.int64]"
    frozen: "NDArray[np.float32]"
    size: int


@dataclass(frozen=True, slots=True)
class Feed:
    """The data of a run as a sequence of steps, each a pure function of (seed, step) while the table stays.

    Attributes:
        fixed: every step has all rows, the same choice of their positives and negatives, and the same extra texts.
        guide: [F, D] what the untuned encoder says of every text of the store, for objectives that ask.
        renewed: the table of an epoch, where its negatives change; asked again for the same epoch it gives the same.
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

    @property
    def steps_an_epoch(self) -> int:
        """Steps in which every row is seen once; of replayed rows, as many as have room."""
        return 1 if self.fixed else steps_an_epoch(self.table, self.batch_size)

    def steps(self, start: int) -> Iterator[tuple[int, int, Batch]]:
        """Endless (step, epoch, batch) from a step on."""
        if self.fixed:
            batch = self._batch(np.arange(len(self.table)), epoch=0)
            yield from ((step, step, batch) for step in count(start))
        for step, epoch, rows in epochs(self.table, self.batch_size, self.seed, start):
            yield step, epoch, self._batch(rows, epoch)

    def _batch(self, rows: "NDArray[np.int64]", epoch: int) -> Batch:
        table = self.table if self.renewed is None else self.renewed(epoch)
        return assemble(table, rows, self.seed, epoch, positives=self.positives, negatives=self.negatives)

    def inputs(self, batch: Batch, step: int, progress: float, device: str) -> Inputs:
        """The tensors of a batch and of the streams' texts at a step."""
        features, rows, frozen = [batch.unique], {}, {}
        position = len(batch.unique)
        for name, stream in self.streams.items():
            if not stream.size:
                continue
            generator = numpy_generator(self.seed, "stream", name, 0 if self.fixed else step)
            chosen = generator.choice(len(stream.features), min(stream.size, len(stream.features)), replace=False)
            features.append(stream.features[chosen])
            rows[name] = slice(position, position + len(chosen))
            frozen[name] = torch.from_numpy(stream.frozen[chosen]).to(device)
            position += len(chosen)
        if self.guide is not None:
            frozen[GUIDE] = torch.from_numpy(self.guide[batch.unique]).to(device)
        texts = np.concatenate(features)
        return Inputs(
            texts=texts,
            tokens=self.tokens(texts, device),
            index={role: torch.from_numpy(column).to(device) for role, column in batch.columns.items()},
            relevant=torch.from_numpy(batch.relevant).to(device),
            weight=torch.from_numpy(batch.weight).to(device),
            target=torch.from_numpy(batch.target).to(device),
            label=torch.from_numpy(batch.label).to(device),
            progress=progress,
            streams=rows,
            frozen=frozen,
            log_chance=None if batch.log_chance is None else torch.from_numpy(batch.log_chance).to(device),
            teacher={role: torch.from_numpy(scores).to(device) for role, scores in batch.teacher.items()},
        )

    def tokens(self, texts: "NDArray[np.int64]", device: str) -> Tokens:
        """The tokens of texts by their numbers in the feature store."""
        ids, lengths, prompts = (torch.from_numpy(array).to(device) for array in self.store.take(texts))
        return Tokens(ids, lengths, prompts, queries=torch.from_numpy(self.store.queries[texts]).to(device))
