"""A bench for trouble with the file: a simulator, a database, and what strikes in the midst of a collection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import rxcandles
from rxcandles.exchanges import UpbitExchange
from rxcandles.model.timeframe import to_datetime
from rxcandles.simulator import Market, Simulator
from rxcandles.stores import SqliteStore
from tests.support.audit import Truth, audit
from tests.support.children import Job, collect

TO = 1_770_000_000
MARKET = Market("KRW-D900", 0.9)
TRUTH = Truth({"KRW-D900": MARKET}.__getitem__, since=TO - 4 * 86_400)
COUNT = 300
STORED = TRUTH.rows("KRW-D900", "1m", TO - 2000 * 60, TO)[::-1]
"""What the fixture ``stored`` has, newest first."""

Strike = Callable[[SqliteStore], Awaitable[object]]


def asked(count: int = COUNT, to: int = TO) -> dict[str, Any]:
    return {"symbol": "KRW-D900", "timeframe": "1m", "count": count, "to": to_datetime(to)}


class Struck(UpbitExchange):
    """Has something happen when so many pages have been asked for."""

    page_limit = 30

    def __init__(self, url: str, strikes: Mapping[int, Strike], store: SqliteStore) -> None:
        super().__init__(url)
        self._strikes = strikes
        self._store = store
        self._pages = 0

    async def page(self, *arguments: Any) -> Any:
        self._pages += 1
        if self._pages in self._strikes:
            await self._strikes[self._pages](self._store)
        return await super().page(*arguments)


class Bench:
    """A simulator, and a file that is collected into."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        self.simulator = simulator
        self.path = folder / "candles.db"
        self.told = 0
        """Candles of the last request that were said to be stored."""

    async def run(
        self, mode: str, strikes: Mapping[int, Strike] | None = None, *, count: int = COUNT, busy_timeout: float = 10.0
    ) -> int:
        """Open the file and collect into it."""
        async with SqliteStore(self.path, busy_timeout=busy_timeout) as store:
            return await self.collect(store, mode, strikes, count=count)

    async def collect(
        self, store: SqliteStore, mode: str, strikes: Mapping[int, Strike] | None = None, *, count: int = COUNT
    ) -> int:
        """Collect into a store that is open, in pages of 30, with strikes at some; nothing runs on afterwards."""

        def progress(made: rxcandles.CollectionProgress) -> None:
            self.told = made.collected_count

        async with Struck(self.simulator.base_url, strikes or {}, store) as exchange:
            provider = rxcandles.CandleDataProvider(store, exchange, rxcandles.SlidingWindowLimiter(None), cursors=2)
            try:
                return await collect(provider, mode, progress, **asked(count))
            finally:
                assert not [task for task in asyncio.all_tasks() if "operators" in repr(task.get_coro())]

    def job(self, mode: str, count: int = COUNT, to: int = TO) -> Job:
        """The same as a job for another process."""
        return Job(self.simulator.base_url, str(self.path), mode, asked(count, to))

    def held(self, path: Path | None = None) -> int:
        """Candles in the file, all of which are true."""
        return audit(self.path if path is None else path, TRUTH, TO + 60)

    async def completes(self, mode: str) -> None:
        """The same request brings everything now, and then for nothing."""
        assert await self.run(mode) == COUNT
        self.simulator.reset_stats()
        assert await self.run(mode) == COUNT
        assert self.simulator.stats.requests == 0
        assert self.held() >= COUNT
