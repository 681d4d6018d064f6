"""One question about one market: a small collection from what is proven up to the newest closed candle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Final

import attrs

from rxcandles.engine.chunk import Chunk
from rxcandles.errors import ExchangeError
from rxcandles.live.clock import ServerClock
from rxcandles.live.frontier import Frontier, frontier
from rxcandles.live.market import Market
from rxcandles.live.outages import Outages
from rxcandles.live.parts import Parts
from rxcandles.live.witnessed import Witnessed
from rxcandles.model import SETTLE_SECONDS, Request
from rxcandles.model.settings import FollowConfig
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.operators import with_backpressure

__all__ = ["Answer", "Questions", "brief"]

_DAY: Final = 86_400
_FRESH: Final = 600
"""Seconds before the newest candle in which a doubtful gap may be the fault of a server that lags behind."""
_IMPOSSIBLE: Final = 3
"""How often a candle with impossible values is asked for before candles behind it are handed out."""
_LONGEST: Final = 200


def brief(error: ExchangeError) -> str:
    """Return an error as a reason: one line, not too long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


@attrs.define
class Answer:
    """What a question has brought."""

    whole: bool = True
    """Whether it has answered for everything that was asked about."""
    unframed: bool = False
    """Whether it has a new candle with trades of which the stream has shown nothing."""
    newest: float = 0.0
    """The newest ``timestamp`` of its candles, UTC seconds."""
    rows: int = 0
    known: int = 0
    """Pages had answered for everything before this time."""


class Questions:
    """Asks about markets, any number at once; ``settled`` is called whenever more of one is known.

    * ``patient``: whether a fresh gap that is doubtful is asked about again before candles behind it are handed out.
    """

    def __init__(
        self,
        parts: Parts,
        markets: Mapping[str, Market],
        timeframe: Timeframe,
        config: FollowConfig,
        settle: float,
        clock: ServerClock,
        settled: Callable[[Market], object],
        *,
        patient: bool = True,
    ) -> None:
        self._store = parts.store
        self._page = parts.exchange.page_limit
        self._timeframe = timeframe
        self._config = config
        self._settle = settle
        self._clock = clock
        self._settled = settled
        self._patient = patient
        witnessed = Witnessed(parts.exchange, timeframe, markets, lambda page: clock.said(page.server_time))
        self.chunks = parts.chunks(witnessed)
        """The pipeline, with the exchange held against its stream."""
        self._of = max(1, min(len(markets), 8))
        self.outages = Outages(timeframe)
        """When the exchange as a whole was silent."""

    async def ask(self, market: Market, edge: int, now: float) -> Answer:
        """Ask about everything up to ``edge``, and the latest page again if that is due; raise ``ExchangeError``."""
        answer, before = Answer(known=market.answered), market.proven
        start, refetch = await self._start(market, edge, now)
        if start < edge:
            void = await self._collect(market, start, edge, answer, before, refetch=refetch)
            for span in void:
                await self._collect(market, max(span[0], market.start or 0), min(span[1], edge), answer, before)
            await self._conclude(market, edge, answer)
        if refetch:
            market.audit_due = now + self._config.audit
            market.day_due = now + _DAY if market.day_due <= now else market.day_due
        market.audit_due = market.audit_due or now + self._config.audit
        market.day_due = market.day_due or now + _DAY
        return answer

    async def _start(self, market: Market, edge: int, now: float) -> tuple[int, bool]:
        """Return where to ask from, and whether what is stored is read again, as far back as it is covered."""
        if not market.audit_due or market.audit_due > now or not market.known:
            return market.proven, False
        grid = self._timeframe
        back = grid.floor(now - _DAY) if market.day_due <= now else grid.shift(edge, -self._page)
        back = max(0, min(back, market.proven))
        covered = await self._store.coverage(market.symbol, grid, back, max(back + 1, market.proven))
        return max([back, *(each.start for each in covered[:1])]), True

    async def _collect(
        self, market: Market, start: int, stop: int, answer: Answer, before: int, *, refetch: bool = False
    ) -> list[Span]:
        """Collect a span; return what answers before were wrong about."""
        if start >= stop:
            return []
        # A later settle time than the exchange's is waited for here.
        now = max(self._clock.now() - max(0.0, self._settle - SETTLE_SECONDS), stop + SETTLE_SECONDS)
        request = Request(
            market.symbol,
            self._timeframe,
            since=to_datetime(start),
            until=to_datetime(stop),
            order="oldest_first",
            now=now,
        )
        chunks = self.chunks(
            request,
            of=self._of,
            refetch=refetch,
            absences=bool(market.doubts) and not refetch,
            overlap=self._config.overlap,
        )
        void: list[Span] = []
        async with chunks.pipe(with_backpressure()) as stored:
            async for chunk in stored:
                self._note(market, chunk, answer, before)
                void += [] if chunk.written is None else chunk.written.void
                if self._take(market, await self._frontier(market, stop)):
                    self._settled(market)
        return [span for span in void if span[0] < before]

    def _note(self, market: Market, chunk: Chunk, answer: Answer, before: int) -> None:
        """Note what a page says of the market: how densely it trades, and what its stream should have shown."""
        new = [row for row in chunk.rows if row.open_time >= before]
        market.see(new[:1])
        answer.rows += len(new)
        if chunk.proven is not None:
            start = max(before, chunk.proven[0], market.start or 0)
            traded = [row.open_time for row in new if row.volume > 0]
            self.outages.note(market.symbol, market.usual, start, chunk.proven[1], traded)
            fresh = max(start, answer.known)  # what pages have answered before is counted already
            market.note(sum(opened >= fresh for opened in traded), fresh, chunk.proven[1])
        for row in new:
            answer.newest = max(answer.newest, row.timestamp / 1000)
            # What opened before the connection did, it need not show.
            if row.volume and market.framed >= 0 and row.open_time > market.framed:
                answer.unframed = True

    @staticmethod
    def _take(market: Market, found: Frontier) -> bool:
        """Record how far the store knows a market; return whether that is further than before."""
        # Also where silence has said as much before: who counts as overdue is asked about again at once.
        market.answered = max(market.answered, found.heard)
        if found.proven <= market.proven and found.heard <= market.heard:
            return False
        market.proven, market.heard = max(market.proven, found.proven), max(market.heard, found.heard)
        market.frames.confirm(market.proven)
        return True

    async def _conclude(self, market: Market, edge: int, answer: Answer) -> None:
        """Decide whether the answer was whole, and go on behind what can't be had."""
        while (lacking := (found := await self._frontier(market, edge)).lacking) is not None:
            if lacking.impossible and market.tries < _IMPOSSIBLE:
                break
            market.lose(*lacking.span, lacking.why)
        market.doubts = {each: market.doubts.get(each, -1) + 1 for each in found.doubts}
        # One more answer may be enough to believe a gap.
        self._take(market, await self._frontier(market, edge) if found.doubts else found)
        answer.whole = market.heard >= edge and not found.doubts and lacking is None
        market.tries = 0 if answer.whole else market.tries + 1

    async def _frontier(self, market: Market, stop: int) -> Frontier:
        fresh = stop - max(_FRESH, 10 * self._timeframe.seconds) if self._patient else inf
        return await frontier(self._store, market, stop, fresh)
