"""Rules for loss terms that pull in different directions: between the backward pass and the optimizer."""

from acclimate.core.specs import Table
from acclimate.gradient_rules.agem import AGem
from acclimate.gradient_rules.base import GradientRule
from acclimate.gradient_rules.pcgrad import PCGrad

GRADIENT_RULES: Table[GradientRule] = Table("gradient rule", AGem, PCGrad)

__all__ = ["GRADIENT_RULES", "GradientRule"]
