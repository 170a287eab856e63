"""The JSON Schema of recipes, for editors: ``python -m acclimate.recipe.schema > recipes/schema.json``."""

import json
import sys
from typing import Any

from acclimate.recipe.tree import Recipe


def schema() -> dict[str, Any]:
    """What an editor needs to complete and check a recipe; ``objective`` is short for a list of one."""
    document = Recipe.model_json_schema()
    several = next(part for part in document["properties"]["objectives"]["anyOf"] if "items" in part)
    document["properties"]["objective"] = {"anyOf": [several["items"], {"const": "auto"}]}
    return document


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
