"""What is in a data set and what is wrong with it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acclimate.core.files import write_jsonl
from acclimate.data.examples import Dataset, Example, Rejected, normalized
from acclimate.data.near_duplicates import near_duplicates
from acclimate.data.scripts import script_shares

_SHOWN = 20
_MAX_LABELS = 100
_TOKENIZED = 4096  # texts at one time


@dataclass(frozen=True, slots=True)
class _Problem:
    """Rows that share a defect. ``rows`` are positions among the examples, the telling ones first."""

    kind: str
    what: str
    rows: list[int]


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
    roles = _texts_by_role(examples)
    lengths = {role: _lengths(texts, token_lengths, max_length) for role, texts in roles.items()}
    duplicates = _near(examples)
    problems = [problem for problem in _problems(examples, duplicates) if problem.rows]
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
        "scripts": {role: script_shares(texts) for role, texts in roles.items()},
        "labels": _labels(examples),
        "scores": _scores(examples),
        "queries": {"distinct": len({normalized(example.query) for example in examples if example.query})},
        "documents": {"distinct": len({normalized(text) for example in examples for text in example.positives})},
        "near_duplicates": {"pairs": len(duplicates), "rows": len(np.unique(duplicates))},
        "problems": [_described(problem, dataset) for problem in problems],
        "worst": _worst(problems, dataset),
        "rejected": _rejected(dataset.rejected),
    }


def write_quarantine(path: Path, rejected: Sequence[Rejected]) -> None:
    """Writes the rows that were set aside: one JSON object a line with file, line, column, reason and raw."""
    write_jsonl(path, [asdict(row) for row in rejected])


def fixed_rows(dataset: Dataset) -> list[dict[str, Any]]:
    """The cleaned copy: kept rows without exact repetitions, under the standard column names.

    Reading these rows gives the same examples again. Columns without a role are not in it.
    """
    seen: set[tuple[object, ...]] = set()
    rows = []
    for example in dataset.examples:
        key = _content(example)
        if key not in seen:
            seen.add(key)
            rows.append(_as_row(example))
    return rows


def _as_row(example: Example) -> dict[str, Any]:
    values: dict[str, Any] = {"id": example.id}
    if example.query:
        values["query"] = example.query
        values["positive"] = example.positives[0] if len(example.positives) == 1 else list(example.positives)
    if example.negatives:
        values["negative"] = list(example.negatives)
    if example.text:
        values["text"] = example.text
    for name in ("score", "label", "doc_id", "group", "domain", "task"):
        if getattr(example, name) is not None:
            values[name] = getattr(example, name)
    return values if example.weight == 1.0 else values | {"weight": example.weight}


def _content(example: Example) -> tuple[object, ...]:
    texts = (example.query, example.text)
    listed = (tuple(map(normalized, example.positives)), tuple(map(normalized, example.negatives)))
    return (*map(normalized, texts), *listed, example.score, example.label)


def _texts_by_role(examples: Sequence[Example]) -> dict[str, list[str]]:
    roles: dict[str, list[str]] = {
        "query": [example.query for example in examples if example.query],
        "positive": [text for example in examples for text in example.positives],
        "negative": [text for example in examples for text in example.negatives],
        "text": [example.text for example in examples if example.text],
    }
    return {role: texts for role, texts in roles.items() if texts}


def _lengths(
    texts: Sequence[str], token_lengths: Callable[[Sequence[str]], Sequence[int]] | None, max_length: int | None
) -> dict[str, Any]:
    described: dict[str, Any] = {"count": len(texts), "characters": _quantiles([len(text) for text in texts])}
    if token_lengths is not None:
        # Some at a time: a tokenizer keeps far more of a text than its tokens until it is done.
        parts = [token_lengths(texts[start : start + _TOKENIZED]) for start in range(0, len(texts), _TOKENIZED)]
        tokens = np.concatenate(parts)
        described["tokens"] = _quantiles(tokens)
        if max_length is not None:
            described["truncated"] = float(np.mean(tokens > max_length))
    return described


def _quantiles(values: ArrayLike) -> dict[str, int]:
    p50, p95, top = np.percentile(np.asarray(values), [50, 95, 100], method="higher").tolist()
    return {"p50": int(p50), "p95": int(p95), "max": int(top)}


def _labels(examples: Sequence[Example]) -> dict[str, Any] | None:
    counts = Counter(example.label for example in examples if example.label is not None)
    if not counts:
        return None
    common = counts.most_common()
    return {"distinct": len(counts), "counts": dict(common[:_MAX_LABELS]), "smallest": common[-1][1]}


def _scores(examples: Sequence[Example]) -> dict[str, float] | None:
    scores = np.array([example.score for example in examples if example.score is not None])
    if not len(scores):
        return None
    low, middle, high = np.percentile(scores, [0, 50, 100]).tolist()
    return {"min": low, "p50": middle, "max": high, "distinct": len(np.unique(scores))}


def _near(examples: Sequence[Example]) -> NDArray[np.int64]:
    """Pairs of rows [P, 2] where different texts are nearly the same; each text stands for its first row.

    Rows that name one document or group are alike on purpose (synonyms of one entry) and are no finding.
    """
    owner: dict[str, int] = {}
    for row, example in enumerate(examples):
        for text in example.texts():
            owner.setdefault(normalized(text), row)
    texts = sorted(owner)
    rows = [owner[text] for text in texts]
    pairs = [(rows[i], rows[j]) for i, j in near_duplicates(texts).tolist()]
    found = [pair for pair in pairs if not _known_alike(examples[pair[0]], examples[pair[1]])]
    return np.array(found, np.int64).reshape(-1, 2)


def _known_alike(one: Example, other: Example) -> bool:
    same_document = one.doc_id is not None and one.doc_id == other.doc_id
    same_group = one.group is not None and one.group == other.group
    return one is other or same_document or same_group or (bool(one.positives) and one.positives == other.positives)


def _problems(examples: Sequence[Example], duplicates: NDArray[np.int64]) -> Iterator[_Problem]:
    same_query: dict[str, list[int]] = defaultdict(list)
    same_content: dict[tuple[object, ...], list[int]] = defaultdict(list)
    same_pair: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, example in enumerate(examples):
        same_content[_content(example)].append(row)
        same_pair[tuple(map(normalized, example.texts()))].append(row)
        if example.query:
            same_query[normalized(example.query)].append(row)
    repeated = sorted(row for rows in same_content.values() for row in rows[1:])
    yield _Problem("duplicate", "the same row again", repeated)
    several = (rows for rows in same_query.values() if len({_answers(examples[row]) for row in rows}) > 1)
    yield _Problem("same_query", "the same query with other positives", sorted(row for rows in several for row in rows))
    against = (rows for rows in same_pair.values() if len({_verdict(examples[row]) for row in rows}) > 1)
    yield _Problem(
        "contradiction", "the same text with another label or score", sorted(r for rows in against for r in rows)
    )
    yield _Problem("near_duplicate", "nearly the same text as in an unrelated row", np.unique(duplicates).tolist())
    checks: tuple[tuple[str, str, Callable[[Example], bool]], ...] = (
        ("query_is_positive", "query and positive are the same text", _query_is_positive),
        ("negative_is_positive", "a text is both right and wrong for one query", _negative_is_positive),
        ("damaged", "replacement characters from a wrong encoding", _damaged),
    )
    for kind, what, wrong in checks:
        yield _Problem(kind, what, [row for row, example in enumerate(examples) if wrong(example)])


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
    kinds: dict[int, list[str]] = defaultdict(list)
    weight: dict[int, float] = defaultdict(float)
    for problem in problems:
        for row in problem.rows:
            kinds[row].append(problem.kind)
            weight[row] += 1 / len(problem.rows) + 1
    order = sorted(kinds, key=lambda row: (-weight[row], row))[:_SHOWN]
    return [_place(dataset, row) | {"problems": kinds[row]} for row in order]


def _rejected(rejected: Sequence[Rejected]) -> dict[str, Any]:
    first = [
        {"file": row.file, "line": row.line, "column": row.column, "reason": row.reason} for row in rejected[:_SHOWN]
    ]
    return {"reasons": dict(Counter(row.reason for row in rejected).most_common(_SHOWN)), "first": first}
