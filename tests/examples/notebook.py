"""A notebook's session: opened in one cell, used in others and closed in the last, each cell a run of the same loop."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import TypeVar

import rxcandles

A = TypeVar("A")


async def waited(awaitable: Awaitable[A]) -> A:
    """Await, as a notebook's cell does."""
    return await awaitable


with asyncio.Runner() as notebook:

    def cell(awaitable: Awaitable[A]) -> A:
        """Run one cell; in a notebook write ``await …`` instead of ``cell(…)``."""
        return notebook.run(waited(awaitable))

    # In [1]: open, without a block
    provider = cell(rxcandles.connect("candles.db", exchange="simulated", rate_limit=None))

    # In [2]: what would it take?
    end, to = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC)
    request = rxcandles.Request("KRW-BTC", "60m", to=to, end=end)
    plan = cell(provider.plan(request))
    print(plan.missing_slots, "slots missing,", plan.requests, "requests")

    # In [3]: collect
    candles = cell(provider.get_candles("KRW-BTC", "60m", to=to, end=end))
    print(len(candles), "candles")

    # In [4]: a frame
    frame = rxcandles.to_pandas(candles)
    print(frame[["close", "volume"]].describe().loc[["count", "min", "max"]])

    # In [5]: what is held?
    for held in cell(rxcandles.overview(provider.repository)):
        print(held.candles, "stored,", held.no_trade, "without a trade,", held.missing, "missing")

    # In [6]: close
    cell(provider.close())
