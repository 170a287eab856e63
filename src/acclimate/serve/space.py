"""Exact neighbors of a query among all documents, by the vectors of two models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.serve.corpus import Corpus, Rows
from acclimate.serve.layout import Floats, Layout, mean_of

Vectors = NDArray[np.float32]

BASE, TUNED = 0.0, 1.0
_RIGHT_SHOWN = 20  # right documents that are listed, whatever their rank
_SHOWN = 20_000  # points of the map
_TEXT = 4_000  # characters of a document that are sent


@dataclass(frozen=True)
class Space:
    """A corpus as two models see it, and where their weights allow it, models between them.

    Attributes:
        corpus: what is looked at.
        shares: of the tuned weights, from 0 (the base) to 1 (the tuned model), that can be asked for.
        documents: share -> vectors [N, D] of all documents, of length one.
        encode: texts, their role and a share -> vectors [n, D].
    """

    corpus: Corpus
    shares: tuple[float, ...]
    documents: Callable[[float], Vectors]
    encode: Callable[[Sequence[str], str, float], Vectors]
    _means: dict[float, Floats] = field(default_factory=dict)

    @cached_property
    def layout(self) -> Layout | None:
        """The map; None where the two models' vectors have not one number of dimensions."""
        before, after = self.documents(BASE), self.documents(TUNED)
        return Layout.of(before, after) if before.shape == after.shape and before.shape[1] > 1 else None

    @cached_property
    def shown(self) -> Rows:
        """The documents that are points of the map: all of them, or evenly chosen ones."""
        count = len(self.corpus.texts)
        return np.arange(count) if count <= _SHOWN else np.linspace(0, count - 1, _SHOWN).astype(np.int64)

    def points(self, share: float) -> NDArray[np.int64]:
        """Where the documents that are shown lie on the map of a share [n, 2]."""
        assert self.layout is not None
        return self.layout.place(self.documents(share)[self.shown], self._mean(share))

    def _mean(self, share: float) -> Floats:
        if share not in self._means:
            self._means[share] = mean_of(self.documents(share))
        return self._means[share]

    def neighbors(self, query: str | int, count: int, share: float = TUNED) -> dict[str, Any]:
        """The nearest documents of a query before and after.

        Args:
            query: a text, or the row of a document, which is then no neighbor of its own.
            count: how many of each side.
            share: of the tuned weights, on the side that is after.

        Returns:
            what the page shows; ranks count from 1.
        """
        corpus, sides = self.corpus, {"before": BASE, "after": share}
        about = self._about(query)
        relevant: Rows = about.pop("relevant")
        order, rank, score, place = {}, {}, {}, {}
        for side, of_share in sides.items():
            vectors = self.documents(of_share)
            asked = self.encode([query], corpus.query_role, of_share) if isinstance(query, str) else vectors[[query]]
            score[side] = vectors @ asked[0]
            order[side] = np.argsort(-score[side], kind="stable")
            if not isinstance(query, str):
                order[side] = order[side][order[side] != query]
            rank[side] = np.zeros(len(vectors), np.int64)
            rank[side][order[side]] = np.arange(1, len(order[side]) + 1)
            if self.layout is not None:
                place[side] = self.layout.place(asked, self._mean(of_share))[0].tolist()
        first = {side: order[side][:count] for side in sides}
        right = relevant[np.argsort(rank["after"][relevant], kind="stable")]
        listed = np.unique(np.concatenate([*first.values(), right[:_RIGHT_SHOWN]]))
        known = set(relevant.tolist())
        both = set(first["before"].tolist()) & set(first["after"].tolist())
        return {
            "query": about,
            "before": first["before"].tolist(),
            "after": first["after"].tolist(),
            "right": right[:_RIGHT_SHOWN].tolist(),
            "right_in_all": len(relevant),
            "kept": len(both),
            "new": len(first["after"]) - len(both),
            "lost": len(first["before"]) - len(both),
            "place": place,
            "documents": {
                str(row): {
                    **self.document(row),
                    "right": row in known,
                    **{f"rank_{side}": int(rank[side][row]) for side in sides},
                    **{f"score_{side}": round(float(score[side][row]), 4) for side in sides},
                }
                for row in listed.tolist()
            },
        }

    def document(self, row: int) -> dict[str, Any]:
        """A document as the page shows it."""
        text, labels = self.corpus.texts[row], self.corpus.labels
        cut = text if len(text) <= _TEXT else text[:_TEXT] + " …"
        return {"row": row, "id": self.corpus.ids[row], "text": cut, **({"label": labels[row]} if labels else {})}

    def _about(self, query: str | int) -> dict[str, Any]:
        corpus = self.corpus
        if not isinstance(query, str):
            return {"kind": "document", **self.document(query), "relevant": corpus.relevant_to(query)}
        number = corpus.question(query)
        if number is None:
            return {"kind": "typed", "text": query, "relevant": np.zeros(0, np.int64)}
        question = corpus.questions[number]
        return {"kind": "question", "text": query, "origin": question.origin, "relevant": question.relevant}

    @cached_property
    def moved(self) -> Vectors:
        """How near each document's two vectors are, as a cosine [N]; 0 where they cannot be compared."""
        before, after = self.documents(BASE), self.documents(TUNED)
        if before.shape != after.shape:
            return np.zeros(len(before), np.float32)
        cosines: Vectors = np.einsum("nd,nd->n", before, after, dtype=np.float32)
        return cosines

    def table(self, words: str, start: int, count: int) -> dict[str, Any]:
        """A part of the documents that hold some words, those first whose vectors changed most."""
        order = np.argsort(self.moved, kind="stable")
        if words:
            wanted = words.casefold()
            order = order[[wanted in self.corpus.texts[row].casefold() for row in order.tolist()]]
        rows = order[start : start + count]
        points: Mapping[str, NDArray[np.int64]] = {}
        if self.layout is not None:
            sides = {"before": BASE, "after": TUNED}
            points = {
                side: self.layout.place(self.documents(share)[rows], self._mean(share)) for side, share in sides.items()
            }
        return {
            "total": len(order),
            "documents": [
                {
                    **self.document(row),
                    "cosine": round(float(self.moved[row]), 4),
                    **{side: of_side[place].tolist() for side, of_side in points.items()},
                }
                for place, row in enumerate(rows.tolist())
            ],
        }
