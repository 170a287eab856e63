"""The whole run as one frozen typed tree: YAML in and out, every `auto` decided in the open."""

from acclimate.recipe.read import read_recipe, write_recipe
from acclimate.recipe.tree import Recipe

__all__ = ["Recipe", "read_recipe", "write_recipe"]
