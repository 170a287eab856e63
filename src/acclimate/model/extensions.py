"""The extensions that a model folder may name."""

from acclimate.core.specs import Table
from acclimate.model.bottleneck import Bottlenecks
from acclimate.model.extension import Extension

EXTENSIONS: Table[Extension] = Table("extension", Bottlenecks)
