"""An exchange of which every question goes over a connection of its own."""

from __future__ import annotations

from typing import Any

from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import Exchange, Market, Page

__all__ = ["Anew"]


class Anew:
    """Asks ``exchange`` by ``page_anew`` where it has that; in everything else it is that exchange.

    What leads to a server that is ill leads there for as long as the connection lasts, so that a hundred answers by it
    are worth no more than one.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.name = exchange.name
        self.page_limit = exchange.page_limit
        self.rate_limit = exchange.rate_limit

    def __getattr__(self, name: str) -> Any:
        # What an exchange may have besides: `kept`, `confirm_times`, `page_anew`.
        return getattr(self._exchange, name)

    def check(self, symbol: str, timeframe: Timeframe) -> None:
        """Do what the exchange's own does."""
        self._exchange.check(symbol, timeframe)

    async def page(self, symbol: str, timeframe: Timeframe, to: int, count: int) -> Page:
        """Do what the exchange's own does, over a connection of its own."""
        ask = getattr(self._exchange, "page_anew", self._exchange.page)
        page: Page = await ask(symbol, timeframe, to, count)
        return page

    async def markets(self) -> list[Market]:
        """Do what the exchange's own does."""
        return await self._exchange.markets()

    async def close(self) -> None:
        """Do what the exchange's own does."""
        await self._exchange.close()
