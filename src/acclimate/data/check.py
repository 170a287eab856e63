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
_LONGEST = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows that share a defect.

    Attributes:
        kind: its name in scripts, one of `ORDER`.
        what: is wrong with them.
        rows: [R] positions among the examples, the telling ones first.
        remedy: what would help.
    """

    kind: str
    what: str
    rows: NDArray[np.int64]
    remedy: str


ORDER = (
    "leak", "contradiction", "query_is_positive", "negative_is_positive", "damaged", "false_negative", "weak_pair",
    "label_suspect", "near_leak", "truncated_positive", "truncated_text", "truncated_query", "truncated_negative",
    "near_positive", "single_label", "duplicate", "near_duplicate", "same_query",
)  # fmt: skip
"""All kinds of problems, what matters most first."""


def profile(
    dataset: Dataset,
    token_lengths: Callable[[Sequence[str]], Sequence[int]] | None = None,
    max_length: int | None = None,
    found: Sequence[Problem] = (),
) -> dict[str, Any]:
    """Describes a data set.

    Args:
        dataset: what was read.
        token_lengths: texts -> their lengths in tokens, special tokens included.
        max_length: tokens beyond which the model cuts texts off.
        found: problems that others found.

    Returns:
        A JSON-able dict: ``rows`` (total, kept, rejected), ``kind``, ``roles``, ``unused``, ``lengths`` by role
        (characters and tokens: p50, p95, max; ``longest``: file, line, id and length of some; ``truncated``:
        share beyond max_length), ``scripts`` by role (shares of letters), ``labels`` (``distinct``, ``effective``: exp
        of the entropy, ``counts``, ``smallest``, ``largest``, ``single``: labels of one row), ``scores``, ``queries``
        and ``documents`` (distinct), ``near_duplicates``, ``problems`` (kind, what, rows, remedy, the worst places;
        what matters most first), ``worst`` (rows with the most and rarest problems: file, line, id, problems),
        ``rejected`` (counts by reason, first places).
    """
    examples = dataset.examples
    measured = {role: _Lengths(examples, texts_of, token_lengths) for role, texts_of in _TEXTS.items()}
    lengths = {role: of_role.described(dataset, max_length) for role, of_role in measured.items() if len(of_role)}
    cut = (measured[role].cut(role, max_length) for role in lengths)
    keys = _Keys(examples)
    duplicates = _near(examples)
    all_problems = [*found, *_problems(examples, keys, duplicates), *cut]
    problems = sorted((p for p in all_problems if len(p.rows)), key=lambda problem: ORDER.index(problem.kind))
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


class _Lengths:
    """How long the texts of a role are, and which rows have them."""

    def __init__(
        self,
        examples: Sequence[Example],
        texts_of: Callable[[Example], tuple[str, ...]],
        token_lengths: Callable[[Sequence[str]], Sequence[int]] | None,
    ) -> None:
        characters, tokens, rows = array("q"), array("q"), array("q")
        owned = ((row, text) for row, example in enumerate(examples) for text in texts_of(example))
        # Some at a time: a tokenizer keeps far more of a text than its tokens until it is done.
        for part in in_parts(owned, _TOKENIZED):
            texts = [text for _, text in part]
            rows.extend(row for row, _ in part)
            characters.extend(map(len, texts))
            tokens.extend(token_lengths(texts) if token_lengths is not None else ())
        self._characters, self._tokens, self._rows = map(whole_numbers, (characters, tokens, rows))

    def __len__(self) -> int:
        return len(self._rows)

    def described(self, dataset: Dataset, max_length: int | None) -> dict[str, Any]:
        described: dict[str, Any] = {"count": len(self), "characters": _quantiles(self._characters)}
        if len(self._tokens):
            described["tokens"] = _quantiles(self._tokens)
            if max_length is not None:
                described["truncated"] = float(np.mean(self._tokens > max_length))
        counted = self._tokens if len(self._tokens) else self._characters
        places = np.argsort(-counted, kind="stable")[:_LONGEST].tolist()
        unit = "tokens" if len(self._tokens) else "characters"
        described["longest"] = [
            place_of(dataset, int(self._rows[place])) | {unit: int(counted[place])} for place in places
        ]
        return described

    def cut(self, role: str, max_length: int | None) -> Problem:
        """The rows with texts that the model cuts, the longest first."""
        beyond = np.flatnonzero(self._tokens > max_length) if max_length is not None else np.empty(0, np.int64)
        rows = self._rows[beyond[np.argsort(-self._tokens[beyond], kind="stable")]]
        first = np.sort(np.unique(rows, return_index=True)[1])
        what = f"{role} longer than {max_length} tokens, the rest is not read"
        remedy = "split the texts, or put what matters first, or raise --max-length if the base reads more"
        return Problem(f"truncated_{role}", what, rows[first], remedy)


def _quantiles(values: NDArray[np.int64]) -> dict[str, int]:
    p50, p95, top = np.percentile(values, [50, 95, 100], method="higher").tolist()
    return {"p50": int(p50), "p95": int(p95), "max": int(top)}


def _labels(examples: Sequence[Example]) -> dict[str, Any] | None:
    counts = Counter(example.label for example in examples if example.label is not None)
    if not counts:
        return None
    common = counts.most_common()
    shares = np.array([count for _, count in common]) / counts.total()
    return {
        "distinct": len(counts),
        "effective": round(float(np.exp(-(shares * np.log(shares)).sum())), 2),
        "counts": dict(common[:_MAX_LABELS]),
        "largest": common[0][1],
        "smallest": common[-1][1],
        "single": sum(count == 1 for _, count in common),
    }


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


def _problems(examples: Sequence[Example], keys: _Keys, duplicates: NDArray[np.int64]) -> Iterator[Problem]:
    yield Problem("duplicate", "the same row again", _again(keys.content), "--fix keeps the first")
    several = _disagreeing(examples, keys.query, _answers)
    remedy = "nothing to do where all are right: none is taken for wrong then"
    yield Problem("same_query", "the same query with other positives", several, remedy)
    against = _disagreeing(examples, keys.pair, _verdict)
    remedy = "keep the right one; --fix keeps none"
    yield Problem("contradiction", "the same text with another label or score", against, remedy)
    remedy = "no split parts them; leave one out where they say no more than the other"
    yield Problem("near_duplicate", "nearly the same text as in an unrelated row", np.unique(duplicates), remedy)
    checks: tuple[tuple[str, str, Callable[[Example], bool], str], ...] = (
        ("query_is_positive", "query and positive are the same text", query_is_positive, "--fix takes it out"),
        (
            "negative_is_positive",
            "a text is both right and wrong for one query",
            lambda example: bool(right_and_wrong(example)),
            "--fix takes it out of the negatives",
        ),
        ("damaged", "replacement characters from a wrong encoding", _damaged, "write them again from where they came"),
    )
    for kind, what, wrong, remedy in checks:
        rows = np.flatnonzero(np.fromiter(map(wrong, examples), np.bool_, len(examples)))
        yield Problem(kind, what, rows, remedy)
    remedy = "add texts of the label, or leave it out: nothing says what it goes with"
    yield Problem("single_label", "no other text has the label", _alone(examples), remedy)


def repeated(examples: Sequence[Example]) -> NDArray[np.int64]:
    """The rows that say what an earlier one says."""
    return _again(keys_of(map(_content, examples)))


def contradicting(examples: Sequence[Example]) -> NDArray[np.int64]:
    """The rows whose text, or pair of texts, has another label or score in another row."""
    pairs = keys_of("\0".join(map(normalized, example.texts())) for example in examples)
    return _disagreeing(examples, pairs, _verdict)


def _again(keys: Keys) -> NDArray[np.int64]:
    again = np.ones(len(keys), np.bool_)
    again[numbered(keys)[1]] = False
    return np.flatnonzero(again)


def _alone(examples: Sequence[Example]) -> NDArray[np.int64]:
    """The rows of labeled texts whose label no other row has."""
    rows = np.flatnonzero(np.fromiter((bool(e.text) and e.label is not None for e in examples), np.bool_))
    number = numbered(keys_of(str(example.label) for example in on_disk(examples).select(rows)))[0]
    return rows[np.bincount(number)[number] == 1] if len(rows) else rows


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


def query_is_positive(example: Example) -> bool:
    """Whether an answer is the query itself, where nothing says how alike the two are."""
    return example.score is None and normalized(example.query) in map(normalized, example.positives)


def right_and_wrong(example: Example) -> set[str]:
    """The negatives that are right answers of the same row."""
    right = set(map(normalized, example.positives)) if example.negatives else set()
    return {text for text in example.negatives if normalized(text) in right}


def _damaged(example: Example) -> bool:
    return any("\ufffd" in text for text in (*example.texts(), *example.negatives))


def place_of(dataset: Dataset, row: int) -> dict[str, Any]:
    """Where a row stands."""
    example = dataset.examples[row]
    return {"file": str(dataset.path or dataset.name), "line": example.line, "id": example.id}


def _described(problem: Problem, dataset: Dataset) -> dict[str, Any]:
    places = [place_of(dataset, row) for row in problem.rows[:_SHOWN]]
    return {
        "kind": problem.kind,
        "what": problem.what,
        "rows": len(problem.rows),
        "remedy": problem.remedy,
        "places": places,
    }


def _worst(problems: Sequence[Problem], dataset: Dataset) -> list[dict[str, Any]]:
    """The rows with the most kinds of problems, rare kinds first."""
    weight = np.zeros(len(dataset.examples))
    for problem in problems:
        weight[problem.rows] += 1 / len(problem.rows) + 1
    rows = np.flatnonzero(weight)
    order = rows[np.argsort(-weight[rows], kind="stable")][:_SHOWN].tolist()
    return [
        place_of(dataset, row) | {"problems": [problem.kind for problem in problems if row in problem.rows]}
        for row in order
    ]


def _rejected(rejected: Sequence[Rejected]) -> dict[str, Any]:
    first = [
        {"file": row.file, "line": row.line, "column": row.column, "reason": row.reason} for row in rejected[:_SHOWN]
    ]
    return {"reasons": dict(Counter(row.reason for row in rejected).most_common(_SHOWN)), "first": first}
