"""Rules for the gradients of several loss terms: between the backward pass and the optimizer."""

from acclimate.core.specs import Table
from acclimate.gradient_rules.agem import AGem
from acclimate.gradient_rules.base import GradientRule
from acclimate.gradient_rules.gradnorm import GradNorm
from acclimate.gradient_rules.pcgrad import PCGrad

GRADIENT_RULES: Table[GradientRule] = Table("gradient rule", AGem, PCGrad, GradNorm)

__all__ = ["GRADIENT_RULES", "GradientRule"]
