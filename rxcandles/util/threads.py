"""Run blocking work in a thread that never outlives its caller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

__all__ = ["in_thread"]

_A = TypeVar("_A")


async def in_thread(work: Callable[[], _A], stop: Callable[[], object]) -> _A:
    """Return ``work()``, run in a thread; if cancelled, call ``stop``, which makes the work end, and wait for it."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    running.add_done_callback(lambda done: done.cancelled() or done.exception())  # marks it as retrieved
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop()
        await asyncio.wait([running])
        raise
