"""What ``provider.follow`` returns: a follower, its task, and its first observer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any
from weakref import WeakSet

from rxcandles.errors import RequestError
from rxcandles.flow import from_async_iterable
from rxcandles.live.observer import Observer
from rxcandles.live.source import Source
from rxcandles.live.stats import FollowStats, stats_of
from rxcandles.model.moments import Time, Zone, check_instant
from rxcandles.model.settings import FollowConfig
from rxcandles.model.timeframe import Timeframe
from rxcandles.model.updates import FollowState, Update
from rxcandles.ports import CandleStore
from rxcandles.util.arguments import refusal
from rxcandles.util.forks import OwnProcess
from rxcandles.util.showing import Titled

__all__ = ["Feed"]


class Feed(Titled, AsyncIterator[Update]):
    """Updates of the markets that are followed: ``async for update in feed``, inside ``async with`` or without.

    Nothing is sent before the block is entered or the first update is asked for. Candles of a market come oldest first,
    each once; when one comes, everything that exists between it and the one before has come, and is in the store.
    Memory is flat however slow the reader is. After the block every task has stopped; what was collected stays stored.

    Raises:

    * ``StoreError`` if the store can't be written; nothing that is not stored is ever given.
    * ``UnknownMarketError`` if the exchange knows none of the markets.

    >>> async with provider.follow("KRW-BTC", "1m", since=2, once=True) as feed:
    ...     candles = [update.candle async for update in feed if update.kind == "candle"]
    >>> len(candles)
    2
    """

    def __init__(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        store: CandleStore,
        config: FollowConfig,
        begin: Callable[[], tuple[Source, Callable[[], Any]]],
        tz: Zone | None = None,
    ) -> None:
        self.symbols = tuple(symbols)
        """The markets."""
        self.timeframe = timeframe
        self.config = config
        self._store = store
        self._begin = begin
        self._tz = tz
        self._process = OwnProcess("this feed")
        self._source: Source | None = None
        self._task: asyncio.Task[None] | None = None
        self._observer: Observer | None = None
        self._others: WeakSet[Observer] = WeakSet()
        self._closed = False

    def _told(self) -> Mapping[str, object]:
        return {"markets": len(self.symbols), "timeframe": self.timeframe.name}

    def _open(self) -> Source:
        self._process.check()
        if self._closed:
            raise RequestError("this feed is closed; call follow once more for another")
        if self._source is None:
            source, run = self._begin()
            self._source = source
            self._observer = Observer(source, self._store, self.config)
            self._task = asyncio.create_task(run(), name=f"follow {self.timeframe}")
        return self._source

    async def __aenter__(self) -> Feed:
        self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> Feed:
        return self

    async def __anext__(self) -> Update:
        if self._closed:
            raise StopAsyncIteration
        self._open()
        assert self._observer is not None
        return await anext(self._observer)

    async def aclose(self) -> None:
        """Stop, and return when every task has ended and the write under way is done; idempotent."""
        if self._process.forked or self._closed:
            return
        self._closed = True
        task, self._task = self._task, None
        try:
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        finally:
            for each in (*self._others, *([] if self._observer is None else [self._observer])):
                await each.aclose()

    def observe(self, since: Time | None = None) -> Observer:
        """Return another observer, with a place of its own in each market; any number may read at their own pace.

        * ``since``: where it begins, if that is later than where the feed begins; None for where the feed begins.

        Raises ``RequestError`` for an invalid time.
        """
        start = None if since is None else self.timeframe.ceil(check_instant("since", since, self._tz))
        observer = Observer(self._open(), self._store, self.config, start)
        self._others.add(observer)
        return observer

    def cursor(self, symbol: str) -> datetime | None:
        """Return the open time of the first candle of a market that was not given yet; None before that is known.

        ``follow(…, since=cursor)`` goes on from there, after a crash too, without a loss and without a repetition.
        """
        self._market(symbol)
        return None if self._observer is None else self._observer.cursor(symbol)

    def state(self, symbol: str) -> FollowState:
        """Return how following a market goes (see ``FollowState``)."""
        source = self._market(symbol)
        return "catching_up" if source is None else source.markets[symbol].state

    def reason(self, symbol: str) -> str:
        """Return why it goes so; empty if all is well."""
        source = self._market(symbol)
        return "" if source is None else source.markets[symbol].reason

    def stats(self) -> FollowStats:
        """Return a snapshot of what was asked, shown, confirmed and delivered; at any moment."""
        observers = [each for each in (self._observer, *self._others) if each is not None and not each.closed]
        return stats_of(self._source, observers, self.symbols)

    def pipe(self, *operators: Callable[[Any], Any]) -> Any:
        """Return the updates as an Observable, through ``operators``: ``feed.pipe(ops.closed(), ops.resample("5m"))``.

        An update is taken only while the pipeline has room. It can be subscribed to once. The result is what the last
        operator returns.
        """
        return from_async_iterable(self).pipe(*operators)

    def _market(self, symbol: str) -> Source | None:
        if symbol not in self.symbols:
            raise refusal("symbol", symbol, f"take a market that is followed: {', '.join(self.symbols[:10])}")
        return self._source
