"""Measure memory and time around a block of code."""

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
    """Return this process's resident memory (RSS) in bytes, or its peak so far if the system gives no more."""
    if _STATM.exists():
        import resource

        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    if sys.platform == "win32":
        raise OSError("resident memory is read on Linux and macOS only")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class MemoryMonitor(Titled):
    """Samples resident memory while a block runs.

    The numbers are bytes of RSS of the whole process, sampled every ``interval`` seconds (10 ms) in a thread of its
    own; a shorter peak can be missed. ``peak_memory`` is the peak, ``growth`` the peak less the memory at the start.

    >>> with MemoryMonitor() as monitor:
    ...     block = bytes(1_000_000)
    >>> monitor.peak_memory >= monitor.start_memory
    True
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
        """Bytes between the start and the peak."""
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
    """Measures how long a block takes; ``elapsed`` is in seconds, also while the block runs.

    >>> with Timer() as timer:
    ...     total = sum(range(1000))
    >>> timer.elapsed > 0
    True
    """

    def __init__(self) -> None:
        self._began = self._ended = 0.0
        self._running = False

    def _told(self) -> Mapping[str, object]:
        return {"elapsed": f"{self.elapsed:.3f} s"}

    @property
    def elapsed(self) -> float:
        """Seconds since the block began, or that the block took."""
        return (time.perf_counter() if self._running else self._ended) - self._began

    def __enter__(self) -> Timer:
        self._began, self._running = time.perf_counter(), True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended, self._running = time.perf_counter(), False
