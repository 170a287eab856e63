"""What is looked at: documents, and questions whose right documents are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acclimate.data.examples import normalized

Rows = NDArray[np.int64]
Origin = Literal["test", "train"]


@dataclass(frozen=True, slots=True)
class Question:
    """A query that somebody has answered.

    Attributes:
        text: as it is asked.
        origin: whether the run was tested on it or trained on it.
        relevant: rows of its right documents.
        rank_before, rank_after: of its first right document when the run was scored; 0 where that is not known.
    """

    text: str
    origin: Origin
    relevant: Rows
    rank_before: int = 0
    rank_after: int = 0


@dataclass(frozen=True)
class Corpus:
    """Documents [N] and questions.

    Attributes:
        ids: of the documents.
        texts: of the documents.
        questions: in the order of their files, those of the test first.
        labels: of the documents, where these are labeled texts.
        query_role: the role in which a text that is typed is encoded.
        judged: whether somebody can say of a document that it is right or wrong for a query, and `fit` learn from it.
        notes: what a user should know, a sentence each.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    questions: Sequence[Question] = ()
    labels: Sequence[str] | None = None
    query_role: Literal["query", "document"] = "query"
    judged: bool = True
    notes: tuple[str, ...] = field(default=())

    @cached_property
    def by_text(self) -> Mapping[str, int]:
        """Normalized text of a question -> its number; of two with one text, the first."""
        found: dict[str, int] = {}
        for number, question in enumerate(self.questions):
            found.setdefault(normalized(question.text), number)
        return found

    def question(self, text: str) -> int | None:
        """The number of the question that a text is, case and spaces aside."""
        return self.by_text.get(normalized(text))

    @cached_property
    def _of_label(self) -> Mapping[str, Rows]:
        labels = np.asarray(self.labels or (), dtype=object)
        return {label: np.flatnonzero(labels == label) for label in set(labels.tolist())}

    def relevant_to(self, row: int) -> Rows:
        """The other documents with the label of a document; none where there are no labels."""
        if self.labels is None:
            return np.zeros(0, np.int64)
        alike = self._of_label[self.labels[row]]
        others: Rows = alike[alike != row]
        return others
