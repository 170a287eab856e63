"""Queries, documents and judgments kept apart: BEIR folders and LlamaIndex JSON."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acclimate.core.errors import DataError, Place
from acclimate.data.examples import Dataset, Example, Kind, Rejected, RetrievalSet, on_disk
from acclimate.data.json_files import jsonl_source
from acclimate.data.rows import Row, printable
from acclimate.data.text_files import detect, lines

_SPLITS_REMEDY = "name the one to read, for instance {}"
_DEV = ("dev", "validation", "valid", "val")


@dataclass(slots=True)
class Judged:
    """What a folder or document holds.

    Attributes:
        judgments: line, query id, document id, grade; the grade is above 0.
        files: what was read.
        refused: judgments with grade 0 or less, which are neither errors nor right documents.
    """

    name: str
    source: Path
    stem: str
    format: str
    files: list[Path]
    queries: dict[str, str] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)
    judgments: list[tuple[int, str, str, int]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    refused: int = 0

    def notes(self) -> tuple[str, ...]:
        """What a user should know."""
        return (f"{self.refused} judgments of grade 0 or less were left out",) if self.refused else ()


def split_names(split: str) -> tuple[str, ...]:
    """The names that a split goes by in files and folders."""
    return _DEV if split == "dev" else (split,)


def is_beir(folder: Path) -> bool:
    """Whether a folder is meant to hold corpus, queries and judgments: at least two of them are there."""
    parts = [_either(folder, name) for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv")]
    return sum(part is not None for part in parts) + (folder / "qrels").is_dir() >= 2


def load_beir(folder: Path, split: str, qrels: Path | None = None) -> Judged:
    """Reads a BEIR folder.

    Args:
        folder: with corpus.jsonl, queries.jsonl, and qrels/SPLIT.tsv or qrels.tsv.
        split: the split that is preferred; without it the only one is read.
        qrels: the file of judgments, when the user named one.

    Raises:
        DataError: a part is missing, or several splits and none preferred.
    """
    qrels = qrels or _qrels(folder, split)
    corpus, queries = (_require(folder, name) for name in ("corpus.jsonl", "queries.jsonl"))
    name = folder.parent.name if folder.name in ("train", "dev", "test") and folder.parent.name else folder.name
    judged = Judged(name, folder, _stem(qrels), f"BEIR folder, {qrels.relative_to(folder)}", [corpus, queries, qrels])
    judged.documents = dict(_texts(corpus, judged.rejected))
    judged.queries = dict(_texts(queries, judged.rejected))
    for line, query, document, grade in _judgments(qrels, judged.rejected):
        _judge(judged, qrels, line, (query, document, grade))
    return judged


def is_llama_index(document: Any) -> bool:
    """Whether a JSON document has the three parts of LlamaIndex's embedding data sets."""
    return isinstance(document, dict) and {"queries", "corpus", "relevant_docs"} <= document.keys()


def load_llama_index(path: Path, document: Mapping[str, Any]) -> Judged:
    """Reads `queries` (id: text), `corpus` (id: text) and `relevant_docs` (id: list of ids)."""
    judged = Judged(_stem(path), path, _stem(path), "LlamaIndex JSON", [path])
    for part in ("queries", "corpus", "relevant_docs"):
        if not isinstance(document[part], dict):
            raise DataError(f"{part!r} is not an object of ids", "write it as LlamaIndex does", Place(path))
    for part, kept in (("queries", judged.queries), ("corpus", judged.documents)):
        for key, text in document[part].items():
            if isinstance(text, str) and text.strip() and "\x00" not in text and text == printable(text):
                kept[key] = text.strip()
            else:
                reason = f"{part}[{key!r}] is not a text"
                judged.rejected.append(Rejected(str(path), 1, None, reason, json.dumps({key: text})))
    number = 0
    for query, wanted in document["relevant_docs"].items():
        for key in wanted if isinstance(wanted, list) else [wanted]:
            number += 1
            _judge(judged, path, number, (query, str(key), "1"))
    return judged


def as_dataset(judged: Judged, sha256: str) -> Dataset:
    """One example a judgment: its query, and the document as the only positive.

    Raises:
        DataError: no judgment is usable, or most are not.
    """
    require_judgments(judged)
    examples = on_disk(
        Example(f"{judged.stem}:{line}", line, judged.queries[query], (judged.documents[document],), doc_id=document)
        for line, query, document, _ in judged.judgments
    )
    roles = {"queries": "query", "corpus": "positive", "qrels": "query and positive"}
    return Dataset(
        judged.source, judged.name, Kind.PAIRS, examples, roles, (), judged.rejected, sha256,
        judged.format, judged.notes(), judged.documents,
    )  # fmt: skip


def as_retrieval_set(judged: Judged) -> RetrievalSet:
    """All documents, and the queries that have a right document.

    Raises:
        DataError: no judgment is usable, or most are not.
    """
    require_judgments(judged)
    relevant: dict[str, dict[str, int]] = {}
    for _, query, document, grade in judged.judgments:
        relevant.setdefault(query, {})[document] = grade
    queries = {query: judged.queries[query] for query in relevant}
    set_aside = (f"{len(judged.rejected)} rows were set aside, first {judged.rejected[0]}",) if judged.rejected else ()
    notes = (*judged.notes(), *set_aside)
    return retrieval_set(judged.name, queries, judged.documents, relevant, notes)


