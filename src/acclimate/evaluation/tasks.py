"""What a model is tested on: texts and what is known about them. Names no encoder and no file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias


@dataclass(frozen=True, slots=True)
class RetrievalTask:
    """Find the relevant documents of each query among all documents.

    ``relevant[q]`` maps the row of a document to its grade above zero. ``excluded[q]``, where given, are the rows of
    documents that are not ranked for the query, since it is known of them already: none of them may be relevant.
    """

    main_metric: ClassVar[str] = "ndcg@10"
    name: str
    query_ids: Sequence[str]
    queries: Sequence[str]
    document_ids: Sequence[str]
    documents: Sequence[str]
    relevant: Sequence[dict[int, int]]
    excluded: Sequence[Sequence[int]] = ()


@dataclass(frozen=True, slots=True)
class SimilarityTask:
    """Order pairs of texts as people's scores order them."""

    main_metric: ClassVar[str] = "spearman"
    name: str
    first: Sequence[str]
    second: Sequence[str]
    scores: Sequence[float]


@dataclass(frozen=True, slots=True)
class ClassificationTask:
    """Tell labels from vectors: logistic regression fitted on train, its strength chosen on dev, scored on test."""

    main_metric: ClassVar[str] = "macro_f1"
    name: str
    train_texts: Sequence[str]
    train_labels: Sequence[str]
    dev_texts: Sequence[str]
    dev_labels: Sequence[str]
    test_texts: Sequence[str]
    test_labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class LabelMatchingTask:
    """Tell labels by words: a text has the label whose own text is nearest. Nothing is fitted.

    ``label_texts[c]`` is the text of label ``label_names[c]``.
    """

    main_metric: ClassVar[str] = "macro_f1"
    name: str
    texts: Sequence[str]
    labels: Sequence[str]
    label_names: Sequence[str]
    label_texts: Sequence[str]


Task: TypeAlias = RetrievalTask | SimilarityTask | ClassificationTask | LabelMatchingTask
