"""What a base's vectors say of a file: right documents that nobody labeled, wrong pairs and labels, and hubs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.core.seeds import numpy_generator
from acclimate.data.check import Problem, place_of
from acclimate.data.cleaning import Doubtful
from acclimate.data.disk import DiskList
from acclimate.data.examples import Dataset, Example, Kind, normalized, on_disk, texts_on_disk
from acclimate.data.keys import KeyNumbers, in_parts, keys_of
from acclimate.data.leakage import cut_short
from acclimate.data.mining import Pool, pool_of
from acclimate.data.suspects import Suspects, first_rows, label_suspects, mean_cosine, suspects, twins
from acclimate.evaluation import Encode
from acclimate.evaluation.hubness import K, Neighbors, nearest_neighbors, skewness

_WORST = 20
_HUBS = 10
_ASK_GIST = "label what is right; objective=gist takes none of them for wrong"


@dataclass(frozen=True, slots=True)
class Doubts:
    """What was found.

    Attributes:
        problems: rows of the file.
        doubtful: what a copy without suspects leaves out.
        document: all figures, for scripts.
    """

    problems: list[Problem]
    doubtful: Doubtful
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Texts:
    """The documents that are looked at, each once, and the row of the file that names each first; -1: none does."""

    texts: DiskList[str]
    rows: NDArray[np.int64]


def doubts(dataset: Dataset, encode: Encode, *, most: int, seed: int) -> Doubts:
    """Looks at the vectors of a file's rows.

    Args:
        dataset: the file.
        encode: the base.
        most: rows that are looked at; of more, so many are drawn. Of documents that no row names likewise.
        seed: of what is drawn.

    Returns:
        what was found. The document has ``rows`` (looked at), ``of``, ``documents``, ``seconds`` and ``hubness``, of
        pairs also ``false_negatives``, ``weak_pairs`` and ``near_positives``, of labeled texts ``label_suspects``.
    """
    began = time.monotonic()
    total = len(dataset.examples)
    chosen = _drawn(total, most, seed, "rows")
    examples = on_disk(dataset.examples).select(chosen)
    document: dict[str, Any] = {"rows": len(examples), "of": total}
    problems: list[Problem] = []
    doubtful = Doubtful()
    if dataset.kind is Kind.PAIRS:
        # The documents in the order in which a run ranks them, so that it finds their vectors on disk.
        pool = pool_of(examples, _others(dataset, most, seed))
        first = first_rows(pool)
        known = _Texts(pool.documents, np.where(first >= 0, chosen[first], -1))
        vectors = encode(known.texts, "document")
        queries = encode(pool.queries, "query")
        look = _Look(dataset, examples, chosen, pool, known)
        found = suspects(pool, queries, vectors)
        neighbors = _neighbors(vectors)
        for part in (look.false_negatives(found), look.weak_pairs(found), look.near_positives(vectors, neighbors)):
            document |= part[0]
            problems.append(part[1])
        doubtful = look.doubtful(found)
    else:
        known = _distinct(examples, chosen)
        neighbors = _neighbors(encode(known.texts, "document"))
        if dataset.kind is Kind.LABELED and neighbors is not None:
            told, problem = _labels(dataset, known, neighbors)
            document |= told
            problems.append(problem)
            doubtful = Doubtful({dataset.examples[row].id for row in problem.rows.tolist()})
    document["documents"] = len(known.texts)
    document["hubness"] = None if neighbors is None else _hubness(dataset, known, neighbors)
    return Doubts(problems, doubtful, document | {"seconds": round(time.monotonic() - began, 1)})


def _drawn(count: int, most: int, seed: int, name: str) -> NDArray[np.int64]:
    """All of so many things or some of them, in their order."""
    if count <= most:
        return np.arange(count)
    return np.sort(numpy_generator(seed, "check", name).choice(count, most, replace=False))


def _others(dataset: Dataset, most: int, seed: int) -> list[str]:
    """Documents that a source lists apart and that are right in no row."""
    named = {example.doc_id for example in dataset.examples} if dataset.documents else set()
    others = [name for name in dataset.documents if name not in named]
    return [dataset.documents[others[place]] for place in _drawn(len(others), most, seed, "documents").tolist()]


@dataclass(frozen=True, slots=True)
class _Look:
    """Findings about pairs, with the places and texts that they are about.

    ``chosen`` has the place in the file of each row that is looked at.
    """

    dataset: Dataset
    examples: Sequence[Example]
    chosen: NDArray[np.int64]
    pool: Pool
    known: _Texts

    def false_negatives(self, found: Suspects) -> tuple[dict[str, Any], Problem]:
        listed = list(dict.fromkeys(found.pairs[:, 0].tolist()))
        told = [
            self._pair(row, found)
            | {
                "suspect": self._document(document),
                "suspect_score": round(float(score), 4),
                "nearness": round(float(near), 4),
                "given_as_negative": document in self.pool.given[row],
            }
            for (row, document), (score, _, near) in zip(
                found.pairs[:_WORST].tolist(), found.figures[:_WORST].tolist(), strict=True
            )
        ]
        document = {"rows": len(listed), "suspects": int(found.counts.sum()), "worst": told}
        what = "perhaps right too: another document is nearer to the query, and very near to its right one"
        problem = Problem("false_negative", what, self.chosen[np.array(listed, np.int64)], _ASK_GIST)
        return {"false_negatives": document}, problem

    def weak_pairs(self, found: Suspects) -> tuple[dict[str, Any], Problem]:
        weak = found.weak
        told = [
            self._pair(row, found) | {"nearer_documents": round(float(found.farther[row]), 4)}
            for row in weak[:_WORST].tolist()
        ]
        what = "perhaps a wrong pair: half of all documents or more are nearer to the query"
        problem = Problem("weak_pair", what, self.chosen[weak], "look at them; --fix --drop-suspects leaves them out")
        return {"weak_pairs": {"rows": len(weak), "worst": told}}, problem

    def near_positives(
        self, vectors: NDArray[np.float32], neighbors: Neighbors | None
    ) -> tuple[dict[str, Any], Problem]:
        pairs, near = np.empty((0, 2), np.int64), np.empty(0)
        if neighbors is not None:
            pairs, near = twins(self.pool, neighbors.rows, neighbors.cosines, mean_cosine(vectors))
        told = [
            {"nearness": round(nearness, 4), "documents": [self._document(one), self._document(other)]}
            for (one, other), nearness in zip(pairs[:_WORST].tolist(), near[:_WORST].tolist(), strict=True)
        ]
        rows = np.array(list(dict.fromkeys(row for row in self.known.rows[pairs].ravel().tolist() if row >= 0)), int)
        what = "nearly what another document says, by the vectors"
        remedy = "give both one doc_id if they are one"
        problem = Problem("near_positive", what, rows, remedy)
        return {"near_positives": {"pairs": len(pairs), "rows": len(rows), "worst": told}}, problem

    def doubtful(self, found: Suspects) -> Doubtful:
        """Weak rows, and given negatives that are perhaps right."""
        negatives: dict[str, set[str]] = {}
        for row, document in found.given.tolist():
            negatives.setdefault(self.examples[row].id, set()).update(self._spellings(row, document))
        return Doubtful({self.examples[row].id for row in found.weak.tolist()}, negatives)

    def _spellings(self, row: int, document: int) -> set[str]:
        """The negatives of a row that are this document: texts that differ in case and spaces are one."""
        wanted = normalized(self.pool.documents[document])
        return {text for text in self.examples[row].negatives if normalized(text) == wanted}

    def _pair(self, row: int, found: Suspects) -> dict[str, Any]:
        return place_of(self.dataset, int(self.chosen[row])) | {
            "query": cut_short(self.examples[row].query),
            "positive": cut_short(self.pool.documents[int(found.right[row])]),
            "positive_score": round(float(found.score[row]), 4),
        }

    def _document(self, document: int) -> dict[str, Any]:
        return _told(self.dataset, self.known, document)


def _labels(dataset: Dataset, known: _Texts, neighbors: Neighbors) -> tuple[dict[str, Any], Problem]:
    """Texts that lie among those of another label."""
    names: dict[str, int] = {}
    labels = np.array([names.setdefault(str(dataset.examples[row].label), len(names)) for row in known.rows.tolist()])
    found, others, shares = label_suspects(labels, neighbors.rows)
    named = list(names)
    told = [
        _told(dataset, known, text)
        | {"label": named[labels[text]], "label_of_neighbors": named[other], "share": round(share, 4)}
        for text, other, share in zip(found[:_WORST].tolist(), others.tolist(), shares.tolist(), strict=False)
    ]
    what = "perhaps a wrong label: nearly all of the nearest texts have one other, and none has it"
    problem = Problem("label_suspect", what, known.rows[found], "look at them; --fix --drop-suspects leaves them out")
    return {"label_suspects": {"rows": len(found), "worst": told}}, problem


def _told(dataset: Dataset, known: _Texts, document: int) -> dict[str, Any]:
    """The text of a document, and where it stands first; without a line where a source lists it apart."""
    row = int(known.rows[document])
    place = place_of(dataset, row) if row >= 0 else {"file": str(dataset.path or dataset.name), "line": None}
    return place | {"text": cut_short(known.texts[document])}


def _neighbors(vectors: NDArray[np.float32]) -> Neighbors | None:
    return nearest_neighbors(vectors, K) if len(vectors) > K else None


def _hubness(dataset: Dataset, known: _Texts, neighbors: Neighbors) -> dict[str, Any]:
    counts = neighbors.occurrences()
    greatest = np.argsort(-counts, kind="stable")[:_HUBS].tolist()
    return {
        "k": K,
        "skewness": round(skewness(counts), 4),
        "nobodys_neighbor": round(float(np.mean(counts == 0)), 4),
        "hubs": [_told(dataset, known, row) | {"occurrences": int(counts[row])} for row in greatest],
    }


def _distinct(examples: Sequence[Example], chosen: NDArray[np.int64]) -> _Texts:
    """All texts of rows that are no pairs."""
    texts, rows, numbers = texts_on_disk(), list[int](), KeyNumbers()
    owned = chain.from_iterable(((row, t) for t in e.texts()) for row, e in zip(chosen.tolist(), examples, strict=True))
    for part in in_parts(owned):
        for place in numbers.add(keys_of(normalized(text) for _, text in part))[1].tolist():
            rows.append(part[place][0])
            texts.append(part[place][1])
    return _Texts(texts, np.array(rows, np.int64))
