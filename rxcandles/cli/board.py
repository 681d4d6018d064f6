"""The progress of the series of a run, and of their limiter: the data that is shown while it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rxcandles.limiters import LimiterStats
from rxcandles.model.reports import CollectionProgress
from rxcandles.ports import RateLimiter

if TYPE_CHECKING:
    pass

__all__ = ["Board", "clock", "fetched_of", "is_done", "rate_of", "share"]

PAGE: Final = 200
"""Candles of one request, if the exchange does not say otherwise."""

SAMPLED_EVERY: Final = 0.25
"""Seconds between two samples of the limiter."""


class Board:
    """The newest progress of each series, and the newest state of the limiter.

    * ``expected``: the titles of the series, and the candles expected of each before anything is known.
    * ``page``: candles of one request.
    """

    def __init__(self, expected: Mapping[str, int], page: int = PAGE) -> None:
        self.page = page
        """Candles of one request."""
        self.series: dict[str, CollectionProgress | None] = dict.fromkeys(expected)
        self.limit: LimiterStats | None = None
        self._expected = dict(expected)
        self._began = time.monotonic()

    def tell(self, title: str, progress: CollectionProgress) -> None:
        """Record the newest progress of one series."""
        self.series[title] = progress

    def look(self, limit: LimiterStats | None) -> None:
        """Record the newest state of the limiter."""
        self.limit = limit

    @asynccontextmanager
    async def watching(self, limiter: RateLimiter) -> AsyncIterator[None]:
        """Sample the limiter while the block runs, if it has ``stats``."""
        stats = getattr(limiter, "stats", lambda: None)

        async def sample() -> None:
            while True:
                self.look(stats())
                await asyncio.sleep(SAMPLED_EVERY)

        task = asyncio.create_task(sample())
        try:
            yield
        finally:
            task.cancel()

    @property
    def held(self) -> int:
        """Stored candles of all series."""
        return sum(each.collected_count for each in self.series.values() if each is not None)

    @property
    def total(self) -> int:
        """Expected candles of all series."""
        return sum(each.total_count if each else self._expected[title] for title, each in self.series.items())

    @property
    def rate(self) -> float:
        """Candles fetched per second; candles that were stored before do not count."""
        fetched = sum(map(fetched_of, filter(None, self.series.values())))
        return fetched / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def requests(self) -> int:
        """Requests sent for all series."""
        return sum(each.requests for each in self.series.values() if each is not None)

    @property
    def retries(self) -> int:
        """Attempts after the first, of all series."""
        return sum(each.retries for each in self.series.values() if each is not None)

    @property
    def done(self) -> int:
        """Number of series that are complete."""
        return sum(is_done(each) for each in self.series.values())

    @property
    def elapsed(self) -> float:
        """Seconds since the board was created."""
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        """Estimated seconds for the rest, at the speed so far."""
        return self.elapsed / self.held * max(0, self.total - self.held) if self.held else 0.0


def is_done(progress: CollectionProgress | None) -> bool:
    """Whether a series has all expected candles."""
    return progress is not None and progress.collected_count >= progress.total_count


def fetched_of(progress: CollectionProgress) -> int:
    """Return the number of candles of a series that were fetched."""
    return max(0, progress.collected_count - progress.stored_before)


def rate_of(progress: CollectionProgress) -> float:
    """Return the candles of a series that were fetched per second."""
    return fetched_of(progress) / progress.elapsed_seconds if progress.elapsed_seconds > 0 else 0.0


def share(held: int, total: int) -> str:
    """Return the share of the total in percent, rounded down: 100% means all."""
    return f"{100 * held // total if total else 100}%"


def clock(seconds: float) -> str:
    """Return seconds as ``0:01:30``."""
    return str(timedelta(seconds=round(seconds)))
