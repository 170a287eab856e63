"""What is in a data set and what is wrong with it."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acclimate.core.files import write_jsonl
from acclimate.data.examples import Dataset, Example, Rejected, normalized, on_disk
from acclimate.data.keys import Keys, as_keys, distinct, in_parts, key_of, keys_of, numbered, whole_numbers
from acclimate.data.near_duplicates import OwnedTexts, near_duplicate_rows
from acclimate.data.scripts import script_shares

_SHOWN = 20
_MAX_LABELS = 100
_TOKENIZED = 4096  # texts at one time


@dataclass(frozen=True, slots=True)
class _Problem:
    """Rows that share a defect. ``rows`` are positions among the examples, the telling ones first."""

    kind: str
    what: str
    rows: NDArray[np.int64]


def profile(
    dataset: Dataset,
    token_lengths: Callable[[Sequence[str]], Sequence[int]] | None = None,
    max_length: int | None = None,
) -> dict[str, Any]:
    """Describes a data set.

    Args:
        dataset: what was read.
        token_lengths: texts -> their lengths in tokens, special tokens included.
        max_length: tokens beyond which the model cuts texts off.

    Returns:
        A JSON-able dict: ``rows`` (total, kept, rejected), ``kind``, ``roles``, ``unused``, ``lengths`` by role
        (characters and tokens: p50, p95, max; ``truncated``: share beyond max_length), ``scripts`` by role (shares of
        letters), ``labels``, ``scores``, ``queries`` and ``documents`` (distinct), ``near_duplicates``, ``problems``
        (kind, what, rows, first places), ``worst`` (rows with the most and rarest problems: file, line, id, problems),
        ``rejected`` (counts by reason, first places).
    """
    examples = dataset.examples
    described = {role: _lengths(_texts(examples, role), token_lengths, max_length) for role in _TEXTS}
    lengths = {role: found for role, found in described.items() if found is not None}
    keys = _Keys(examples)
    duplicates = _near(examples)
    problems = [problem for problem in _problems(examples, keys, duplicates) if len(problem.rows)]
    return {
        "schema": 1,
        "name": dataset.name,
        "path": str(dataset.path) if dataset.path else None,
        "format": dataset.format,
        "sha256": dataset.sha256,
        "kind": str(dataset.kind),
        "rows": {
            "total": len(examples) + len(dataset.rejected),
            "kept": len(examples),
            "rejected": len(dataset.rejected),
        },
        "roles": dataset.roles,
        "unused": list(dataset.unused),
        "notes": list(dataset.notes),
        "max_length": max_length,
        "lengths": lengths,
        "scripts": {role: script_shares(_texts(examples, role)) for role in lengths},
        "labels": _labels(examples),
        "scores": _scores(examples),
        "queries": {"distinct": distinct(keys.query[keys.query != as_keys(bytearray(key_of("")))])},
        "documents": {"distinct": distinct(keys.documents)},
        "near_duplicates": {"pairs": len(duplicates), "rows": len(np.unique(duplicates))},
        "problems": [_described(problem, dataset) for problem in problems],
        "worst": _worst(problems, dataset),
        "rejected": _rejected(dataset.rejected),
    }


def write_quarantine(path: Path, rejected: Sequence[Rejected]) -> None:
    """Writes the rows that were set aside: one JSON object a line with file, line, column, reason and raw."""
    write_jsonl(path, (asdict(row) for row in rejected))


def fixed_rows(dataset: Dataset) -> Sequence[dict[str, Any]]:
    """The cleaned copy: kept rows without exact repetitions, under the standard column names.

    Reading these rows gives the same examples again. Columns without a role are not in it.
    """
    first = numbered(keys_of(_content(example) for example in dataset.examples))[1]
    return on_disk(dataset.examples).select(first).mapped(_as_row)


def _as_row(example: Example) -> dict[str, Any]:
    values: dict[str, Any] = {"id": example.id}
    if example.query:
        values["query"] = example.query
        values["positive"] = example.positives[0] if len(example.positives) == 1 else list(example.positives)
    if example.negatives:
        values["negative"] = list(example.negatives)
    if example.title:
        values["title"] = example.title
    if example.text:
        values["text"] = example.text.removeprefix(f"{example.title} ") if example.title else example.text
    for name in ("score", "label", "doc_id", "group", "domain", "task"):
        if getattr(example, name) is not None:
            values[name] = getattr(example, name)
    return values if example.weight == 1.0 else values | {"weight": example.weight}


def _content(example: Example) -> str:
    texts = (example.query, example.text)
    listed = (tuple(map(normalized, example.positives)), tuple(map(normalized, example.negatives)))
    return repr((*map(normalized, texts), *listed, example.score, example.label))


class _Keys:
    """Keys of what may be equal in several rows.

    Attributes:
        content: [N] of all that a row teaches.
        pair: [N] of the texts that belong together.
        query: [N] of the query.
        documents: of all right documents, one after another.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        content, pair, query, documents = bytearray(), bytearray(), bytearray(), bytearray()
        for example in examples:
            content += key_of(_content(example))
            pair += key_of("\0".join(map(normalized, example.texts())))
            query += key_of(normalized(example.query))
            for text in example.positives:
                documents += key_of(normalized(text))
        self.content, self.pair, self.query, self.documents = map(as_keys, (content, pair, query, documents))


