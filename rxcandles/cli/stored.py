"""Whose candles a command reads, where one file may have the same series of several exchanges."""

from __future__ import annotations

from rxcandles.errors import RequestError
from rxcandles.stores import SqliteStore
from rxcandles.timeframe import Timeframe

__all__ = ["exchange_of"]


async def exchange_of(db: str, symbol: str, timeframe: Timeframe, exchange: str | None) -> str | None:
    """Return the exchange of which the file has the series: ``exchange``, or the only one; None for none.

    Raises :class:`RequestError` where there are several and none is chosen.
    """
    async with SqliteStore(db) as store:
        found = [each.exchange for each in await store.series() if each[1:] == (symbol, timeframe.name)]
    if exchange is not None:
        return exchange if exchange in found else None
    if len(found) > 1:
        raise RequestError(f"{symbol} {timeframe} is stored of {', '.join(found)}; choose with --exchange")
    return found[0] if found else None
