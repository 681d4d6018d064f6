"""An exchange in memory that keeps nothing: what trades when follows from the market and the minute.

It is the :class:`~tests.support.world.World` of the tests, on the same virtual clock, for runs so long that a world
that remembers each trade would outgrow what is measured.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Final
from zlib import crc32

from rxcandles.model import Row
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Page
from rxcandles.ports.stream import Beat, Frame, Heard
from tests.support.world import BASE, MINUTE, World
from tests.support.worldstream import Stream

__all__ = ["Endless"]

BEAT: Final = 10
"""Seconds between two beats of a stream."""
DAY: Final = 86_400


class Endless(World):
    """Markets that trade in a share of their minutes each: ``Endless({"KRW-A": 1.0, "KRW-B": 0.02}, before=600)``.

    A minute that trades has one or two trades, and candles go back to ``before`` seconds before the clock begins.
    """

    def __init__(self, shares: Mapping[str, float], *, before: int = 3600, streams: bool = True) -> None:
        super().__init__(*shares, streams=streams)
        self.begin = BASE - before
        self.minutes: Counter[int] = Counter()
        """Requests by the minute, of which the latest three hours are kept."""
        self._shares = {symbol: round(share * 2**32) for symbol, share in shares.items()}
        self._known = lru_cache(1024)(self._trades_of)

    def _trades_of(self, symbol: str, opened: int) -> tuple[Row, ...]:
        """Return the candle of a minute as it stands after each of its trades."""
        luck = crc32(f"{symbol}|{opened}".encode())
        if opened < self.begin or luck > self._shares[symbol]:
            return ()
        luck = crc32(str(luck).encode())
        first, last = luck % 60_000, luck // 60_000 % 60_000
        price, other = 100 + luck % 977 / 100, 100 + luck % 983 / 100
        row = Row(opened, price, price, price, price, 1.5, 1.5 * price, opened * 1000 + min(first, last))
        if first == last:
            return (row,)
        low, high = min(price, other), max(price, other)
        stamp = opened * 1000 + max(first, last)
        return row, Row(opened, price, high, low, other, 4.0, 1.5 * price + 2.5 * other, stamp)

    def row(self, symbol: str, opened: int, at: float) -> Row | None:
        """Return a candle as it stands at a time; None if it has no trade yet."""
        for row in reversed(self._known(symbol, opened)):
            if row.timestamp <= at * 1000:
                return row
        return None

    def rows(self, symbol: str, start: int, stop: int, at: float) -> list[Row]:
        """Return the candles that open in ``[start, stop)``, as they stand at a time, oldest first."""
        slots = range(max(start, self.begin), stop, 60)
        return [row for opened in slots if (row := self.row(symbol, opened, at)) is not None]

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """Answer as Upbit does: the newest ``count`` candles before ``to``, the forming one among them."""
        self.requests[symbol] += 1
        minute = int(self.now // 60)
        self.minutes[minute] += 1
        self.minutes.pop(minute - 180, None)
        await asyncio.sleep(self.latency)
        fault = self.fault(symbol)
        if fault is not None:
            raise fault
        found: list[Row] = []
        now = self.now
        opened = min(MINUTE.floor(now), to - 60)
        while len(found) < count and opened >= self.begin:
            row = self.row(symbol, opened, now)
            if row is not None:
                found.append(row)
            opened -= 60
        return Page.before(found, to, count, server_time=self.date(now))

    def _stream(self, symbols: Sequence[str], timeframe: Timeframe) -> Stream:
        self.streams = [each for each in self.streams if not each.over]
        stream = _Sparing(self, symbols)
        self.streams.append(stream)
        return stream


class _Sparing(Stream):
    """A connection that wakes only when there is something to show: it is followed for a month."""

    def __init__(self, world: Endless, symbols: Sequence[str]) -> None:
        super().__init__(world, symbols)
        self._due: deque[tuple[float, Heard]] = deque()
        self._until = 0

    async def __anext__(self) -> Heard:
        if not self.opened:
            await asyncio.sleep(self.world.latency)
            self.opened = True
            self._until = MINUTE.floor(self.world.now)
            self._plan(self.world.now)
            self._ready.extend([Beat(), *self._snapshots()])
        while True:
            if self.over is not None:
                raise self.over
            if self._ready:
                return self._ready.popleft()
            while not self._due:
                self._plan(self.world.now)
            at, heard = self._due[0]
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, at - self.world.now)):
                    await self._woken.wait()
            if self.over is None and self.world.now >= at - 1e-6:
                self._due.popleft()
                return heard

    def _plan(self, now: float) -> None:
        """Plan the next minute: a frame in the second after each trade, and the beats."""
        opened, self._until = self._until, self._until + 60
        planned: list[tuple[float, Heard]] = [(float(at), Beat()) for at in range(opened + BEAT, opened + 61, BEAT)]
        for symbol in self.symbols:
            for row in self.world._known(symbol, opened):  # type: ignore[attr-defined]
                at = float(row.timestamp // 1000 + 1)
                planned.append((at, Frame(symbol, row, at, None)))
        self._due.extend(sorted((each for each in planned if each[0] > now), key=lambda each: each[0]))
