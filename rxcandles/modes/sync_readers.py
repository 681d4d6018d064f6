"""Streams and feeds without ``await``."""

from __future__ import annotations

import threading
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

from rxcandles.live.feed import Feed
from rxcandles.live.stats import FollowStats
from rxcandles.model import CandleData
from rxcandles.model.reports import StreamingMeta, StreamStats
from rxcandles.model.updates import FollowState, Update
from rxcandles.modes.stream import CandleStream
from rxcandles.util.loopthread import Events, LoopThread
from rxcandles.util.showing import Titled

__all__ = ["SyncFeed", "SyncStream"]

_A = TypeVar("_A")
_S = TypeVar("_S", bound=CandleStream | Feed)


class Reading(Titled, Iterator[_A], Generic[_S, _A]):
    """Reads a source that runs on a provider's loop; it is left when nobody refers to this any more."""

    def __init__(self, source: _S, thread: LoopThread) -> None:
        self._source = source
        self._thread = thread
        self._left = weakref.finalize(self, thread.later, source.aclose)
        self._left.atexit = False  # the provider's end also ends the source

    def __iter__(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop, and return when every task has ended; idempotent."""
        self._left.detach()
        if not self._thread.closed:
            self._thread.run(self._source.aclose)

    def _next(self, events: Events | None = None) -> _A:
        items = cast("AsyncIterator[_A]", self._source)  # of this kind of source
        item = self._thread.run(lambda: anext(items, None), events)
        if item is None:
            raise StopIteration
        return item

    def _told(self) -> Mapping[str, object]:
        return self._source._told()


class SyncStream(Reading[CandleStream, tuple[list[CandleData], StreamingMeta]]):
    """Chunks of candles with their place in the stream: ``for candles, meta in candles.stream_candles(…)``.

    Between two chunks the collection goes on in its own thread, until ``buffer_chunks`` chunks wait. The stream may be
    left early by ``break``, by ``close()`` or by the end of a ``with`` block; only the latter two wait until every task
    has stopped. Several threads may take chunks of one stream in turn.

    >>> with rxcandles.open(":memory:", exchange="simulated") as candles:
    ...     for chunk, meta in candles.stream_candles("KRW-BTC", "60m", until="2024-01-02", count=3):
    ...         print(len(chunk), meta.is_final_chunk)
    3 True
    """

    def __init__(self, stream: CandleStream, thread: LoopThread, events: Events) -> None:
        super().__init__(stream, thread)
        self._events = events
        self._turn = threading.Lock()

    def __next__(self) -> tuple[list[CandleData], StreamingMeta]:
        with self._turn:
            return self._next(self._events)

    def close(self) -> None:
        """Stop, and return when every task of the stream has ended; idempotent."""
        self._left.detach()
        if not self._thread.closed:
            with self._turn:
                super().close()

    def stats(self) -> StreamStats:
        """Return a snapshot of what was delivered, what it has cost, and what is under way; at any moment."""
        return self._source.stats()


class SyncFeed(Reading[Feed, Update]):
    """Updates of the markets that are followed: ``for update in candles.follow(…)``; see :class:`Feed`.

    Following goes on in its own thread between two updates. It may be left by ``break``, by ``close()`` or by the end
    of a ``with`` block; only the latter two wait until every task has stopped.

    >>> with rxcandles.open(":memory:", exchange="simulated") as candles:
    ...     updates = list(candles.follow("KRW-BTC", "1m", since=2, once=True))
    >>> [update.kind for update in updates].count("candle")
    2
    """

    def __next__(self) -> Update:
        return self._next()

    def cursor(self, symbol: str) -> datetime | None:
        """Return the open time of the first candle of a market that was not given yet; see :meth:`Feed.cursor`."""
        return self._source.cursor(symbol)

    def state(self, symbol: str) -> FollowState:
        """Return how following a market goes."""
        return self._source.state(symbol)

    def stats(self) -> FollowStats:
        """Return a snapshot of what was asked, shown, confirmed and delivered."""
        return self._source.stats()
