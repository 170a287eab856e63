"""Elastic weight consolidation (Kirkpatrick et al. 2017): what mattered before is held where it was.

With the importance F of each weight, its mean over the weights that have any being 1::

    penalty = weight / 2 * sum_k F_k (theta_k - theta0_k)^2

F is what general texts say, of which nothing but the texts is needed. ``outputs``: how much the embedding u of a text
moves, in random directions r of length one (Aljundi et al. 2018 with the norm replaced by its random projections)::

    F_k = mean_i E_r ( d(u_i . r) / d theta_k )^2

``contrastive``: the true diagonal Fisher information of which other text is near, with j drawn from the model itself::

    F_k = mean_i E_{j ~ p(.|i)} ( d log p(j|i) / d theta_k )^2,   p(.|i) = softmax_{j != i}( u_i . u_j / temperature )

The square of a mean gradient is not the mean square: it is too small by about the batch size. A gradient for each text
takes a backward pass each. So one pass takes the sum over a batch of texts with random signs e, whose square has the
sum of the squares for its mean, since the products of different texts cancel: E (sum_i e_i g_i)^2 = sum_i g_i^2.

Over several runs (online EWC, Schwarz et al. 2018) a run t goes on with what the run before it has left::

    F_t~ = decay F_(t-1)~ + F_t

around its own start: one penalty for all tasks so far. Each F_t has a mean of 1, so the sum grows with the runs, up to
1 / (1 - decay).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from acclimate.core.errors import DataError, Place, UsageError
from acclimate.core.nouns import ParamGroup, Pull, Step
from acclimate.regularizers.base import IMPORTANCE, Embed, Importance, Regularizer, RegularizerSpec

if TYPE_CHECKING:
    from typing import Self

_BATCH = 32  # texts whose signed gradients share a backward pass; also the candidates of ``contrastive``
_MOST = 0.999  # quantile above which importance is cut: single weights would be all that is held


class EwcSpec(RegularizerSpec):
    """Holds each weight by how much it matters to what the base says of general texts.

    ``decoupled`` moves the weights back after each step instead of adding the penalty to the loss, where Adam would
    scale it away; then no weight of mean importance gets further than about 1 / ``weight`` from the start.

    With ``keep_importance`` the run leaves what it held by in ``importance.safetensors``. A later run names that run's
    folder, or the file, as ``previous`` and holds by ``decay`` times that beside its own, around its own start.
    """

    kind: Literal["ewc"] = "ewc"
    weight: NonNegativeFloat = 100.0
    importance: Literal["outputs", "contrastive"] = "outputs"
    temperature: PositiveFloat = 0.05
    texts: PositiveInt = 1_000
    samples: PositiveInt = 2
    decoupled: bool = True
    previous: str = "none"
    decay: Annotated[float, Field(ge=0, le=1)] = 1.0
    keep_importance: bool = False

    summary: ClassVar[str] = "holds weights that matter to general texts near the base's"

    @property
    def pulls_after_step(self) -> bool:
        """See `RegularizerSpec.pulls_after_step`."""
        return self.decoupled

    @model_validator(mode="after")
    def _decays_something(self) -> "Self":
        if self.previous == "none" and self.decay != type(self).model_fields["decay"].default:
            raise ValueError("should have previous, the folder of an earlier run, for decay to act on")
        return self

    def build(self) -> Regularizer:
        """See `RegularizerSpec.build`."""
        return Ewc(self)


def squared(scalar: Tensor, parameters: Sequence[Tensor], *, again: bool = False) -> list[Tensor]:
    """The squared derivatives of a scalar, 0 where it does not depend on a parameter; ``again``: its graph stays."""
    found = torch.autograd.grad(scalar, parameters, retain_graph=again, allow_unused=True)
    parts: Sequence[Tensor | None] = found
    # Of a table that is all there is, autograd says which rows have a derivative.
    return [torch.zeros_like(p) if g is None else g.to_dense().square() for p, g in zip(parameters, parts, strict=True)]


def signed_outputs(vectors: Tensor, generator: torch.Generator) -> Tensor:
    """The sum of embeddings [B, D] along random directions of length one, scalar. The signs are the directions' own."""
    drawn = torch.randn(vectors.shape, generator=generator).to(vectors.device)
    return (vectors * nn.functional.normalize(drawn, dim=1)).sum()


