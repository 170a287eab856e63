"""CoSENT (Su 2022): pairs with a higher score shall have a higher cosine.

With cosines c and scores y of the rows of a batch::

    loss = log( 1 + sum_{(i, j): y_i < y_j} exp((c_i - c_j) / temperature) )
"""

from typing import ClassVar, Literal

from torch import Tensor

from acclimate.core.nouns import Step
from acclimate.objectives.base import Facts, Objective, SoftmaxSpec, cosine_of_pairs, ordering_loss


class CoSentSpec(SoftmaxSpec):
    """Ranks the cosines of scored pairs like their scores."""

    kind: Literal["cosent"] = "cosent"

    summary: ClassVar[str] = "orders cosines like the scores (scored pairs)"
    rows: ClassVar[tuple[str, ...]] = ("scored",)

    def build(self, facts: Facts) -> Objective:
        """See `ObjectiveSpec.build`."""
        return CoSent(self.fixed_temperature())


class CoSent(Objective):
    """One loss for the whole batch: it does not decompose into rows, so each row carries the same value."""

    columns = ("query", "positive", "score")

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, step: Step) -> Tensor:
        """The batch's loss, repeated for each row [B]. Equal scores everywhere give 0."""
        cosine = cosine_of_pairs(step)
        return ordering_loss(cosine / self.temperature, step.target).expand(len(cosine))
