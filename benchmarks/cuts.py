"""Cuts of a data set that are small enough to train and rank on many times, as files that anyone can run again."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from acclimate.core.files import sha256_file, write_atomic, write_jsonl
from acclimate.core.seeds import numpy_generator
from acclimate.data.examples import RetrievalSet
from acclimate.data.readers import read, read_test, to_retrieval_set
from acclimate.data.split import leaks, without

_SEED = 20  # of what is drawn; not a seed of any training


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is taken at most: training pairs, characters a document, and (queries, documents) of dev and test."""

    pairs: int
    characters: int
    dev: tuple[int, int]
    test: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cut:
    """The files of a cut: ``train.jsonl``, and BEIR folders ``dev`` and ``test``."""

    folder: Path

    @property
    def train(self) -> Path:
        """The training pairs."""
        return self.folder / "train.jsonl"

    @property
    def dev(self) -> Path:
        """What learning rates are chosen on."""
        return self.folder / "dev"

    @property
    def test(self) -> Path:
        """What is reported."""
        return self.folder / "test"

    def pairs(self) -> list[tuple[str, str]]:
        """Query and right document of each training row."""
        return [(example.query, example.positives[0]) for example in read(self.train).examples]

    def sha256(self) -> str:
        """Of all files' bytes."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return hashlib.sha256("".join(map(sha256_file, files)).encode()).hexdigest()


def cut(data: Path, sizes: Sizes, folder: Path) -> Cut:
    """Writes a cut of ``data`` (``train.jsonl``, ``dev.jsonl``, ``test/``); the same bytes whenever it is called.

    Documents of dev and test are first the relevant ones, then others; for dev, those of training too. Documents
    longer than ``sizes.characters`` are left out, with what is asked of them: a batch costs what its longest text
    costs. Training pairs that repeat a query or a relevant document of the whole dev or test set are never drawn.
    """
    train, dev = read(data / "train.jsonl"), to_retrieval_set(read(data / "dev.jsonl"))
    test = read_test(data / "test")
    if not isinstance(test, RetrievalSet):
        raise SystemExit(f"{data / 'test'} is no BEIR folder")
    clean = [row for row in train.examples if len(row.positives[0]) <= sizes.characters]
    for held_out in (dev, test):
        clean = without(clean, leaks(clean, held_out))
    drawn = _generator(data, "train").permutation(len(clean))[: sizes.pairs]
    rows = [
        {"query": row.query, "positive": row.positives[0], "doc_id": row.doc_id, "group": row.group}
        for row in (clean[place] for place in drawn)
    ]
    result = Cut(folder)
    write_jsonl(result.train, rows)
    others = _short(to_retrieval_set(train), sizes.characters).documents
    dev, test = (_short(held_out, sizes.characters) for held_out in (dev, test))
    _write(result.dev, _smaller(dev, [dev.documents, others], *sizes.dev, _generator(data, "dev")))
    _write(result.test, _smaller(test, [test.documents], *sizes.test, _generator(data, "test")))
    return result


def _generator(data: Path, purpose: str) -> np.random.Generator:
    return numpy_generator(_SEED, data.name, purpose)


def _short(data: RetrievalSet, characters: int) -> RetrievalSet:
    """Without long documents, and without the queries that ask for one."""
    documents = {key: text for key, text in data.documents.items() if len(text) <= characters}
    relevant = {query: right for query, right in data.relevant.items() if right and right.keys() <= documents.keys()}
    return replace(data, queries={q: data.queries[q] for q in relevant}, documents=documents, relevant=relevant)


def _smaller(
    data: RetrievalSet,
    sources: Sequence[Mapping[str, str]],
    queries: int,
    documents: int,
    generator: np.random.Generator,
) -> RetrievalSet:
    """Some of the queries, their documents, and as many others of the sources, in turn, as there is room for."""
    asked = _shuffled(data.queries, generator)[:queries]
    kept = {document: data.documents[document] for query in asked for document in data.relevant[query]}
    for source in sources:
        for document in _shuffled(source, generator):
            if len(kept) < documents:
                kept.setdefault(document, source[document])
    relevant = {query: data.relevant[query] for query in asked}
    return replace(data, queries={q: data.queries[q] for q in asked}, documents=kept, relevant=relevant)


def _shuffled(items: Mapping[str, str], generator: np.random.Generator) -> list[str]:
    keys = list(items)
    return [keys[place] for place in generator.permutation(len(keys))]


def _write(folder: Path, data: RetrievalSet) -> None:
    write_jsonl(folder / "corpus.jsonl", [{"_id": key, "text": text} for key, text in data.documents.items()])
    write_jsonl(folder / "queries.jsonl", [{"_id": key, "text": text} for key, text in data.queries.items()])
    judged = [
        f"{query}\t{document}\t{grade}"
        for query, documents in data.relevant.items()
        for document, grade in documents.items()
    ]
    write_atomic(folder / "qrels" / "test.tsv", "\n".join(["query-id\tcorpus-id\tscore", *judged]) + "\n")
