"""Candles of five minutes, made of minutes as they close; each is printed as soon as its last minute is proven."""

import asyncio

import rxcandles
from rxcandles import operators as ops


async def main() -> None:
    async with rxcandles.connect("candles.db", exchange="simulated", rate_limit=None) as provider:
        # Leave out `until` to go on for ever; since="stored" goes on where the last run ended.
        feed = provider.follow("KRW-XRP", "1m", since="2025-01-01", until="2025-01-01 01:00")
        async with feed, feed.pipe(ops.closed(), ops.resample("5m"), ops.with_backpressure()) as fives:
            async for candles in fives:
                for candle in candles:
                    print(f"{candle.open_time:%H:%M}", candle.open, candle.high, candle.low, candle.close)


asyncio.run(main())
