"""Where one cursor's page runs over into the stretch of another: each candle comes once, whatever answers first."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

import rxcandles
from rxcandles.engine.seen import Seen
from rxcandles.engine.segments import Segment, Segments
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.ports import Page
from tests.support.fakes import MINUTE, NEWEST, NOW, FakeExchange, row, slots


class Uneven(FakeExchange):
    """Small pages, each of which takes as many turns of the event loop as chance has it."""

    page_limit = 7

    def __init__(self, times: list[int], seed: int) -> None:
        super().__init__(times)
        self.luck = random.Random(seed)
        self.server_time = NOW

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        for _ in range(self.luck.randrange(25)):
            await asyncio.sleep(0)
        if timeframe.name == "1m":
            return await super().page(symbol, timeframe, to, count)
        longer = FakeExchange(sorted({timeframe.floor(each) for each in self.times}))
        return await longer.page(symbol, timeframe, to, count)


@pytest.mark.parametrize("seed", [907, 1063, 1106, *range(12)])
async def test_each_candle_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several cursors, down to the first candle of a market: exactly what there is, in order."""
    monkeypatch.setattr(time, "time", lambda: NOW)
    luck = random.Random(seed)
    minutes, density = luck.randint(40, 400), luck.choice([0.5, 0.3, 0.9])
    times = [each for each in range(NEWEST - MINUTE * (minutes - 1), NEWEST - 120, MINUTE) if luck.random() < density]
    async with rxcandles.SqliteStore(":memory:") as store:
        provider = rxcandles.CandleDataProvider(
            store, Uneven(times, seed + 1), rxcandles.SlidingWindowLimiter(None), cursors=luck.choice([None, 2, 3, 4])
        )
        if luck.random() < 0.5:
            to = to_datetime(NEWEST - MINUTE * luck.randrange(minutes))
            await provider.get_candles("KRW-BTC", "1m", count=luck.randint(1, minutes // 2), to=to)
        count = luck.choice([luck.randint(1, len(times) + 60), len(times) + 50])
        candles = await provider.get_candles("KRW-BTC", "1m", count=count)
    assert [each.open_seconds for each in candles] == times[::-1][:count]


def test_the_seam_moves_with_the_cursor() -> None:
    """A page that reaches into a lower segment leaves the oldest of its candles there as the seam, not an older one."""
    times = slots(10)[::-1]
    segments = Segments((times[9], times[0] + MINUTE), Timeframe.of("1m"), 5, "rows", Seen(5), upward=False)
    upper = segments.waiting[0]
    lower = Segment(times[9], times[4])
    upper.lo, lower.seam = times[4], times[4]
    segments.waiting.append(lower)
    shared = segments.share(upper, [row(each) for each in times[2:8]], times[1], times[7])
    assert (shared, lower.cursor, lower.seam) == (3, times[7], times[7])
