"""What is known of each market now, and who must be told that it has changed.

Nothing is queued: of each market it is kept from which open time on it has changed, and the candles are read from the
store when a client has room for them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from secrets import token_hex
from typing import Final, Protocol, cast

import attrs

from rxcandles.errors import RxCandlesError
from rxcandles.model.candles import CandleData
from rxcandles.model.moments import Time
from rxcandles.model.timeframe import BEGINNING, Timeframe, from_datetime, to_datetime
from rxcandles.model.updates import (
    CandleUpdate,
    ClosedUpdate,
    FollowState,
    FormingUpdate,
    LostUpdate,
    ProgressUpdate,
    RevisedUpdate,
    StateUpdate,
    Update,
)

__all__ = ["Changes", "Followed", "Hub", "MarketNow"]

_logger = logging.getLogger(__name__)

_REMEMBERED: Final = 4096
"""The newest changes, for clients that come again."""


class Followed(Protocol):
    """What the page needs of a feed."""

    @property
    def symbols(self) -> Sequence[str]:
        """The markets that are followed."""
        ...

    @property
    def timeframe(self) -> str | Timeframe:
        """The timeframe that is followed."""
        ...

    def state(self, symbol: str) -> FollowState:
        """Return how following a market goes."""
        ...

    def reason(self, symbol: str) -> str:
        """Return why it goes so; empty if all is well."""
        ...

    def observe(self, since: Time | None = None) -> AsyncIterator[Update]:
        """Return the updates for an observer of its own, candles from ``since`` on; it has ``aclose()``."""
        ...


@attrs.define
class MarketNow:
    """A market as it is now."""

    state: FollowState
    reason: str = ""
    proven: int | None = None
    """Every candle that opens before it has been delivered; None if no update has come yet."""
    forming: CandleData | None = None
    behind: bool = False
    lost: tuple[int, int, str] | None = None
    """The newest span whose candles can't be had, and why."""
    changes: int = 0
    """How often something of it that is stored has changed."""


@attrs.define(eq=False)
class Changes:
    """What one client must still be told: of each market, from which open time on it has changed.

    None stands for a change of nothing that is stored.
    """

    since: dict[str, int | None] = attrs.field(factory=dict)
    wake: asyncio.Event = attrs.field(factory=asyncio.Event)

    def add(self, symbol: str, since: int | None) -> None:
        """Note a change."""
        before = self.since.get(symbol)
        self.since[symbol] = before if since is None else since if before is None else min(before, since)
        self.wake.set()

    def take(self) -> dict[str, int | None]:
        """Return what was noted, and forget it."""
        taken, self.since = self.since, {}
        self.wake.clear()
        return taken


class Hub:
    """Takes the updates of a feed, and wakes the clients."""

    def __init__(self, feed: Followed) -> None:
        self._feed = feed
        self.timeframe = Timeframe.of(feed.timeframe)
        self.markets = {symbol: MarketNow(feed.state(symbol), feed.reason(symbol)) for symbol in feed.symbols}
        self.run_id = token_hex(4)
        """Tells this hub from that of an earlier run."""
        self.number = 0
        """How many changes there were."""
        self.closing = False
        self.ended: str | None = None
        """Why the feed has ended; None while it goes on."""
        self.clients: set[Changes] = set()
        self._log: deque[tuple[int, str, int | None]] = deque(maxlen=_REMEMBERED)
        # What was stored before is read from the store: of that, only how far it is proven is told.
        self._updates = feed.observe(to_datetime(time.time()))

    async def aclose(self) -> None:
        """Leave the feed; idempotent."""
        await cast(AsyncGenerator[Update, None], self._updates).aclose()

    async def run(self) -> None:
        """Take updates until the feed ends."""
        try:
            async for update in self._updates:
                self.take(update)
            self.ended = ""
        except RxCandlesError as error:
            self.ended = str(error)
            _logger.warning("the page shows no more updates: %s", error)
        self.wake_all()

    def take(self, update: Update) -> None:
        """Note what an update changes."""
        symbol = update.symbol
        now = self.markets.get(symbol)
        if now is None:
            now = self.markets[symbol] = MarketNow(self._feed.state(symbol), self._feed.reason(symbol))
        since: int | None = None
        match update:
            case CandleUpdate() | ProgressUpdate():
                since = _prove(now, int(from_datetime(update.proven_until)))
                if isinstance(update, CandleUpdate):
                    since = min(update.candle.open_seconds, update.candle.open_seconds if since is None else since)
            case RevisedUpdate():
                since = int(from_datetime(update.open_time))
            case FormingUpdate() | ClosedUpdate():
                if now.proven is None or update.candle.open_seconds >= now.proven:
                    now.forming = update.candle
                    now.behind = isinstance(update, FormingUpdate) and update.behind
            case StateUpdate():
                if (now.state, now.reason) == (update.state, update.reason):
                    return
                now.state, now.reason = update.state, update.reason
            case LostUpdate():
                now.lost = (int(from_datetime(update.start)), int(from_datetime(update.stop)), update.reason)
        self.changed(symbol, since)

    def changed(self, symbol: str, since: int | None) -> None:
        """Tell all clients that a market has changed: what is stored of it from ``since`` on, or nothing stored."""
        if since is not None:
            self.markets[symbol].changes += 1
        self.number += 1
        self._log.append((self.number, symbol, since))
        for client in self.clients:
            client.add(symbol, since)

    def wake_all(self) -> None:
        """Wake the clients, which look whether there is an end."""
        for client in self.clients:
            client.wake.set()

    @property
    def position(self) -> str:
        """What a client that comes again names, if it was told everything until now."""
        return f"{self.run_id}.{self.number}"

    @contextmanager
    def client(self, position: str | None) -> Iterator[Changes]:
        """Yield what a client must be told that was at ``position``: everything, if that is unknown or too long ago."""
        changes = Changes()
        number = self._known(position)
        if number is None:
            changes.since = dict.fromkeys(self.markets, BEGINNING)
            changes.wake.set()
        else:
            for at, symbol, since in self._log:
                if at > number:
                    changes.add(symbol, since)
        self.clients.add(changes)
        try:
            yield changes
        finally:
            self.clients.discard(changes)

    def _known(self, position: str | None) -> int | None:
        run, _, number = (position or "").partition(".")
        if run != self.run_id or not number.isdecimal() or len(number) > 18:
            return None
        oldest = self._log[0][0] if self._log else self.number + 1
        return int(number) if oldest - 1 <= int(number) <= self.number else None


def _prove(now: MarketNow, proven: int) -> int | None:
    """Note that all is known until then; return from when on that is new, None if it is not."""
    before = now.proven
    if before is not None and proven <= before:
        return None
    now.proven = proven
    if now.forming is not None and now.forming.open_seconds < proven:
        now.forming, now.behind = None, False
    return BEGINNING if before is None else before
