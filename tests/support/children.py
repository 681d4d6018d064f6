"""Collecting in processes of their own, which may be killed.

They are forked from a server that has everything imported and runs no thread, so that one takes some milliseconds.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final

import aiohttp  # noqa: F401 - imported before the forks
import attrs
import psycopg  # noqa: F401

import rxcandles
from rxcandles.exchanges import UpbitExchange
from rxcandles.stores.opening import store_at
from rxcandles.stores.sql.connection import Durability

__all__ = ["FORKED", "MODES", "Child", "Job", "collect"]

FORKED: Final = multiprocessing.get_context("forkserver")
"""Starts processes, also for whom this module's children don't suit."""
FORKED.set_forkserver_preload([__name__])

MODES: Final = ("storage-only", "collection", "streaming")


async def collect(
    provider: rxcandles.CandleDataProvider, mode: str, progress: Callable[[Any], None] | None = None, **asked: Any
) -> int:
    """Collect in a mode; return the number of candles that it has given, or holds."""
    if mode == "storage-only":
        return (await provider.collect_candles_only(**asked, progress_callback=progress)).collected_count
    if mode == "collection":
        return len(await provider.get_candles(**asked, progress_callback=progress))
    async with provider.stream_candles(**asked, progress_callback=progress) as stream:
        return sum([len(candles) async for candles, _ in stream])


@attrs.frozen
class Job:
    """What a child collects, from which server, into which file; in pages of 50."""

    url: str
    path: str
    mode: str
    asked: dict[str, Any]
    durability: Durability = "normal"

    async def done(self, progress: Callable[[Any], None] | None = None) -> int:
        """Do it; return what :func:`collect` does."""
        exchange = UpbitExchange(self.url)
        exchange.page_limit = 50
        async with exchange, store_at(self.path, durability=self.durability) as store:
            provider = rxcandles.CandleDataProvider(store, exchange, rxcandles.SlidingWindowLimiter(None))
            return await collect(provider, self.mode, progress, **self.asked)


class Child:
    """A process that does a job, from when it has begun."""

    def __init__(self, job: Job) -> None:
        self._told, telling = FORKED.Pipe(duplex=False)
        self._process = FORKED.Process(target=_do, args=(job, telling))
        self._process.start()
        telling.close()
        self._stored: int = self._told.recv()

    def wait(self, stored: int) -> None:
        """Return when it has said that so many candles are stored, or has ended."""
        try:
            while self._stored < stored:
                self._stored = self._told.recv()
        except EOFError:
            pass

    def kill(self) -> None:
        """Send SIGKILL, if it has not ended yet."""
        self._process.kill()

    def ended(self) -> tuple[bool, int]:
        """Wait for its end; return whether it was killed, and how many candles it had said were stored.

        Raises ``AssertionError`` where it failed by itself.
        """
        self.wait(sys.maxsize)
        self._told.close()
        self._process.join()
        code = self._process.exitcode
        self._process.close()
        assert code in (0, -signal.SIGKILL), f"a child failed by itself: {code}"
        return code != 0, self._stored


def _do(job: Job, telling: Connection) -> None:
    telling.send(0)
    asyncio.run(job.done(lambda progress: telling.send(progress.collected_count)))
