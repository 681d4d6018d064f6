"""Candles between two times, a page at a time, for every store that can read rows."""

from __future__ import annotations

from collections.abc import AsyncIterator

from rxcandles.model import ORDERS, CandleData, Order, span_between
from rxcandles.model.derived import candles_of
from rxcandles.model.moments import Time
from rxcandles.model.timeframe import Timeframe
from rxcandles.ports import CandleStore, zone_of
from rxcandles.util.arguments import check_choice, check_count, check_symbol

__all__ = ["pages_of"]


def pages_of(
    store: CandleStore, symbol: str, timeframe: str | Timeframe, one_end: Time, other_end: Time, order: Order, size: int
) -> AsyncIterator[list[CandleData]]:
    """Iterate over the candles of a store between two times, in lists of ``size``; one list is in memory at a time.

    Raise ``RequestError`` at once for an invalid argument, and ``StoreError`` while it reads.
    """
    check_symbol(symbol)
    check_choice("order", order, ORDERS)
    check_count("size", size)
    frame = Timeframe.of(timeframe)
    start, stop = span_between(frame, zone_of(store), one_end=one_end, other_end=other_end)

    async def read(start: int, stop: int) -> AsyncIterator[list[CandleData]]:
        while start < stop:
            rows = await store.rows(symbol, frame, start, stop, order, size)
            if rows:
                yield candles_of(symbol, frame.name, rows)
            if len(rows) < size:
                return
            if order == "newest_first":
                stop = rows[-1].open_time
            else:
                start = rows[-1].open_time + 1

    return read(start, stop)
