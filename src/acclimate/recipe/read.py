"""Recipes in and out of YAML, with the place of every mistake."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from acclimate.core.errors import Place, UsageError
from acclimate.core.specs import Table, closest
from acclimate.methods import METHODS
from acclimate.objectives import OBJECTIVES
from acclimate.recipe.tree import Recipe
from acclimate.regularizers import REGULARIZERS


def read_recipe(path: Path | None, settings: Sequence[str] = (), values: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe from a YAML file, then ``key.path=value`` settings, then values by dotted key.

    Raises:
        UsageError: names file, line, column and key of the first mistake.
    """
    tree, node = _load(path) if path else ({}, None)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting!r} has no '='", "write --set training.lr=5e-5")
        try:
            _put(tree, key.strip(), yaml.safe_load(text))
        except yaml.YAMLError:
            raise UsageError(f"--set {setting!r}: the value is no YAML", "quote it as in YAML") from None
    for key, value in (values or {}).items():
        _put(tree, key, value)
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise _explained(error.errors()[0], tree, path, node) from None


def write_recipe(recipe: Recipe) -> str:
    """The recipe as YAML, every field written out."""
    text: str = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return text


def _load(path: Path) -> tuple[dict[str, Any], yaml.Node | None]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot read the recipe {path}: {error.strerror}", "give the path of a YAML file") from None
    except UnicodeDecodeError:
        raise UsageError("the recipe is not UTF-8 text", "save it as UTF-8 YAML", Place(path)) from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        tree = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = Place(path, mark.line + 1, mark.column + 1) if mark else Place(path)
        raise UsageError(f"not YAML: {error.problem}", "mend the syntax at this place", where) from None
    except yaml.YAMLError as error:
        raise UsageError(
            f"not YAML: {str(error).splitlines()[0]}", "save it as plain UTF-8 YAML", Place(path)
        ) from None
    if tree is None:
        return {}, None
    if not isinstance(tree, dict):
        raise UsageError(
            "a recipe is a mapping of keys to settings", "start with 'base: all-MiniLM-L6-v2'", Place(path, 1)
        )
    return tree, node


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    """Sets a value by dotted key. A technique given by name (``method: full``) becomes a mapping to take settings."""
    *parents, last = key.split(".")
    for parent in parents:
        child = tree.get(parent)
        match child:
            case dict():
                pass
            case str() if parent in ("method", "objective"):
                tree[parent] = {"kind": child}
            case None:
                tree[parent] = {}
            case _:
                raise UsageError(f"{key!r}: {parent!r} holds no settings", "give a key of the recipe, as training.lr")
        tree = tree[parent]
    tree[last] = value


def _explained(error: ErrorDetails, tree: Mapping[str, Any], path: Path | None, node: yaml.Node | None) -> UsageError:
    keys = [part for part in error["loc"] if isinstance(part, int) or not _is_branch(part)]
    name = ".".join(str(k) for k in keys)
    where = _place(path, node, keys) if path else None
    match error["type"]:
        case "extra_forbidden":
            known = _known_keys(keys, tree)
            return UsageError(f"unknown key {name!r}", closest(str(keys[-1]), known) or _listed(known), where)
        case "kind_unknown" | "kind_missing":
            problem, _, remedy = error["msg"].partition("; ")
            return UsageError(f"{name}: {problem}", remedy or "add kind: NAME", where)
        case _:
            message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
            problem = f"{name}={error['input']!r} is not accepted" if name else "the recipe is not accepted"
            return UsageError(problem, f"it {message[0].lower()}{message[1:]}" if name else message, where)


def _listed(known: Sequence[str]) -> str:
    return f"known here are {', '.join(known)}"


def _is_branch(part: str | int) -> bool:
    """Pydantic adds the name of the union's branch to the path: not a key of the user's."""
    return isinstance(part, str) and (part in ("float", "int", "str") or any(mark in part for mark in "[(-"))


def _known_keys(keys: Sequence[str | int], tree: Mapping[str, Any]) -> list[str]:
    """The keys that would have been right where a wrong one stands."""
    first = str(keys[0])
    tables: dict[str, Table[Any]] = {"method": METHODS, "objectives": OBJECTIVES, "regularizers": REGULARIZERS}
    if len(keys) == 1:
        return sorted([*Recipe.model_fields, "objective"])
    if first not in tables:
        return sorted(getattr(Recipe(), first).__class__.model_fields)
    given = tree["objective"] if "objective" in tree and first == "objectives" else tree[first]
    spec = given[keys[1]] if isinstance(keys[1], int) and isinstance(given, list) else given
    return sorted(tables[first][spec["kind"]].model_fields)


def _place(path: Path, node: yaml.Node | None, keys: Sequence[str | int]) -> Place:
    """The place of the deepest key of a path that the file holds."""
    place = Place(path)
    short_form = isinstance(node, yaml.MappingNode) and any(k.value == "objective" for k, _ in node.value)
    for key in ["objective", *keys[2:]] if short_form and keys[:1] == ["objectives"] else keys:
        match node, key:
            case yaml.MappingNode(value=pairs), str():
                found = next(((k, v) for k, v in pairs if k.value == key), None)
            case yaml.SequenceNode(value=items), int() if key < len(items):
                found = (items[key], items[key])
            case _:
                found = None
        if found is None:
            break
        marked, node = found
        place = Place(path, marked.start_mark.line + 1, marked.start_mark.column + 1)
    return place
