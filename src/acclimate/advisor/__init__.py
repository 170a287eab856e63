"""What ``method: auto`` becomes: rules in order, with reasons and evidence. The first that holds decides."""

from acclimate.advisor.advice import Advice, advise
from acclimate.advisor.headroom import Headroom, headroom
from acclimate.advisor.rules import RULES, Situation

__all__ = ["RULES", "Advice", "Headroom", "Situation", "advise", "headroom"]
