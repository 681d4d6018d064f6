"""A market that falls silent on a living stream is asked about, and then left alone until silence is unlikely again."""

from __future__ import annotations

import asyncio

from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.live.follower import Follower
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.stores import SqliteStore
from tests.support.world import BASE, World, run_following


def test_an_answer_counts_where_silence_has_said_as_much() -> None:
    """A page that confirms a silence has answered, though it proves nothing; else it would be asked for in a circle.

    So it is for a market that waits for its turn: meanwhile the stream lives on, and says nothing of it.
    """

    async def main() -> None:
        world = World("A-A")
        for second in range(-600, 600, 30):
            world.trade("A-A", BASE + second, 100.0)
        async with SqliteStore(":memory:", exchange="world") as store:
            provider = CandleDataProvider(store, world, SlidingWindowLimiter(10))
            async with provider.follow("A-A", "1m", since=5) as feed:
                async for _ in feed:
                    if world.now > BASE + 660:
                        break
                follower = feed._source
                assert isinstance(follower, Follower)
                market = follower.markets["A-A"]
                market.busy = True  # it is not its turn
                await asyncio.sleep(BASE + 724 - world.now)
                market.heard = edge = BASE + 720
                assert market.is_overdue(edge)
                await follower._questions.ask(market, edge, world.now)
                assert (market.proven, market.answered) == (BASE + 600, edge)
                assert not market.is_overdue(edge)

    run_following(main)
