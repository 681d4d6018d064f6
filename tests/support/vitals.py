"""What this process holds: memory, objects, files, threads, tasks."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import tracemalloc

import attrs

from rxcandles.util.monitor import resident_memory

__all__ = ["Vitals", "traced_heap", "vitals"]


@attrs.frozen
class Vitals:
    """What a process holds at one moment."""

    rss: int
    """Resident memory in bytes."""
    objects: int
    """Objects that the garbage collector tracks, once it has run."""
    files: int
    """Open file descriptors."""
    threads: int
    tasks: int
    """Tasks of the running loop, the one that asks among them."""


def vitals() -> Vitals:
    """Look at this process; needs a running loop and ``/dev/fd``."""
    rss = resident_memory()  # before the collector runs: what it would free is held all the same
    gc.collect()
    return Vitals(
        rss=rss,
        objects=len(gc.get_objects()),
        files=len(os.listdir("/dev/fd")) - 1,  # listing takes one
        threads=threading.active_count(),
        tasks=len(asyncio.all_tasks()),
    )


def traced_heap() -> int:
    """Return the bytes that tracemalloc knows of, less the simulated candles, which turn over within a bound."""
    gc.collect()
    snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(False, "*/rxcandles/simulator/*")])
    return sum(trace.size for trace in snapshot.traces)
