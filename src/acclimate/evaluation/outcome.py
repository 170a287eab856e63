"""What an evaluation leaves: metrics, and per item what a later comparison needs. Storable as plain arrays."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from acclimate.evaluation.vectors import Floats, Rows, Vectors

Value = TypeVar("Value")
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Top:
    """Document rows and scores at the first K ranks of each query, ``[N, K]``."""

    rows: Rows
    scores: Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Scores of one encoder on one task.

    Attributes:
        task: the task's name.
        kind: ``retrieval``, ``similarity`` or ``classification``.
        main_metric: the metric that judges the task.
        metrics: value by metric name.
        per_item: retrieval: values of every query by metric name (``mean_rank`` and ``median_rank`` hold the rank of
            the best relevant document), for uniformity and effective_rank of every sampled document; otherwise
            ``predicted`` and ``gold`` of every item.
        top: what was ranked first, for retrieval.
    """

    task: str
    kind: str
    main_metric: str
    metrics: dict[str, float]
    per_item: dict[str, Floats]
    top: Top = field(default_factory=lambda: Top(np.empty((0, 0), np.int64), np.empty((0, 0), np.float32)))

    @property
    def main(self) -> float:
        """Value of the main metric."""
        return self.metrics[self.main_metric]

    def columns(self, names: Sequence[str]) -> Floats:
        """Values of the items beside each other, ``[N, len(names)]``."""
        return np.column_stack([self.per_item[name] for name in names])

    def to_arrays(self) -> Arrays:
        """Everything as arrays that ``numpy.savez`` writes and ``numpy.load`` reads without pickle."""
        about = {"task": self.task, "kind": self.kind, "main_metric": self.main_metric, "metrics": self.metrics}
        items = {f"item/{name}": values for name, values in self.per_item.items()}
        return {"about": np.array(json.dumps(about)), "top_rows": self.top.rows, "top_scores": self.top.scores, **items}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Outcome":
        """The outcome whose ``to_arrays`` gave these."""
        about = json.loads(str(arrays["about"]))
        items = {name.removeprefix("item/"): arrays[name] for name in arrays if name.startswith("item/")}
        return cls(**about, per_item=items, top=Top(arrays["top_rows"], arrays["top_scores"]))


@dataclass(frozen=True, slots=True, eq=False)
class GeneralOutcome:
    """Scores of one encoder on several tasks that must not be forgotten."""

    outcomes: tuple[Outcome, ...]

    @property
    def score(self) -> float:
        """Unweighted mean of the main metrics; 0 of no task, which can't fall."""
        return float(np.mean([outcome.main for outcome in self.outcomes])) if self.outcomes else 0.0

    @property
    def metrics(self) -> dict[str, float]:
        """``score`` and ``task/metric`` for every metric; with one task its metrics under their own names."""
        if not self.outcomes:
            return {}
        return {"score": self.score, **self.named([outcome.metrics for outcome in self.outcomes])}

    def named(self, values: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
        """Values by metric, one mapping a task, under the names that ``metrics`` uses."""
        if len(self.outcomes) == 1:
            return dict(values[0])
        return {
            f"{outcome.task}/{name}": value
            for outcome, of_task in zip(self.outcomes, values, strict=True)
            for name, value in of_task.items()
        }

    def to_arrays(self) -> Arrays:
        """Everything as arrays that ``numpy.savez`` writes and ``numpy.load`` reads without pickle."""
        return {
            f"{place}/{name}": array
            for place, outcome in enumerate(self.outcomes)
            for name, array in outcome.to_arrays().items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "GeneralOutcome":
        """The outcomes whose ``to_arrays`` gave these."""
        by_place: dict[int, Arrays] = {}
        for key in arrays:
            place, name = key.split("/", 1)
            by_place.setdefault(int(place), {})[name] = arrays[key]
        return cls(tuple(Outcome.from_arrays(by_place[place]) for place in sorted(by_place)))
