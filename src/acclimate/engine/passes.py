"""Gradients of a step in one pass, or in several of bounded memory (gradient caching, Gao et al. 2021).

A contrastive loss needs all embeddings of the batch, but its gradient reaches the weights w by each embedding alone::

    dL/dw = sum_u  dL/dv_u . dv_u/dw

So the texts are embedded part by part without a graph, the loss gives dL/dv, and each part is embedded once more with
a graph that takes its share of dL/dv further down. The price is one more forward pass. Randomness is replayed: a part
draws the same dropout both times. Objectives and regularizers see one batch and know nothing of it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise

import torch
from torch import Tensor

from acclimate.core.heap import give_back
from acclimate.engine.unit import Inputs, TrainingUnit

#: What a pass runs in: precision, training mode, and randomness that depends on the name of the pass alone.
Surroundings = Callable[[str | int], AbstractContextManager[object]]
#: Gradients of the loss terms by name, a part for each parameter -> that of the step.
Combine = Callable[[Mapping[str, Sequence[Tensor | None]]], Sequence[Tensor | None]]


def backward(
    unit: TrainingUnit,
    inputs: Inputs,
    passes: int,
    within: Surroundings,
    scale: float,
    combine: Combine | None = None,
) -> dict[str, Tensor]:
    """Adds the gradients of the sum of all loss terms, times ``scale``, to the parameters.

    Args:
        unit: what trains.
        inputs: the batch and its streams.
        passes: in how many parts the texts are embedded; 1 needs no second forward pass.
        within: gives the surroundings of a pass.
        scale: multiplies the loss.
        combine: makes the gradient of the step of those of the terms, where it is not their sum. Each term takes a
            backward pass of its own then.

    Returns:
        the loss terms by name, without graph.
    """
    if combine is not None:
        return _term_by_term(unit, inputs, passes, within, scale, combine)
    sizes = sizes_of_passes(inputs.tokens.lengths.cpu(), passes)
    if len(sizes) == 1:
        with within(0):
            terms = unit(inputs)
        _total(terms, scale).backward()  # type: ignore[no-untyped-call]
        return {name: term.detach() for name, term in terms.items()}
    parts = inputs.tokens.parts(sizes)
    vectors = []
    for number, part in enumerate(parts):
        with within(number), torch.no_grad():
            vectors.append(unit(part))
    embeddings = torch.cat(vectors).requires_grad_()
    with within("loss"):
        terms = unit(inputs, embeddings)
    _total(terms, scale).backward()  # type: ignore[no-untyped-call]
    if embeddings.grad is not None:  # None: no term looks at the embeddings
        for number, (part, gradient) in enumerate(zip(parts, embeddings.grad.split_with_sizes(sizes), strict=True)):
            give_back()
            with within(number):
                again = unit(part)
            again.backward(gradient)
    return {name: term.detach() for name, term in terms.items()}


def _term_by_term(
    unit: TrainingUnit, inputs: Inputs, passes: int, within: Surroundings, scale: float, combine: Combine
) -> dict[str, Tensor]:
    """The same, with the gradient of each term on its own before ``combine`` makes one of them."""
    parameters = [p for p in unit.parameters() if p.requires_grad]
    sizes = sizes_of_passes(inputs.tokens.lengths.cpu(), passes)
    parts = inputs.tokens.parts(sizes)
    vectors = []
    for number, part in enumerate(parts if len(parts) > 1 else []):
        with within(number), torch.no_grad():
            vectors.append(unit(part))
    embeddings = torch.cat(vectors).requires_grad_() if vectors else None
    with within("loss" if vectors else 0):
        terms = unit(inputs, embeddings)
    sources = [*parameters, embeddings] if embeddings is not None else parameters
    found = {name: list(_gradients(term * scale, sources)) for name, term in terms.items()}
    if embeddings is not None:
        of_embeddings = {name: gradient.pop() for name, gradient in found.items()}
        for number, part in enumerate(parts):
            with within(number):
                again = unit(part)
            for name, gradient in of_embeddings.items():
                if gradient is not None:
                    share = gradient.split_with_sizes(sizes)[number]
                    found[name] = _sum(found[name], _gradients(again, parameters, share))
    for parameter, gradient in zip(parameters, combine(found), strict=True):
        parameter.grad = gradient
    return {name: term.detach() for name, term in terms.items()}


def _gradients(value: Tensor, of: Sequence[Tensor], along: Tensor | None = None) -> tuple[Tensor | None, ...]:
    """The derivatives of a term, or of vectors along some others; None where it does not depend on a tensor.

    All are dense: whoever combines them looks at single numbers.
    """
    if not value.requires_grad:
        return (None,) * len(of)
    found: Sequence[Tensor | None] = torch.autograd.grad(value, of, along, retain_graph=True, allow_unused=True)
    return tuple(None if g is None else g.to_dense() for g in found)


def _sum(one: Sequence[Tensor | None], other: Sequence[Tensor | None]) -> list[Tensor | None]:
    return [a if b is None else b if a is None else a + b for a, b in zip(one, other, strict=True)]


def _total(terms: dict[str, Tensor], scale: float) -> Tensor:
    return torch.stack(list(terms.values())).sum() * scale


def sizes_of_passes(lengths: Tensor, passes: int) -> list[int]:
    """How many texts each pass has, so that all have about as many tokens: documents may be longer than queries."""
    ends = lengths.cumsum(0)  # [U]
    wanted = lengths.sum().double() * torch.arange(1, passes) / passes
    cuts = set((torch.searchsorted(ends, wanted) + 1).tolist())
    bounds = [0, *sorted(cut for cut in cuts if cut < len(lengths)), len(lengths)]
    return [end - start for start, end in pairwise(bounds)]
