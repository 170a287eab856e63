"""The pair table: examples as numbers of texts, with what is known to be right for each query."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from acclimate.data.examples import Example, Kind, normalized

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PairTable:
    """Rows ready for batching; texts are numbers in the feature store.

    Attributes:
        ids: [N] ids of the examples.
        query: [N] feature of each row's query.
        positives: [N] features of its right documents, sorted where ``own_among_positives``.
        negatives: [N] features of its wrong documents.
        relevant: [N] keys of all documents that any row names as right for the same query, and of the query's text.
        document_key: feature -> key of its document; documents with one id or one text share a key. Texts that differ
            in case and spaces alone are one text here, as they are for queries in ``relevant``.
        weight: [N].
        target: [N] score of a scored pair, NaN elsewhere.
        own_among_positives: rows of one label share one array of its texts, and the row's own text is no answer to
            itself. An array a row would take memory that grows with the square of the rows.
    """

    ids: list[str]
    query: "NDArray[np.int64]"
    positives: list["NDArray[np.int64]"]
    negatives: list["NDArray[np.int64]"]
    relevant: list[frozenset[int]]
    document_key: "NDArray[np.int64]"
    weight: "NDArray[np.float32]"
    target: "NDArray[np.float32]"
    own_among_positives: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def answers(self, row: int) -> int:
        """How many texts are right for a row."""
        return len(self.positives[row]) - self.own_among_positives


class TextNumbers:
    """Numbers distinct (text, role) pairs in order of appearance. Roles that are read alike are one.

    Args:
        readings: role -> how its texts are read, such as their prompt.
    """

    def __init__(self, readings: Mapping[str, Hashable]) -> None:
        self._same = {role: min(r for r in readings if readings[r] == readings[role]) for role in readings}
        self._numbers: dict[tuple[str, str], int] = {}

    def number(self, text: str, role: str) -> int:
        """The number of a text in a role."""
        return self._numbers.setdefault((text, self._same[role]), len(self._numbers))

    @property
    def texts(self) -> list[str]:
        """The texts by number."""
        return [text for text, _ in self._numbers]

    @property
    def roles(self) -> list[str]:
        """The role of each text by number."""
        return [role for _, role in self._numbers]


def pair_table(examples: Sequence[Example], kind: Kind, numbers: TextNumbers) -> PairTable:
    """Numbers the texts of examples and collects what is right for each query.

    Labeled texts become pairs of texts with one label: every text of the label is a right answer, and its key is the
    label, so that none of them is ever a negative. A label with a single text makes no row.
    """
    match kind:
        case Kind.LABELED:
            return _labeled_table(examples, numbers)
        case _:
            return _pair_table(examples, numbers)


def _pair_table(examples: Sequence[Example], numbers: TextNumbers) -> PairTable:
    query = [numbers.number(e.query, "query") for e in examples]
    positives = [[numbers.number(text, "document") for text in e.positives] for e in examples]
    negatives = [[numbers.number(text, "document") for text in e.negatives] for e in examples]
    keys: dict[tuple[str, str], int] = {}
    key_of: dict[int, int] = {}
    relevant: dict[str, set[int]] = {}
    for example, right in zip(examples, positives, strict=True):
        for text, feature in zip(example.positives, right, strict=True):
            by_id = example.doc_id is not None and len(right) == 1
            name = ("id", str(example.doc_id)) if by_id else ("text", normalized(text))
            key = keys.setdefault(name, len(keys))
            key_of.setdefault(feature, key)
            relevant.setdefault(normalized(example.query), set()).update((key, key_of[feature]))
    # After all positives: a negative that is some row's document has that document's key, wherever the row stands.
    for example, wrong in zip(examples, negatives, strict=True):
        for text, feature in zip(example.negatives, wrong, strict=True):
            key_of.setdefault(feature, keys.setdefault(("text", normalized(text)), len(keys)))
    # A query's own text is no wrong answer to it, whatever prompts or case make two texts of them.
    texts = numbers.texts
    for feature, key in key_of.items():
        relevant.get(normalized(texts[feature]), set()).add(key)
    document_key = np.full(len(numbers.texts), -1, dtype=np.int64)
    for feature, key in key_of.items():
        document_key[feature] = key
    return PairTable(
        ids=[example.id for example in examples],
        query=np.array(query, dtype=np.int64),
        positives=[np.array(features, dtype=np.int64) for features in positives],
        negatives=[np.array(features, dtype=np.int64) for features in negatives],
        relevant=[frozenset(relevant[normalized(e.query)]) for e in examples],
        document_key=document_key,
        weight=np.array([example.weight for example in examples], dtype=np.float32),
        target=np.array([np.nan if e.score is None else e.score for e in examples], dtype=np.float32),
    )


def _labeled_table(examples: Sequence[Example], numbers: TextNumbers) -> PairTable:
    features = np.array([numbers.number(e.text, "document") for e in examples], dtype=np.int64)
    keys = {label: key for key, label in enumerate(sorted({str(e.label) for e in examples}))}
    label_of = np.array([keys[str(e.label)] for e in examples], dtype=np.int64)
    members = {key: np.unique(features[label_of == key]) for key in keys.values()}
    document_key = np.full(len(numbers.texts), -1, dtype=np.int64)
    document_key[features] = label_of
    rows = [i for i in range(len(examples)) if len(members[int(label_of[i])]) > 1]
    return PairTable(
        ids=[examples[i].id for i in rows],
        query=features[rows],
        positives=[members[int(label_of[i])] for i in rows],
        negatives=[np.zeros(0, dtype=np.int64) for _ in rows],
        relevant=[frozenset({int(label_of[i])}) for i in rows],
        document_key=document_key,
        weight=np.array([examples[i].weight for i in rows], dtype=np.float32),
        target=np.full(len(rows), np.nan, dtype=np.float32),
        own_among_positives=True,
    )
