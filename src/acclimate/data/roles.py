"""Which column plays which role: by name, never by order."""

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.data.examples import Kind

NAMES = {
    "query": ("query", "question", "anchor", "sentence1", "text1"),
    "positive": ("positive", "pos", "answer", "document", "passage", "sentence2", "text2"),
    "negative": ("negative", "neg"),
    "text": ("text",),
    "title": ("title",),
    "score": ("score", "similarity"),
    "label": ("label", "class", "intent"),
    "positive_scores": ("pos_scores", "positive_scores", "pos_score", "positive_score"),
    "negative_scores": ("neg_scores", "negative_scores", "neg_score", "negative_score"),
    "scores": ("scores", "teacher_scores"),
    "id": ("id", "_id"),
    "doc_id": ("doc_id",),
    "group": ("group",),
    "domain": ("domain",),
    "task": ("task",),
    "weight": ("weight",),
    "image": ("image",),
    "audio": ("audio",),
}
"""Role -> column names that are understood (white space, case, hyphens do not count)."""

_TEVATRON = {
    "query": ("query", "query_text"),
    "positive": ("positive_passages", "positive_document_ids"),
    "negative": ("negative_passages", "negative_document_ids"),
    "id": ("query_id",),
}
_NUMBERED = re.compile(r"negative_\d+")
_NOT_YET = ("image", "audio")
TEACHER = ("positive_scores", "negative_scores", "scores")
"""The roles of what a teacher, such as a cross-encoder, says of the documents of a row."""
_SETTABLE = tuple(role for role in NAMES if role not in _NOT_YET)


@dataclass(frozen=True, slots=True)
class Roles:
    """The columns of a source, told apart.

    Attributes:
        kind: what the rows are; PAIRS may become SCORED when a label column turns out to hold 0 and 1.
        columns: role -> column; the negatives are listed apart.
        negatives: columns with wrong documents, in the order of their names.
        titled: the role ("text" or "positive") that a title column is put in front of.
        unused: columns without a role.
        notes: what a user should know.
    """

    kind: Kind
    columns: dict[str, str]
    negatives: tuple[str, ...]
    titled: str
    unused: tuple[str, ...]
    notes: tuple[str, ...]

    def by_column(self) -> dict[str, str]:
        """Column -> role, for the user to look at."""
        found = {column: role for role, column in self.columns.items()}
        return found | dict.fromkeys(self.negatives, "negative")


def fold(name: str) -> str:
    """The form in which column names are compared."""
    return re.sub(r"[\s\-]+", "_", name.strip().casefold())


def role_of(column: str) -> str | None:
    """The role that a column's name stands for."""
    name = fold(column)
    if _NUMBERED.fullmatch(name):
        return "negative"
    return next((role for role, names in NAMES.items() if name in names), None)


def _is_negative(role: str) -> bool:
    return role == "negative" or _NUMBERED.fullmatch(role) is not None


def known(column: str) -> bool:
    """Whether a column's name stands for a role."""
    return role_of(column) is not None or fold(column) in {name for names in _TEVATRON.values() for name in names}


def assign(columns: Mapping[str, int], overrides: Mapping[str, str] | None, file: str) -> Roles:
    """Gives each column its role.

    Args:
        columns: column names with the line where each is first seen.
        overrides: role -> column, from the user.
        file: for messages.

    Raises:
        UsageError: an override that names no role or no column.
        DataError: two columns for one role, or no usable combination of roles.
    """
    chosen = _checked(columns, overrides or {}, file)
    found: dict[str, list[str]] = {role: [column] for role, column in chosen.items()}
    negatives = [column for role, column in chosen.items() if _is_negative(role)]
    taken = set(chosen.values())
    for column, role in _by_name(columns).items():
        if column in taken:
            continue
        if role == "negative":
            if not any(map(_is_negative, chosen)):
                negatives.append(column)
        elif role not in chosen:
            found.setdefault(role, []).append(column)
    for role, names in found.items():
        if len(names) > 1:
            _refuse_ambiguous(role, sorted(names), columns, file)
    single = {role: names[0] for role, names in found.items() if not _is_negative(role)}
    return _combine(single, sorted(negatives, key=_natural), columns, file)


def _checked(columns: Mapping[str, int], overrides: Mapping[str, str], file: str) -> dict[str, str]:
    for role, column in overrides.items():
        if role not in _SETTABLE and not _NUMBERED.fullmatch(role):
            near = _near(role, _SETTABLE)
            raise UsageError(f"--columns: {role!r} is no role{near}", f"use one of {', '.join(_SETTABLE)}")
        if column not in columns:
            near = _near(column, tuple(columns))
            problem = f"--columns {role}={column}: there is no column {column!r}{near}"
            raise UsageError(problem, f"its columns are {_listed(columns)}", Place(file))
    twice = next((column for column, count in Counter(overrides.values()).items() if count > 1), None)
    if twice is not None:
        raise UsageError(f"--columns gives {twice!r} to two roles", "name each column once", Place(file))
    return dict(overrides)


def _by_name(columns: Mapping[str, int]) -> dict[str, str]:
    folded = {column: fold(column) for column in columns}
    table: Mapping[str, tuple[str, ...]] = NAMES
    if any(name in _TEVATRON["positive"] for name in folded.values()):
        # Beside Tevatron's own columns an `answer` or a `title` is an annotation, not the document.
        table = _TEVATRON | {role: NAMES[role] for role in ("group", "domain", "task", "weight")}
        return {column: role for column, name in folded.items() for role, names in table.items() if name in names}
    named = {column: role_of(column) for column in columns}
    return {column: role for column, role in named.items() if role is not None}


