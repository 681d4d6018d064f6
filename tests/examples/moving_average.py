"""A moving average over a year of minutes; only a few chunks and the window are in memory."""

import asyncio
from collections import deque
from datetime import UTC, datetime

import rxcandles

DAY = 86_400


async def main() -> None:
    first = last = None
    window: deque[rxcandles.CandleData] = deque()
    total = 0.0
    end, to = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    async with rxcandles.connect("candles.db", exchange="simulated", rate_limit=None) as provider:
        async with provider.stream_candles("KRW-RARE", "1m", to=to, end=end, order="oldest_first") as stream:
            async for candles, _ in stream:
                for candle in candles:
                    # By time, not by number: a minute without a trade has no candle, so a day has fewer than 1,440.
                    window.append(candle)
                    total += candle.close
                    while window[0].open_seconds <= candle.open_seconds - DAY:
                        total -= window.popleft().close
                    last = f"{candle.open_time:%Y-%m-%d %H:%M} {total / len(window):.4f}"
                    first = first or last
        print(stream.stats().candles, "candles in a year,", len(window), "in the last day")
        print("first", first)
        print("last", last)


asyncio.run(main())
