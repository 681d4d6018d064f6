"""Measuring memory and time around a block of code."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final

from rxcandles.util.arguments import check_number
from rxcandles.util.showing import Titled

__all__ = ["MemoryMonitor", "Timer", "resident_memory"]

_STATM: Final = Path("/proc/self/statm")


def resident_memory() -> int:
    """Return this process's resident memory (RSS) in bytes; its peak so far where the system does not tell more."""
    if _STATM.exists():
        import resource

        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    if sys.platform == "win32":
        raise OSError("resident memory is read on Linux and macOS only")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class MemoryMonitor(Titled):
    """Samples resident memory while the block runs: ``with MemoryMonitor() as monitor: … monitor.peak_memory``.

    In bytes of RSS for the whole process, every ``interval`` seconds (10 ms) in a thread of its own; a peak shorter
    than that can be missed. ``growth`` is the peak less what there was on entering.
    """

    def __init__(self, interval: float = 0.01) -> None:
        self.peak_memory = 0
        self.start_memory = 0
        self._interval = check_number("interval", interval, 0, 3600, above=True)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def _told(self) -> Mapping[str, object]:
        return {"peak": f"{self.peak_memory / 1e6:,.1f} MB at most", "growth": f"{self.growth / 1e6:,.1f} MB more"}

    @property
    def growth(self) -> int:
        """Bytes that the peak lies above the start."""
        return self.peak_memory - self.start_memory

    def __enter__(self) -> MemoryMonitor:
        self._over.clear()
        self.start_memory = self.peak_memory = resident_memory()
        self._thread = threading.Thread(target=self._sample, name="rxcandles-memory", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self.peak_memory = max(self.peak_memory, resident_memory())

    def _sample(self) -> None:
        while not self._over.wait(self._interval):
            self.peak_memory = max(self.peak_memory, resident_memory())


class Timer(Titled):
    """Measures how long the block takes: ``with Timer() as timer: … timer.elapsed`` (seconds, also while it runs)."""

    def __init__(self) -> None:
        self._began = self._ended = 0.0
        self._running = False

    def _told(self) -> Mapping[str, object]:
        return {"elapsed": f"{self.elapsed:.3f} s"}

    @property
    def elapsed(self) -> float:
        """Seconds since entering, or between entering and leaving."""
        return (time.perf_counter() if self._running else self._ended) - self._began

    def __enter__(self) -> Timer:
        self._began, self._running = time.perf_counter(), True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended, self._running = time.perf_counter(), False
