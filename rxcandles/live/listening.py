"""What the stream says about when to ask: a frame asks for its candle, silence asks only where it is unlikely."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from math import inf

from rxcandles.live.clock import ServerClock
from rxcandles.live.market import Market
from rxcandles.live.shards import Shard, Shards
from rxcandles.model.settings import FollowConfig
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Exchange
from rxcandles.ports.declared import stream_rules
from rxcandles.ports.stream import Frame, Streaming

__all__ = ["Listening"]

_BEHIND = 10.0
"""Seconds by which the newest frame of a connection may be older than the newest candle of a page."""
_EARLY = 10.0
"""Seconds by which a candle may open ahead of the server's clock; one of later would close those before it."""


class Listening:
    """The stream of a feed, and what it means for each market; without a stream it says nothing.

    ``shown`` is called with each market whose newest candles look different, ``changed`` with each market whose
    connection has come or gone.
    """

    def __init__(
        self,
        exchange: Exchange,
        markets: Mapping[str, Market],
        timeframe: Timeframe,
        config: FollowConfig,
        settle: float,
        clock: ServerClock,
        shown: Callable[[Market], object],
        changed: Callable[[Market], object],
    ) -> None:
        self._markets = markets
        self._timeframe = timeframe
        self._settle = settle
        self._clock = clock
        self._shown = shown
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self.shards: Shards | None = None
        """The connections; None if there is no stream."""
        self.dense = False
        """Whether a frame comes for each slot."""
        if config.stream == "auto" and isinstance(exchange, Streaming):
            rules = stream_rules(exchange)
            if rules is not None and timeframe.name in rules.timeframes:
                self.shards = Shards(exchange, list(markets), timeframe, self._frame, self._came_or_gone)
                self.dense = rules.dense

    async def run(self) -> None:
        """Keep the stream open until cancelled."""
        if self.shards is not None:
            await self.shards.run()

    def lives(self, market: Market) -> bool:
        """Return whether the exchange streams the market at this moment."""
        return self.shards is not None and self.shards.of(market.symbol).alive

    def fault(self, market: Market) -> str:
        """Return why the market is not streamed although there is a stream; empty if there is none."""
        if self.shards is None:
            return ""
        shard = self.shards.of(market.symbol)
        return f"no stream: {shard.refused or shard.down_because or 'connecting'}"

    def is_quiet(self, market: Market) -> bool:
        """Return whether the stream lives, and has shown nothing that pages have not confirmed.

        A connection says nothing of the time before it; pages have to answer for that first.
        """
        if not self.lives(market) or self.dense or market.frames.between(market.proven, 2**62):
            return False
        return market.answered >= self._timeframe.ceil(market.streamed_since)

    def look(self, market: Market, now: float, edge: int) -> None:
        """Draw conclusions from the time that has passed: what is closed by now, and what silence means."""
        if self.shards is None:
            return
        market.frames.pass_time(edge)
        if not self.is_quiet(market) or market.state in ("refused", "stalled"):
            return
        shard = self.shards.of(market.symbol)
        silent_for = self._loop.time() - shard.heard_at
        silent = min(edge, self._timeframe.floor(max(0.0, now - silent_for - self._settle)))
        market.heard = max(market.heard, silent)
        if market.is_overdue(edge):
            market.due = min(market.due, now)

    def due(self, market: Market, end: int) -> float:
        """Return when to ask about a market after an answer up to the slot that ends at ``end``: UTC seconds."""
        return inf if self.is_quiet(market) else end + self._settle

    async def mend(self, market: Market, newest: float) -> None:
        """Subscribe again, as a page has a candle with trades that the stream should have shown; or connect again.

        ``newest``: the newest ``timestamp`` of the page, UTC seconds.
        """
        assert self.shards is not None
        shard = self.shards.of(market.symbol)
        if newest > shard.newest + _BEHIND and shard.newest < self._clock.now() - _BEHIND:
            await shard.reconnect()  # all of its markets have fallen silent
        else:
            await shard.mend()

    def _frame(self, frame: Frame) -> None:
        market = self._markets.get(frame.symbol)
        if market is None:
            return
        self._clock.framed(frame.stamp, fresh=not frame.snapshot)
        opened = frame.row.open_time
        if opened > self._clock.now() + _EARLY:
            assert self.shards is not None
            self.shards.of(market.symbol).counts["dropped_future"] += 1
            return
        market.framed = max(market.framed, opened)
        streamed = market.frames.take(frame, market.proven)
        if streamed is None:
            return
        market.due = min(market.due, self._timeframe.shift(opened, 1) + self._settle)
        # A snapshot may be of a candle that has long been closed.
        if streamed is market.frames.newest and self._timeframe.shift(opened, 1) > self._clock.now():
            market.forming = streamed.row
        self._shown(market)

    def _came_or_gone(self, shard: Shard) -> None:
        now = self._clock.now()
        for symbol in shard.symbols:
            market = self._markets[symbol]
            # From here on each candle with trades must be shown; the one that forms now may have been shown before.
            market.framed = self._timeframe.floor(now) if shard.alive else -1
            market.streamed_since = now if shard.alive else inf
            if market.start is not None and market.state not in ("refused", "stalled"):
                market.due = min(market.due, now)
                self._changed(market)
