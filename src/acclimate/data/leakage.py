"""What training data knows of data that is scored, with the places on both sides."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.data.check import Problem, place_of
from acclimate.data.examples import Dataset, RetrievalSet
from acclimate.data.split import Leak, leaks, near_leaks

_SHOWN = 20
_CUT = 160  # characters of a text that is shown


@dataclass(frozen=True, slots=True)
class Leakage:
    """What was found.

    Attributes:
        of: what the scored data is called: test or dev.
        path: where it is.
        exact: texts of it that training has.
        near: those that are nearly the same, in rows that have no exact one.
        document: numbers and the first of both, for scripts.
    """

    of: str
    path: Path
    exact: list[Leak]
    near: list[Leak]
    document: dict[str, Any]

    def problems(self) -> list[Problem]:
        """The rows of training with leaks: those that teach a text before those that only have it as a negative."""
        taught = {leak.row for leak in self.exact if leak.role != "negative"}
        exact = np.array([*sorted(taught), *sorted({leak.row for leak in self.exact} - taught)], np.int64)
        remedy = f"fit --{self.of} leaves them out, and so does --fix"
        near = np.array([leak.row for leak in self.near], np.int64)
        return [
            Problem("leak", f"a query of {self.of}, or its right answer, is in the data", exact, remedy),
            Problem("near_leak", f"nearly a text of {self.of}", near, "--fix --drop-suspects leaves them out"),
        ]


def leakage(dataset: Dataset, scored: RetrievalSet | Dataset, of: str, path: Path) -> Leakage:
    """Looks for texts of scored data in the data of a training file.

    A leak is a query of it, or the right answer of one, by normalized text; nearly the same are near-duplicates.

    Args:
        dataset: the training file.
        scored: test or dev data.
        of: which of them.
        path: where it is.
    """
    asked = scored.examples if isinstance(scored, Dataset) else scored
    exact = leaks(dataset.examples, asked)
    known = {leak.row for leak in exact}
    near = [leak for leak in near_leaks(dataset.examples, asked) if leak.row not in known]
    shown = [*exact[:_SHOWN], *near[:_SHOWN]]
    lines = _lines(scored, shown)
    document = {
        "path": str(path),
        "rows": len({leak.row for leak in exact if leak.role != "negative"}),
        "negatives": sum(leak.role == "negative" for leak in exact),
        "queries": len({leak.test_id for leak in exact}),
        "near_rows": len(near),
        **{
            name: [_told(leak, dataset, path, lines) for leak in found[:_SHOWN]]
            for name, found in (("exact", exact), ("near", near))
        },
    }
    return Leakage(of, path, exact, near, document)


def cut_short(text: str) -> str:
    """A text, or its beginning where it is long."""
    return text if len(text) <= _CUT else f"{text[:_CUT]} ..."


def _lines(scored: RetrievalSet | Dataset, found: Sequence[Leak]) -> dict[str, int]:
    """The lines of rows by id; queries that stand apart from their judgments have an id and no line of their own."""
    if isinstance(scored, RetrievalSet):
        return {}
    wanted = {leak.test_id for leak in found}
    return {example.id: example.line for example in scored.examples if example.id in wanted}


def _told(leak: Leak, dataset: Dataset, path: Path, lines: dict[str, int]) -> dict[str, Any]:
    there = {"file": str(path), "line": lines.get(leak.test_id), "id": leak.test_id}
    told = place_of(dataset, leak.row) | {"role": leak.role, "what": leak.what, "text": cut_short(leak.text)}
    return told | {"there": there} | ({"there_text": cut_short(leak.test_text)} if leak.test_text else {})
