"""Losses: embeddings of a batch in, one loss for each row out."""

from acclimate.core.specs import Table
from acclimate.objectives.base import Objective, ObjectiveSpec
from acclimate.objectives.cosent import CoSentSpec
from acclimate.objectives.gist import GistSpec
from acclimate.objectives.infonce import InfoNCESpec

OBJECTIVES: Table[ObjectiveSpec] = Table("objective", InfoNCESpec, CoSentSpec, GistSpec)

__all__ = ["OBJECTIVES", "Objective", "ObjectiveSpec"]
