"""One HTML page that contains everything: the candles, the chart library, and the script that draws."""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from base64 import b64encode
from datetime import tzinfo
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from rxcandles.charts.levels import ladder
from rxcandles.charts.reading import ChartData
from rxcandles.model.absent import ABSENT_WORDS
from rxcandles.model.moments import KST, Zone, zone
from rxcandles.model.spans import runs
from rxcandles.util.arguments import check_kind

__all__ = ["html"]

_MOST_DECIMALS: Final = 10
_FLOAT_DECIMALS: Final = 8
"""Decimals shown of prices that are not decimal numbers."""


def html(data: ChartData, title: str | None = None, *, tz: Zone | None = None) -> str:
    """Return a page that shows ``data``.

    The page needs no network, and its own policy forbids it. Any browser since 2023 opens it from a file. Every value
    in it is the stored one, to the last digit.

    * ``title``: by default the name of the series.
    * ``tz``: a second zone for the candle under the cursor, besides UTC; by default Korea's. The axis is in UTC.

    Raise ``RequestError`` for an invalid argument.

    >>> data = await charts.read_chart(store, "KRW-BTC", "1m")
    >>> size = Path("btc.html").write_text(charts.html(data, tz="Asia/Seoul"), encoding="utf-8")
    """
    check_kind("data", data, ChartData)
    if title is None:
        title = f"{data.symbol} {data.timeframe}"
    check_kind("title", title, str)
    script = f"{_asset('lightweight-charts.js')}\n{_asset('page.js')}"
    packed, how = _packed(data)
    meta = {
        "first": data.first,
        "seconds": data.timeframe.seconds,
        # Months differ in length, and they are few.
        "opens": None if data.timeframe.seconds else [data.open_time(slot) for slot in range(data.slots)],
        "zone": None if tz is None else _browsers(zone("tz", tz)),
        "slots": data.slots,
        "candles": len(data),
        "levels": [attrs.asdict(level) for level in ladder(data.timeframe, data.first, data.slots)],
        "proven": data.proven,
        "absent": ABSENT_WORDS[data.absent],
        "provisional": data.provisional,
        "impossible": data.impossible,
        "imported": runs(data.imported),
        **how,
    }
    return Template(_asset("page.html")).substitute(
        title=escape(title),
        absent=data.absent.replace("_", "-"),
        absent_words=ABSENT_WORDS[data.absent],
        style=_asset("page.css"),
        notice=escape(" ".join(_asset("lightweight-charts.NOTICE").partition("https:")[0].split())),
        # Escape "<" so that the JSON can't close the <script> element.
        meta=json.dumps(meta, separators=(",", ":")).replace("<", "\\u003c"),
        data=b64encode(packed).decode("ascii"),
        script=script,
        script_hash="sha256-" + b64encode(sha256(script.encode()).digest()).decode("ascii"),
    )


def _browsers(tz: tzinfo) -> str | None:
    """Return a browser's name of a zone; None for a zone that only Python knows, and for UTC, which is shown anyway."""
    if tz is KST:
        return "Asia/Seoul"
    return tz.key if isinstance(tz, ZoneInfo) else None


def _asset(name: str) -> str:
    return files("rxcandles.charts").joinpath("assets", name).read_text(encoding="utf-8")


def _packed(data: ChartData) -> tuple[bytes, dict[str, object]]:
    """Return the columns, compressed, and how to read their prices."""
    steps = array("I", (slot - last for slot, last in zip(data.slot, [0, *data.slot], strict=False)))
    decimals = _decimals(data)
    try:
        prices = [] if decimals is None else _whole(data, 10**decimals)
    except OverflowError:  # a price that moves by more than two thousand million ticks
        decimals, prices = None, []
    how: dict[str, object]
    if decimals is None:
        how = {"scale": None, "base": 0, "decimals": _FLOAT_DECIMALS}
        columns: list[array[int] | array[float]] = [data.volume, data.open, data.high, data.low, data.close, steps]
    else:
        base = round(data.open[0] * 10**decimals) if len(data) else 0
        how = {"scale": 10**decimals, "base": base, "decimals": decimals}
        columns = [data.volume, steps, *prices]
    return zlib.compress(b"".join(map(_little_endian, columns)), 6), how


def _little_endian(column: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def _decimals(data: ChartData) -> int | None:
    """Return the fewest decimals with which all prices are exact; None if they are not decimal numbers."""
    decimals, scale = 0, 1
    for column in (data.open, data.high, data.low, data.close):
        for price in column:
            while round(price * scale) / scale != price or abs(price) * scale >= 2**53:
                decimals, scale = decimals + 1, scale * 10
                if decimals > _MOST_DECIMALS:
                    return None
    return decimals


def _whole(data: ChartData, scale: int) -> list[array[int]]:
    """Return the prices in ticks: the open from the last close, the others from the open, as small numbers compress
    well.
    """
    columns = [array("i") for _ in range(4)]
    opens, highs, lows, closes = columns
    last = None
    for prices in zip(data.open, data.high, data.low, data.close, strict=True):
        first, high, low, close = (round(price * scale) for price in prices)
        opens.append(first - (first if last is None else last))
        highs.append(high - first)
        lows.append(low - first)
        closes.append(close - first)
        last = close
    return columns