def log_chances(vectors: Tensor, temperature: float) -> Tensor:
    """``log p(j|i)`` of embeddings [B, D]: which other one is near [B, B], -inf for itself."""
    own = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    return torch.log_softmax((vectors @ vectors.T / temperature).masked_fill(own, -torch.inf), dim=1)


def signed_draws(log_chance: Tensor, generator: torch.Generator) -> Tensor:
    """The sum over rows of the log chance of one draw from the row, with random signs, scalar."""
    drawn = torch.multinomial(log_chance.detach().exp().cpu(), 1, generator=generator).to(log_chance.device)
    signs = torch.randint(0, 2, (len(log_chance), 1), generator=generator).to(log_chance) * 2 - 1
    return (signs * log_chance.gather(1, drawn)).sum()


def exact_fisher(log_chance: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """The mean over rows i of ``sum_j p_ij (d log p_ij / d theta)^2``, with a backward pass for each of [B, C].

    What the random signs estimate. It takes B x C passes, so it is for a few dozen rows.
    """
    total = [torch.zeros_like(p) for p in parameters]
    for row in log_chance:
        for value in row[row.isfinite()]:
            for sum_, square in zip(total, squared(value, parameters, again=True), strict=True):
                sum_.add_(square, alpha=float(value.detach().exp()))
    return [sum_ / len(log_chance) for sum_ in total]


def normalized(importance: Sequence[Tensor]) -> list[Tensor]:
    """Importance in parts of the mean of what is above 0, the greatest thousandth of that cut to its least value.

    So the weight of a penalty means the same whatever the loss, the batch and the number of weights.
    """
    above = torch.cat([part[part > 0].flatten() for part in importance])
    if not len(above):
        return [part.clone() for part in importance]
    most = above.kthvalue(max(1, int(_MOST * len(above)))).values
    mean = above.clamp(max=most).mean()
    return [part.clamp(max=most) / mean for part in importance]


def carried_on(before: Sequence[Tensor], now: Sequence[Tensor], decay: float) -> list[Tensor]:
    """The importance that a run holds by: what earlier ones have left, times ``decay``, and its own."""
    return [decay * earlier + own for earlier, own in zip(before, now, strict=True)]


def ewc_penalty(parameters: Sequence[Tensor], anchors: Sequence[Tensor], importance: Sequence[Tensor]) -> Tensor:
    """Half of the squared distance between parameters and anchors, weighed by importance, float32 scalar."""
    parts = zip(parameters, anchors, importance, strict=True)
    return torch.stack([(f * (p - a).square()).sum() for p, a, f in parts]).sum() / 2


class Ewc(Regularizer):
    """Holds a copy of the opened parameters as they were at the start, and what each of their numbers weighs."""

    def __init__(self, spec: EwcSpec) -> None:
        super().__init__()
        self.spec = spec
        self.leaves_importance = spec.keep_importance
        self.measured_on = "general" if spec.weight or spec.keep_importance else None
        self._earlier_runs = 0
        # Plain dicts: registered parameters would be trained, checkpointed and counted a second time.
        self._parameters_at: dict[str, tuple[nn.Parameter, Tensor]] = {}
        self._importance: dict[str, Tensor] = {}

    def begin(self, groups: Sequence[ParamGroup]) -> None:
        """See `Regularizer.begin`."""
        opened = {name: p for group in groups for name, p in group.parameters.items()}
        self._parameters_at = {name: (p, p.detach().clone()) for name, p in opened.items()}
        if self.spec.previous != "none":
            self._earlier_runs = _runs_before(self.spec, {name: tuple(p.shape) for name, p in opened.items()})

    def measure(self, embed: Embed, texts: int, generator: torch.Generator) -> Mapping[str, Tensor]:
        """See `Regularizer.measure`."""
        spec, parameters = self.spec, [p for p, _ in self._parameters_at.values()]
        chosen = torch.randperm(texts, generator=generator)[: spec.texts]
        total = [torch.zeros_like(p) for p in parameters]
        scalar: Callable[[Tensor], Tensor]
        for rows in chosen.tensor_split(-(-len(chosen) // _BATCH)):  # of like size: a text alone has no candidate
            vectors = embed(rows.numpy()).float()
            match spec.importance:
                case "outputs":
                    scalar = lambda v: signed_outputs(v, generator)  # noqa: E731
                case "contrastive":
                    vectors = log_chances(vectors, spec.temperature)
                    scalar = lambda v: signed_draws(v, generator)  # noqa: E731
            for sample in range(spec.samples):
                again = sample < spec.samples - 1
                for sum_, square in zip(total, squared(scalar(vectors), parameters, again=again), strict=True):
                    sum_.add_(square, alpha=1 / (len(chosen) * spec.samples))
        found = normalized(total)
        if spec.previous != "none":
            left = load_file(_file_of(spec.previous))
            before = [left[name].to(p.device) for name, (p, _) in self._parameters_at.items()]
            found = carried_on(before, found, spec.decay)
        return dict(zip(self._parameters_at, found, strict=True))

    def take(self, measured: Mapping[str, Tensor]) -> None:
        """See `Regularizer.take`."""
        self._importance = {name: measured[name].to(p.device) for name, (p, _) in self._parameters_at.items()}

    def leaves(self) -> Importance | None:
        """See `Regularizer.leaves`."""
        if not self.leaves_importance:
            return None
        spec = self.spec
        about = {
            "importance": spec.importance,
            "temperature": f"{spec.temperature}",
            "texts": f"{spec.texts}",
            "candidates": f"{_BATCH}",
            "samples": f"{spec.samples}",
            "decay": f"{spec.decay}",
            "runs": f"{self._earlier_runs + 1}",
        }
        return Importance(self._importance, about)

    def pulls(self) -> Mapping[str, Pull]:
        """See `Regularizer.pulls`."""
        if not self.spec.decoupled or not self.spec.weight:
            return {}
        strength = {name: self.spec.weight * importance for name, importance in self._importance.items()}
        return {name: Pull(anchor, strength[name]) for name, (_, anchor) in self._parameters_at.items()}

    def forward(self, step: Step) -> Tensor:
        """See `Regularizer.forward`."""
        if not self.spec.weight:
            return step.unique.new_zeros(())
        parameters, anchors = zip(*self._parameters_at.values(), strict=True)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.spec.decoupled):
            return self.spec.weight * ewc_penalty(parameters, anchors, list(self._importance.values()))


def _file_of(previous: str) -> Path:
    """The importance that an earlier run has left, by its folder or the file itself."""
    path = Path(previous).expanduser()
    return path / IMPORTANCE if path.is_dir() else path


def _runs_before(spec: EwcSpec, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """How many runs are in the importance to go on from, which has to be of the parameters of these shapes.

    Raises:
        UsageError: there is none, or it is of another kind or of other parameters.
        DataError: what is there cannot be read.
    """
    path = _file_of(spec.previous)
    if not path.is_file():
        problem = f"regularizer ewc cannot go on from {spec.previous}: there is no file {path}"
        raise UsageError(problem, "name the folder of a run that had keep_importance: true")
    try:
        with safe_open(path, "pt") as file:
            about: Mapping[str, str] = file.metadata() or {}
            there = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        remedy = "run the earlier task again with keep_importance: true"
        raise DataError(f"the importance cannot be read: {error}", remedy, Place(path)) from None
    if "importance" not in about or "runs" not in about:
        remedy = "name the folder of a run that had keep_importance: true"
        raise DataError("there are tensors, but no importance that a run has left", remedy, Place(path))
    if about["importance"] != spec.importance:
        problem = f"{path} holds importance of kind {about['importance']}, and this run measures {spec.importance}"
        raise UsageError(problem, f"take importance: {about['importance']}")
    if others := sorted(name for name in {*there, *shapes} if there.get(name) != shapes.get(name)):
        name, sizes = others[0], [found.get(others[0], "nothing") for found in (there, shapes)]
        problem = f"{path} weighs other parameters than this method opens: {name} is {sizes[0]} there, {sizes[1]} here"
        raise UsageError(problem, "take the method of that run, and its model as --base")
    return int(about["runs"])
