"""The optimizers by their names in recipes, and what the loop asks of one."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol

from torch import Tensor

from acclimate.core.nouns import ParamGroup
from acclimate.engine.lbfgs import LBFGS
from acclimate.engine.optim import AdamW, Moves


class Optimizer(Protocol):
    """Moves the parameters of groups, by the gradients that a closure leaves.

    Attributes:
        line_search: it calls the closure several times a step and compares the losses, so that nothing but the weights
            may change between two calls, nor the gradients be clipped.
    """

    line_search: ClassVar[bool]

    def __init__(self, groups: Sequence[ParamGroup], lr: float, weight_decay: float) -> None: ...

    def schedule(self, step: float, steps: int, warmup: int, factor: float = 1.0) -> None:
        """Sets the rates of a step; ``factor`` multiplies all of them."""

    def rates(self) -> dict[str, float]:
        """The rate of each group by its name."""

    def step(self, closure: Callable[[], float], moves: Moves | None = None) -> int:
        """Moves the parameters; says which call of the closure was at the point that the step tells of.

        Whatever the closure raises passes through, and the parameters are as they were.
        """

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops all gradients."""

    def state_tensors(self) -> dict[str, Tensor]:
        """The state as flat tensors, for a checkpoint."""

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores what `state_tensors` gave."""


OPTIMIZERS: dict[str, type[Optimizer]] = {"adamw": AdamW, "lbfgs": LBFGS}
