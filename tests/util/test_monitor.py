"""Measuring: peaks are seen, time is told."""

from __future__ import annotations

import threading

import pytest

import rxcandles.util.monitor
from rxcandles.util.monitor import MemoryMonitor, Timer, resident_memory


def test_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peak is the most that was there at any sample, and the thread ends with the block.

    What the process really holds falls by itself where the system takes pages back, so that it is told here.
    """
    sampled = threading.Event()
    sizes = iter([50, 70, 120, 60])

    def resident() -> int:
        size = next(sizes, None)
        if size is None:
            sampled.set()
        return size or 40

    monkeypatch.setattr(rxcandles.util.monitor, "resident_memory", resident)
    before = threading.active_count()
    with MemoryMonitor(interval=0.001) as monitor:
        assert sampled.wait(60)
    assert (monitor.start_memory, monitor.peak_memory, monitor.growth) == (50, 120, 70)
    assert threading.active_count() == before


def test_resident_memory() -> None:
    """A Python process has some megabytes."""
    assert 5_000_000 < resident_memory() < 5_000_000_000


def test_timer() -> None:
    """A timer runs while the block does, and stands still afterwards."""
    with Timer() as timer:
        first = timer.elapsed
        assert timer.elapsed >= first >= 0
    assert timer.elapsed == timer.elapsed >= first
