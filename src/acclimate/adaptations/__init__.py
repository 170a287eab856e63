"""Getting an encoder used to the texts of a domain, without labels, before it trains."""

from acclimate.adaptations.base import Adaptation, Pretext
from acclimate.adaptations.mlm import MaskedLanguage
from acclimate.adaptations.tsdae import Tsdae
from acclimate.core.specs import Table

ADAPTATIONS: Table[Adaptation] = Table("adaptation", MaskedLanguage, Tsdae)

__all__ = ["ADAPTATIONS", "Adaptation", "Pretext"]
