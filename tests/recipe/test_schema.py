"""The JSON Schema of recipes is made from the tables."""

import json
from pathlib import Path
from typing import Any

import pytest

from acclimate.adaptations import ADAPTATIONS
from acclimate.methods import METHODS
from acclimate.objectives import OBJECTIVES
from acclimate.recipe import Recipe, write_recipe
from acclimate.recipe.schema import schema
from acclimate.regularizers import REGULARIZERS

SCHEMA = schema()
RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def found(node: Any) -> list[dict[str, Any]]:
    """Every mapping inside the schema."""
    match node:
        case dict():
            return [node, *(inner for value in node.values() for inner in found(value))]
        case list():
            return [inner for value in node for inner in found(value)]
        case _:
            return []


@pytest.mark.parametrize(
    ("field", "table"),
    [("method", METHODS), ("objectives", OBJECTIVES), ("regularizers", REGULARIZERS), ("adaptation", ADAPTATIONS)],
)
def test_every_kind_is_listed_with_its_settings(field: str, table: Any) -> None:
    nodes = found(SCHEMA["properties"][field])
    assert any(node.get("enum") == list(table) for node in nodes)
    specs = {node["properties"]["kind"]["const"]: node for node in nodes if "kind" in node.get("properties", {})}
    assert set(specs) == set(table)
    for kind, node in specs.items():
        assert set(node["properties"]) == set(table[kind].model_fields)
        assert node["additionalProperties"] is False


def test_it_is_json_and_closed() -> None:
    json.dumps(SCHEMA)
    assert SCHEMA["additionalProperties"] is False
    assert set(SCHEMA["properties"]) == {*Recipe.model_fields, "objective"}
    for section in ("DataSettings", "TrainingSettings", "EvaluationSettings"):
        assert SCHEMA["$defs"][section]["additionalProperties"] is False


def test_the_file_for_editors_is_what_the_code_says() -> None:
    remedy = "python -m acclimate.recipe.schema > recipes/schema.json"
    assert json.loads((RECIPES / "schema.json").read_text(encoding="utf-8")) == SCHEMA, remedy


def test_every_default_is_written_out() -> None:
    written = write_recipe(Recipe())
    assert all(
        f"{name}:" in written for name in [*Recipe.model_fields, *SCHEMA["$defs"]["TrainingSettings"]["properties"]]
    )
