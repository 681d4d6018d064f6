"""An exchange that answers every question over a new connection."""

from __future__ import annotations

from typing import Any

from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Exchange, Market, Page

__all__ = ["Anew"]


class Anew:
    """Asks ``exchange`` by ``page_anew`` if it has that method; otherwise it behaves like that exchange.

    A connection that leads to a faulty server leads there for as long as it lasts. So a hundred answers over one
    connection are worth no more than one.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.name = exchange.name
        self.page_limit = exchange.page_limit
        self.rate_limit = exchange.rate_limit

    def __getattr__(self, name: str) -> Any:
        # Optional members: `kept`, `confirm_times`, `page_anew`.
        return getattr(self._exchange, name)

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Call ``check`` of the exchange."""
        self._exchange.check(symbol, timeframe)

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """Return the page of the exchange, asked for over a new connection."""
        ask = getattr(self._exchange, "page_anew", self._exchange.page)
        page: Page = await ask(symbol, timeframe, to, count)
        return page

    async def markets(self) -> list[Market]:
        """Call ``markets`` of the exchange."""
        return await self._exchange.markets()

    async def close(self) -> None:
        """Call ``close`` of the exchange."""
        await self._exchange.close()
