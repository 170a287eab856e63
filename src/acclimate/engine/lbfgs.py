"""L-BFGS (Liu, Nocedal 1989) with a line search for the strong Wolfe conditions, one iteration a step.

For few weights and few rows: each call of the closure reads all rows, and few calls are needed. The loss has to be the
same function at every call: a fixed batch, no dropout, and float32, since the search compares losses that lie close.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from acclimate.core.errors import UsageError
from acclimate.core.nouns import ParamGroup

if TYPE_CHECKING:
    from acclimate.engine.optim import Moves

_HISTORY = 10  # curvature pairs
_CALLS = 25  # of the closure in a step, at most
_LISTS = {"old_dirs": "gradient_changes", "old_stps": "moves", "ro": "curvatures"}  # torch's names and ours
_TENSORS = {"d": "direction", "prev_flat_grad": "gradient_before", "H_diag": "scale"}


@dataclass(frozen=True, slots=True)
class _Point:
    """What the ``call``-th call of the closure said of a point [N]."""

    call: int
    place: Tensor
    loss: float
    gradient: Tensor


class LBFGS(torch.optim.LBFGS):
    """PyTorch's own, without its second look at the point where the last search ended.

    Args:
        groups: all of one rate and open from the start: the method has one step for all weights.
        lr: the step that a search tries first.
        weight_decay: 0; the line search would not know of it.

    Raises:
        UsageError: groups of several rates, by row, or that open later.
    """

    line_search: ClassVar[bool] = True

    def __init__(self, groups: Sequence[ParamGroup], lr: float, weight_decay: float) -> None:
        assert not weight_decay
        if len({g.lr_scale for g in groups}) > 1 or any(g.by_row or g.starts_at for g in groups):
            names = ", ".join(group.name for group in groups)
            problem = f"optimizer lbfgs moves all weights by one step, and these train by rates of their own: {names}"
            raise UsageError(problem, "take --method prompt, adapter, lora or last_layers, or optimizer adamw")
        self._group_names = [group.name for group in groups]
        self._named = {name: p for group in groups for name, p in group.parameters.items()}
        self._full_lr = lr * groups[0].lr_scale
        super().__init__(
            list(self._named.values()),
            lr=self._full_lr,
            max_iter=1,
            max_eval=_CALLS,
            history_size=_HISTORY,
            line_search_fn="strong_wolfe",
        )
        self._known: tuple[float, Tensor] | None = None  # loss and gradient at the point where the weights are

    def schedule(self, step: float, steps: int, warmup: int, factor: float = 1.0) -> None:
        """The length of a step is what the search finds; only ``factor`` acts."""
        self.param_groups[0]["lr"] = self._full_lr * factor

    def rates(self) -> dict[str, float]:
        """The first step that a search tries, for every group."""
        return dict.fromkeys(self._group_names, self.param_groups[0]["lr"])

    def step(self, closure: Callable[[], float], moves: "Moves | None" = None) -> int:  # type: ignore[override]
        """One iteration: a direction from the last gradients, and a search along it.

        Whatever the closure raises passes through with the weights as they were; the history is dropped, so that the
        next step is a short one down the gradient.

        Args:
            closure: gives the loss and leaves its gradients.
            moves: takes how far each parameter moves.

        Returns:
            which call of the closure was at the point where the search ended.
        """
        start, known = self._place(), self._known
        calls, kept = 0, list[_Point]()

        def evaluate() -> float:
            nonlocal known, calls
            if known is not None:  # a search begins where the last one ended
                (loss, gradient), known = known, None
                self._set_gradient(gradient)
                return loss
            point = _Point(calls, self._place(), closure(), self._gradient())
            calls += 1
            # A search ends at the last point that it looked at, or at the lowest.
            kept[:] = [min([*kept, point], key=lambda p: p.loss), point]
            return point.loss

        try:
            super().step(evaluate)  # type: ignore[no-untyped-call]
            if not calls:  # at a standstill, which the log should see
                evaluate()
        except Exception:
            self._go_to(start)
            self.state.clear()
            self._known = None
            raise
        end = self._place()
        reached = next((point for point in kept if torch.equal(point.place, end)), None)
        self._known = None if reached is None else (reached.loss, reached.gradient)
        if moves is not None:
            parts = zip(self._named, self._parts(start), self._parts(end), strict=True)
            moves.update({name: (torch.linalg.vector_norm(a), torch.linalg.vector_norm(b - a)) for name, a, b in parts})
        return calls - 1 if reached is None else reached.call

    def state_tensors(self) -> dict[str, Tensor]:
        """The history as flat tensors, for a checkpoint."""
        state = self.state.get(self._params[0], {})
        tensors: dict[str, Tensor] = {}
        if "d" in state:
            tensors = {ours: torch.as_tensor(state[name]) for name, ours in _TENSORS.items()}
            tensors |= {ours: torch.stack(state[name]) for name, ours in _LISTS.items() if state[name]}
            numbers = {"step_length": float(state["t"]), "iterations": float(state["n_iter"])}
            tensors |= {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers.items()}
        if self._known is not None:
            loss, gradient = self._known
            tensors |= {"loss": torch.tensor(loss, dtype=torch.float64), "gradient": gradient}
        return tensors

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores what `state_tensors` gave."""
        self.state.clear()
        device = self._params[0].device
        moved = {name: tensor.to(device).clone() for name, tensor in tensors.items()}
        self._known = (float(moved["loss"]), moved["gradient"]) if "gradient" in moved else None
        if "direction" in moved:
            self.state[self._params[0]] = {
                **{name: moved[ours] for name, ours in _TENSORS.items()},
                **{name: list(moved[ours]) if ours in moved else [] for name, ours in _LISTS.items()},
                "t": float(moved["step_length"]),
                "n_iter": int(moved["iterations"]),
                "func_evals": 0,
            }

    def _place(self) -> Tensor:
        """All parameters one after another [N], a copy."""
        return torch.cat([p.detach().reshape(-1) for p in self._named.values()])

    def _gradient(self) -> Tensor:
        """All gradients one after another [N], a copy; zeros where the loss has none."""
        given = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._named.values()]
        return torch.cat([gradient.reshape(-1) for gradient in given])

    def _parts(self, flat: Tensor) -> list[Tensor]:
        """The parameters' own shares of [N]."""
        return list(flat.split_with_sizes([p.numel() for p in self._named.values()]))

    def _go_to(self, place: Tensor) -> None:
        with torch.no_grad():
            for p, part in zip(self._named.values(), self._parts(place), strict=True):
                p.copy_(part.view_as(p))

    def _set_gradient(self, gradient: Tensor) -> None:
        for p, part in zip(self._named.values(), self._parts(gradient), strict=True):
            p.grad = part.view_as(p).clone()
