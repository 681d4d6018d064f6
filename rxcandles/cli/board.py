"""How far the series of a run are, and their limiter: what is shown while it runs."""

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
"""Candles that a request brings, where nobody says."""

SAMPLED_EVERY: Final = 0.25
"""Seconds between looks at the limiter."""


class Board:
    """The newest progress of each series and of the limiter; ``expected`` are their titles, and candles at first."""

    def __init__(self, expected: Mapping[str, int], page: int = PAGE) -> None:
        self.page = page
        """Candles that a request would have brought."""
        self.series: dict[str, CollectionProgress | None] = dict.fromkeys(expected)
        self.limit: LimiterStats | None = None
        self._expected = dict(expected)
        self._began = time.monotonic()

    def tell(self, title: str, progress: CollectionProgress) -> None:
        """Take the newest progress of one series."""
        self.series[title] = progress

    def look(self, limit: LimiterStats | None) -> None:
        """Take the newest state of the limiter."""
        self.limit = limit

    @asynccontextmanager
    async def watching(self, limiter: RateLimiter) -> AsyncIterator[None]:
        """Look at the limiter now and then while the block runs, where it tells of itself."""
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
        """Candles held of all series."""
        return sum(each.collected_count for each in self.series.values() if each is not None)

    @property
    def total(self) -> int:
        """Candles expected of all series."""
        return sum(each.total_count if each else self._expected[title] for title, each in self.series.items())

    @property
    def rate(self) -> float:
        """Candles fetched a second; what was stored is not among them."""
        fetched = sum(map(fetched_of, filter(None, self.series.values())))
        return fetched / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def requests(self) -> int:
        """Requests sent for all series."""
        return sum(each.requests for each in self.series.values() if each is not None)

    @property
    def retries(self) -> int:
        """Attempts after the first of all series."""
        return sum(each.retries for each in self.series.values() if each is not None)

    @property
    def done(self) -> int:
        """Series that have all."""
        return sum(is_done(each) for each in self.series.values())

    @property
    def elapsed(self) -> float:
        """Seconds since this was made."""
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        """Seconds that the rest will take, by what has been held so far."""
        return self.elapsed / self.held * max(0, self.total - self.held) if self.held else 0.0


def is_done(progress: CollectionProgress | None) -> bool:
    """Whether a series has all that is expected."""
    return progress is not None and progress.collected_count >= progress.total_count


def fetched_of(progress: CollectionProgress) -> int:
    """Return the candles of a series that had to be fetched."""
    return max(0, progress.collected_count - progress.stored_before)


def rate_of(progress: CollectionProgress) -> float:
    """Return the candles of a series that were fetched a second."""
    return fetched_of(progress) / progress.elapsed_seconds if progress.elapsed_seconds > 0 else 0.0


def share(held: int, total: int) -> str:
    """Return how much of the total that is, rounded down: 100% is all of it."""
    return f"{100 * held // total if total else 100}%"


def clock(seconds: float) -> str:
    """Return a time as ``0:01:30``."""
    return str(timedelta(seconds=round(seconds)))
