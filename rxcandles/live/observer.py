"""One reader of a feed: its place in each market, and what it is told next.

Closed candles and changes need no queue: they are in the store, and the observer reads them from there, when it has
room. Of forming candles only the newest of each market is kept. So memory is flat, whatever the observer does, and one
that sleeps for a day reads a day.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Final

import attrs

from rxcandles.errors import RequestError
from rxcandles.live.market import Market
from rxcandles.live.source import Source
from rxcandles.model import CandleData, Row
from rxcandles.model.settings import FollowConfig
from rxcandles.model.timeframe import from_datetime, to_datetime
from rxcandles.model.updates import (
    CandleUpdate,
    ClosedUpdate,
    FormingUpdate,
    LostUpdate,
    ProgressUpdate,
    RevisedUpdate,
    StateUpdate,
    Update,
)
from rxcandles.ports import CandleStore, Followable, News

__all__ = ["Observer"]

PAGE: Final = 1000
"""Candles that are read at once."""
HEARTBEAT: Final = 25.0
"""Seconds after which a market is told of again, so that 30 are never passed."""


@attrs.define(eq=False)
class _Place:
    """The place of one observer in one market."""

    cursor: int | None
    """Open time from which on candles are still to be told; None before the market has begun."""
    change: int = -1
    """The number of the last change that was told."""
    proven: int = -1
    """How far it was told that nothing is missing."""
    heard: int = -1
    state: tuple[str, str] = ("", "")
    lost: int = 0
    """How many lost spans of the market were told."""
    closed: int = -1
    """The newest candle that was told of as closed by the stream."""
    forming: Row | None = None
    at: float = 0.0
    """When something was told last, by the loop's clock."""


