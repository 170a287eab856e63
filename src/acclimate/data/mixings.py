"""How batches of a source come among those of TRAIN: the settings of each way, and the table of them.

All of them count in passes over TRAIN, so that the order of training is a function of (seed, epoch). T and S are the
batches in which TRAIN and the source are once.
"""

import math
from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from acclimate.core.specs import Spec, Table

MOST = 4.0  # batches of the source for each of TRAIN: a run is five times as long then
_BEGIN = 0.9


class Mixing(Spec):
    """The settings of all ways."""

    @abstractmethod
    def had(self, read: float, epochs: float, train: int, source: int) -> float:
        """Batches of the source until TRAIN has been read ``read`` times, for each of the ``train`` batches of TRAIN.

        Args:
            read: 0 and more.
            epochs: how often TRAIN will be read, above 0.
            train: T.
            source: S.
        """

    def decided(self, train: int, source: int) -> "Mixing":
        """The same with whatever is ``auto`` decided by T and S."""
        return self

    #: Whether it depends on how often TRAIN will be read in all.
    needs_end: ClassVar[bool] = False

    @property
    def most_a_batch(self) -> float:
        """How many batches of the source there are for each of TRAIN, at most."""
        return MOST


class Proportional(Mixing):
    """S / T batches of the source for each of TRAIN, at most ``most``: below that, an epoch has each row of both once.

    With more it goes round in more than one epoch.
    """

    kind: Literal["proportional"] = "proportional"
    most: Annotated[float, Field(gt=0, le=100)] = MOST

    summary: ClassVar[str] = "batches of the source and of TRAIN as there are rows of each"

    def had(self, read: float, epochs: float, train: int, source: int) -> float:
        """See `Mixing.had`."""
        return read * min(self.most, source / train)

    @property
    def most_a_batch(self) -> float:
        """See `Mixing.most_a_batch`."""
        return self.most


class Alternating(Mixing):
    """A batch of the source, a batch of TRAIN (Chu et al. 2017): the smaller of the two goes round more often."""

    kind: Literal["alternating"] = "alternating"

    summary: ClassVar[str] = "a batch of the source, a batch of TRAIN"

    def had(self, read: float, epochs: float, train: int, source: int) -> float:
        """See `Mixing.had`."""
        return read


class Annealed(Mixing):
    """The source's share of the batches falls from ``begin`` to 0, in a line over the passes over TRAIN.

    With a share s at first, and u of the passes done, it is s (1 - u), so that TRAIN's batch number uT has
    s (1 - u) / (1 - s (1 - u)) of the source beside it. In all these are (-log(1 - s) / s - 1) for each of TRAIN: 1.6
    with s = 0.9, 0.4 with s = 0.5. ``auto`` is the share of S in S + T, and 0.9 at most.
    """

    kind: Literal["annealed"] = "annealed"
    begin: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] = "auto"

    summary: ClassVar[str] = "much of the source at first, and TRAIN alone at the end"
    needs_end: ClassVar[bool] = True

    def decided(self, train: int, source: int) -> Mixing:
        """See `Mixing.decided`."""
        return self.model_copy(update={"begin": self._share(train, source)})

    def had(self, read: float, epochs: float, train: int, source: int) -> float:
        """See `Mixing.had`."""
        share, done = self._share(train, source), min(read / epochs, 1.0)
        return epochs * (math.log1p(share * done / (1 - share)) / share - done)

    def _share(self, train: int, source: int) -> float:
        return min(_BEGIN, round(source / (source + train), 4)) if self.begin == "auto" else self.begin


MIXINGS: Table[Mixing] = Table("mixing", Proportional, Alternating, Annealed)
