"""A small exchange in memory for tests of following: trades on a virtual clock, pages, and a stream, each with faults.

The trades are the truth. A page and a frame show the candles of the trades that were recorded by then, so both faces
tell of one world; what is between the world and the reader (a lagging server, a broken connection) is a fault.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import aiosqlite
import pytest

from rxcandles.errors import ExchangeError, StreamClosedError, UnknownMarketError
from rxcandles.model import Row
from rxcandles.model.limit import Limit
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Market, Page
from rxcandles.ports.stream import Frame, StreamRules
from rxcandles.stores.postgres.thread import ServerThread
from tests.support.virtualloop import VirtualLoop, run_virtual
from tests.support.worldstream import MINUTE, Stream

__all__ = ["BASE", "MINUTE", "FollowLoop", "World", "run_following"]

BASE: Final = 1_704_067_200
"""The time of the world when the loop begins: 2024-01-01, UTC seconds."""


class FollowLoop(VirtualLoop):
    """A virtual loop that lets the store's thread finish before it moves the clock."""

    def __init__(self) -> None:
        self.pending = 0
        self.ahead = 0.0
        """Seconds by which this machine's clock is ahead of its monotonic one: how long it has slept."""
        super().__init__()
        jumping, real = self._selector.select, super(type(self._selector), self._selector).select  # type: ignore[attr-defined, misc]

        def patient(timeout: float | None = None) -> Any:
            # With a timeout of 0 something is ready to run; it may be what the thread has brought.
            while self.pending and timeout != 0:
                if ready := real(0.02):
                    return ready
            return jumping(timeout)

        self._selector.select = patient  # type: ignore[attr-defined]


@contextmanager
def _counting(loop: FollowLoop) -> Iterator[None]:
    def counting(original: Any) -> Any:
        async def counted(self: Any, work: Any, *arguments: Any, **named: Any) -> Any:
            loop.pending += 1
            try:
                return await original(self, work, *arguments, **named)
            finally:
                loop.pending -= 1

        return counted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aiosqlite.Connection, "_execute", counting(aiosqlite.Connection._execute))
        patch.setattr(ServerThread, "_run", counting(ServerThread._run))
        yield


def run_following(main: Callable[[], Any]) -> Any:
    """Run ``main()`` on a virtual loop whose clock waits for the store, with this machine's clock on the same time."""

    async def timed() -> Any:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FollowLoop)
        with _counting(loop), pytest.MonkeyPatch.context() as patch:
            patch.setattr("time.time", lambda: BASE + loop.time() + loop.ahead)
            return await main()

    import tests.support.virtualloop as virtual

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(virtual, "loop_factory", FollowLoop)
        return run_virtual(timed())


