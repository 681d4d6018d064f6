"""One HTML page that contains everything: the candles, the chart library, and the script that draws."""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from base64 import b64encode
from html import escape

from rxcandles.charts.about import FLOAT_DECIMALS, about, decimals_of
from rxcandles.charts.document import asset, browsers_zone, document
from rxcandles.charts.reading import ChartData
from rxcandles.model.absent import ABSENT_WORDS
from rxcandles.model.moments import Zone, zone
from rxcandles.util.arguments import check_kind

__all__ = ["html"]


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
    packed, how = _packed(data)
    meta = {
        **about(data),
        "zone": None if tz is None else browsers_zone(zone("tz", tz)),
        "candles": len(data),
        **how,
    }
    text, _ = document(
        asset("page.html"),
        [asset("page.js")],
        title=escape(title),
        absent=data.absent.replace("_", "-"),
        absent_words=ABSENT_WORDS[data.absent],
        # Escape "<" so that the JSON can't close the <script> element.
        meta=json.dumps(meta, separators=(",", ":")).replace("<", "\\u003c"),
        data=b64encode(packed).decode("ascii"),
    )
    return text


def _packed(data: ChartData) -> tuple[bytes, dict[str, object]]:
    """Return the columns, compressed, and how to read their prices."""
    steps = array("I", (slot - last for slot, last in zip(data.slot, [0, *data.slot], strict=False)))
    decimals = decimals_of(data)
    try:
        prices = [] if decimals is None else _whole(data, 10**decimals)
    except OverflowError:  # a price that moves by more than two thousand million ticks
        decimals, prices = None, []
    how: dict[str, object]
    if decimals is None:
        how = {"scale": None, "base": 0, "decimals": FLOAT_DECIMALS}
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


def _whole(data: ChartData, scale: int) -> list[array[int]]:
    """Return prices in ticks, which compress well: the open from the last close, the others from the open."""
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
