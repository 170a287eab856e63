"""Memory that was freed, and that the C library keeps for later until it is asked to give it back."""

import ctypes
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

_SECONDS = 4.0  # between two times at least: what the next pass asks for anew takes some tenths of a second a gigabyte
_GROWN = 1.2  # times what was resident when work had begun: less is not worth the time
_STATM = Path("/proc/self/statm")  # Linux


class _Watch:
    """Over what is resident since memory was last given back.

    Attributes:
        since: when that was.
        pages: resident after the first pass since then, or None before it.
    """

    since = 0.0
    pages: int | None = None

    def again(self) -> None:
        """Begins anew."""
        self.since, self.pages = time.monotonic(), None

    def grown(self) -> bool:
        """Whether it is time."""
        if self.pages is None:
            self.pages = _resident_pages()
            return False
        return time.monotonic() - self.since > _SECONDS and _resident_pages() > _GROWN * self.pages


_watch = _Watch()


def give_back() -> None:
    """Hands memory that is free to the system.

    Passes differ in size, so that what one frees has not the shape that the next one asks for: without this, 32 passes
    of MiniLM took 0.4 GB more than one of them, and with it 0.2 GB, for 5% of the time.
    """
    trim = _trim()
    if trim is not None:
        trim(0)
    _watch.again()


def give_back_if_grown() -> None:
    """The same between passes, where much more is resident than after the first of them, and not too often.

    Texts of many lengths make the memory of a run grow for minutes, to twice what a pass needs.
    """
    if _watch.grown():
        give_back()


def _resident_pages() -> int:
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1])
    except OSError:
        return 0


@cache
def _trim() -> Callable[[int], object] | None:
    try:
        found: Callable[[int], object] = ctypes.CDLL(None).malloc_trim  # glibc's
    except (AttributeError, OSError, TypeError):
        return None
    return found