class World:
    """Markets and their trades; ``trade`` adds one, ``rows`` is the truth at a time. An ``Exchange`` with a stream."""

    name = "world"
    page_limit = 200
    rate_limit: float | None = 10.0

    def __init__(self, *symbols: str, streams: bool = True, closed_flag: bool = False, dense: bool = False) -> None:
        self.symbols = list(symbols)
        self._trades: dict[str, dict[int, list[tuple[float, float, float, float]]]] = {each: {} for each in symbols}
        self._opens: dict[str, list[int]] = {each: [] for each in symbols}
        self._rows: dict[tuple[str, int], tuple[int, Row]] = {}
        self.requests: Counter[str] = Counter()
        self.asked: list[tuple[float, str, int, int]] = []
        self.ahead = 0.0
        """Seconds that the machine has slept while the world went on."""
        self.lag = 0.0
        """Seconds by which pages lag behind."""
        self.latency = 0.05
        self.date: Callable[[float], float | None] = lambda now: float(int(now))
        """The ``Date`` of an answer, by the world's time."""
        self.fault: Callable[[str], Exception | None] = lambda symbol: None
        """Returns what a request for a market raises."""
        self.hidden: Callable[[str, Row], bool] = lambda symbol, row: False
        """Whether a page leaves a candle out."""
        self.unknown: set[str] = set()
        self.streams: list[Stream] = []
        """All connections that were ever opened."""
        self.refusal: Callable[[], Exception | None] = lambda: None
        """What opening a connection raises."""
        self.tail: int | None = None
        """Slots that pages go back from now; None for all."""
        self.muted: set[str] = set()
        """Markets whose frames are lost, though they are subscribed to."""
        self.stalled = False
        """Whether only beats come."""
        self.shown: Callable[[Frame], list[Frame]] = lambda frame: [frame]
        """What becomes of a frame: dropped, doubled, changed."""
        self.closed_flag = closed_flag
        self.max_age: float | None = None
        self.codes = 200
        self.invented: list[Frame] = []
        if streams:
            self.stream = self._stream
            self.stream_rules = self._stream_rules()
        self.dense = dense

    def _stream_rules(self) -> StreamRules:
        return StreamRules(
            ("1m",), closed_flag=self.closed_flag, codes=self.codes, connects=Limit(5), max_age=self.max_age
        )

    @property
    def now(self) -> float:
        """The world's time, UTC seconds."""
        return BASE + asyncio.get_running_loop().time() + self.ahead

    # The truth

    def trade(self, symbol: str, at: float, price: float, volume: float = 1.0, recorded: float | None = None) -> None:
        """Let a trade happen, which is recorded at once, or later."""
        opened = MINUTE.floor(at)
        if opened not in self._trades[symbol]:
            insort(self._opens[symbol], opened)
        trades = self._trades[symbol].setdefault(opened, [])
        insort(trades, (at, at if recorded is None else recorded, price, volume))

    def row(self, symbol: str, opened: int, at: float) -> Row | None:
        """Return a candle as it stands at a time; None if it has no trade yet."""
        trades = self._trades[symbol].get(opened, [])
        known = [each for each in trades if each[1] <= at]
        cached = self._rows.get((symbol, opened))
        if not known:
            return None
        if cached is not None and cached[0] == len(known):
            return cached[1]
        prices = [each[2] for each in known]
        volume = round(sum(each[3] for each in known), 8)
        turnover = round(sum(each[2] * each[3] for each in known), 8)
        stamp = int(known[-1][0] * 1000)
        row = Row(opened, prices[0], max(prices), min(prices), prices[-1], volume, turnover, stamp)
        self._rows[symbol, opened] = (len(known), row)
        return row

    def rows(self, symbol: str, start: int, stop: int, at: float) -> list[Row]:
        """Return the candles that open in ``[start, stop)``, as they stand at a time, oldest first."""
        opens = self._opens[symbol]
        opens = opens[bisect_left(opens, start) : bisect_left(opens, stop)]
        return [row for opened in opens if (row := self.row(symbol, opened, at)) is not None]

    # Pages

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Accept everything."""

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """Answer as Upbit does: the newest ``count`` candles before ``to``, the forming one among them."""
        self.requests[symbol] += 1
        self.asked.append((self.now, symbol, to, count))
        await asyncio.sleep(self.latency)
        if symbol in self.unknown:
            raise UnknownMarketError(f"404: no market {symbol}")
        fault = self.fault(symbol)
        if fault is not None:
            raise fault
        at = self.now - self.lag
        found: list[Row] = []
        opens = self._opens[symbol]
        for place in range(bisect_left(opens, to) - 1, -1, -1):
            row = self.row(symbol, opens[place], at)
            if row is None or self.hidden(symbol, row):
                continue
            if found and timeframe.floor(found[-1].open_time) == timeframe.floor(row.open_time):
                found[-1] = _joined(timeframe, row, found[-1])
            elif len(found) == count:
                break
            else:
                found.append(row if timeframe == MINUTE else _joined(timeframe, row, row))
            if timeframe == MINUTE and len(found) == count:
                break
        if self.tail is not None:
            kept = MINUTE.floor(self.now) - 60 * self.tail
            found = [row for row in found if row.open_time >= kept]
            start = found[-1].open_time if len(found) >= count else min(kept, to)
            return Page(found, covered=(start, to), server_time=self.date(self.now))
        return Page.before(found, to, count, server_time=self.date(self.now))

    async def markets(self) -> list[Market]:
        """Return all markets."""
        return [Market(each) for each in self.symbols]

    async def close(self) -> None:
        """Do nothing."""

    # The stream

    def _stream(self, symbols: Sequence[str], timeframe: Timeframe) -> Stream:
        stream = Stream(self, symbols)
        self.streams.append(stream)
        return stream

    @property
    def open_streams(self) -> list[Stream]:
        """The connections that are open."""
        return [each for each in self.streams if each.opened and not each.over]

    def cut(self, code: int = 1006) -> None:
        """End all connections."""
        for each in self.open_streams:
            each.end(StreamClosedError(f"closed with {code}", code))


def _joined(timeframe: Timeframe, older: Row, newer: Row) -> Row:
    both = older.volume + newer.volume, older.turnover + newer.turnover
    opened, high, low = timeframe.floor(older.open_time), max(older.high, newer.high), min(older.low, newer.low)
    return Row(opened, older.open, high, low, newer.close, *both, newer.timestamp)


def passing(message: str = "500: ill") -> ExchangeError:
    """Return an error that is likely to pass."""
    error = ExchangeError(message)
    error.retryable = True
    return error
