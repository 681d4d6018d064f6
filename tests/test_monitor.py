"""Measuring: peaks are seen, time is told."""

from __future__ import annotations

import threading

from rxcandles.monitor import MemoryMonitor, Timer, resident_memory


def test_peak() -> None:
    """Memory that is held while the block runs is in its peak, and the thread ends with it."""
    before = threading.active_count()
    with MemoryMonitor(interval=0.001) as monitor:
        held = bytearray(40_000_000)
        seen = monitor.peak_memory
        while seen < monitor.start_memory + 30_000_000:
            seen = monitor.peak_memory
        del held
    assert monitor.growth >= 30_000_000
    assert monitor.peak_memory == monitor.start_memory + monitor.growth
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
