"""``data/map.json``: where texts of the test lie before and after, for the map of the report.

Nothing is encoded for it: vectors are taken as they come by when base and tuned model are scored.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from acclimate.core.seeds import numpy_generator
from acclimate.evaluation import ClassificationTask, Encode, RetrievalTask, SimilarityTask, Task
from acclimate.evaluation.projection import NEIGHBORS, neighbors_kept, shared_plane
from acclimate.evaluation.vectors import Vectors

Side = Literal["before", "after"]

POINTS = 2_000
_LEAST = 3  # texts of which one can draw a map
_TEXT = 160  # characters of a text that are kept
_RANGE = 1_000  # coordinates are whole numbers from 0 to this


@dataclass(frozen=True, slots=True)
class _Point:
    """A text on the map, and the test queries (numbered from 1) that ask it or for it."""

    role: str
    text: str
    number: int
    lines: tuple[int, ...] = ()


@dataclass
class Watched:
    """Takes the vectors of a sample of the test's texts while others ask for them.

    Args:
        task: the test.
        seed: of the sample.
        folder: where the vectors before wait for those after, also when the run is interrupted.
    """

    task: Task
    seed: int
    folder: Path
    _points: list[_Point] = field(init=False)
    _vectors: dict[Side, Vectors] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._points = list(_sample(self.task, self.seed))

    def watching(self, side: Side, encode: Encode) -> Encode:
        """The same as ``encode``, with a look at what it gives."""
        place = {(point.role, point.text): number for number, point in enumerate(self._points)}

        def encoded(texts: Sequence[str], role: str) -> Vectors:
            vectors = encode(texts, role)
            for row, text in enumerate(texts):
                number = place.get((role, text))
                if number is not None:
                    kept = self._vectors.setdefault(side, np.zeros((len(place), vectors.shape[1]), np.float32))
                    kept[number] = vectors[row]
            return vectors

        return encoded

    def keep(self) -> None:
        """Writes what was seen of the base, for a resumed run."""
        if "before" in self._vectors:
            self.folder.mkdir(parents=True, exist_ok=True)
            np.save(self._kept, self._vectors["before"], allow_pickle=False)

    def document(self) -> dict[str, Any] | None:
        """What ``data/map.json`` holds; None where there is too little, or nothing after."""
        if "before" not in self._vectors and self._kept.is_file():
            self._vectors["before"] = np.load(self._kept, allow_pickle=False)
        if len(self._points) < _LEAST or len(self._vectors) < 2:
            return None
        sides: dict[Side, Vectors] = {side: self._vectors[side] for side in ("before", "after")}
        plane = shared_plane(sides["before"], sides["after"])
        places = {"before": plane.before, "after": plane.after}
        both = np.concatenate(list(places.values()))
        scale = max(float(np.ptp(both, axis=0).max()), 1e-12)
        low = (both.min(axis=0) + both.max(axis=0) - scale) / 2  # in the middle where they are not so high as wide
        drawn = {side: np.rint((found - low) / scale * _RANGE).astype(int).tolist() for side, found in places.items()}
        return {
            "neighbors": min(NEIGHBORS, len(self._points) - 1),
            "kept": {side: float(neighbors_kept(sides[side], places[side]).mean()) for side in sides},
            "chance": min(NEIGHBORS / (len(self._points) - 1), 1.0),
            "explained": plane.explained,
            "points": [
                {
                    "role": point.role,
                    "number": point.number,
                    "text": point.text[:_TEXT],
                    "lines": list(point.lines),
                    "before": drawn["before"][row],
                    "after": drawn["after"][row],
                    "moved": round(float(plane.moved[row]), 4),
                }
                for row, point in enumerate(self._points)
            ],
        }

    @property
    def _kept(self) -> Path:
        return self.folder / "map_before.npy"


def _sample(task: Task, seed: int) -> Iterator[_Point]:
    """At most `POINTS` different texts: half of them queries, and the documents that these ask for before others."""
    match task:
        case RetrievalTask():
            numbers = _some(len(task.queries), POINTS // 2, seed, "queries")
            queries = {task.queries[q]: q for q in numbers}
            asking: dict[str, list[int]] = {}
            for query in queries.values():
                for row in task.relevant[query]:
                    asking.setdefault(task.documents[row], []).append(query + 1)
            others = (task.documents[row] for row in _some(len(task.documents), POINTS, seed, "documents"))
            documents = list(dict.fromkeys([*asking, *others]))[: POINTS - len(queries)]
            row_of = {text: row for row, text in enumerate(task.documents, start=1)}
            yield from (_Point("query", text, line + 1, (line + 1,)) for text, line in queries.items())
            yield from (_Point("document", text, row_of[text], tuple(asking.get(text, ()))) for text in documents)
        case SimilarityTask():
            yield from _texts([*task.first, *task.second], "document", seed)
        case ClassificationTask():
            yield from _texts(task.test_texts, "document", seed)
        case _:
            yield from _texts(task.texts, "query", seed)


def _texts(texts: Sequence[str], role: str, seed: int) -> Iterator[_Point]:
    distinct = {text: number for number, text in reversed(list(enumerate(texts, start=1)))}
    kept = sorted(distinct.items(), key=lambda item: item[1])
    yield from (_Point(role, *kept[row]) for row in _some(len(kept), POINTS, seed, "texts"))


def _some(count: int, most: int, seed: int, name: str) -> list[int]:
    chosen = numpy_generator(seed, "map", name).permutation(count)[:most]
    return sorted(int(row) for row in chosen)
