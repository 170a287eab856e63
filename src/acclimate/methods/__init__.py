"""What trains. A method edits an encoder in place and returns parameter groups."""

from acclimate.core.specs import Table
from acclimate.methods.adapter import Adapter
from acclimate.methods.base import Method
from acclimate.methods.bitfit import BitFit
from acclimate.methods.embedding_and_last import EmbeddingAndLast
from acclimate.methods.embedding_table import EmbeddingTable
from acclimate.methods.full import Full
from acclimate.methods.ia3 import IA3
from acclimate.methods.last_layers import LastLayers
from acclimate.methods.lora import LoRA
from acclimate.methods.unfreeze import Unfreeze

METHODS: Table[Method] = Table(
    "method", Full, Unfreeze, EmbeddingTable, LastLayers, EmbeddingAndLast, BitFit, Adapter, LoRA, IA3
)

__all__ = ["METHODS", "Method"]
