"""An exchange in memory, for tests on a virtual clock: candles that exist, a latency, and what is to go wrong."""

from __future__ import annotations

import asyncio
import random
import time
from bisect import bisect_left
from collections.abc import Callable

from rxcandles.model import CandleData, Row
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Market, Page
from rxcandles.ports.declared import retained_since

MINUTE = 60
NOW = 1_700_000_070.0
"""Half past a minute: the newest candle that is over opened 90 seconds ago."""
NEWEST = 1_699_999_980
"""Its open time."""


def slots(count: int, density: float = 1.0, seed: int = 0) -> list[int]:
    """``count`` open times of existing minutes, newest last, of which the newest is the newest finished one."""
    shuffle = random.Random(seed)
    times: list[int] = []
    time = NEWEST
    while len(times) < count:
        if shuffle.random() < density:
            times.append(time)
        time -= MINUTE
    return times[::-1]


def row(time: int) -> Row:
    """The candle that every fake market has at ``time``."""
    price = 100.0 + time % 977
    return Row(time, price, price + 2, price - 2, price + 1, 1 + time % 7 / 8, price * 1.5, time * 1000 + 59_000)


def candle(time: int, symbol: str = "KRW-BTC") -> CandleData:
    """The same as a candle of a market, on one minute."""
    return CandleData(symbol, "1m", *row(time))


class FakeExchange:
    """An ``Exchange`` over a sorted list of open times, the same for every symbol."""

    name = "upbit"  # as stores are opened where nothing is said
    page_limit = 200
    rate_limit: float | None = None

    def __init__(self, times: list[int], *, latency: float = 0.0) -> None:
        self.times = times
        self.latency = latency
        self.asked: list[tuple[int, int]] = []
        """``(to, count)`` of every request."""
        self.at: list[float] = []
        self.under_way = self.peak = 0
        self.closed = False
        self.server_time: float | None = None
        self.before: Callable[[int, int], None] = lambda to, count: None
        """Called for every request; raises what is to go wrong."""

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Anything goes."""

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """The newest ``count`` before ``to``, after the latency."""
        self.asked.append((to, count))
        self.at.append(asyncio.get_running_loop().time())
        self.under_way += 1
        self.peak = max(self.peak, self.under_way)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.under_way -= 1
        self.before(to, count)
        rows = [row(time) for time in self.page_of(to, count)]
        now = time.time() if self.server_time is None else self.server_time
        since = retained_since(self, timeframe, now)
        return Page.before(rows, to, count, kept_since=since, server_time=self.server_time)

    def page_of(self, to: int, count: int) -> list[int]:
        """The open times of a page, newest first."""
        end = bisect_left(self.times, to)
        return self.times[max(0, end - count) : end][::-1]

    async def markets(self) -> list[Market]:
        """One market."""
        return [Market("KRW-BTC")]

    async def close(self) -> None:
        """Remember it."""
        self.closed = True
