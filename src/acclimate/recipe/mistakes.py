"""A mistake in a recipe in one line: where it stands, what is wrong, what would work."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic_core import ErrorDetails

from acclimate.adaptations import ADAPTATIONS
from acclimate.core.errors import Place, UsageError
from acclimate.core.specs import Table, closest
from acclimate.data.miners import MINERS
from acclimate.data.mixings import MIXINGS
from acclimate.data.query_makers import QUERY_MAKERS
from acclimate.data.vocabulary import VOCABULARIES
from acclimate.data.weightings import WEIGHTINGS
from acclimate.gradient_rules import GRADIENT_RULES
from acclimate.methods import METHODS
from acclimate.objectives import OBJECTIVES
from acclimate.recipe.tree import Recipe, TaskSettings
from acclimate.regularizers import REGULARIZERS

Keys = list[str | int]

#: The techniques by the key of a recipe under which one is named.
TABLES: dict[str, Table[Any]] = {
    "method": METHODS,
    "objective": OBJECTIVES,
    "objectives": OBJECTIVES,
    "regularizers": REGULARIZERS,
    "gradients": GRADIENT_RULES,
    "mining": MINERS,
    "mixing": MIXINGS,
    "weighting": WEIGHTINGS,
    "synthetic": QUERY_MAKERS,
    "vocabulary": VOCABULARIES,
    "adaptation": ADAPTATIONS,
}
_PLAIN_WORDS = (("a valid tuple", "a list in [brackets]"), ("a valid dictionary", "a mapping of keys to settings"))


def explained(error: ErrorDetails, tree: Mapping[Any, Any], place: Callable[[Keys], Place | None]) -> UsageError:
    """What a user is told of an error that pydantic found in a recipe's tree."""
    keys = _own_keys(error["loc"], tree)
    match error["type"]:
        case "extra_forbidden":
            known = _known_keys(keys, tree)
            remedy = _home(keys) or closest(str(keys[-1]), known) or f"known here are {', '.join(known)}"
            return UsageError(f"unknown key {_dotted(keys)!r}", remedy, place(keys))
        case "missing":
            lacking = error["loc"][-1]
            return UsageError(f"{_dotted(keys)} lacks {lacking!r}", f"add {lacking}: VALUE", place(keys))
        case "invalid_key":
            return UsageError(f"key {error['input']!r} is no word", "name a key of the recipe", place(keys))
        case "kind_unknown" | "kind_missing":
            problem, _, remedy = error["msg"].partition("; ")
            return UsageError(f"{_dotted(keys)}: {problem}", remedy or "add kind: NAME", place(keys))
        case _ if not keys:
            return UsageError("the recipe is not accepted", error["msg"].removeprefix("Value error, "), place(keys))
        case _:
            shown = repr(error["input"])
            problem = f"{_dotted(keys)}={shown if len(shown) <= 80 else shown[:80] + '...'} is not accepted"
            return UsageError(problem, f"it {_in_plain_words(error['msg'])}", place(keys))


def _own_keys(loc: Sequence[str | int], tree: Mapping[Any, Any]) -> Keys:
    """The path in the user's words: pydantic adds the names of union branches, and has read objective as a list."""
    short = "objective" in tree
    node: Any = {**tree, "objectives": [tree["objective"]]} if short else tree
    keys: Keys = []
    for part in loc:
        match node:
            case Mapping() if part in node:
                node = node[part]
            case list() if isinstance(part, int):
                node = node[part]
            case _:
                continue
        keys.append(part)
    return ["objective", *keys[2:]] if short and keys[:1] == ["objectives"] else keys


def _known_keys(keys: Keys, tree: Mapping[Any, Any]) -> list[str]:
    """The keys that would have been right where a wrong one stands."""
    first = str(keys[0])
    if len(keys) == 1:
        return sorted([*Recipe.model_fields, "objective"])
    table = next((TABLES[str(key)] for key in keys[:-1] if key in TABLES), None)
    if keys[:2] == ["data", "tasks"] and len(keys) > 3:
        return sorted(TaskSettings.model_fields)
    if table is None:
        return sorted(type(getattr(Recipe(), first)).model_fields)
    spec: Any = tree
    for key in keys[:-1]:
        spec = spec[key]
    return sorted(table[spec["kind"]].model_fields)


def _home(keys: Keys) -> str:
    """Where a key belongs that stands at the top: ``lr`` for ``training.lr``."""
    if len(keys) > 1:
        return ""
    name = str(keys[0]).replace("-", "_")
    homes = [s for s in ("data", "training", "evaluation") if name in type(getattr(Recipe(), s)).model_fields]
    return f"did you mean '{homes[0]}.{name}'?" if homes else ""


def _dotted(keys: Keys) -> str:
    return ".".join(str(key) for key in keys)


def _in_plain_words(message: str) -> str:
    """Pydantic's message without its vocabulary, to follow after "it"."""
    text = message.removeprefix("Value error, ").removeprefix("Input ").partition(" or instance of ")[0]
    text = text.partition(", unable to parse")[0]
    for technical, plain in _PLAIN_WORDS:
        text = text.replace(technical, plain)
    return text[0].lower() + text[1:]


def place_of(path: Path, node: yaml.Node | None, keys: Keys) -> Place | None:
    """The place of the deepest key of a path that the file holds; None when it holds not even the first."""
    place = None if keys else Place(path)
    for key in keys:
        match node:
            case yaml.MappingNode(value=pairs):
                found = next(((k, v) for k, v in pairs if k.value == str(key)), None)
            case yaml.SequenceNode(value=items) if isinstance(key, int):
                found = (items[key], items[key])
            case _:
                found = None
        if found is None:
            break
        marked, node = found
        place = _at(path, marked)
    return place


def refuse_repeated_keys(path: Path, node: yaml.Node | None) -> None:
    """YAML would silently take the last one.

    Raises:
        UsageError: a key that stands twice in one mapping.
    """
    waiting, known = [node], set()
    while waiting:
        match found := waiting.pop():
            case _ if id(found) in known:
                continue  # an alias may hold itself
            case yaml.MappingNode(value=pairs):
                names: set[str] = set()
                for key, _ in pairs:
                    if key.value in names:
                        raise UsageError(f"key {key.value!r} stands here twice", "keep one of them", _at(path, key))
                    names.add(str(key.value))
                waiting += [value for _, value in pairs]
            case yaml.SequenceNode(value=items):
                waiting += items
        known.add(id(found))


def _at(path: Path, node: yaml.Node) -> Place:
    return Place(path, node.start_mark.line + 1, node.start_mark.column + 1)
