"""Losses: embeddings of a batch in, one loss for each row out."""

from acclimate.core.specs import Table
from acclimate.objectives.angle import AngleSpec
from acclimate.objectives.base import Facts, Objective, ObjectiveSpec
from acclimate.objectives.contrastive import ContrastiveSpec
from acclimate.objectives.cosent import CoSentSpec
from acclimate.objectives.cosine import CosineSpec
from acclimate.objectives.gist import GistSpec
from acclimate.objectives.infonce import InfoNCESpec
from acclimate.objectives.kl import KLSpec
from acclimate.objectives.margin_mse import MarginMSESpec
from acclimate.objectives.softmax import SoftmaxHeadSpec
from acclimate.objectives.triplet import TripletSpec

OBJECTIVES: Table[ObjectiveSpec] = Table(
    "objective",
    InfoNCESpec,
    GistSpec,
    TripletSpec,
    MarginMSESpec,
    KLSpec,
    CoSentSpec,
    AngleSpec,
    CosineSpec,
    ContrastiveSpec,
    SoftmaxHeadSpec,
)

__all__ = ["OBJECTIVES", "Facts", "Objective", "ObjectiveSpec"]