def retrieval_set(
    name: str,
    queries: dict[str, str],
    documents: dict[str, str],
    relevant: dict[str, dict[str, int]],
    notes: tuple[str, ...] = (),
) -> RetrievalSet:
    """Puts the parts together with the SHA-256 of their content."""
    content = json.dumps([queries, documents, relevant], sort_keys=True).encode()
    return RetrievalSet(name, queries, documents, relevant, hashlib.sha256(content).hexdigest(), notes)


def require_judgments(judged: Judged) -> None:
    """Refuses when no judgment is usable, or most rows are bad.

    Raises:
        DataError: names the first bad place.
    """
    bad, kept = len(judged.rejected), len(judged.judgments)
    if judged.judgments and bad <= kept + len(judged.documents) + len(judged.queries):
        return
    problem = f"{judged.rejected[0]} ({bad} rows cannot be used)" if bad else f"{judged.files[-1]}: no right documents"
    raise DataError(problem, "give judgments as query id, document id and a grade above 0, separated by tabs")


def _either(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _require(folder: Path, name: str) -> Path:
    path = _either(folder, name)
    if path is None:
        raise DataError(f"there is no {name}", f"put {name} or {name}.gz there", Place(folder))
    return path


def _stem(path: Path) -> str:
    return path.name.split(".")[0] or path.name


def _qrels(folder: Path, split: str) -> Path:
    named = (_either(folder / "qrels", f"{name}.tsv") for name in split_names(split))
    preferred = next((path for path in named if path is not None), None)
    found = sorted(path for path in (folder / "qrels").glob("*.tsv*") if path.name.endswith((".tsv", ".tsv.gz")))
    alone = _either(folder, "qrels.tsv")
    if preferred or (alone and not found):
        return preferred or _require(folder, "qrels.tsv")
    if len(found) == 1:
        return found[0]
    if not found:
        raise DataError("there are no judgments", "put them in qrels/test.tsv or qrels.tsv", Place(folder))
    names = ", ".join(_stem(path) for path in found)
    problem = f"there are judgments for {names}, none for {split}"
    raise DataError(problem, _SPLITS_REMEDY.format(found[0]), Place(folder))


def _texts(path: Path, rejected: list[Rejected]) -> Iterator[tuple[str, str]]:
    """Id and text (the title in front) of each line."""
    seen: set[str] = set()
    for row in jsonl_source(path, detect(path)).rows():
        if not isinstance(row, Row):
            rejected.append(row)
            continue
        key = row.values.get("_id", row.values.get("id"))
        parts = [row.values.get("title"), row.values.get("text")]
        text = " ".join(part.strip() for part in parts if isinstance(part, str) and part.strip())
        reason = _fault(key, parts, text, seen)
        if reason:
            rejected.append(Rejected(str(path), row.line, row.column, reason, printable(row.raw)))
            continue
        seen.add(str(key))
        yield str(key), text


def _fault(key: object, parts: list[Any], text: str, seen: set[str]) -> str:
    if not isinstance(key, str | int) or isinstance(key, bool) or not str(key).strip():
        return "there is no _id"
    if str(key) in seen:
        return f"_id {str(key)!r} occurs twice"
    if any(part is not None and not isinstance(part, str) for part in parts):
        return "title or text is not a text"
    if "\x00" in text or text != printable(text):
        return "the text holds a NUL character or half a surrogate pair"
    return "" if text else "the text is empty"


def _judgments(path: Path, rejected: list[Rejected]) -> Iterator[tuple[int, str, str, str]]:
    """Line, query id, document id and grade of each row; TREC's four columns are understood too."""
    first = True
    for number, line, _ in lines(path, detect(path)):
        fields = [part.strip() for part in (line.split("\t") if "\t" in line else line.split())]
        if not any(fields):
            continue
        header, first = first and not _is_number(fields[-1]), False
        if len(fields) == 4:
            fields = [fields[0], *fields[2:]]
        if len(fields) != 3 or not all(fields):
            reason = f"{len(fields)} fields where query id, document id and grade are needed"
            rejected.append(Rejected(str(path), number, 1, reason, printable(line.strip())))
        elif not header:
            yield number, fields[0], fields[1], fields[2]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _judge(judged: Judged, path: Path, line: int, fields: tuple[str, str, str]) -> None:
    query, document, grade = fields
    reason = ""
    if query not in judged.queries:
        reason = f"query {query!r} is not among the queries"
    elif document not in judged.documents:
        reason = f"document {document!r} is not in the corpus"
    elif not _is_number(grade) or not float(grade).is_integer():
        reason = f"grade {grade!r} is not a whole number"
    if reason:
        judged.rejected.append(Rejected(str(path), line, 1, reason, "\t".join(map(printable, fields))))
    elif float(grade) > 0:
        judged.judgments.append((line, query, document, int(float(grade))))
    else:
        judged.refused += 1
