"""The frozen prefix: the lowest blocks, when nothing in or below them trains, need be computed once for each text."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn


class _ReachedError(Exception):
    """Carries what a block returned out of the backbone, whose upper blocks are not wanted."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


def states_of(output: Any) -> Tensor:
    """The hidden states in what a block returns: a tensor, or a tuple that begins with it."""
    states: Tensor = output[0] if isinstance(output, tuple) else output
    return states


def run_until(block: nn.Module, call: Callable[[], object]) -> Any:
    """What a block returns within a call of the backbone, which ends there."""

    def stop(module: nn.Module, inputs: object, output: Any) -> None:
        raise _ReachedError(output)

    handle = block.register_forward_hook(stop)
    try:
        call()
    except _ReachedError as reached:
        return reached.output
    finally:
        handle.remove()
    raise RuntimeError("the backbone never came to the block")


@contextmanager
def resumed(skipped: Sequence[nn.Module], states: Tensor, *, as_tuple: bool) -> Iterator[None]:
    """Within it, a call of the backbone goes on from the states of the last skipped block, and computes none of them.

    Args:
        skipped: the lowest blocks.
        states: what the last of them says, in the shape of the call.
        as_tuple: blocks of this backbone return a tuple.
    """
    for number, block in enumerate(skipped):
        # On the instance, beside the class's own: nothing of the model is changed, and nothing of it is saved.
        found = states if number == len(skipped) - 1 else None
        block.forward = partial(_pass_on, found, as_tuple)
    try:
        yield
    finally:
        for block in skipped:
            del block.forward


def frozen_depth(blocks: Sequence[nn.Module], call: Callable[[], object]) -> int:
    """How many of the lowest blocks have an output that no open parameter takes part in.

    Args:
        blocks: bottom up.
        call: runs the backbone, with gradients on.
    """
    moves: dict[nn.Module, bool] = dict.fromkeys(blocks, True)

    def note(module: nn.Module, inputs: object, output: Any) -> None:
        moves[module] = states_of(output).requires_grad  # of several passes, the last one's

    hooks = [block.register_forward_hook(note) for block in blocks]
    try:
        call()
    finally:
        for hook in hooks:
            hook.remove()
    return [*moves.values(), True].index(True)


def _pass_on(states: Tensor | None, as_tuple: bool, *inputs: Any, **named: Any) -> Any:
    if states is None:
        states = inputs[0] if inputs else named["hidden_states"]
    return (states,) if as_tuple else states