_TEXTS: dict[str, Callable[[Example], tuple[str, ...]]] = {
    "query": lambda example: (example.query,) if example.query else (),
    "positive": lambda example: example.positives,
    "negative": lambda example: example.negatives,
    "text": lambda example: (example.text,) if example.text else (),
}


def _texts(examples: Iterable[Example], role: str) -> Iterator[str]:
    return chain.from_iterable(map(_TEXTS[role], examples))


def _lengths(
    texts: Iterable[str], token_lengths: Callable[[Sequence[str]], Sequence[int]] | None, max_length: int | None
) -> dict[str, Any] | None:
    characters, tokens = array("q"), array("q")
    # Some at a time: a tokenizer keeps far more of a text than its tokens until it is done.
    for part in in_parts(texts, _TOKENIZED):
        characters.extend(map(len, part))
        tokens.extend(token_lengths(part) if token_lengths is not None else ())
    if not characters:
        return None
    described: dict[str, Any] = {"count": len(characters), "characters": _quantiles(whole_numbers(characters))}
    if token_lengths is not None:
        described["tokens"] = _quantiles(whole_numbers(tokens))
        if max_length is not None:
            described["truncated"] = float(np.mean(whole_numbers(tokens) > max_length))
    return described


def _quantiles(values: NDArray[np.int64]) -> dict[str, int]:
    p50, p95, top = np.percentile(values, [50, 95, 100], method="higher").tolist()
    return {"p50": int(p50), "p95": int(p95), "max": int(top)}


def _labels(examples: Sequence[Example]) -> dict[str, Any] | None:
    counts = Counter(example.label for example in examples if example.label is not None)
    if not counts:
        return None
    common = counts.most_common()
    return {"distinct": len(counts), "counts": dict(common[:_MAX_LABELS]), "smallest": common[-1][1]}


def _scores(examples: Sequence[Example]) -> dict[str, float] | None:
    scores = np.fromiter((example.score for example in examples if example.score is not None), np.float64)
    if not len(scores):
        return None
    low, middle, high = np.percentile(scores, [0, 50, 100]).tolist()
    return {"min": low, "p50": middle, "max": high, "distinct": len(np.unique(scores))}


def _near(examples: Sequence[Example]) -> NDArray[np.int64]:
    """Pairs of rows [P, 2] where different texts are nearly the same; each text stands for its first row.

    Rows that name one document or group are alike on purpose (synonyms of one entry) and are no finding.
    """
    texts = OwnedTexts()
    for row, example in enumerate(examples):
        for text in example.texts():
            texts.add(normalized(text), row)
    pairs = near_duplicate_rows(texts)
    found = [one != other and not _known_alike(examples[one], examples[other]) for one, other in pairs]
    return pairs[np.array(found, np.bool_)]


