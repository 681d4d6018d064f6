"""An exchange of your own that answers with windows of slots, here of a list; each page says what it covers."""

import asyncio
from datetime import UTC, datetime

import rxcandles


class WindowExchange:
    name, page_limit, page_unit = "windows", 300, "slots"
    rate_limit: float | None = None

    def __init__(self, rows: list[rxcandles.Row]) -> None:
        self.rows = rows  # oldest first
        self.asked = 0

    def check(self, symbol: str, timeframe: rxcandles.Timeframe) -> None:
        if (symbol, timeframe.name) != ("GOLD", "1m"):
            raise rxcandles.RequestError(f"there is no {symbol} {timeframe} here; give GOLD 1m")

    async def page(self, symbol: str, timeframe: rxcandles.Timeframe, to: int, count: int) -> rxcandles.Page:
        self.asked += 1
        start = timeframe.shift(to, -count)
        rows = [row for row in self.rows if start <= row.open_time < to]
        return rxcandles.Page(rows[::-1], covered=(start, to))  # all that exists between the two

    async def first_open(self, symbol: str, timeframe: rxcandles.Timeframe) -> int | None:
        return self.rows[0].open_time  # no window before it is asked for

    async def markets(self) -> list[rxcandles.Market]:
        return [rxcandles.Market("GOLD")]

    async def close(self) -> None:
        pass


async def main() -> None:
    to = datetime(2025, 1, 1, tzinfo=UTC)
    times = range(int(to.timestamp()) - 5000 * 60, int(to.timestamp()), 600)  # a trade in ten minutes
    exchange = WindowExchange([rxcandles.Row(at, 5.0, 6.0, 4.0, 5.5, 1.0, 5.2, at * 1000) for at in times])
    async with rxcandles.connect("candles.db", exchange=exchange) as provider:
        candles = await provider.get_candles("GOLD", "1m", count=100, to=to)
        print(len(candles), "candles of a quiet market in", exchange.asked, "requests")
        summary = await provider.collect_candles_only("GOLD", "1m", count=10_000, to=to)
        print(summary.collected_count, "held: there are no more")


asyncio.run(main())
