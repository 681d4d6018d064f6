"""Two operators of your own between the library's: candles above a volume, and the volume-weighted price of a list."""

import asyncio
from datetime import UTC, datetime

from reactivex import operators as rx

import rxcandles
from rxcandles import operators as ops


def above(volume: float) -> ops.Operator[rxcandles.Candles, rxcandles.Candles]:
    """Keep candles with more volume; an operator is a function from an Observable to an Observable."""
    return rx.map(lambda candles: [candle for candle in candles if candle.volume > volume])


def vwap() -> ops.Operator[rxcandles.Candles, float]:
    """Return the average price of each list, weighted by volume."""
    return rx.map(lambda candles: sum(each.turnover for each in candles) / sum(each.volume for each in candles))


async def main() -> None:
    request = rxcandles.Request("KRW-XRP", "1m", count=5000, to=datetime(2025, 1, 1, tzinfo=UTC))
    async with rxcandles.connect("candles.db", exchange="simulated", rate_limit=None) as provider:
        chunks = provider.collector.chunks(request)  # what the three modes begin with
        async with chunks.pipe(
            ops.recall(provider.repository), above(4000), ops.batch(500), vwap(), ops.with_backpressure()
        ) as prices:
            async for price in prices:
                print(f"{price:.2f}")


asyncio.run(main())
