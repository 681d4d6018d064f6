"""An exchange in memory whose truth is known, and that is ill in the ways real ones are; for ``absence`` and tests."""

from __future__ import annotations

import random
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator

import attrs

import rxcandles
from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe

__all__ = ["MINUTE", "SYMBOL", "WELL", "Ill", "Illness", "Truth"]

MINUTE = 60
SYMBOL = "KRW-BTC"


class Truth:
    """One market: its minutes, and all longer candles made of them."""

    def __init__(
        self, start: int, minutes: int, density: float, seed: int = 0, halts: Iterable[tuple[int, int]] = ()
    ) -> None:
        luck = random.Random(seed)
        halts = list(halts)
        self.start = start
        self.opens = [
            opened
            for opened in range(start, start + minutes * MINUTE, MINUTE)
            if luck.random() < density and not any(first <= opened < last for first, last in halts)
        ]
        self._series: dict[str, list[Row]] = {}

    def at(self, opened: int) -> Row:
        """The final candle of one minute."""
        price = 1000.0 + opened // MINUTE % 977
        return Row(
            opened, price, price + 3, price - 2, price + 1, 1.0 + opened // MINUTE % 7, 5000.0, opened * 1000 + 59_000
        )

    def rows(self, timeframe: Timeframe) -> list[Row]:
        """All candles of a length, final, oldest first."""
        if timeframe.name not in self._series:
            minutes = [self.at(opened) for opened in self.opens]
            self._series[timeframe.name] = minutes if timeframe.name == "1m" else list(combined(timeframe, minutes))
        return self._series[timeframe.name]


def combined(timeframe: Timeframe, minutes: Iterable[Row]) -> Iterator[Row]:
    """Make longer candles of minutes."""
    some: list[Row] = []
    for row in minutes:
        if some and timeframe.floor(row.open_time) != timeframe.floor(some[0].open_time):
            yield _combined(timeframe, some)
            some = []
        some.append(row)
    if some:
        yield _combined(timeframe, some)


def _combined(timeframe: Timeframe, some: list[Row]) -> Row:
    return Row(
        timeframe.floor(some[0].open_time),
        some[0].open,
        max(row.high for row in some),
        min(row.low for row in some),
        some[-1].close,
        sum(row.volume for row in some),
        sum(row.turnover for row in some),
        some[-1].timestamp,
    )


@attrs.frozen
class Illness:
    """What a server gets wrong."""

    lag: float = 0
    """Seconds that its data are behind."""
    lost: tuple[tuple[int, int], ...] = ()
    """It has no candle that lies in these spans."""
    keeps: float | None = None
    """It has only candles that open within the last so many seconds."""
    empty: bool = False
    """It has nothing."""
    without_newest: bool = False
    """It lacks the newest candle before what is asked for."""
    late: float = 0
    """A candle changes so many seconds after its close."""


WELL = Illness()


class Ill:
    """An ``Exchange`` in memory that is ``ill`` by chance, by connection or for a time."""

    name = "upbit"
    rate_limit: float | None = None

    def __init__(
        self,
        truth: Truth,
        illness: Illness = WELL,
        *,
        share: float = 1.0,
        by_connection: bool = False,
        seed: int = 0,
        page_limit: int = 200,
        dated: bool = True,
    ) -> None:
        self.truth = truth
        self.illness = illness
        self.share = share
        self.luck = random.Random(seed)
        self.page_limit = page_limit
        self.dated = dated
        self.requests = 0
        self.asked: list[tuple[str, int, int]] = []
        self._by_connection = by_connection
        self._pool = [self.luck.random() < share for _ in range(4)]

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Anything goes."""

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> rxcandles.Page:
        """The newest ``count`` before ``to``, as a connection of the pool has them."""
        return self._page(timeframe, to, count, self.luck.choice(self._pool) if self._by_connection else None)

    async def page_anew(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> rxcandles.Page:
        """The same over a new connection."""
        return self._page(timeframe, to, count, None)

    async def markets(self) -> list[rxcandles.Market]:
        """One market, or none."""
        self.requests += 1
        return [] if self._is_ill(None) and self.illness.empty else [rxcandles.Market(SYMBOL)]

    async def close(self) -> None:
        """Nothing to do."""

    def _is_ill(self, connection: bool | None) -> bool:
        return self.luck.random() < self.share if connection is None else connection

    def _page(self, timeframe: Timeframe, to: int, count: int, connection: bool | None) -> rxcandles.Page:
        self.requests += 1
        now = time.time()
        illness = self.illness if self._is_ill(connection) else WELL
        self.asked.append((timeframe.name, to, count))
        rows, date = self.view(timeframe, to, count, now, illness), now if self.dated else None
        return rxcandles.Page.before(rows, to, count, server_time=date)

    def view(self, timeframe: Timeframe, to: int, count: int, now: float, illness: Illness) -> list[Row]:
        """What a server with this illness has, newest first."""
        if illness.empty:
            return []
        then = now - illness.lag
        rows = self.truth.rows(timeframe)
        stop = bisect_left(rows, min(to, int(then) + 1), key=lambda row: row.open_time)
        found: list[Row] = []
        skip = 1 if illness.without_newest else 0
        for row in reversed(rows[max(0, stop - 40_000) : stop]):
            if len(found) == count or (illness.keeps is not None and row.open_time < then - illness.keeps):
                break
            end = timeframe.shift(row.open_time, 1)
            if any(first <= row.open_time and end <= last for first, last in illness.lost):
                continue
            if skip:
                skip -= 1
                continue
            found.append(self._as_it_stood(row, end, timeframe, then, illness))
        return found

    def _as_it_stood(self, row: Row, end: int, timeframe: Timeframe, then: float, illness: Illness) -> Row:
        if timeframe.name == "1m" and then < end + illness.late:
            share = max(0.01, min(0.9, (then - row.open_time) / (end - row.open_time)))
            return row._replace(volume=row.volume * share, timestamp=min(int(then * 1000), row.timestamp))
        return row
