"""Penalties: most keep a tuned model near what was good about its base."""

from acclimate.core.specs import Table
from acclimate.regularizers.base import Regularizer, RegularizerSpec
from acclimate.regularizers.distill import DistillSpec
from acclimate.regularizers.domain_adversarial import DomainAdversarialSpec
from acclimate.regularizers.ewc import EwcSpec
from acclimate.regularizers.global_orthogonal import GlobalOrthogonalSpec
from acclimate.regularizers.l2sp import L2SPSpec
from acclimate.regularizers.nearest_token import NearestTokenSpec
from acclimate.regularizers.vocabulary_norm import VocabularyNormSpec

REGULARIZERS: Table[RegularizerSpec] = Table(
    "regularizer",
    L2SPSpec,
    EwcSpec,
    DistillSpec,
    DomainAdversarialSpec,
    GlobalOrthogonalSpec,
    VocabularyNormSpec,
    NearestTokenSpec,
)

__all__ = ["REGULARIZERS", "Regularizer", "RegularizerSpec"]
