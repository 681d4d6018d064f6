"""Which values a candle can have: one rule for the rows of a page and for the columns of a table."""

from __future__ import annotations

from math import inf
from typing import Any, Final

from rxcandles.model import TRADE_FIELDS, Row
from rxcandles.model.timeframe import END
from rxcandles.util.arguments import shown

__all__ = ["finite", "possible", "sound_trades", "value_fault"]

_EARLIEST_STAMP: Final = 86_400_000
_LATEST_STAMP: Final = END * 1000
_SURE: Final = 8
"""Fields of a row that are never None."""


def possible(
    open_time: Any, open: Any, high: Any, low: Any, close: Any, volume: Any, turnover: Any, timestamp: Any
) -> Any:
    """Return whether a candle can have these values.

    It opens in 1970 or later; prices are finite, above 0, and within low and high; amounts are finite and not negative;
    the ``timestamp`` is at most a day before the open time (it may be after the candle's end). For numbers the result
    is a bool. The comparisons are joined only by ``&``, so that a store can pass columns and get a condition for its
    database.
    """
    return (
        (open_time >= 0)
        & (low > 0)
        & (low <= open)
        & (open <= high)
        & (low <= close)
        & (close <= high)
        & (high < inf)
        & (volume >= 0)
        & (volume < inf)
        & (turnover >= 0)
        & (turnover < inf)
        & (timestamp >= open_time * 1000 - _EARLIEST_STAMP)
        & (timestamp < _LATEST_STAMP)
    )


def finite(value: Any) -> Any:
    """Return whether a number is finite; for a column, the condition that it is."""
    return (value > -inf) & (value < inf)


def value_fault(row: Row) -> str | None:
    """Return what is impossible about a row, with the value, or None."""
    try:
        return _value_fault(row)
    except TypeError as error:
        return f"a value is no number that can be: {error}"


def _is_number(value: Any) -> bool:
    try:
        return bool(value < 0 or value >= 0 or value != value) and not isinstance(value, bool)
    except TypeError:
        return False


def _value_fault(row: Row) -> str | None:
    if type(row.open_time) is not int:
        return f"open_time is {row.open_time!r}, not a whole number of seconds"
    if row.open_time < 0:
        return "it opens before 1970"
    for at, (name, value) in enumerate(zip(row._fields, row, strict=True)):
        if not _is_number(value) and not (value is None and at >= _SURE):
            return f"{name} is {shown(value)}, no number that can be"
    prices = (row.open, row.high, row.low, row.close)
    for name, price in zip(("open", "high", "low", "close"), prices, strict=True):
        if not 0 < price < inf:
            return f"{name} is {price!r}, not a finite price above 0"
    if not (row.low <= min(prices) and max(prices) <= row.high):
        return f"open {row.open!r} and close {row.close!r} are not within low {row.low!r} and high {row.high!r}"
    for name, amount in (("volume", row.volume), ("turnover", row.turnover)):
        if not 0 <= amount < inf:
            return f"{name} is {amount!r}, not a finite amount from 0"
    if type(row.timestamp) is not int or not possible(*row[:8]):
        return f"timestamp is {row.timestamp!r}, not milliseconds after a day before its open time"
    changes = row[_SURE : len(Row._fields)]
    if not all(change is None or finite(change) for change in changes):
        return f"its change is not finite: {', '.join(map(repr, changes))}"
    if not sound_trades(row):
        told = ", ".join(f"{name} {getattr(row, name)!r}" for name in TRADE_FIELDS)
        return f"its trades can't be: {told}"
    return None


def sound_trades(row: Row) -> bool:
    """Return whether a row's values of trades are possible; True if it has none."""
    trades, volume, turnover = row.trades, row.taker_volume, row.taker_turnover
    return (
        (trades is None or (type(trades) is int and trades >= 0))
        and (volume is None or 0 <= volume < inf)
        and (turnover is None or 0 <= turnover < inf)
    )
