"""What a command that runs for ever makes of signals: one to end is usual, and SIGHUP asks it to read again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from rxcandles.util.stopping import STOPPING

__all__ = ["hangups", "usual_end"]


@contextmanager
def usual_end() -> Iterator[None]:
    """Let a signal be a usual end, with exit code 0."""
    STOPPING.is_usual = True
    try:
        yield
    except KeyboardInterrupt:
        raise  # the caller asks STOPPING for the exit code
    except BaseException:
        STOPPING.is_usual = False
        raise
    else:
        STOPPING.is_usual = False


@contextmanager
def hangups() -> Iterator[asyncio.Event]:
    """Yield an event that SIGHUP sets while the block runs."""
    hung, loop = asyncio.Event(), asyncio.get_running_loop()
    STOPPING.rereads(partial(loop.call_soon_threadsafe, hung.set))
    try:
        yield hung
    finally:
        STOPPING.rereads(None)
