"""What observers read: markets, how far each is known, and word of every change."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Protocol
from weakref import WeakSet

from rxcandles.live.market import Market
from rxcandles.live.shards import Shard
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import CandleStore, Followable

__all__ = ["Listener", "Source", "last_change"]


class Listener(Protocol):
    """One that is told of changes."""

    def told(self, market: Market) -> None:
        """Something about a market has changed."""
        ...

    def told_all(self) -> None:
        """Something about the whole has changed: it has begun, or ended."""
        ...


async def last_change(store: CandleStore, timeframe: Timeframe, symbol: str) -> int:
    """Return the number of the last change in a store; 0 if it keeps none."""
    return (await store.news(symbol, timeframe, 0, 0, 0, -1)).last if isinstance(store, Followable) else 0


class Source:
    """Markets, and those who listen."""

    def __init__(self, markets: Mapping[str, Market], timeframe: Timeframe) -> None:
        self.markets = markets
        self.timeframe = timeframe
        self.error: BaseException | None = None
        """What has ended it."""
        self.change = -1
        """The number of the last change in the store before this began; what changes later is told."""
        self.ended = False
        """Whether nothing will come any more."""
        self._listeners: WeakSet[Listener] = WeakSet()

    def now(self) -> float:
        """Return the time by which lags are counted, UTC seconds."""
        return time.time()

    @property
    def offset(self) -> float | None:
        """Seconds by which this machine's clock is ahead of the server's; None if that is unknown."""
        return None

    @property
    def connections(self) -> Sequence[Shard]:
        """The connections of its stream."""
        return ()

    def outages(self) -> Sequence[Span]:
        """Return when the exchange as a whole was silent, among the latest slots."""
        return ()

    def listen(self, listener: Listener) -> None:
        """Tell ``listener`` of changes, as long as it exists."""
        self._listeners.add(listener)

    def leave(self, listener: Listener) -> None:
        """Tell it no more."""
        self._listeners.discard(listener)

    @property
    def observers(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def tell(self, market: Market) -> None:
        """Tell all of a market."""
        for each in list(self._listeners):
            each.told(market)

    def tell_all(self) -> None:
        """Tell all that something about the whole has changed."""
        for each in list(self._listeners):
            each.told_all()