def _known_alike(one: Example, other: Example) -> bool:
    same_document = one.doc_id is not None and one.doc_id == other.doc_id
    same_group = one.group is not None and one.group == other.group
    return same_document or same_group or (bool(one.positives) and one.positives == other.positives)


def _problems(examples: Sequence[Example], keys: _Keys, duplicates: NDArray[np.int64]) -> Iterator[_Problem]:
    again = np.ones(len(examples), np.bool_)
    again[numbered(keys.content)[1]] = False
    yield _Problem("duplicate", "the same row again", np.flatnonzero(again))
    several = _disagreeing(examples, keys.query, _answers)
    yield _Problem("same_query", "the same query with other positives", several)
    against = _disagreeing(examples, keys.pair, _verdict)
    yield _Problem("contradiction", "the same text with another label or score", against)
    yield _Problem("near_duplicate", "nearly the same text as in an unrelated row", np.unique(duplicates))
    checks: tuple[tuple[str, str, Callable[[Example], bool]], ...] = (
        ("query_is_positive", "query and positive are the same text", _query_is_positive),
        ("negative_is_positive", "a text is both right and wrong for one query", _negative_is_positive),
        ("damaged", "replacement characters from a wrong encoding", _damaged),
    )
    for kind, what, wrong in checks:
        yield _Problem(kind, what, np.flatnonzero(np.fromiter(map(wrong, examples), np.bool_, len(examples))))


def _disagreeing(
    examples: Sequence[Example], keys: Keys, says: Callable[[Example], tuple[object, ...]]
) -> NDArray[np.int64]:
    """The rows whose key other rows have too that do not all say the same."""
    number = numbered(keys)[0]
    shared = np.flatnonzero(np.bincount(number)[number] > 1)
    group = number[shared]
    said = numbered(keys_of(repr(says(example)) for example in on_disk(examples).select(shared)))[0]
    one = np.empty(len(examples), np.int64)
    one[group] = said
    differs = np.zeros(len(examples), np.bool_)
    differs[group[said != one[group]]] = True
    return shared[differs[group]]


def _answers(example: Example) -> tuple[str, ...]:
    return tuple(sorted(map(normalized, example.positives))) if example.score is None else ()


def _verdict(example: Example) -> tuple[str | None, float | None]:
    return (example.label if example.text else None), example.score


def _query_is_positive(example: Example) -> bool:
    return example.score is None and normalized(example.query) in map(normalized, example.positives)


def _negative_is_positive(example: Example) -> bool:
    return bool(example.negatives) and not {*map(normalized, example.negatives)}.isdisjoint(
        map(normalized, example.positives)
    )


def _damaged(example: Example) -> bool:
    return any("\ufffd" in text for text in (*example.texts(), *example.negatives))


def _place(dataset: Dataset, row: int) -> dict[str, Any]:
    example = dataset.examples[row]
    return {"file": str(dataset.path or dataset.name), "line": example.line, "id": example.id}


def _described(problem: _Problem, dataset: Dataset) -> dict[str, Any]:
    places = [_place(dataset, row) for row in problem.rows[:_SHOWN]]
    return {"kind": problem.kind, "what": problem.what, "rows": len(problem.rows), "places": places}


def _worst(problems: Sequence[_Problem], dataset: Dataset) -> list[dict[str, Any]]:
    """The rows with the most kinds of problems, rare kinds first."""
    weight = np.zeros(len(dataset.examples))
    for problem in problems:
        weight[problem.rows] += 1 / len(problem.rows) + 1
    rows = np.flatnonzero(weight)
    order = rows[np.argsort(-weight[rows], kind="stable")][:_SHOWN].tolist()
    return [
        _place(dataset, row) | {"problems": [problem.kind for problem in problems if row in problem.rows]}
        for row in order
    ]


def _rejected(rejected: Sequence[Rejected]) -> dict[str, Any]:
    first = [
        {"file": row.file, "line": row.line, "column": row.column, "reason": row.reason} for row in rejected[:_SHOWN]
    ]
    return {"reasons": dict(Counter(row.reason for row in rejected).most_common(_SHOWN)), "first": first}
