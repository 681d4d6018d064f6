"""Follow what another process collects: read the store, and never ask the exchange."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from math import inf
from typing import Final, get_args

from rxcandles.errors import RequestError
from rxcandles.live.beginning import Since, start_of
from rxcandles.live.frames import Frames
from rxcandles.live.frontier import frontier
from rxcandles.live.market import Market
from rxcandles.live.source import Source, last_change
from rxcandles.model.timeframe import END, Timeframe
from rxcandles.model.updates import FollowState
from rxcandles.ports import CandleStore, Followable, opens_of

__all__ = ["StoreSource"]

_LOOK: Final = 0.25
"""Seconds between two looks at the store; a look that finds nothing is one statement."""
_SILENT: Final = 90.0
"""Seconds after which a collector that has recorded nothing counts as gone; it records at least once a candle."""


class StoreSource(Source):
    """Markets as a collector in another process records them; ``since`` and ``until`` are those of a follower."""

    def __init__(
        self,
        symbols: Sequence[str],
        timeframe: Timeframe,
        since: Since,
        store: CandleStore,
        *,
        until: int | None = None,
        once: bool = False,
    ) -> None:
        if not isinstance(store, Followable):
            raise RequestError(
                f"{type(store).__name__} can't be followed by other processes; follow the exchange itself"
            )
        super().__init__({each: Market(each, timeframe, Frames(timeframe, 1)) for each in symbols}, timeframe)
        self._store: Followable = store
        self._candles = store
        self._since = since
        self._until = until
        self._once = once

    async def run(self) -> None:
        """Follow the store until cancelled, or until everything asked for is there."""
        try:
            self.change = await last_change(self._candles, self.timeframe, next(iter(self.markets)))
            loop, seen = asyncio.get_running_loop(), None
            looked = 0.0
            while not self._done():
                version = await self._store.version()
                if version != seen or loop.time() - looked > _SILENT / 3:
                    seen, looked = version, loop.time()
                    for market in self.markets.values():
                        await self._look(market)
                    if self._once:
                        break
                    continue
                await asyncio.sleep(_LOOK)
        except Exception as error:
            self.error = error
        finally:
            self.ended = True
            self.tell_all()

    def _done(self) -> bool:
        return self._until is not None and all(each.heard >= self._until for each in self.markets.values())

    async def _look(self, market: Market) -> None:
        """Read how far a market is known, and tell if that is news."""
        timeframe = self.timeframe
        followed = await self._store.followed(market.symbol, timeframe)
        if followed is None:
            self._say(market, "stalled", "no process follows this market into the store")
            return
        if market.start is None:
            market.begin(await self._start(market.symbol, followed.proven))
        found = await frontier(self._candles, market, followed.proven, inf)
        # The collector decides what is doubtful; from its own beginning on its word is enough.
        sure = followed.proven if market.proven >= followed.start else found.proven
        heard = max(market.heard, followed.heard if sure >= followed.proven else sure)
        market.proven, market.heard = max(market.proven, sure), heard
        late = time.time() - followed.at
        if late > max(_SILENT, 2 * (timeframe.shift(market.proven, 1) - market.proven)):
            self._say(market, "stalled", f"nothing was recorded for {late:.0f} s; is the collector running?")
        elif followed.state in get_args(FollowState):
            state: FollowState = followed.state  # type: ignore[assignment]
            self._say(market, state, followed.reason)
        self.tell(market)  # a change of an older candle moves nothing

    def _say(self, market: Market, state: FollowState, reason: str) -> None:
        if market.set_state(state, reason):
            self.tell(market)

    async def _start(self, symbol: str, proven: int) -> int:
        since = start_of(self._since, symbol)
        if isinstance(since, int):
            return min(self.timeframe.ceil(since), proven)
        if isinstance(since, tuple):
            span = (0, min(proven, END))
            opens = await opens_of(self._candles, symbol, self.timeframe, *span, "newest_first", since[1])
            return opens[-1] if opens else proven
        return proven
