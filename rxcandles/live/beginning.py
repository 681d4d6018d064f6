"""Where following begins: the server's time, and each market's first candle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from rxcandles.errors import ExchangeError, RequestRejectedError
from rxcandles.live.clock import ServerClock
from rxcandles.live.glance import glance
from rxcandles.live.parts import Chunks, Parts
from rxcandles.model import Request
from rxcandles.model.timeframe import END, Timeframe
from rxcandles.operators import run, summarize
from rxcandles.ports import opens_of

__all__ = ["Beginning", "Since", "Start", "start_of"]

Start: TypeAlias = int | Literal["stored"] | tuple[Literal["count"], int] | None
"""A time in UTC seconds, the end of what is stored, a count of the newest candles, or (None) now."""

Since: TypeAlias = Start | Mapping[str, Start]
"""One for all markets, or one for each."""

_PAUSE = 2.0
"""Seconds between two attempts to reach the exchange."""


def start_of(since: Since, symbol: str) -> Start:
    """Return where one market begins."""
    return since[symbol] if isinstance(since, Mapping) else since


class Beginning:
    """Finds out where each market begins; ``failed`` is called while the exchange can't be reached."""

    def __init__(
        self, parts: Parts, clock: ServerClock, timeframe: Timeframe, failed: Callable[[ExchangeError], object]
    ) -> None:
        self._parts = parts
        self._clock = clock
        self._timeframe = timeframe
        self._failed = failed

    async def learn_time(self, symbols: list[str], *, once: bool) -> None:
        """Ask for the server's time, which the answer about any market has; go on trying, unless ``once`` is set.

        Raises ``ExchangeError`` if the exchange refuses all markets, or with ``once`` if it can't be reached.
        """
        refused: RequestRejectedError | None = None
        attempts = 0
        while True:
            for symbol in symbols:
                try:
                    await glance(self._parts, symbol, self._timeframe, self._clock.now(), self._clock.said)
                except RequestRejectedError as error:
                    refused = error
                except ExchangeError as error:
                    attempts += 1
                    if once and attempts >= 3:
                        raise
                    self._failed(error)
                    await asyncio.sleep(max(_PAUSE, error.retry_after or 0.0))
                    break
                else:
                    return
            else:
                assert refused is not None  # each of the markets was refused
                raise refused

    async def start(self, symbol: str, since: Start, chunks: Chunks) -> int:
        """Return the open time of a market's first candle; raise ``ExchangeError`` if that can't be found out."""
        now = self._timeframe.floor(self._clock.now())
        if since is None:
            return now
        if isinstance(since, int):
            return self._timeframe.ceil(since)
        if isinstance(since, tuple):
            return await self._first_of(symbol, since[1], chunks, now)
        return await self._stored(symbol, now)

    async def _stored(self, symbol: str, now: int) -> int:
        """Return the end of what is stored without a gap, or now."""
        store = self._parts.store
        covered = await store.coverage(symbol, self._timeframe, 0, END, limit=1)
        if not covered:
            return now
        stop = covered[0].stop
        for claim in await store.claims(symbol, self._timeframe, covered[0].start, stop):
            if claim.stop >= stop:
                stop = claim.start
        return min(self._timeframe.ceil(stop), now)

    async def _first_of(self, symbol: str, count: int, chunks: Chunks, now: int) -> int:
        """Collect the newest ``count`` candles, and return when the first of them opened."""
        request = Request(symbol, self._timeframe, count=count, now=self._clock.now())
        await run(chunks(request).pipe(summarize()))
        opens = await opens_of(self._parts.store, symbol, self._timeframe, 0, request.stop, "newest_first", count)
        return opens[-1] if opens else now