class Observer(AsyncIterator[Update]):
    """Gives updates to one reader, from where it begins: ``start`` UTC seconds, or where the feed begins.

    Its candles come oldest first for each market, each once, and none is left out. Cancelling a read loses nothing.
    """

    def __init__(self, source: Source, store: CandleStore, config: FollowConfig, start: int | None = None) -> None:
        self._source = source
        self._store = store
        self._config = config
        self._start = start
        self._loop = asyncio.get_running_loop()
        self._places = {symbol: _Place(None) for symbol in source.markets}
        self._dirty = dict.fromkeys(source.markets)
        """Markets of which something may be new, in the order of their turn."""
        self._ready: deque[Update] = deque()
        self._woken = asyncio.Event()
        self._closed = False
        self._reading = False
        self._delivered: dict[str, int] = {}
        source.listen(self)

    @property
    def closed(self) -> bool:
        """Whether it has been left, or has come to its end."""
        return self._closed

    def told(self, market: Market) -> None:
        """Something about a market has changed."""
        self._dirty[market.symbol] = None
        self._woken.set()

    def told_all(self) -> None:
        """Something about the whole has changed."""
        self._dirty.update(dict.fromkeys(self._places))
        self._woken.set()

    @property
    def lag(self) -> int:
        """Seconds of candles that are known and not delivered, of the market where they are most."""
        markets, begun = self._source.markets, [each for each in self._places.items() if each[1].cursor is not None]
        return max((max(0, markets[symbol].proven - (place.cursor or 0)) for symbol, place in begun), default=0)

    def cursor(self, symbol: str) -> datetime | None:
        """Return the open time of the first candle that was not delivered: begin there to go on after a crash."""
        at = self._delivered.get(symbol)
        return None if at is None else to_datetime(at)

    async def aclose(self) -> None:
        """Leave; a pending read ends. Idempotent."""
        self._closed = True
        self._source.leave(self)
        self._woken.set()

    def __aiter__(self) -> Observer:
        return self

    async def __anext__(self) -> Update:
        if self._reading:
            raise RequestError(
                "this feed is being read already; give each reader an observer of its own: feed.observe()"
            )
        self._reading = True
        try:
            return await self._next()
        finally:
            self._reading = False

    async def _next(self) -> Update:
        while not self._closed:
            if self._ready:
                return self._give(self._ready.popleft())
            self._woken.clear()
            if self._dirty:
                symbol = next(iter(self._dirty))
                del self._dirty[symbol]
                try:
                    await self._gather(symbol)
                except BaseException:
                    self._dirty[symbol] = None  # a read that is cancelled here loses nothing
                    raise
            elif self._source.ended:
                self._closed = True
                self._source.leave(self)
                if self._source.error is not None:
                    raise self._source.error
            else:
                await self._wait()
        raise StopAsyncIteration

    def _give(self, update: Update) -> Update:
        if isinstance(update, CandleUpdate):
            opened = int(update.candle.open_seconds)
            self._delivered[update.symbol] = self._source.timeframe.shift(opened, 1)
        elif isinstance(update, ProgressUpdate):
            until = int(from_datetime(update.proven_until))
            self._delivered[update.symbol] = max(until, self._delivered.get(update.symbol, until))
        return update

    async def _wait(self) -> None:
        """Wait for something new, or until a market must be told of again."""
        now = self._loop.time()
        due = min((place.at + HEARTBEAT for place in self._places.values()), default=now + HEARTBEAT)
        try:
            async with asyncio.timeout(max(0.0, due - now)):
                await self._woken.wait()
        except TimeoutError:
            now = self._loop.time()
            for symbol, place in self._places.items():
                if place.at + HEARTBEAT <= now + 0.001:
                    if self._source.markets[symbol].state in ("stalled", "refused"):
                        place.state = ("", "")
                    else:
                        place.proven = -1
                    self._dirty[symbol] = None

    async def _gather(self, symbol: str) -> None:
        """Make ready what is new of a market; what can be awaited comes before anything is changed."""
        market, place = self._source.markets[symbol], self._places[symbol]
        if market.start is not None and place.cursor is None:
            place.cursor = market.start if self._start is None else max(market.start, self._start)
            self._delivered.setdefault(symbol, place.cursor)
            place.change = self._source.change
        cursor, proven, heard, news = place.cursor, market.proven, market.heard, None
        if cursor is not None:
            news = await self._news(symbol, place, cursor, max(cursor, proven))
        updates = [*self._states(market, place)]
        if news is not None and cursor is not None:
            updates += self._changed(symbol, news)
            updates += self._lost(market, place)
            updates += self._candles(symbol, news)
            market.see(news.rows)
            place.change = news.last
            if len(news.rows) >= PAGE:
                place.cursor = self._source.timeframe.shift(news.rows[-1].open_time, 1)
                self._dirty[symbol] = None  # there may be more
            else:
                place.cursor = max(cursor, proven)
                updates += self._shown(market, place)
                last = self._source.timeframe.shift(news.rows[-1].open_time, 1) if news.rows else -1
                if (last < proven and (proven, heard) != (place.proven, place.heard)) or place.proven < 0:
                    updates.append(self._progress(symbol, proven, heard))
                place.proven, place.heard = proven, heard
        elif not updates and self._loop.time() - place.at >= HEARTBEAT - 0.001:
            updates.append(self._state(market))
        if any(each.kind != "forming" for each in updates):
            place.at = self._loop.time()
        self._ready.extend(updates)

    async def _news(self, symbol: str, place: _Place, start: int, stop: int) -> News:
        if isinstance(self._store, Followable):
            return await self._store.news(symbol, self._source.timeframe, start, stop, PAGE, place.change)
        rows = await self._store.rows(symbol, self._source.timeframe, start, stop, "oldest_first", PAGE)
        return News(rows, (), 0)

    def _states(self, market: Market, place: _Place) -> Iterator[Update]:
        if place.state != (market.state, market.reason):
            place.state = (market.state, market.reason)
            yield self._state(market)

    def _state(self, market: Market) -> StateUpdate:
        return StateUpdate(market.symbol, self._source.timeframe.name, market.state, market.reason)

    def _lost(self, market: Market, place: _Place) -> Iterator[Update]:
        new = market.lost_count - place.lost
        for each in market.lost[-new:] if new else ():
            start, stop = to_datetime(each.start), to_datetime(each.stop)
            yield LostUpdate(market.symbol, self._source.timeframe.name, start, stop, each.reason)
        place.lost = market.lost_count

    def _changed(self, symbol: str, news: News) -> Iterator[Update]:
        name = self._source.timeframe.name
        for each in news.changes:
            before, after = (None if row is None else self._candle(symbol, row) for row in (each.before, each.row))
            yield RevisedUpdate(symbol, name, to_datetime(each.open_time), before, after)

    def _candles(self, symbol: str, news: News) -> Iterator[Update]:
        name = self._source.timeframe.name
        for candle in CandleData.of(symbol, name, news.rows):
            until = self._source.timeframe.shift(candle.open_seconds, 1)
            yield CandleUpdate(symbol, name, candle, to_datetime(until))

    def _shown(self, market: Market, place: _Place) -> Iterator[Update]:
        """Tell what the stream shows beyond what is proven."""
        name = self._source.timeframe.name
        if self._config.provisional:
            for opened, each in market.frames.closed(place.closed):
                place.closed = opened
                assert each.why is not None
                yield ClosedUpdate(market.symbol, name, self._candle(market.symbol, each.row), each.why)
        row = market.forming
        if self._config.forming and row is not None and row is not place.forming and row.open_time >= market.heard:
            place.forming = row
            behind = market.state == "catching_up"
            yield FormingUpdate(market.symbol, name, self._candle(market.symbol, row), behind)

    def _progress(self, symbol: str, proven: int, heard: int) -> ProgressUpdate:
        name = self._source.timeframe.name
        return ProgressUpdate(symbol, name, to_datetime(proven), to_datetime(max(proven, heard)))

    def _candle(self, symbol: str, row: Row) -> CandleData:
        return CandleData.of(symbol, self._source.timeframe.name, [row])[0]
