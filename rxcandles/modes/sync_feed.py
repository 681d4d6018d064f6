"""A feed without ``await``."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import TracebackType

from rxcandles.live.feed import Feed
from rxcandles.live.stats import FollowStats
from rxcandles.model.updates import FollowState, Update
from rxcandles.util.loopthread import LoopThread
from rxcandles.util.showing import Titled

__all__ = ["SyncFeed"]


class SyncFeed(Titled, Iterator[Update]):
    """Updates of the markets that are followed: ``for update in candles.follow(…)``; see :class:`Feed`.

    Following goes on in its own thread between two updates. It may be left by ``break``, by ``close()`` or by the end
    of a ``with`` block; only the latter two wait until every task has stopped.

    >>> with rxcandles.open(":memory:", exchange="simulated") as candles:
    ...     updates = list(candles.follow("KRW-BTC", "1m", since=2, once=True))
    >>> [update.kind for update in updates].count("candle")
    2
    """

    def __init__(self, feed: Feed, thread: LoopThread) -> None:
        self._feed = feed
        self._thread = thread
        self._left = weakref.finalize(self, thread.later, feed.aclose)
        self._left.atexit = False  # the provider's end also ends the feed

    def __iter__(self) -> SyncFeed:
        return self

    def __next__(self) -> Update:
        feed = self._feed
        update = self._thread.run(lambda: anext(feed, None))
        if update is None:
            raise StopIteration
        return update

    def __enter__(self) -> SyncFeed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop, and return when every task of the feed has ended; idempotent."""
        self._left.detach()
        if not self._thread.closed:
            self._thread.run(self._feed.aclose)

    def _told(self) -> Mapping[str, object]:
        return self._feed._told()

    def cursor(self, symbol: str) -> datetime | None:
        """Return the open time of the first candle of a market that was not given yet; see :meth:`Feed.cursor`."""
        return self._feed.cursor(symbol)

    def state(self, symbol: str) -> FollowState:
        """Return how following a market goes."""
        return self._feed.state(symbol)

    def stats(self) -> FollowStats:
        """Return a snapshot of what was asked, shown, confirmed and delivered."""
        return self._feed.stats()
