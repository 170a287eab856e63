"""Vectors that a user brings, with their ids, and pairs of ids: as files or as Python has them."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from acclimate.core.errors import DataError, Place
from acclimate.data.examples import Dataset, Example, Kind
from acclimate.data.readers import read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_FINITE_ROWS = 4096  # looked through at a time: a mask of all would be as large as a quarter of the vectors


@dataclass(frozen=True, slots=True)
class NamedVectors:
    """Vectors by row.

    Attributes:
        vectors: float32 [N, D]; of a file, mapped and not read.
        row_of: id -> row.
    """

    vectors: "NDArray[np.float32]"
    row_of: dict[str, int]


def named_vectors(vectors: "str | Path | NDArray[Any]", ids: "str | Path | Sequence[Any]") -> NamedVectors:
    """Reads vectors and ids, and checks that they belong together.

    Args:
        vectors: a ``.npy`` file or an array [N, D] of numbers.
        ids: a ``.json`` file with a list, another file with an id a line, or a list; N ids in the order of the vectors.

    Raises:
        DataError: no matrix, NaN or infinity in it, an id twice, or another number of ids than of vectors.
    """
    matrix, names = _matrix(vectors), _names(ids)
    if len(names) != len(matrix):
        problem = f"{len(names)} ids stand beside {len(matrix)} vectors"
        raise DataError(problem, "give one id a vector, in the same order", _place(ids))
    row_of = {name: row for row, name in enumerate(names)}
    if len(row_of) < len(names):
        name, count = Counter(names).most_common(1)[0]
        line = names.index(name, names.index(name) + 1) + 1
        where = _place(ids, line)
        raise DataError(f"the id {name!r} stands there {count} times", "give every vector an id of its own", where)
    return NamedVectors(matrix, row_of)


def pairs_of_rows(pairs: Any, named: NamedVectors, columns: "Mapping[str, str]") -> Dataset:
    """Reads pairs of ids as pairs of rows, and every other document beside them.

    A text of the result is the number of a row; of equal vectors it is the first one, so that none of them can stand
    on two sides of a split. All vectors are documents but those that only ask.

    Raises:
        DataError: an id without a vector, or rows that are no pairs.
    """
    dataset = read(pairs, columns=columns)
    where = dataset.path or dataset.name
    if dataset.kind is not Kind.PAIRS:
        problem = f"{dataset.kind} rows say nothing about which vector answers which"
        raise DataError(problem, "give rows with query and positive, both ids", Place(where))
    first: dict[bytes, int] = {}

    def row(name: str, line: int) -> str:
        if name not in named.row_of:
            remedy = "add its vector, or take the row out"
            raise DataError(f"there is no vector with the id {name!r}", remedy, Place(where, line))
        number = named.row_of[name]
        return str(first.setdefault(named.vectors[number].tobytes(), number))

    examples = [_in_rows(example, row) for example in dataset.examples]
    asked = {example.query for example in examples}
    answers = {text for example in examples for text in (*example.positives, *example.negatives)}
    documents = {name: str(number) for name, number in named.row_of.items() if str(number) not in asked - answers}
    return replace(dataset, examples=examples, documents=documents)


def _in_rows(example: Example, row: Callable[[str, int], str]) -> Example:
    line = example.line
    positives, negatives = (tuple(row(name, line) for name in some) for some in (example.positives, example.negatives))
    return example._replace(query=row(example.query, line), positives=positives, negatives=negatives)


def _matrix(vectors: "str | Path | NDArray[Any]") -> "NDArray[np.float32]":
    where = _place(vectors)
    if isinstance(vectors, str | Path):
        try:
            # Copy on write: torch wants memory that may be written, and the file stays as it is all the same.
            matrix = np.load(vectors, mmap_mode="c", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"no .npy file that can be read: {error}", "save it with numpy.save", where) from error
    else:
        matrix = np.asarray(vectors)
    if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype.kind not in "fiu":
        problem = f"the vectors are {matrix.dtype} of shape {matrix.shape}"
        raise DataError(problem, "give numbers, one vector a row: [count, dimension]", where)
    matrix = np.require(matrix, np.float32, ["C", "W"])
    for start in range(0, len(matrix), _FINITE_ROWS):
        sound = np.isfinite(matrix[start : start + _FINITE_ROWS]).all(axis=1)
        if not sound.all():
            problem = f"vector {start + int(sound.argmin()) + 1} holds NaN or infinity"
            raise DataError(problem, "compute it again, or leave it and its id out", where)
    return matrix


def _names(ids: "str | Path | Sequence[Any]") -> list[str]:
    if not isinstance(ids, str | Path):
        return [str(name) for name in ids]
    path = Path(ids)
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = json.loads(text) if path.suffix == ".json" else text.splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"the ids cannot be read: {error}", "give a JSON list, or an id a line", Place(path)) from error
    if not isinstance(found, list):
        raise DataError("the ids are no list", "give a JSON list, or an id a line", Place(path))
    return [str(name) for name in found]


def _place(source: Any, line: int | None = None) -> Place | None:
    return Place(source, line) if isinstance(source, str | Path) else None
