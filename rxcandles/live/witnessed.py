"""An exchange held against its own stream: a page that lacks what was streamed proves less than it seems to.

A server that lags behind answers with the right form and without the newest candle, or with a part of it. Nothing in
the page shows that, but the stream has shown the candle. So such a page is cut before that candle, which is asked for
again. A candle that pages lack four times is disputed: pages decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from rxcandles.live.market import Market
from rxcandles.model.rows import Row
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Exchange, Page

__all__ = ["MOST_MISSED", "Witnessed"]

MOST_MISSED = 3
"""How often a page that lacks a streamed candle is cut before it; then the page is believed."""


class Witnessed:
    """The exchange, whose pages are compared with what ``markets`` were streamed; the rest is the exchange's own."""

    def __init__(
        self, exchange: Exchange, timeframe: Timeframe, markets: Mapping[str, Market], said: Callable[[Page], object]
    ) -> None:
        self._exchange = exchange
        self._timeframe = timeframe
        self._markets = markets
        self._said = said

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Ask the exchange."""
        self._exchange.check(symbol, timeframe)

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """Return the exchange's page, cut before the first candle of the stream that it lacks."""
        return self._held_against(symbol, timeframe, await self._exchange.page(symbol, timeframe, to, count), to, count)

    async def page_anew(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """Do the same over a new connection, if the exchange can."""
        ask = getattr(self._exchange, "page_anew", self._exchange.page)
        return self._held_against(symbol, timeframe, await ask(symbol, timeframe, to, count), to, count)

    def _held_against(self, symbol: str, timeframe: Timeframe, page: Page, to: int, count: int) -> Page:
        self._said(page)
        market = self._markets.get(symbol)
        if market is None or timeframe != self._timeframe or not len(market.frames):
            return page
        covered = page.covered or Page.before(page.rows, to, count).covered
        assert covered is not None
        cut = self._cut(market, page, (covered[0], min(covered[1], to)))
        if cut is None:
            return page
        return attrs.evolve(
            page, rows=[row for row in page.rows if row.open_time < cut], covered=(min(covered[0], cut), cut)
        )

    @staticmethod
    def _cut(market: Market, page: Page, covered: Span) -> int | None:
        """Return the open time of the first streamed candle that the page should have and lacks, or has less of."""
        rows = {row.open_time: row for row in page.rows}
        for opened, streamed in market.frames.between(max(covered[0], market.proven), covered[1]):
            row = rows.get(opened)
            if not streamed.row.volume or not _less(row, streamed.row):
                if row is not None and streamed.why in ("flag", "next") and row[1:6] != streamed.row[1:6]:
                    market.frames.differ += 1
                continue
            streamed.missed += 1
            market.behind += 1
            if streamed.missed > MOST_MISSED:
                market.dispute(opened, row)
                continue
            return opened
        return None


def _less(row: Row | None, streamed: Row) -> bool:
    """Return whether the exchange has less of a candle than its stream has shown."""
    if row is None:
        return True
    spare = 1e-9 * streamed.volume  # both are sums, which may be rounded differently
    return row.timestamp <= streamed.timestamp and row.volume < streamed.volume - spare
