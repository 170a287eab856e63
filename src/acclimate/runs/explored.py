"""What `explore` shows of a run: the documents that it was tested on, and the questions whose answers are known."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from acclimate.core.errors import AcclimateError, DataError, Place, UsageError
from acclimate.core.files import read_jsonl
from acclimate.data.examples import Dataset, Kind, RetrievalSet, normalized
from acclimate.data.readers import read, read_test, to_retrieval_set
from acclimate.data.synthetic import distinct_texts
from acclimate.recipe.tree import DataSettings
from acclimate.serve.corpus import Corpus, Question, Rows

T = TypeVar("T")

_LISTS = ("relevant", "top_before", "top_after")
_OF_TRAIN = 20_000  # questions of TRAIN that can be looked up


def corpus_of(run: Path, data: DataSettings, test: Path | None = None) -> Corpus:
    """The corpus of a finished run.

    Args:
        run: its folder.
        data: where its data was.
        test: other test data to look at.

    Raises:
        DataError: data that cannot be searched.
    """
    if test is not None:
        return _of(read_test(test), test.name)
    tested = _lines(run / "data" / "test.jsonl")
    if not tested:
        raise DataError("the run has no test data", "name some with --test", Place(run / "data" / "test.jsonl"))
    if "first" in tested[0]:
        return _of_texts([text for item in tested for text in (item["first"], item["second"])])
    if "label" in tested[0]:
        return _of_labels([(item["text"], item["label"]) for item in tested])
    return _searched(run, data, _lines(run / "data" / "queries.jsonl"))


def _lines(path: Path) -> list[dict[str, Any]]:
    return list(read_jsonl(path)) if path.is_file() else []


def _of(given: RetrievalSet | Dataset, name: str) -> Corpus:
    """Of data that the run does not know."""
    if isinstance(given, Dataset):
        match given.kind:
            case Kind.SCORED:
                return _of_texts([text for e in given.examples for text in (e.query, *e.positives)])
            case Kind.LABELED:
                return _of_labels([(e.text, str(e.label)) for e in given.examples])
            case Kind.TEXT:
                return replace(_of_texts([e.text for e in given.examples]), query_role="query", judged=True)
        given = to_retrieval_set(given)
    rows = {name: row for row, name in enumerate(given.documents)}
    questions = [
        Question(text, "test", np.array([rows[d] for d in given.relevant.get(identity, ())], np.int64))
        for identity, text in given.queries.items()
    ]
    note = f"these are the documents of {name}, which need not be those of the run's test"
    return Corpus(list(given.documents), list(given.documents.values()), questions, notes=(note,))


def _of_texts(texts: Sequence[str]) -> Corpus:
    distinct = list({normalized(text): text for text in texts}.values())
    return Corpus([str(row + 1) for row in range(len(distinct))], distinct, query_role="document", judged=False)


def _of_labels(rows: Sequence[tuple[str, str]]) -> Corpus:
    texts, labels = zip(*rows, strict=True)
    ids = [str(row + 1) for row in range(len(texts))]
    return Corpus(ids, texts, labels=labels, query_role="document", judged=False)


def _searched(run: Path, data: DataSettings, told: Sequence[Mapping[str, Any]]) -> Corpus:
    """Of a run that finds right documents of queries; ``told`` is what became of each."""
    train, notes = _again(partial(read, data.train, columns=data.columns), data.train, "TRAIN")
    given: Dataset | RetrievalSet | None = train
    if data.test != "split":
        given, of_test = _again(partial(_tested, data), data.test, "TEST")
        notes = [*of_test, *notes]
    hashes = json.loads((run / "environment.json").read_text(encoding="utf-8")).get("data", {})
    for name, found, digest in (("TRAIN", train, hashes.get("train")), ("TEST", given, hashes.get("test"))):
        if found is not None and digest not in (None, "split", found.sha256):
            notes.append(f"{name} has changed since the run")
    if given is None:
        notes.append("so the documents are those that its report names; --test FOLDER names all")
    documents = _documents(given, told)
    number = {normalized(text): row for row, text in enumerate(documents.values())}
    questions = [
        Question(
            q["query"], "test", _rows((d["text"] for d in q["relevant"]), number), q["rank_before"], q["rank_after"]
        )
        for q in told
    ]
    if train is not None and train.kind is Kind.PAIRS:
        questions += _of_train(run, train, number)
    return Corpus(list(documents), list(documents.values()), questions, notes=tuple(notes))


def _tested(data: DataSettings) -> Dataset | RetrievalSet:
    try:
        return read_test(data.test, columns=data.columns)
    except UsageError:
        return read_test(data.test)  # as `fit` reads it: --columns speaks of TRAIN


def _again(read_it: Callable[[], T], path: str, name: str) -> tuple[T | None, list[str]]:
    """Data of the run, if it is still where it was."""
    if not path:
        return None, [f"{name} was rows in memory and is not there any longer"]
    try:
        return read_it(), []
    except (AcclimateError, OSError) as error:
        return None, [f"{name} cannot be read again ({error})"]


def _documents(given: Dataset | RetrievalSet | None, told: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Id -> text of all that the run ranked, as far as it can be found."""
    seen = {d["id"]: d["text"] for q in told for name in _LISTS for d in q[name]}
    match given:
        case RetrievalSet():
            documents = dict(given.documents)
        case Dataset(kind=Kind.PAIRS):
            documents = to_retrieval_set(given).documents
        case Dataset():
            # Of texts alone: one that is asked for was ranked without what became its query.
            documents = {example.id: example.text for example in distinct_texts(given)} | seen
        case None:
            documents = seen
    return documents


def _rows(texts: Iterable[str], number: Mapping[str, int]) -> Rows:
    """The rows of some documents, as far as they are in the corpus."""
    found = {number[name] for text in texts if (name := normalized(text)) in number}
    return np.array(sorted(found), np.int64)


def _of_train(run: Path, train: Dataset, number: Mapping[str, int]) -> Iterator[Question]:
    """The questions of rows that have trained and of which a right document is in the corpus."""
    trained = {item["id"] for item in islice(read_jsonl(run / "data" / "train.jsonl"), _OF_TRAIN)}
    right: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    for example in train.examples:
        if example.id in trained:
            right.setdefault(normalized(example.query), []).extend(example.positives)
            texts.setdefault(normalized(example.query), example.query)
    for name, positives in right.items():
        if len(rows := _rows(positives, number)):
            yield Question(texts[name], "train", rows)
