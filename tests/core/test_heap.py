"""Memory that was freed is given back to the system, at once when asked, and between passes when it has grown."""

import psutil
import pytest
import torch

from acclimate.core import heap

pytestmark = pytest.mark.skipif(heap._trim() is None, reason="the C library here gives nothing back")
MEGABYTES, PART = 256, 2**16


def freed_between_others() -> list[torch.Tensor]:
    """Leaves that many megabytes free that lie between what is held, so that no end of the heap can be cut off."""
    parts = [torch.ones(PART // 4) for _ in range(2 * MEGABYTES * 2**20 // PART)]
    return parts[::2]


def resident() -> float:
    return psutil.Process().memory_info().rss / 2**20


@pytest.fixture(autouse=True)
def _clean() -> None:
    heap.give_back()


def test_what_was_freed_is_given_back() -> None:
    before = resident()
    held = freed_between_others()
    assert resident() > before + 1.5 * MEGABYTES  # the C library keeps it
    heap.give_back()
    assert resident() < before + 1.25 * MEGABYTES
    assert all(part.sum() == PART // 4 for part in held)


def test_between_passes_it_is_given_back_when_it_has_grown_and_time_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    heap.give_back_if_grown()  # the first pass
    held = freed_between_others()
    grown = resident()
    heap.give_back_if_grown()
    assert resident() > grown - 0.25 * MEGABYTES  # too soon: it would cost more than it is worth
    monkeypatch.setattr(heap, "_SECONDS", 0.0)
    heap.give_back_if_grown()
    assert resident() < grown - 0.75 * MEGABYTES
    assert len(held) == MEGABYTES * 2**20 // PART


def test_what_has_not_grown_stays_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    held = freed_between_others()
    heap.give_back_if_grown()
    before = resident()
    monkeypatch.setattr(heap, "_SECONDS", 0.0)
    heap.give_back_if_grown()
    assert resident() > before - 0.25 * MEGABYTES
    assert len(held) == MEGABYTES * 2**20 // PART
