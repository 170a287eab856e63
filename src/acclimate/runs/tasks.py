"""From data sets to the tasks that a model is scored on."""

from collections.abc import Mapping, Sequence

from acclimate.core.errors import DataError
from acclimate.core.seeds import numpy_generator
from acclimate.data.examples import Dataset, Example, Kind, RetrievalSet
from acclimate.data.readers import to_retrieval_set
from acclimate.evaluation import ClassificationTask, LabelMatchingTask, RetrievalTask, SimilarityTask, Task

#: What a dev task has at most: scoring it must stay a small part of training.
DEV_QUERIES = 500
DEV_BYTES = 120_000  # of documents in UTF-8, which follows the number of tokens in any script
DEV_PAIRS = 1_000
DEV_TEXTS = 1_000


def retrieval_task(name: str, data: RetrievalSet) -> RetrievalTask:
    """Ranks all documents of a retrieval set for each of its queries."""
    row_of = {document: row for row, document in enumerate(data.documents)}
    asked = [query for query in data.queries if data.relevant.get(query)]
    return RetrievalTask(
        name=name,
        query_ids=asked,
        queries=[data.queries[query] for query in asked],
        document_ids=list(data.documents),
        documents=list(data.documents.values()),
        relevant=[{row_of[d]: grade for d, grade in data.relevant[query].items()} for query in asked],
    )


def task_of(
    name: str,
    data: Dataset | RetrievalSet,
    tested: Sequence[Example] | None = None,
    *,
    train: Sequence[Example] = (),
    label_texts: Mapping[str, str] | None = None,
) -> Task:
    """The task that a data set is.

    Args:
        name: of the task.
        data: the source of all documents.
        tested: the examples that are asked, all by default.
        train: labeled examples for the classifier of a labeled task.
        label_texts: label -> its text, where labels are told by the nearest of these texts and not by a classifier.

    Raises:
        DataError: texts alone, or labels without training labels.
    """
    if isinstance(data, RetrievalSet):
        return retrieval_task(name, data)
    examples = data.examples if tested is None else tested
    match data.kind:
        case Kind.PAIRS:
            return retrieval_task(name, to_retrieval_set(data, examples))
        case Kind.SCORED:
            return SimilarityTask(
                name,
                [e.query for e in examples],
                [e.positives[0] for e in examples],
                [float(e.score or 0.0) for e in examples],
            )
        case Kind.LABELED if label_texts:
            return LabelMatchingTask(
                name,
                [e.text for e in examples],
                [str(e.label) for e in examples],
                list(label_texts),
                list(label_texts.values()),
            )
        case Kind.LABELED:
            if not train:
                raise DataError(f"{data.name} has labels but no training rows to learn them from", "give labeled TRAIN")
            fitted, chosen = _holdout(train)
            parts = (fitted, chosen, examples)
            texts = [[e.text for e in part] for part in parts]
            labels = [[str(e.label) for e in part] for part in parts]
            return ClassificationTask(name, texts[0], labels[0], texts[1], labels[1], texts[2], labels[2])
        case Kind.TEXT:
            raise DataError(f"{data.name} holds texts alone", "give pairs, scored pairs or labeled texts to score on")


def smaller(task: Task, seed: int) -> Task:
    """A cut of a dev task that is cheap to score often: fewer queries, and fewer wrong documents by length of text."""
    generator = numpy_generator(seed, "dev")
    match task:
        case RetrievalTask():
            asked = sorted(generator.permutation(len(task.queries))[:DEV_QUERIES].tolist())
            needed = {document for query in asked for document in task.relevant[query]}
            size = [len(document.encode()) for document in task.documents]
            room = DEV_BYTES - sum(size[row] for row in needed)
            for row in generator.permutation(len(task.documents)).tolist():
                if row not in needed and room > 0:
                    needed.add(row)
                    room -= size[row]
            kept = sorted(needed)
            place = {row: number for number, row in enumerate(kept)}
            return RetrievalTask(
                task.name,
                [task.query_ids[q] for q in asked],
                [task.queries[q] for q in asked],
                [task.document_ids[row] for row in kept],
                [task.documents[row] for row in kept],
                [{place[row]: grade for row, grade in task.relevant[q].items()} for q in asked],
                [[place[row] for row in task.excluded[q] if row in place] for q in asked] if task.excluded else (),
            )
        case SimilarityTask():
            rows = sorted(generator.permutation(len(task.scores))[:DEV_PAIRS].tolist())
            return SimilarityTask(
                task.name, *([column[row] for row in rows] for column in (task.first, task.second, task.scores))
            )
        case ClassificationTask():
            rows = sorted(generator.permutation(len(task.train_texts))[:DEV_TEXTS].tolist())
            return ClassificationTask(
                task.name,
                [task.train_texts[row] for row in rows],
                [task.train_labels[row] for row in rows],
                task.dev_texts,
                task.dev_labels,
                task.test_texts,
                task.test_labels,
            )
        case LabelMatchingTask():
            rows = sorted(generator.permutation(len(task.texts))[:DEV_TEXTS].tolist())
            texts, labels = ([column[row] for row in rows] for column in (task.texts, task.labels))
            return LabelMatchingTask(task.name, texts, labels, task.label_names, task.label_texts)


def _holdout(train: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """Nine tenths to fit a classifier and one tenth to choose its strength, by position."""
    return [e for i, e in enumerate(train) if i % 10], [e for i, e in enumerate(train) if i % 10 == 0]
