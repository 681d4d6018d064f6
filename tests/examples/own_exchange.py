"""An exchange of your own, here a list in memory, given to ``connect``; all three modes work with it."""

import asyncio
from bisect import bisect_left
from datetime import UTC, datetime

import rxcandles


class ListExchange:
    name, page_limit = "mine", 100
    rate_limit: float | None = None

    def __init__(self, rows: dict[str, list[rxcandles.Row]]) -> None:
        self.rows = rows  # by market, oldest first
        self.asked = 0

    def check(self, symbol: str, timeframe: rxcandles.Timeframe) -> None:
        if symbol not in self.rows or timeframe.name != "1m":
            raise rxcandles.RequestError(f"there is no {symbol} {timeframe} here; give 1m of {', '.join(self.rows)}")

    async def page(self, symbol: str, timeframe: rxcandles.Timeframe, to: int, count: int) -> rxcandles.Page:
        self.asked += 1
        rows = self.rows[symbol]
        stop = bisect_left(rows, to, key=lambda row: row.open_time)
        newest = rows[max(0, stop - count) : stop][::-1]  # newest first
        return rxcandles.Page.before(newest, to, count)

    async def markets(self) -> list[rxcandles.Market]:
        return [rxcandles.Market(symbol) for symbol in self.rows]

    async def close(self) -> None:
        pass


async def main() -> None:
    to = datetime(2025, 1, 1, tzinfo=UTC)
    times = range(int(to.timestamp()) - 5000 * 60, int(to.timestamp()), 60)
    exchange = ListExchange({"GOLD": [rxcandles.Row(at, 5.0, 6.0, 4.0, 5.5, 1.0, 5.2, at * 1000) for at in times]})
    async with rxcandles.connect("candles.db", exchange=exchange) as provider:
        candles = await provider.get_candles("GOLD", "1m", count=1000, to=to)
        print(len(candles), "candles in", exchange.asked, "requests")
        summary = await provider.collect_candles_only("GOLD", "1m", count=10_000, to=to)
        print(summary.collected_count, "held: there are no more")
        async with provider.stream_candles("GOLD", "1m", count=2500, to=to) as stream:
            print([len(chunk) async for chunk, _ in stream], "in", stream.stats().requests, "requests")


asyncio.run(main())
