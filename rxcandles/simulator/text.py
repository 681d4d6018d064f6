"""Numbers, times and candles as the exchange prints them.

Bodies are compact JSON with fixed decimals, as Java's ``BigDecimal.toString`` writes them (Upbit, bytes recorded
2025-07-30 and 2026-03-11). Amounts are whole numbers of 10^-8 here, so that no digit passes through a float.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from rxcandles.model.timeframe import Timeframe, to_datetime

__all__ = [
    "DAY",
    "KST",
    "RATE_SCALE",
    "UNIT",
    "Candle",
    "Memo",
    "candle_text",
    "change_rate",
    "change_text",
    "clock_text",
    "day_text",
    "decimal_text",
    "tail_text",
]

UNIT: Final = 10**8
"""One, in the whole numbers that a :class:`Candle` holds: prices and amounts have 8 decimals."""

RATE_SCALE: Final = 10
"""Decimals of ``change_rate``."""

DAY: Final = 86_400
KST: Final = 9 * 3600
"""Korean time is this far ahead of UTC."""


class Candle(NamedTuple):
    """One candle in whole numbers: open time in UTC seconds, the rest in 10^-8, ``timestamp`` in milliseconds.

    ``trades`` is their number. The last two are what takers bought; not every exchange sends these three.
    """

    open_time: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    timestamp: int
    trades: int = 0
    taker_volume: int = 0
    taker_turnover: int = 0


class Memo(dict[int, str]):
    """Texts by number, made when first asked for; starts anew when ``limit`` are kept."""

    def __init__(self, make: Callable[[int], str], limit: int = 2048) -> None:
        super().__init__()
        self.make = make
        self.limit = limit

    def __missing__(self, number: int) -> str:
        if len(self) >= self.limit:
            self.clear()
        text = self[number] = self.make(number)
        return text


def decimal_text(value: int, scale: int = 8) -> str:
    """Return ``value`` x 10^-``scale`` as ``BigDecimal.toString`` does: E-notation below 10^-6, zero ``0E-8``."""
    if scale == 8 and value >= 100:
        # Nearly all of them, and a page has to be made in half a millisecond.
        return f"{value // UNIT}.{value % UNIT:08}"
    digits = str(abs(value))
    exponent = len(digits) - 1 - scale
    sign = "-" if value < 0 else ""
    if exponent < -6:
        return f"{sign}{digits[0]}{'.' if len(digits) > 1 else ''}{digits[1:]}E{exponent}"
    padded = digits.rjust(scale + 1, "0")
    return f"{sign}{padded[:-scale]}.{padded[-scale:]}"


@lru_cache(1024)
def day_text(day: int) -> str:
    """Return the date of ``day`` (days since the epoch): ``2026-03-11``."""
    return f"{to_datetime(day * DAY):%Y-%m-%d}"


def clock_text(second: int) -> str:
    """Return the time of day: ``T14:40:00``."""
    return f"T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


def tail_text(timeframe: Timeframe, open_time: int) -> str:
    """Return what follows the volume, but for the last three fields of day candles."""
    if timeframe.name.endswith("m"):
        return f',"unit":{timeframe.seconds // 60}'
    return "" if timeframe.name in ("1s", "1d") else f',"first_day_of_period":"{day_text(open_time // DAY)}"'


def candle_text(symbol: str, timeframe: Timeframe, candle: Candle, previous: int | None = None) -> str:
    """Return one candle as a JSON object; ``previous`` is the close before a day candle."""
    utc, kst = (f"{day_text(time // DAY)}{clock_text(time % DAY)}" for time in (candle[0], candle[0] + KST))
    prices = (decimal_text(price) for price in candle[1:5])
    return (
        '{{"market":"{}","candle_date_time_utc":"{}","candle_date_time_kst":"{}",'
        '"opening_price":{},"high_price":{},"low_price":{},"trade_price":{},"timestamp":{},'
        '"candle_acc_trade_price":{},"candle_acc_trade_volume":{}{}{}}}'
    ).format(
        symbol, utc, kst, *prices, candle.timestamp, decimal_text(candle.turnover), decimal_text(candle.volume),
        tail_text(timeframe, candle.open_time), "" if previous is None else change_text(candle.close, previous),
    )  # fmt: skip


def change_rate(close: int, previous: int) -> int:
    """Return the change from ``previous`` in 10^-10, rounded half up."""
    change = close - previous
    rate = (2 * abs(change) * 10**RATE_SCALE + previous) // (2 * previous)
    return rate if change >= 0 else -rate


def change_text(close: int, previous: int) -> str:
    """Return the last three fields of a day candle."""
    return (
        f',"prev_closing_price":{decimal_text(previous)},"change_price":{decimal_text(close - previous)}'
        f',"change_rate":{decimal_text(change_rate(close, previous), RATE_SCALE)}'
    )
