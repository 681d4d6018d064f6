"""``confirm``: how often a market is asked about, with a stream and without."""

from __future__ import annotations

import pytest

from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model.settings import FollowConfig
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.stores import SqliteStore
from tests.support.world import BASE, World, run_following


@pytest.mark.parametrize("streams", [True, False])
def test_so_often_and_no_more(streams: bool) -> None:
    """A market that trades all the time is asked about every five minutes, and each of its candles comes."""

    async def main() -> tuple[int, int]:
        world = World("A-A", streams=streams)
        for second in range(-60, 3000, 20):
            world.trade("A-A", BASE + second, 100.0)
        candles = 0
        async with SqliteStore(":memory:", exchange="world") as store:
            provider = CandleDataProvider(store, world, SlidingWindowLimiter(10))
            config = FollowConfig(confirm=300.0, audit=7200.0)
            async with provider.follow("A-A", "1m", config=config, until="2024-01-01T00:45Z") as feed:
                async for update in feed:
                    candles += update.kind == "candle"
        times = [at for at, _, _, count in world.asked if count > 1]
        assert min(after - before for before, after in zip(times[1:], times[2:], strict=False)) > 299
        return candles, len(times)

    candles, asked = run_following(main)
    assert candles == 45
    assert asked <= 12
