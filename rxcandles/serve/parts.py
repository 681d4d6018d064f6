"""Parts of a market's candles and coverage, as the page reads them: all that is stored from an open time on."""

from __future__ import annotations

import asyncio
import time
from array import array
from typing import Any, Final

import msgspec

from rxcandles.charts.about import FLOAT_DECIMALS, about, decimals_of
from rxcandles.charts.reading import ChartData, read_chart
from rxcandles.errors import RequestError
from rxcandles.model.timeframe import BEGINNING, END, Timeframe, to_datetime
from rxcandles.ports import CandleStore, opens_of
from rxcandles.serve.hub import Hub

__all__ = ["Parts"]

_MOST: Final = 1000
"""The most candles of a market at first; when there are twice as many, the page begins at a later one."""
_LEAST: Final = 200
_ALL_MARKETS: Final = 50_000
"""The most candles of all markets together at first, unless even the least of each are more."""
_COLUMNS: Final = ("slot", "open", "high", "low", "close", "volume")


class Parts:
    """Reads parts from a store; clients that want the same share it."""

    def __init__(self, store: CandleStore, hub: Hub) -> None:
        self._store = store
        self._hub = hub
        self._first: dict[str, int] = {}
        """Where what the pages have of each market begins."""
        self._kept: dict[str, tuple[tuple[int, int], msgspec.Raw]] = {}
        self._reading = asyncio.Lock()

    async def read(self, symbol: str, since: int) -> msgspec.Raw:
        """Return all that is stored of a market from ``since`` on as JSON; all that the page shows if that is less.

        Raise ``StoreError`` if the store can't be read.
        """
        async with self._reading:
            key = (since, self._hub.markets[symbol].changes)
            kept, part = self._kept.get(symbol, (None, msgspec.Raw()))
            if kept != key:
                part = msgspec.Raw(msgspec.json.encode(await self._read(symbol, since)))
                self._kept[symbol] = (key, part)
            return part

    async def _read(self, symbol: str, since: int) -> dict[str, Any]:
        frame, most = self._hub.timeframe, max(_LEAST, min(_MOST, _ALL_MARKETS // len(self._hub.markets)))
        first = self._first.get(symbol, END)
        if since > first and await self._store.count(symbol, frame, first, END) > 2 * most:
            since = BEGINNING
            self._hub.changed(symbol, BEGINNING)  # the other clients begin anew, too
        whole = since <= first
        if whole:
            since = await self._begin(symbol, frame, most)
        try:
            data = await read_chart(self._store, symbol, frame, to_datetime(since))
            if whole:
                self._first[symbol] = since
        except RequestError:  # nothing is stored from then on
            data = _nothing(symbol, frame, since)
        return {**about(data, 2 * max(data.slots, most)), **_columns(data), "whole": whole}

    async def _begin(self, symbol: str, frame: Timeframe, most: int) -> int:
        """Return the open time from which on the pages have a market; a recent one if nothing of it is stored."""
        found = await self._store.nth_newest(symbol, frame, BEGINNING, END, most)
        if found is None:
            oldest = await opens_of(self._store, symbol, frame, BEGINNING, END, "oldest_first", 1)
            found = oldest[0] if oldest else frame.shift(frame.floor(time.time()), -10)
        return found


def _nothing(symbol: str, frame: Timeframe, first: int) -> ChartData:
    none = array("d")
    return ChartData(symbol, frame, first, 0, (), array("I"), none, none, none, none, none)


def _columns(data: ChartData) -> dict[str, Any]:
    decimals = decimals_of(data)
    columns = {name: getattr(data, name).tolist() for name in _COLUMNS}
    return {**columns, "decimals": FLOAT_DECIMALS if decimals is None else decimals}
