"""What rows of a source count in a run: weighed once by the base's vectors, and kept for a resumed run and the user."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.core.files import read_jsonl, write_json, write_jsonl
from acclimate.core.seeds import numpy_generator
from acclimate.data.examples import Example, on_disk
from acclimate.data.importance import effective_sample_size
from acclimate.data.weightings import Weighting, weights_by_target
from acclimate.evaluation import Encode
from acclimate.runs.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_OF_TARGET = 5_000  # different queries: more say nothing new of where the target lies
_SHOWN = 3


def weighed(
    weighting: Weighting,
    source: Sequence[Example],
    train: Sequence[Example],
    workspace: Workspace,
    encode: Encode,
    seed: int,
) -> Sequence[Example]:
    """The rows of a source with weights by how much their queries are like those of TRAIN, times those of its file.

    The weights are in ``data/source_weights.jsonl``, a line a row, and what there is to say of them in
    ``data/weighting.json``. Where they are there already, they are read.

    Raises:
        UsageError: too few rows are left in effect, or there are more or fewer than the way can act on.
        DataError: too few different queries.
    """
    path = workspace.data / "source_weights.jsonl"
    if not path.is_file():
        targets = list(dict.fromkeys(row.query for row in train))
        drawn = np.sort(numpy_generator(seed, "weighting").permutation(len(targets))[:_MOST_OF_TARGET])
        target = encode([targets[place] for place in drawn.tolist()], "query")
        found = weights_by_target(weighting, _vectors(source, encode), target)
        given = np.fromiter((row.weight for row in source), np.float64, len(source))
        write_json(workspace.data / "weighting.json", _document(weighting, source, found * given, len(target)))
        rows = zip(source, (found * given).tolist(), strict=True)
        write_jsonl(path, ({"id": row.id, "line": row.line, "weight": weight} for row, weight in rows))
    weights = (record["weight"] for record in read_jsonl(path))
    return on_disk(row._replace(weight=weight) for row, weight in zip(source, weights, strict=True))


def _vectors(rows: Sequence[Example], encode: Encode) -> "NDArray[np.float32]":
    """The vector of each row's query [N, D]; equal ones are encoded once."""
    number: dict[str, int] = {}
    places = [number.setdefault(row.query, len(number)) for row in rows]
    vectors: NDArray[np.float32] = encode(list(number), "query")
    return vectors.take(places, axis=0)


def _document(
    weighting: Weighting, source: Sequence[Example], weights: "NDArray[np.float64]", targets: int
) -> dict[str, Any]:
    order = np.argsort(weights, kind="stable").tolist()

    def shown(places: Sequence[int]) -> list[dict[str, Any]]:
        rows = ((source[place], float(weights[place])) for place in places)
        return [{"id": row.id, "line": row.line, "weight": round(w, 3), "query": row.query} for row, w in rows]

    return {
        "kind": weighting.kind,
        "rows": len(weights),
        "queries_of_train": targets,
        "effective_sample_size": round(effective_sample_size(weights), 1),
        "most_alike": shown(order[: -_SHOWN - 1 : -1]),
        "least_alike": shown(order[:_SHOWN]),
    }