def _refuse_ambiguous(role: str, names: list[str], columns: Mapping[str, int], file: str) -> None:
    listed = " and ".join(repr(name) for name in names)
    remedy = f"say which with --columns {role}={names[0]} or --columns {role}={names[1]}"
    raise DataError(f"columns {listed} both mean the {role}", remedy, Place(file, max(columns[name] for name in names)))


def _combine(single: dict[str, str], negatives: list[str], columns: Mapping[str, int], file: str) -> Roles:
    titled = _settle_title_and_text(single)
    pair = "query" in single and "positive" in single
    if pair and titled == "text":
        titled = ""  # the text is not used, and a title belongs to it
    if pair:
        kind = Kind.SCORED if "score" in single else Kind.PAIRS
        used = {"query", "positive", "score", "label"}
    elif "text" in single and not {"query", "positive"} & single.keys():
        kind = Kind.LABELED if "label" in single else Kind.TEXT
        used = {"text", "label"}
    elif "text" in single and "label" in single:
        kind, used = Kind.LABELED, {"text", "label"}
    else:
        raise _nothing_usable(single, columns, file)
    used |= {"id", "doc_id", "group", "domain", "task", "weight"} | ({"title"} if titled else set())
    if kind is not Kind.PAIRS:
        negatives = []
    else:
        used |= set(TEACHER)
        _settle_teacher(single, negatives, columns, file)
    kept = {role: column for role, column in single.items() if role in used}
    unused = tuple(column for column in columns if column not in {*kept.values(), *negatives})
    return Roles(kind, kept, tuple(negatives), titled, unused, _notes(single, kept, unused))


def _settle_title_and_text(single: dict[str, str]) -> str:
    """Applies the rules for title and text in place; returns the role that the title goes in front of."""
    if "title" in single and "text" not in single:
        title = single.pop("title")
        if "query" not in single:
            single["query"] = title
        return ""
    if "query" in single and "text" in single and "positive" not in single:
        single["positive"] = single.pop("text")
        return "positive" if "title" in single else ""
    return "text" if "title" in single else ""


def _settle_teacher(single: Mapping[str, str], negatives: Sequence[str], columns: Mapping[str, int], file: str) -> None:
    """Refuses what a teacher says by halves, or of no wrong document."""
    given = [role for role in TEACHER if role in single]
    if not given or (set(given) in ({"scores"}, {"positive_scores", "negative_scores"}) and negatives):
        return
    column = single[given[0]]
    problem, where = f"column {column!r} holds a teacher's scores", Place(file, columns[column])
    if not negatives:
        problem += ", and no column holds the negative"
        raise DataError(problem, "give the wrong documents that it scored, or rename the column", where)
    raise DataError(problem, "give pos_scores and neg_scores, or scores alone with those of the positives first", where)


def _nothing_usable(single: dict[str, str], columns: Mapping[str, int], file: str) -> DataError:
    labeled = "label" in single and not {"query", "positive"} & single.keys()
    missing = ["text"] if labeled else [role for role in ("query", "positive") if role not in single]
    where = Place(file, min(columns.values(), default=None))
    if not columns:
        return DataError("there are no columns", "give rows with named columns such as query and positive", where)
    names = [name for role in missing for name in NAMES[role]]
    near = next(((c, n) for c in columns for n in get_close_matches(fold(c), names, 1, 0.75)), None)
    free = [column for column in columns if column not in single.values()]
    free = free or [column for role, column in single.items() if role not in ("query", "positive", "text")]
    example = ",".join(f"{role}={column}" for role, column in zip(missing, free, strict=False))
    hint = f"did you mean {near[1]!r} by {near[0]!r}? " if near else ""
    problem = f"no column holds the {' or the '.join(missing)}: the columns are {_listed(columns)}"
    if set(_NOT_YET) & single.keys():
        problem += " (images and audio are not read yet)"
    if not free:
        return DataError(problem, f"add a column such as {missing[0]}", where)
    remedy = f"{hint}rename a column or name it, for instance --columns {shlex.quote(example)}"
    return DataError(problem, remedy, where)


def _notes(single: Mapping[str, str], kept: Mapping[str, str], unused: tuple[str, ...]) -> tuple[str, ...]:
    notes = [f"column {single[role]!r}: only text is read" for role in _NOT_YET if role in single]
    names = [name for role, names in NAMES.items() if role not in kept for name in names if len(name) > 3]
    for column in unused:
        close = [] if known(column) else get_close_matches(fold(column), names, 1, 0.8)
        if close:
            role = role_of(close[0])
            notes.append(f"column {column!r} is not used; if it is the {role}, say --columns {role}={column}")
    return tuple(notes)


def _natural(name: str) -> tuple[str, int, str]:
    number = re.search(r"\d+$", name)
    return re.sub(r"\d+$", "", name), int(number.group()) if number else 0, name


def _near(word: str, names: tuple[str, ...]) -> str:
    close = get_close_matches(word, names, 1, 0.6)
    return f", did you mean {close[0]!r}?" if close else ""


def _listed(columns: Mapping[str, int]) -> str:
    shown = [name if len(name) <= 40 else f"{name[:40]}..." for name in columns]
    return ", ".join(map(repr, shown[:20])) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")
