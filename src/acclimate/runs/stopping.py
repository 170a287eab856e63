"""A run that is asked to stop ends at its next step, saved."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

CTRL_C = "Ctrl-C saves and stops, twice stops at once"


class Stop:
    """Ctrl-C or a termination signal stops at the next step, saved; a second one stops at once."""

    def __init__(self) -> None:
        self._reason: str | None = None

    def reason(self) -> str | None:
        """Why to stop, or None."""
        return self._reason

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes over the signals of the main thread while training."""
        kinds = [signal.SIGINT, signal.SIGTERM]
        try:
            earlier = [signal.signal(kind, self._note) for kind in kinds]
        except ValueError:  # not the main thread: whoever called owns the signals
            yield
            return
        try:
            yield
        finally:
            for kind, handler in zip(kinds, earlier, strict=True):
                signal.signal(kind, handler)

    def _note(self, number: int, frame: object) -> None:
        if self._reason is not None:
            raise KeyboardInterrupt
        self._reason = signal.Signals(number).name
