"""The connections of a stream: as many as its markets need, opened again after every end.

A stream proves nothing, so whatever becomes of a connection costs time and no candle. The wait before another one is
"full jitter" (M. Brooker, "Exponential Backoff And Jitter", AWS 2015), within what the exchange allows.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from random import uniform
from typing import Final

from rxcandles.errors import BannedError, ExchangeError, StreamClosedError, StreamRefusedError
from rxcandles.events import ConnectedEvent, DisconnectedEvent, log_event
from rxcandles.limiters import SlidingWindowLimiter
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports.stream import Frame, FrameStream, Heard, Streaming

__all__ = ["Shard", "Shards"]

_log: Final = logging.getLogger("rxcandles.follow")

_BASE: Final = 0.5
_LONGEST: Final = 30.0
_HEALTHY: Final = 60.0
"""Seconds after which a connection counts as well, so that the next wait is short again."""
_BLOCKED: Final = 600.0
"""Seconds to wait after a block whose length is not said; Bithumb's lasts ten minutes."""
_AGAIN: Final = 60.0
"""Seconds after which a connection is replaced, if it could not be before."""
_EARLY: Final = 3600.0
"""Seconds before the end of its age that a connection is replaced, and the most by which that varies."""


class Shard:
    """One connection for some of the markets, and its successors."""

    def __init__(
        self,
        exchange: Streaming,
        symbols: Sequence[str],
        timeframe: Timeframe,
        connects: SlidingWindowLimiter,
        on_frame: Callable[[Frame], object],
        on_change: Callable[[Shard], object],
    ) -> None:
        self.symbols = symbols
        self.alive = False
        """Whether the exchange has answered on the connection that is open."""
        self.since = 0.0
        """When the connection became alive, by the loop's clock."""
        self.heard_at = 0.0
        """When the last byte came, by the loop's clock."""
        self.newest = 0.0
        """The newest stamp of a frame, UTC seconds."""
        self.refused = ""
        """Why the exchange refuses the subscription; empty if it does not."""
        self.down_because = ""
        """Why there is no connection."""
        self.counts: Counter[str] = Counter()
        """How often things have happened: connects, closes by code, frames, resubscriptions, rotations."""
        self._exchange = exchange
        self._rules = exchange.stream_rules
        self._timeframe = timeframe
        self._connects = connects
        self._on_frame = on_frame
        self._on_change = on_change
        self._stream: FrameStream | None = None
        self._loop = asyncio.get_running_loop()
        self._mended_at = -1e9
        self._failures = 0

    @property
    def silence(self) -> float:
        """Seconds since the last byte."""
        return self._loop.time() - self.heard_at

    async def run(self) -> None:
        """Keep a connection open until cancelled, or until the exchange refuses the subscription for good."""
        while not self.refused:
            wait = 0.0
            try:
                await self._session()
            except StreamRefusedError as error:
                self.refused = self._ended(error)
            except ExchangeError as error:
                self._ended(error)
                asked = error.retry_after or (_BLOCKED if isinstance(error, BannedError) else 0.0)
                well = self.alive and self._loop.time() - self.since > _HEALTHY
                self._failures = 1 if well else self._failures + 1
                jitter = uniform(0, min(_LONGEST, _BASE * 2.0 ** min(self._failures, 10)))  # nosec B311 - no secret
                wait = max(asked, jitter)
            finally:
                await self._close()
            self._on_change(self)
            if not self.refused:
                await asyncio.sleep(wait)

    def _ended(self, error: ExchangeError) -> str:
        code = getattr(error, "code", None)
        self.counts[f"closed_{code}" if code else f"failed_{type(error).__name__}"] += 1
        self.down_because = str(error)
        after = self._loop.time() - self.since if self.alive else 0.0
        event = DisconnectedEvent(event="disconnected", markets=len(self.symbols), code=code or 0, seconds=after)
        log_event(_log, logging.INFO, event, "stream of %d markets: %s", len(self.symbols), error)
        return self.down_because

    async def _close(self) -> None:
        self.alive = False
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()
            self._count(stream)

    def _count(self, stream: FrameStream) -> None:
        """Add what a connection has left out to the counts, if it counts that."""
        dropped = getattr(getattr(stream, "counts", None), "dropped", {})
        self.counts.update({f"dropped_{why}": number for why, number in dropped.items()})

    async def _session(self) -> None:
        """Read one connection after the other, each opened before the one before is closed."""
        self._stream = await self._opened()
        while True:
            successor: asyncio.Task[tuple[FrameStream, Heard]] | None = None
            due = self._loop.time() + self._age()
            try:
                while successor is None or not successor.done():
                    try:
                        heard = await self._next(self._stream)
                    except ExchangeError:
                        if successor is None:
                            raise
                        break  # it has ended before the next one was open
                    self._take(heard)
                    leaving = not isinstance(heard, Frame) and heard.leaving
                    if successor is None and (leaving or self._loop.time() > due):
                        self.counts["rotations"] += 1
                        successor = asyncio.create_task(self._successor())
                    if successor is not None and successor.done() and (error := successor.exception()) is not None:
                        if not isinstance(error, ExchangeError):
                            raise error
                        successor, due = None, self._loop.time() + _AGAIN  # the old one is still there
                old, (self._stream, first) = self._stream, await successor
                successor = None
                await old.aclose()
                self._count(old)
                self._take(first)
            finally:
                await _abandon(successor)

    def _age(self) -> float:
        """Return the seconds after which to replace a connection; infinite if the exchange does not end it."""
        most = self._rules.max_age
        if most is None:
            return float("inf")
        return most - min(_EARLY, most / 10) * uniform(0.5, 1.5)  # nosec B311 - no secret

    async def _opened(self) -> FrameStream:
        await self._connects.acquire()
        self.counts["connects"] += 1
        return self._exchange.stream(self.symbols, self._timeframe)

    async def _successor(self) -> tuple[FrameStream, Heard]:
        stream = await self._opened()
        try:
            return stream, await self._next(stream)
        except BaseException:
            await stream.aclose()
            raise

    async def _next(self, stream: FrameStream) -> Heard:
        try:
            async with asyncio.timeout(self._rules.idle):
                return await anext(aiter(stream))
        except TimeoutError:
            raise StreamClosedError(f"nothing has come for {self._rules.idle:g} s") from None
        except StopAsyncIteration:
            raise StreamClosedError("the stream has ended") from None

    def _take(self, heard: Heard) -> None:
        self.heard_at = self._loop.time()
        if not self.alive:
            self.alive, self.since, self.down_because = True, self.heard_at, ""
            event = ConnectedEvent(event="connected", markets=len(self.symbols))
            log_event(_log, logging.INFO, event, "stream of %d markets: connected", len(self.symbols))
            self._on_change(self)
        if isinstance(heard, Frame):
            self.counts["frames"] += 1
            self.newest = max(self.newest, heard.stamp)
            self._on_frame(heard)

    async def mend(self) -> None:
        """Ask for all markets again, since one of them is silent on a connection that lives; the second time reconnect.

        The second time is one within ten minutes of the first.
        """
        if self._stream is None or not self.alive:
            return
        self.counts["resubscribes"] += 1
        again = self._loop.time() - self._mended_at < 600
        self._mended_at = self._loop.time()
        with suppress(ExchangeError):  # the reader of the connection will meet the same error
            if not again:
                await self._stream.subscribe(self.symbols)
                return
        await self.reconnect()

    async def reconnect(self) -> None:
        """Close the connection, so that another one is opened."""
        if self._stream is not None:
            self.counts["reconnects"] += 1
            await self._stream.aclose()


