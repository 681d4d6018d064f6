"""The gate that every page of any exchange passes before it is stored: nothing impossible gets through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from rxcandles.errors import InvalidResponseError
from rxcandles.model import Row
from rxcandles.rules import finite, possible, value_fault
from rxcandles.timeframe import Timeframe, time_text

__all__ = ["CheckedPage", "check_page"]

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
    on_grid = timeframe.on_grid
    before = to
    row = None
    try:
        for row in rows:
            opened, first, high, low, last, volume, turnover, stamp, previous, change, rate = row
            if not (opened < before and on_grid(opened)):
                raise _refusal(asked, row, _time_fault(row, before, to))
            if not (
                possible(opened, first, high, low, last, volume, turnover, stamp)
                and type(stamp) is int
                and type(opened) is int
                and (previous is change is rate is None or all(map(finite, filter(None, (previous, change, rate)))))
            ):
                raise _refusal(asked, row, value_fault(row))
            before = opened
    except (TypeError, ValueError, OverflowError) as error:
        raise _refusal(asked, row, f"a value is no number that can be: {error}") from error
    if rows and server_time is not None and rows[0].open_time > server_time + _CLOCK_SPREAD:
        raise _refusal(asked, rows[0], f"it opens in the future: the server's clock says {time_text(server_time)}")
    return CheckedPage(rows, full)


def _time_fault(row: Row, before: int, to: int) -> str:
    if row.open_time < before:
        return "its open time is off the grid"
    if row.open_time >= to:
        return "it does not open before `to`"
    return "it is repeated" if row.open_time == before else f"it comes after an older one, {time_text(before)}"


def _refusal(asked: tuple[str, Timeframe, int, int], row: Row | None, what: str | None) -> InvalidResponseError:
    symbol, timeframe, to, count = asked
    candle = "" if row is None else f"the candle of {time_text(row.open_time)}: "
    return InvalidResponseError(
        f"{symbol} {timeframe}, {count} before {time_text(to)}: {candle}{what}; nothing is stored"
    )
