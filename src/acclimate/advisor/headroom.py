"""Whether there is anything to gain that a test of its size could show."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from acclimate.evaluation import Outcome

#: recall@10 of the base above which little may be left to gain.
FOUND = 0.9
#: Of what a base's nDCG@10 lacks: what tuning wins. On the domains of docs/results/domains.md it was 18 to 59%, 0.3 in
#: the middle.
LIKELY_SHARE = 0.3
_Z95 = 1.96


@dataclass(frozen=True, slots=True)
class Headroom:
    """What tuning is likely to gain, beside what the test could tell from chance.

    Attributes:
        ndcg, recall: @10 of the base.
        queries: of the test.
        likely_gain: `LIKELY_SHARE` of what nDCG@10 lacks.
        least_shown: the smallest gain whose 95% interval would likely lie above zero, if the queries that gain are
            drawn from those that lack something: 1.96 standard errors of what single queries lack.
    """

    ndcg: float
    recall: float
    queries: int
    likely_gain: float
    least_shown: float

    @property
    def worth_tuning(self) -> bool:
        """Whether something is left that the test could show."""
        return self.recall <= FOUND or self.likely_gain > self.least_shown

    @property
    def warning(self) -> str:
        """What a user should know, empty where it is worth it."""
        if self.worth_tuning:
            return ""
        if self.likely_gain == 0:
            return (
                f"nothing to gain: the base answers all {self.queries} test queries without a fault: don't tune, or "
                "test on more queries, or harder ones"
            )
        return (
            f"little to gain: the base has recall@10 {self.recall:.3f} and ndcg@10 {self.ndcg:.3f}. Tuning may gain "
            f"{self.likely_gain:.3f}, and {self.queries} test queries show {self.least_shown:.3f} or more: don't tune, "
            "or test on more queries, or harder ones"
        )

    def as_dict(self) -> dict[str, Any]:
        """As ``plan --json`` prints it."""
        return {**asdict(self), "worth_tuning": self.worth_tuning}


def headroom(base: Outcome) -> Headroom | None:
    """Of a base's scores on a retrieval test; None of other tasks, and of a single query."""
    if base.kind != "retrieval" or len(base.per_item["ndcg@10"]) < 2:
        return None
    ndcg = base.per_item["ndcg@10"]
    return Headroom(
        ndcg=float(ndcg.mean()),
        recall=base.metrics["recall@10"],
        queries=len(ndcg),
        likely_gain=LIKELY_SHARE * (1 - float(ndcg.mean())),
        least_shown=_Z95 * float(ndcg.std(ddof=1)) / math.sqrt(len(ndcg)),
    )
