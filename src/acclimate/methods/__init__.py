"""What trains. A method edits an encoder in place and returns parameter groups."""

from acclimate.core.specs import Table
from acclimate.methods.base import Method
from acclimate.methods.embedding_and_last import EmbeddingAndLast
from acclimate.methods.embedding_table import EmbeddingTable
from acclimate.methods.full import Full
from acclimate.methods.last_layers import LastLayers

METHODS: Table[Method] = Table("method", Full, EmbeddingTable, LastLayers, EmbeddingAndLast)

__all__ = ["METHODS", "Method"]
