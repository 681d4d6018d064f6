"""A feed whose updates a test says: what follows markets, without an exchange."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Self

from rxcandles import CandleData, Row, SqliteStore, Timeframe
from rxcandles.model.moments import Time
from rxcandles.model.timeframe import to_datetime
from rxcandles.model.updates import (
    CandleUpdate,
    FollowState,
    FormingUpdate,
    ProgressUpdate,
    RevisedUpdate,
    StateUpdate,
    Update,
)

__all__ = ["FakeFeed", "row_at"]


def row_at(time: int, price: float = 100.0, volume: float = 1.0) -> Row:
    """Return a candle that opens at a time and falls by a tenth."""
    return Row(time, price, price, 0.9 * price, 0.9 * price, volume, price * volume, time * 1000)


class _Observer:
    """The updates from when it was made on."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Update | Exception | None] = asyncio.Queue()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Update:
        update = await self.queue.get()
        if update is None:
            raise StopAsyncIteration
        if isinstance(update, Exception):
            raise update
        return update

    async def aclose(self) -> None:
        self.queue.put_nowait(None)


class FakeFeed:
    """Follows markets as it is told to; what it delivers is stored first."""

    def __init__(self, store: SqliteStore, symbols: Sequence[str], timeframe: str = "1m") -> None:
        self.store = store
        self.symbols = tuple(symbols)
        self.timeframe = timeframe
        self._frame = Timeframe.of(timeframe)
        self._states: dict[str, tuple[FollowState, str]] = dict.fromkeys(symbols, ("live", ""))
        self._observers: list[_Observer] = []

    def state(self, symbol: str) -> FollowState:
        """Return how following a market goes."""
        return self._states[symbol][0]

    def reason(self, symbol: str) -> str:
        """Return why."""
        return self._states[symbol][1]

    def observe(self, since: Time | None = None) -> AsyncIterator[Update]:
        """Return another observer; it is told all that is told from now on."""
        self._observers.append(_Observer())
        return self._observers[-1]

    def tell(self, update: Update | Exception | None) -> None:
        """Give an update to all observers; an error or None ends them."""
        for each in self._observers:
            each.queue.put_nowait(update)

    async def prove(self, symbol: str, start: int, stop: int, *rows: Row) -> None:
        """Store the rows, oldest first, as all of a span, and deliver them."""
        await self.store.write(symbol, self._frame, rows[::-1], (start, stop))
        for candle in CandleData.of(symbol, self.timeframe, rows):
            self.tell(CandleUpdate(symbol, self.timeframe, candle, candle.close_time))
        self.tell(ProgressUpdate(symbol, self.timeframe, to_datetime(stop), to_datetime(stop)))

    async def revise(self, symbol: str, before: Row | None, after: Row | None) -> None:
        """Replace, add or remove a candle in a slot that was proven."""
        time = (before or after or row_at(0)).open_time
        rows = [] if after is None else [after._replace(timestamp=after.timestamp + 10**6)]
        gone = [time] if after is None else []
        await self.store.write(symbol, self._frame, rows, (time, self._frame.shift(time, 1)), gone=gone)
        old, new = (None if each is None else self.candle(symbol, each) for each in (before, after))
        self.tell(RevisedUpdate(symbol, self.timeframe, to_datetime(time), old, new))

    def form(self, symbol: str, row: Row) -> None:
        """Tell of the candle that is not closed yet."""
        self.tell(FormingUpdate(symbol, self.timeframe, self.candle(symbol, row)))

    def go(self, symbol: str, state: FollowState, reason: str = "") -> None:
        """Change how following a market goes."""
        self._states[symbol] = (state, reason)
        self.tell(StateUpdate(symbol, self.timeframe, state, reason))

    def candle(self, symbol: str, row: Row) -> CandleData:
        """Return a row as a candle of a market."""
        return CandleData.of(symbol, self.timeframe, [row])[0]
