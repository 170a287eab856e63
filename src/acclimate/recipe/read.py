"""Recipes in and out of YAML, with the place of every mistake."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from acclimate.core.errors import Place, UsageError
from acclimate.recipe.mistakes import TABLES, Keys, explained, place_of, refuse_repeated_keys
from acclimate.recipe.tree import Recipe


def read_recipe(path: Path | None, settings: Sequence[str] = (), values: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe from a YAML file, then values by dotted key, then ``key.path=value`` settings.

    Settings come last, so that ``method.layers=2`` acts on the method that a value has named.

    Raises:
        UsageError: names file, line, column and key of the first mistake.
    """
    tree, node = _load(path) if path else ({}, None)
    given = [setting.partition("=")[0].strip() for setting in settings] + list(values or {})

    def place(keys: Keys) -> Place | None:
        name = ".".join(str(key) for key in keys)
        outside = any(name == key or name.startswith(f"{key}.") for key in given)
        return None if path is None or outside else place_of(path, node, keys)

    for key, value in (values or {}).items():
        _put(tree, key, value)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting!r} has no '='", "write --set training.lr=5e-5")
        try:
            _put(tree, key.strip(), yaml.safe_load(text))
        except yaml.YAMLError:
            raise UsageError(f"--set {setting!r}: the value is no YAML", "quote it as in YAML") from None
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise explained(error.errors()[0], tree, place) from None


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
    refuse_repeated_keys(path, node)
    return tree, node


_LISTS = ("objectives", "regularizers")  # of techniques: which of them takes a setting is not said


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    """Sets a value by dotted key. A technique given by name (``method: full``) becomes a mapping to take settings."""
    *parents, last = key.split(".")
    for place, parent in enumerate(parents):
        child, done = tree.get(parent), parents[:place]
        match child:
            case dict():
                pass
            case str() if parent in TABLES and parent not in _LISTS:
                tree[parent] = {"kind": child}
            case str() if done == ["data", "tasks"]:
                tree[parent] = {"train": child}
            case None:
                tree[parent] = {}
            case _:
                raise UsageError(f"{key!r}: {parent!r} holds no settings", "give a key of the recipe, as training.lr")
        tree = tree[parent]
    tree[last] = value
