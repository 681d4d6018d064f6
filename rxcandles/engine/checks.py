"""The checks that every page of any exchange must pass before it is stored; a page that makes no sense is refused.

The page itself says what it covers (``covered``, ``history_starts``); its rows are compared with that. An impossible
candle on a page that otherwise makes sense is reported and no more, since the other candles are still true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Final, TypeAlias

import attrs

from rxcandles.errors import InvalidResponseError
from rxcandles.model import Row, RowWithTrades
from rxcandles.model.rules import finite, possible, sound_trades, value_fault
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import BEGINNING, Timeframe, time_text
from rxcandles.ports import Page

__all__ = ["CheckedPage", "check_page"]

_Asked: TypeAlias = tuple[str, Timeframe, int, int]
"""Symbol, timeframe, ``to`` and ``count``."""

_PLAIN: Final = len(Row._fields)
_CLOCK_SPREAD: Final = 5
"""Seconds by which the ``Date`` header (whole seconds of a front server) may lag behind the candles."""


@attrs.frozen
class CheckedPage:
    """A page that makes sense, except for some of its candles."""

    rows: list[Row]
    """Newest first, every open time before the ``to`` that was asked with; impossible candles are among them."""
    covered: Span
    """The exchange says that every candle in this span is among the rows; all rows lie in it."""
    history_starts: bool = False
    """Whether the exchange says that nothing older exists."""
    full: bool = False
    """Whether as many rows came as were asked for."""
    impossible: Mapping[int, str] = attrs.field(factory=dict)
    """Why candles are impossible, by open time: they exist, but their values are unknown. At most half of the rows."""


def check_page(
    page: Page | Sequence[Row],
    *,
    symbol: str,
    timeframe: Timeframe,
    to: int,
    count: int,
    server_time: float | None = None,
    kept_since: int = BEGINNING,
) -> CheckedPage:
    """Return a page that was asked for with ``to`` and ``count`` as a checked page.

    A page is refused if it has more rows than ``count``; if its open times do not strictly descend, are off the
    timeframe's grid, before 1970, at or after ``to``, outside of what the page covers, or more than 5 seconds after the
    server's time; or if more of its candles are impossible than possible. Rows at the head that open exactly at ``to``
    are dropped: a page that repeats the last row of the page before was seen in collected data.

    A candle is impossible if a price is not finite, not positive, or outside of low and high; if its volume or turnover
    is negative or infinite; if its ``timestamp`` is more than a day before its open time (it may be after the candle's
    end); or if a value is not a number. Impossible candles among possible ones are listed in ``impossible``.

    * ``server_time``: UTC seconds; None to take the page's own.
    * ``kept_since``: for rows alone and for a page that does not say what it covers, which count as the newest
      ``count`` of what the exchange keeps: the exchange keeps everything since this time.

    Raises ``InvalidResponseError``, which names the row, for a refused page.

    >>> row = Row(60, 9.0, 9.0, 9.0, 9.0, 1.0, 9.0, 60_000)
    >>> check_page([row], symbol="KRW-BTC", timeframe=Timeframe.of("1m"), to=120, count=1).covered
    (60, 120)
    """
    page = page if isinstance(page, Page) else Page(page)
    server_time = page.server_time if server_time is None else server_time
    asked = (symbol, timeframe, to, count)
    came = len(page.rows)
    if came > count:
        raise _refusal(asked, None, f"{came} rows came")
    seam = 0
    while seam < len(page.rows) and page.rows[seam].open_time == to:
        seam += 1
    rows = list(page.rows[seam:] if seam else page.rows)
    impossible = {} if _sound(rows, timeframe, to) else _impossible(rows, asked)
    if rows and server_time is not None and rows[0].open_time > server_time + _CLOCK_SPREAD:
        raise _refusal(asked, rows[0], f"it opens in the future: the server's clock says {time_text(server_time)}")
    if page.covered is None:
        page = Page.before(page.rows, to, count, kept_since=kept_since)
    return CheckedPage(rows, _covered(page, rows, asked), page.history_starts, came >= count, impossible)


def _covered(page: Page, rows: Sequence[Row], asked: _Asked) -> Span:
    """Return the part of the request that the page covers, on the grid; raise if a row lies outside."""
    _, timeframe, to, _ = asked
    start, stop = page.covered or (to, to)
    start, stop = timeframe.ceil(start), min(timeframe.ceil(stop), to)
    if start > stop:
        raise _refusal(asked, None, f"it says that it covers {time_text(start)} to {time_text(stop)}, which ends first")
    for row in (rows[0], rows[-1]) if rows else ():
        if not start <= row.open_time < stop:
            covers = f"{time_text(start)} to {time_text(stop)}"
            raise _refusal(asked, row, f"it lies outside of what the page says it covers, {covers}")
    return (start, stop)


def _sound(rows: Sequence[tuple[Any, ...]], timeframe: Timeframe, before: int) -> bool:
    """Say whether everything is valid, as on nearly every page."""
    if rows and isinstance(rows[0], RowWithTrades):
        return _sound_trades(rows) and _sound([row[:_PLAIN] for row in rows], timeframe, before)
    on_grid = timeframe.on_grid
    try:
        for opened, first, high, low, last, volume, turnover, stamp, previous, change, rate in rows:
            if not (
                opened < before
                and on_grid(opened)
                and possible(opened, first, high, low, last, volume, turnover, stamp)
                and type(stamp) is int
                and type(opened) is int
                and (previous is change is rate is None or all(map(finite, filter(None, (previous, change, rate)))))
            ):
                return False
            before = opened
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _sound_trades(rows: Sequence[tuple[Any, ...]]) -> bool:
    try:
        for trades, volume, turnover in [row[_PLAIN:] for row in rows]:
            if not (type(trades) is int and trades >= 0 and 0 <= volume < inf and 0 <= turnover < inf):
                return all(sound_trades(RowWithTrades._make(row)) for row in rows)
    except TypeError:
        return False
    return True


def _impossible(rows: Sequence[Row], asked: _Asked) -> dict[int, str]:
    """Return why candles are impossible, by open time; raise if the page itself is wrong."""
    _, timeframe, to, _ = asked
    before = to
    impossible: dict[int, str] = {}
    for row in rows:
        try:
            fault = value_fault(row)
            opened = row.open_time
            if type(opened) is not int or opened < 0:
                raise _refusal(asked, row, fault)
            if not (opened < before and timeframe.on_grid(opened)):
                raise _refusal(asked, row, _time_fault(row, before, to))
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            raise _refusal(asked, None, f"a row is no candle: {error}") from error
        if fault is not None:
            impossible[opened] = fault
        before = opened
    if 2 * len(impossible) > len(rows):
        [opened, fault], *_ = impossible.items()
        more = f", and of {len(rows)} candles {len(impossible) - 1} more can't be" if len(impossible) > 1 else ""
        raise _refusal(asked, next(row for row in rows if row.open_time == opened), f"{fault}{more}")
    return impossible


def _time_fault(row: Row, before: int, to: int) -> str:
    if row.open_time < before:
        return "its open time is off the grid"
    if row.open_time >= to:
        return "it does not open before `to`"
    return "it is repeated" if row.open_time == before else f"it comes after an older one, {time_text(before)}"


def _refusal(asked: _Asked, row: Row | None, what: str | None) -> InvalidResponseError:
    symbol, timeframe, to, count = asked
    candle = "" if row is None else f"the candle of {time_text(row.open_time)}: "
    return InvalidResponseError(
        f"{symbol} {timeframe}, {count} before {time_text(to)}: {candle}{what}; nothing is stored"
    )
