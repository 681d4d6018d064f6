"""What a candle can't be, and the gate that every page of any exchange passes before it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite
from typing import Final

import attrs

from rxcandles.errors import InvalidResponseError
from rxcandles.model import Row
from rxcandles.timeframe import END, Timeframe, to_datetime

__all__ = ["CheckedPage", "check_page", "row_fault"]

_EARLIEST_STAMP: Final = 86_400_000
_LATEST_STAMP: Final = END * 1000
_CLOCK_SPREAD: Final = 5
"""Seconds that the clock of the ``Date`` header, whole seconds of a front server, may lie behind the candles'."""


@attrs.frozen
class CheckedPage:
    """A page that makes sense."""

    rows: list[Row]
    """Newest first, every open time before the ``to`` that was asked with."""
    full: bool
    """Whether the exchange sent as many rows as were asked for, so that older ones may exist.

    A full page may have fewer rows than ``count``, or none at all, where it began with rows at ``to``: it then still
    proves only what its rows reach. One that is not full proves that nothing older exists.
    """


def check_page(
    page_rows: Sequence[Row], *, symbol: str, timeframe: Timeframe, to: int, count: int, server_time: float | None
) -> CheckedPage:
    """Return the rows of a page that was asked for with ``to`` and ``count``, or raise ``InvalidResponseError``.

    Refused, naming the row: more rows than ``count``; open times that don't strictly descend, are off the
    timeframe's grid, before 1970, at or after ``to``, or more than 5 seconds after ``server_time`` (UTC
    seconds; None: not known); prices
    that are not finite and positive or that lie outside low and high; a negative or infinite volume or turnover; a
    ``timestamp`` more than a day before the open time (it may well be after the candle's end). Rows at the head that
    open exactly at ``to`` are dropped instead: a page that repeats the last row of the one before was seen in
    collected data.
    """
    full = len(page_rows) >= count
    asked = (symbol, timeframe, to, count)
    if len(page_rows) > count:
        raise _refusal(asked, None, f"{len(page_rows)} rows came")
    seam = 0
    while seam < len(page_rows) and page_rows[seam].open_time == to:
        seam += 1
    rows = list(page_rows[seam:])
    before = to
    row = None
    try:
        for row in rows:
            if not row.open_time < before:
                raise _refusal(asked, row, _order_fault(row, before, to))
            fault = row_fault(row, timeframe)
            if fault is not None:
                raise _refusal(asked, row, fault)
            before = row.open_time
    except TypeError as error:
        raise _refusal(asked, row, f"a value is no number that can be: {error}") from error
    if rows and before < 0:
        raise _refusal(asked, rows[-1], "it opens before 1970")
    if rows and server_time is not None and rows[0].open_time > server_time + _CLOCK_SPREAD:
        raise _refusal(asked, rows[0], f"it opens in the future: the server's clock says {_text(server_time)}")
    return CheckedPage(rows, full)


def row_fault(row: Row, timeframe: Timeframe) -> str | None:
    """Return what makes one candle impossible, whatever comes beside it; None where it is possible.

    Its open time is on the timeframe's grid, its prices are finite and positive, and open and close lie within low
    and high; volume and turnover are finite and not negative; the ``timestamp`` is at most a day before the open time.
    """
    try:
        opened, first, high, low, last, volume, turnover, stamp, previous, change, rate = row
        length = timeframe.seconds
        if (opened - timeframe.offset) % length if length else timeframe.floor(opened) != opened:
            return "its open time is off the grid"
        if not (
            0 < low <= first <= high < inf
            and low <= last <= high
            and 0 <= volume < inf
            and 0 <= turnover < inf
            and opened * 1000 - _EARLIEST_STAMP <= stamp < _LATEST_STAMP
            and type(stamp) is int
            and type(opened) is int
        ):
            return _value_fault(row)
        if not (previous is change is rate is None) and not (
            isfinite(previous or 0) and isfinite(change or 0) and isfinite(rate or 0)
        ):
            return f"its change is not finite: {previous}, {change}, {rate}"
    except (TypeError, ValueError, OverflowError, OSError) as error:
        return f"a value is no number that can be: {error}"
    return None


def _order_fault(row: Row, before: int, to: int) -> str:
    if row.open_time >= to:
        return "it does not open before `to`"
    return "it is repeated" if row.open_time == before else f"it comes after an older one, {_text(before)}"


def _value_fault(row: Row) -> str:
    prices = (row.open, row.high, row.low, row.close)
    for name, price in zip(("open", "high", "low", "close"), prices, strict=True):
        if not 0 < price < inf:
            return f"{name} is {price!r}, not a finite price above 0"
    if not (row.low <= min(prices) and max(prices) <= row.high):
        return f"open {row.open!r} and close {row.close!r} are not within low {row.low!r} and high {row.high!r}"
    for name, amount in (("volume", row.volume), ("turnover", row.turnover)):
        if not 0 <= amount < inf:
            return f"{name} is {amount!r}, not a finite amount from 0"
    if type(row.open_time) is not int:
        return f"open_time is {row.open_time!r}, not a whole number of seconds"
    return f"timestamp is {row.timestamp!r}, not milliseconds after a day before its open time"


def _refusal(asked: tuple[str, Timeframe, int, int], row: Row | None, what: str) -> InvalidResponseError:
    symbol, timeframe, to, count = asked
    candle = "" if row is None else f"the candle of {_text(row.open_time)}: "
    return InvalidResponseError(f"{symbol} {timeframe}, {count} before {_text(to)}: {candle}{what}; nothing is stored")


def _text(seconds: float) -> str:
    try:
        return f"{to_datetime(int(seconds)):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError, TypeError):
        return repr(seconds)
