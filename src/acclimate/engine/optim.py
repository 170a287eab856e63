"""AdamW over parameter groups, with tables of which only the touched rows move; and the learning-rate schedule."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from acclimate.core.nouns import ParamGroup
from acclimate.engine.gradients import touched

if TYPE_CHECKING:
    from torch.nn import Parameter

#: Parameter name -> norm of its weights before a step, norm of their change; scalars on its device.
Moves = dict[str, tuple[Tensor, Tensor]]

_BETAS = (0.9, 0.999)
_EPS = 1e-8


class AdamW(torch.optim.Optimizer):
    """AdamW (Loshchilov & Hutter 2019), fused for dense parameters, by row for tables.

    A group with ``by_row`` updates the rows whose gradient is not zero and leaves all others bit-identical: no decay,
    no momentum. Each row counts its own steps for the bias correction, so that the first update of a rare token is
    like the first update of any other parameter.
    """

    line_search: ClassVar[bool] = False

    def __init__(self, groups: Sequence[ParamGroup], lr: float, weight_decay: float) -> None:
        self._names = [list(group.parameters) for group in groups]
        super().__init__(
            [
                {
                    "params": list(group.parameters.values()),
                    "name": group.name,
                    "lr": lr * group.lr_scale,
                    "full_lr": lr * group.lr_scale,
                    "weight_decay": weight_decay if group.decay else 0.0,
                    "by_row": group.by_row,
                    "starts_at": group.starts_at,
                }
                for group in groups
            ],
            {},
        )

    def schedule(self, step: float, steps: int, warmup: int, factor: float = 1.0) -> None:
        """Sets every group's rate for a step: the run's schedule, with a warm-up of the group's own when it opens.

        ``step`` lies between two where time counts; ``factor`` multiplies all rates.
        """
        for group in self.param_groups:
            group["lr"] = group["full_lr"] * rate_factor(step, steps, warmup, group["starts_at"]) * factor

    def rates(self) -> dict[str, float]:
        """The rate of each group by its name."""
        return {group["name"]: group["lr"] for group in self.param_groups}

    def step(self, closure: Callable[[], float], moves: Moves | None = None) -> int:  # type: ignore[override]
        """Runs the closure, which leaves the gradients of the step, then moves the parameters.

        Whatever the closure raises passes through before any state is touched. A parameter without gradient is left
        alone; zero gradients would still be decayed and moved by momentum.

        Args:
            closure: gives the loss.
            moves: takes how far each parameter moves; the parameters are the same to the bit with and without.

        Returns:
            0: the one call of the closure is what the step tells of.
        """
        with torch.enable_grad():
            closure()
        with torch.no_grad():
            for names, group in zip(self._names, self.param_groups, strict=True):
                named = [(name, p) for name, p in zip(names, group["params"], strict=True) if p.grad is not None]
                states = [self._state_of(p, group) for _, p in named]
                if moves is None:
                    _update([p for _, p in named], states, group)
                    continue
                for (name, parameter), state in zip(named, states, strict=True):
                    moves[name] = _measured_update(parameter, state, group)
        return 0

    def _state_of(self, parameter: Tensor, group: Mapping[str, Any]) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            rows = (len(parameter),) if group["by_row"] else ()
            state["step"] = torch.zeros(rows, dtype=torch.float32, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        return state

    def state_tensors(self) -> dict[str, Tensor]:
        """The state as flat tensors named ``PARAMETER:STATE``, for a checkpoint."""
        named = self._named_parameters().items()
        return {f"{name}:{key}": value for name, p in named for key, value in self.state.get(p, {}).items()}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores what `state_tensors` gave."""
        named = self._named_parameters()
        self.state.clear()
        for full_name, tensor in tensors.items():
            name, key = full_name.rsplit(":", 1)
            self.state[named[name]][key] = tensor.to(named[name].device)

    def _named_parameters(self) -> dict[str, "Parameter"]:
        pairs = zip(self._names, self.param_groups, strict=True)
        return {name: p for names, group in pairs for name, p in zip(names, group["params"], strict=True)}


def _update(parameters: list[Tensor], states: list[dict[str, Tensor]], group: Mapping[str, Any]) -> None:
    update = _step_rows if group["by_row"] else _step_dense
    update(parameters, states, group)


def _measured_update(parameter: Tensor, state: dict[str, Tensor], group: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Updates one parameter; its norm before and the norm of its change.

    One at a time, and of a table the rows that move: a copy of everything would take the system longer to make room
    for than all else here.
    """
    rows = touched(parameter)[0] if group["by_row"] else ...  # of a scalar too
    size, before = torch.linalg.vector_norm(parameter), parameter[rows].clone()
    _update([parameter], [state], group)
    return size, torch.linalg.vector_norm(before.sub_(parameter[rows]))


def _step_dense(parameters: list[Tensor], states: list[dict[str, Tensor]], group: Mapping[str, Any]) -> None:
    if not parameters:
        return
    adamw(
        parameters,
        [p.grad for p in parameters],  # type: ignore[misc]
        [s["exp_avg"] for s in states],
        [s["exp_avg_sq"] for s in states],
        [],
        [s["step"] for s in states],
        fused=True,
        amsgrad=False,
        beta1=_BETAS[0],
        beta2=_BETAS[1],
        lr=group["lr"],
        weight_decay=group["weight_decay"],
        eps=_EPS,
        maximize=False,
    )


def _step_rows(parameters: list[Tensor], states: list[dict[str, Tensor]], group: Mapping[str, Any]) -> None:
    for parameter, state in zip(parameters, states, strict=True):
        rows, gradient = touched(parameter)
        count = state["step"][rows] + 1
        first = state["exp_avg"].index_select(0, rows).lerp_(gradient, 1 - _BETAS[0])
        second = state["exp_avg_sq"].index_select(0, rows).lerp_(gradient.square(), 1 - _BETAS[1])
        corrected = first / (1 - _BETAS[0] ** count)[:, None]
        scale = (second / (1 - _BETAS[1] ** count)[:, None]).sqrt_().add_(_EPS)
        moved = parameter.index_select(0, rows).mul_(1 - group["lr"] * group["weight_decay"])
        moved -= corrected.mul_(group["lr"]).div_(scale)
        for tensor, values in ((state["step"], count), (state["exp_avg"], first), (state["exp_avg_sq"], second)):
            tensor.index_copy_(0, rows, values)
        parameter.index_copy_(0, rows, moved)


def rate_factor(step: float, steps: int, warmup: int, starts_at: float) -> float:
    """The factor of a group's rate at a step: as long a warm-up from its opening on as the run has, then the run's."""
    opened = int(starts_at * steps)
    opened += opened / steps < starts_at  # the first step whose progress is not before the opening
    if step < opened:
        return 0.0
    return min((step - opened + 1) / (warmup + 1), warmup_then_linear(step, steps, warmup))


def warmup_then_linear(step: float, steps: int, warmup: int) -> float:
    """The factor of the learning rate at a step (from 0): up over the warm-up, then down to 0 at the end."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return max(0.0, (steps - step) / max(1, steps - warmup))
