"""The names in a lake: the folder of a series, and the file of each period of its candles.

``exchange=upbit/symbol=KRW-BTC/timeframe=1m/2024-01.parquet``. No two names differ by case only, since some disks do
not tell such names apart: the month ``1M`` is ``1mo``, and letters are percent-encoded if they are small in a symbol or
capital in an exchange's name (``KRW-%78BTC`` is ``KRW-xBTC``). Readers of such folders decode that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote, unquote

from rxcandles.errors import RequestError
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import BEGINNING, END, Timeframe, to_datetime
from rxcandles.ports import Series

__all__ = ["MANIFEST", "file_name", "folder_of", "in_months", "is_file_name", "period_of", "periods", "series_of"]

MANIFEST: Final = "_manifest.json"
"""The file that describes a series; readers of folders leave out what begins with an underscore."""

_LAST: Final = END - 1
"""The last time that can be written."""
_MONTH: Final = Timeframe.of("1M")
_YEAR: Final = Timeframe.of("1y")
_WRITTEN: Final = {"1M": "1mo"}
_READ: Final = {written: name for name, written in _WRITTEN.items()}
_FILE: Final = re.compile(r"(?:\d{4,5}(?:-\d{2})?|all)\.parquet", re.ASCII)
_FOLDER: Final = re.compile(r"exchange=([^/]+)/symbol=([^/]+)/timeframe=([^/]+)")


def folder_of(series: Series) -> str:
    """Return the folder of a series, below that of the lake.

    >>> folder_of(Series("upbit", "KRW-BTC", "1m"))
    'exchange=upbit/symbol=KRW-BTC/timeframe=1m'
    """
    exchange = _encoded(series.exchange, str.isupper)
    symbol = _encoded(series.symbol, str.islower)
    return f"exchange={exchange}/symbol={symbol}/timeframe={_WRITTEN.get(series.timeframe, series.timeframe)}"


def series_of(folder: str) -> Series | None:
    """Return the series of a folder, or None if it is none of ours."""
    found = _FOLDER.fullmatch(folder)
    if found is None:
        return None
    exchange, symbol, timeframe = map(unquote, found.groups())
    try:
        series = Series(exchange, symbol, Timeframe.of(_READ.get(timeframe, timeframe)).name)
    except RequestError:
        return None
    return series if folder_of(series) == folder else None


def period_of(timeframe: Timeframe, time: int) -> Span:
    """Return the span of the file with the candle that opens at ``time``.

    It is a month for timeframes shorter than a day, a year for days and weeks, and all of time for months and years.
    """
    if timeframe.months:
        return BEGINNING, _LAST
    grid = _MONTH if in_months(timeframe) else _YEAR
    start = grid.floor(time)
    return start, grid.shift(start, 1)


def in_months(timeframe: Timeframe) -> bool:
    """Return whether a file of this timeframe has one month."""
    return 0 < timeframe.seconds < 86_400


def periods(timeframe: Timeframe, first: int, last: int) -> Iterator[Span]:
    """Yield the spans of all files from that with the time ``first`` to that with ``last``, oldest first."""
    span = period_of(timeframe, first)
    while span[0] <= last:
        yield span
        if span[1] == _LAST:
            return
        span = period_of(timeframe, span[1])


def file_name(timeframe: Timeframe, start: int) -> str:
    """Return the name of the file whose span begins at ``start``.

    >>> file_name(Timeframe.of("1m"), 1_704_067_200)
    '2024-01.parquet'
    """
    if timeframe.months:
        return "all.parquet"
    return f"{to_datetime(start):{'%Y-%m' if in_months(timeframe) else '%Y'}}.parquet"


def is_file_name(name: str) -> bool:
    """Return whether a file of candles may be called so."""
    return _FILE.fullmatch(name) is not None


def _encoded(name: str, other_case: Callable[[str], bool]) -> str:
    """Return a name that is safe in paths, and in which no letter has the other case."""
    safe = "".join(
        f"%{ord(each):02X}" if other_case(each) and each.isascii() else quote(each, safe="@") for each in name
    )
    return safe[:-1] + "%2E" if safe.endswith(".") else safe  # Windows drops a last dot
