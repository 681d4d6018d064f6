"""The gate that every page of any exchange passes before it is stored: a page that can't be is refused.

What a page proves it says itself (``covered``, ``history_starts``); here its rows are held against that.

A candle that can't be, in a page that can, is told and no more: the others are true all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

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
"""Seconds that the clock of the ``Date`` header, whole seconds of a front server, may lie behind the candles'."""


@attrs.frozen
class CheckedPage:
    """A page that makes sense, but for some of its candles."""

    rows: list[Row]
    """Newest first, every open time before the ``to`` that was asked with; those that can't be true are among them."""
    covered: Span
    """Every candle that exists in there is among the rows, by the exchange's word; all of the rows lie in it."""
    history_starts: bool = False
    """Whether the exchange says that nothing older exists."""
    full: bool = False
    """Whether as many rows came as were asked for."""
    impossible: Mapping[int, str] = attrs.field(factory=dict)
    """Why a candle can't be true, by open time: it exists, and nobody knows its values. Never more than half."""


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
    """Return the rows of a page that was asked for with ``to`` and ``count``, or raise ``InvalidResponseError``.

    Refused, naming the row: more rows than ``count``; open times that don't strictly descend, are off the
    timeframe's grid, before 1970, at or after ``to``, outside of what the page covers, or more than 5 seconds after
    ``server_time`` (UTC seconds; None: as the page says). Rows at the head that
    open exactly at ``to`` are dropped instead: a page that repeats the last row of the one before was seen in
    collected data. Rows alone, and a page that does not say what it covers, are taken for the newest ``count``
    of what the exchange keeps, which is all ``kept_since`` then.

    A candle is impossible where a price is not finite and positive or lies outside low and high, a volume or turnover
    is negative or infinite, the ``timestamp`` is more than a day before the open time (it may well be after the
    candle's end), or something is no number at all. One such among others is told (``impossible``); a page with more
    of them than of others is refused.
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
    """Return what the page covers of what was asked, on the grid; raise where a row lies outside."""
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


def _sound(rows: Sequence[Row], timeframe: Timeframe, before: int) -> bool:
    """Say whether all is well, as it is with nearly every page."""
    if rows and isinstance(rows[0], RowWithTrades):
        try:
            told = all(map(sound_trades, rows))
        except TypeError:
            return False
        return told and _sound([Row._make(row[:_PLAIN]) for row in rows], timeframe, before)
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


def _impossible(rows: Sequence[Row], asked: _Asked) -> dict[int, str]:
    """Return what is wrong with candles, by open time; raise where it is the page that is wrong."""
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
