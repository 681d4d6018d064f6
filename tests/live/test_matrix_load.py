"""Many markets, quiet markets, and a back-fill beside them: requests are few and shared, and nobody falls behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.live.feed import Feed
from rxcandles.model.limit import Limit
from rxcandles.model.settings import FollowConfig
from rxcandles.model.timeframe import to_datetime
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.stores import SqliteStore
from tests.support.followed import Reader
from tests.support.world import BASE, World, run_following


async def read(feed: Feed, reader: Reader, until: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            async for update in feed:
                reader.take(update)


async def worst_lag(feed: Feed, until: float) -> float:
    """Return the most seconds for which a candle that is settled, three seconds after its end, was not known."""
    loop, worst = asyncio.get_running_loop(), 0.0
    while loop.time() < until:
        await asyncio.sleep(0.5)
        lags = [each.heard_lag for each in feed.stats().markets if each.heard_lag is not None]
        worst = max([worst, *(lag - 60 - 3 for lag in lags)])
    return worst


def test_many_markets_in_the_same_second() -> None:
    """29: 24 markets close at once, and are confirmed within the rate: the last after as long as that takes."""

    async def main() -> tuple[float, World, Reader]:
        names = [f"A-{number}" for number in range(24)]
        world = World(*names)
        world.rate_limit = 2.0
        for name in names:
            for at in range(-3, 5):
                world.trade(name, BASE + 60 * at + 30, 100.0)
        async with SqliteStore(":memory:", exchange="world") as store:
            provider = CandleDataProvider(store, world, SlidingWindowLimiter(2))
            async with provider.follow(names, "1m", since=2) as feed:
                reader = Reader(world)
                reading = asyncio.create_task(read(feed, reader, 179))
                await asyncio.sleep(60)
                worst = await worst_lag(feed, 179)
                await reading
        for name in names:
            reader.compare(name, BASE - 120, BASE + 120)
        return worst, world, reader

    worst, world, reader = run_following(main)
    assert reader.verdict.clean, reader.verdict
    assert worst <= 24 / 2 + 5
    asked = sorted(at for at, _, _, _ in world.asked)
    assert min(after - before for before, after in zip(asked, asked[2:], strict=False)) >= 0.94  # 0.05 s on their way


def test_a_quiet_market() -> None:
    """23: one trade in three hours is one candle; silence costs audits, and a look at the server's clock a minute."""

    async def main() -> tuple[World, Reader, list[tuple[float, float, float]]]:
        world = World("A-A")
        world.trade("A-A", BASE - 80_000, 100.0)
        world.trade("A-A", BASE + 5000, 101.0)
        reader, progress = Reader(world), []
        async with SqliteStore(":memory:", exchange="world") as store:
            provider = CandleDataProvider(store, world, SlidingWindowLimiter(10))
            async with provider.follow("A-A", "1m", since=to_datetime(BASE - 600)) as feed:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(10_800):
                        async for update in feed:
                            reader.take(update)
                            if update.kind == "progress":
                                until = update.proven_until.timestamp(), update.heard_until.timestamp()
                                progress.append((world.now, *until))
        reader.compare("A-A", BASE - 600, BASE + 10_000)
        return world, reader, progress

    world, reader, progress = run_following(main)
    assert reader.verdict.clean, reader.verdict
    assert reader.given == 1
    assert reader.verdict.silent <= 30
    assert world.requests["A-A"] <= 10_800 / 60 + 10_800 / 900 + 12
    settled = [(now, heard) for now, _, heard in progress if now > BASE + 60]
    assert all(now - heard <= 60 + 30 for now, heard in settled)


def test_a_back_fill_beside_it() -> None:
    """32: while 10,000 older candles are collected through the same limiter, no market falls ten seconds behind."""

    async def main() -> tuple[float, World, Reader, int]:
        world, names = World("A-A", "A-B", "A-C", "A-Z"), ["A-A", "A-B", "A-C"]
        world.rate_limit = 2.0
        for name in names:
            for at in range(-200, 150, 10):
                world.trade(name, BASE + at, 100.0)
        for minute in range(10_000):
            world.trade("A-Z", BASE - 60 * minute - 90, 100.0)
        async with SqliteStore(":memory:", exchange="world") as store:
            provider = CandleDataProvider(store, world, SlidingWindowLimiter(2))
            async with provider.follow(names, "1m", since=2) as feed:
                reader = Reader(world)
                reading = asyncio.create_task(read(feed, reader, 150))
                await asyncio.sleep(50)
                older = asyncio.create_task(provider.collect_candles_only("A-Z", "1m", 10_000))
                worst = await worst_lag(feed, 72)
                assert not older.done()  # it lasts 25 seconds and more
                stored = (await older).collected_count
                await reading
        for name in names:
            reader.compare(name, BASE - 120, BASE + 60)
        return worst, world, reader, stored

    worst, _, reader, stored = run_following(main)
    assert reader.verdict.clean, reader.verdict
    assert stored == 10_000
    assert worst < 10


def test_the_confirmations_of_a_feed_leave_half_of_the_rate() -> None:
    """29: where all markets together would take more, each is asked less often, and none of its candles is lost."""

    async def main() -> tuple[World, Reader]:
        names = [f"A-{number}" for number in range(12)]
        world = World(*names)
        world.rate_limit = 1 / 5
        for name in names:
            for at in range(-3, 8):
                world.trade(name, BASE + 60 * at + 30, 100.0)
        async with SqliteStore(":memory:", exchange="world") as store:
            provider = CandleDataProvider(store, world, SlidingWindowLimiter(Limit(1, window=5.0)))
            async with provider.follow(names, "1m", since=1, config=FollowConfig(audit=7200.0)) as feed:
                reader = Reader(world)
                await read(feed, reader, 480)
        for name in names:
            reader.compare(name, BASE - 60, reader.proven[name])
        return world, reader

    world, reader = run_following(main)
    assert reader.verdict.clean, reader.verdict
    assert min(reader.proven.values()) >= BASE + 240
    assert len([at for at, *_ in world.asked if at > BASE + 130]) <= 350 / 10 + 10
