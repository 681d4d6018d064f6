"""Exchanges in memory that answer in other ways than Upbit: what a page of theirs proves, it says."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import rxcandles
from rxcandles import Market, Page, Row, Timeframe
from tests.support.fakes import row

MINUTE = 60
LIMIT = 300
END = 1_700_000_100 - 1_700_000_100 % 60
LISTED = END - 12_000 * MINUTE


class Toy:
    """A market in memory that began at ``LISTED``; how a page of it looks is another matter."""

    name, page_limit = "toy", LIMIT
    rate_limit: float | None = None

    def __init__(self, share: float, quiet: Sequence[tuple[int, int]] = ()) -> None:
        step = 2654435761
        self.times = [
            time
            for time in range(LISTED, END, MINUTE)
            if time == LISTED
            or ((time // MINUTE * step) % 2**32 < share * 2**32 and not any(a <= time < b for a, b in quiet))
        ]
        self.pages = self.others = 0

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Minutes and months."""
        if timeframe.name not in ("1m", "1M"):
            raise rxcandles.RequestError(f"there are no candles of {timeframe} here; take 1m or 1M")

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """A page, counted."""
        assert 1 <= count <= self.page_limit
        if timeframe.name == "1M":
            self.others += 1
            months = sorted({timeframe.floor(time) for time in self.times if timeframe.floor(time) < to})
            return Page([row(time) for time in months[::-1]], covered=(timeframe.shift(to, -count), to))
        self.pages += 1
        return self.answer(to, count)

    def between(self, start: int, stop: int) -> list[Row]:
        """The rows of a span, newest first."""
        low, high = bisect_left(self.times, start), bisect_left(self.times, stop)
        return [row(time) for time in reversed(self.times[low:high])]

    def answer(self, to: int, count: int) -> Page:
        """To be said."""
        raise NotImplementedError

    async def markets(self) -> list[Market]:
        """One."""
        return [Market("TOY")]

    async def close(self) -> None:
        """Nothing."""


class Rows(Toy):
    """Like Upbit: the newest ``count`` before ``to``."""

    def answer(self, to: int, count: int) -> Page:
        """By the rule of such exchanges."""
        return Page.before(self.between(0, to)[:count], to, count)


class Windows(Toy):
    """Windows of slots, oldest first with both ends inclusive, brought into our terms."""

    def answer(self, to: int, count: int) -> Page:
        """The window, whatever is in it."""
        stop = -(-to // MINUTE) * MINUTE
        start, last = stop - count * MINUTE, stop - MINUTE
        oldest_first = [row(time) for time in self.times if start <= time <= last]
        return Page(oldest_first[::-1], covered=(start, to))


class Declared(Windows):
    """The same, which says so and knows when the market began."""

    page_unit = "slots"

    async def first_open(self, symbol: str, timeframe: Timeframe) -> int | None:
        """As a listing probe tells it."""
        self.others += 1
        return LISTED


class Knowing(Windows):
    """The same, whose pages say where history starts."""

    def answer(self, to: int, count: int) -> Page:
        """With that."""
        start = to - count * MINUTE
        return Page(self.between(start, to), covered=(start, to), history_starts=start <= LISTED)


class Tail(Toy):
    """The last 720 rows, whatever is asked."""

    def __init__(self, share: float, quiet: Sequence[tuple[int, int]] = ()) -> None:
        super().__init__(share, quiet)
        self.page_limit = 720
        self.times = self.times[-720:]

    def answer(self, to: int, count: int) -> Page:
        """What of them is before ``to``; of what is older it knows nothing."""
        rows = self.between(0, to)
        oldest = rows[count - 1].open_time if len(rows) >= count else self.times[0]
        return Page(rows[:count], covered=(min(oldest, to), to))


class Dense(Windows):
    """A candle in every slot, of volume zero where nobody traded."""

    def answer(self, to: int, count: int) -> Page:
        """The window without a gap, from the listing on."""
        stop = -(-to // MINUTE) * MINUTE
        start = max(LISTED, stop - count * MINUTE)
        traded = {each.open_time: each for each in self.between(start, to)}
        slots = [row(time)._replace(volume=0.0, turnover=0.0) for time in range(start, min(stop, END), MINUTE)]
        rows = [traded.get(each.open_time, each) for each in reversed(slots)]
        return Page(rows, covered=(min(start, to), to), history_starts=stop - count * MINUTE <= LISTED)


KINDS = (Rows, Windows, Declared, Knowing, Tail, Dense)


def truth(exchange: Toy, start: int, stop: int) -> list[int]:
    """The open times that exist, newest first."""
    if isinstance(exchange, Dense):
        return list(range(max(LISTED, -(-start // MINUTE) * MINUTE), min(stop, END), MINUTE))[::-1]
    return [each.open_time for each in exchange.between(start, stop)]
