"""The page beside a real feed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import rxcandles
from rxcandles.model.timeframe import END
from rxcandles.serve.events import news
from rxcandles.serve.hub import Hub
from rxcandles.serve.parts import Parts
from tests.serve.stream import Known, parsed


async def test_what_a_feed_collects_is_known() -> None:
    """A hub that watches while older candles are collected knows all of them in the end, and how it goes."""
    minute = rxcandles.Timeframe.of("1m")
    async with rxcandles.connect(":memory:", exchange="simulated", rate_limit=None) as provider:
        store = provider.repository
        async with provider.follow(["KRW-BTC", "KRW-ETH"], "1m", since=500, once=True) as feed:
            hub = Hub(feed)
            parts, known = Parts(store, hub), {symbol: Known(minute) for symbol in feed.symbols}
            running = asyncio.create_task(hub.run())
            with hub.client(None) as changes:
                while hub.ended is None or changes.since:
                    async with asyncio.timeout(30):
                        await changes.wake.wait()
                    changes.wake.clear()
                    async with aclosing(news(hub, parts, changes)) as events:
                        async for raw in events:
                            event = parsed(raw)
                            assert event is not None
                            known[event.data["symbol"]].take(event.data)
            await running
            assert hub.ended == ""
            for symbol, each in known.items():
                rows = await store.rows(symbol, minute, 0, END, "oldest_first", 10_000)
                assert len(rows) >= 500
                assert list(each.rows) == [row.open_time for row in rows]
                assert hub.markets[symbol].proven == max(each.covered) + 60