class Shards:
    """All connections of one feed; ``on_frame`` gets what they show, ``on_change`` each that comes or goes."""

    def __init__(
        self,
        exchange: Streaming,
        symbols: Sequence[str],
        timeframe: Timeframe,
        on_frame: Callable[[Frame], object],
        on_change: Callable[[Shard], object],
    ) -> None:
        rules, connects = exchange.stream_rules, SlidingWindowLimiter(exchange.stream_rules.connects)
        cut = [symbols[at : at + rules.codes] for at in range(0, len(symbols), rules.codes)]
        self.all = [Shard(exchange, each, timeframe, connects, on_frame, on_change) for each in cut]
        self._of: Mapping[str, Shard] = {symbol: each for each in self.all for symbol in each.symbols}

    def of(self, symbol: str) -> Shard:
        """Return the connection of a market."""
        return self._of[symbol]

    async def run(self) -> None:
        """Keep all connections open until cancelled."""
        async with asyncio.TaskGroup() as group:
            for each in self.all:
                group.create_task(each.run())


async def _abandon(opening: asyncio.Task[tuple[FrameStream, Heard]] | None) -> None:
    """Leave a connection that is not needed any more, opened or not."""
    if opening is None:
        return
    opening.cancel()
    with suppress(asyncio.CancelledError, ExchangeError):
        stream, _ = await opening
        await stream.aclose()
