"""Where the stored candles of a series begin and end, and its covered spans, a page of them at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

import attrs

from rxcandles.errors import RequestError
from rxcandles.model.moments import Time, Zone, check_instant
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, END, Timeframe, to_datetime
from rxcandles.ports import CandleStore, Covered, Series, opens_of, zone_of
from rxcandles.stores import SqlStore
from rxcandles.stores.sql.odd import check_apart
from rxcandles.util.arguments import check_span

__all__ = ["EndsHeld", "check_ends", "claimed_within", "covered_within", "ends_held", "recounted", "span_held"]

LEDGER_PAGE: Final = 1000
"""Covered spans in memory at once."""


async def span_held(
    store: CandleStore, symbol: str, timeframe: Timeframe, since: Time | None = None, to: Time | None = None
) -> Span | None:
    """Return the span of open times from ``since`` to ``to`` (the older included); by default what is stored.

    Return None if nothing of the series is stored, or nothing between the two times.
    """
    tz = zone_of(store)
    check_ends(since, to, tz)
    newest = await store.coverage(symbol, timeframe, BEGINNING, END, 1)
    if not newest:
        return None
    oldest = await opens_of(store, symbol, timeframe, BEGINNING, END, "oldest_first", 1)
    # A span covered down to the beginning of time means that the market had no candle before.
    held = oldest[0] if oldest else newest[0].start
    start = held if since is None else timeframe.ceil(check_instant("since", since, tz))
    stop = newest[0].stop if to is None else timeframe.ceil(check_instant("to", to, tz))
    return (start, stop) if start < stop and held < stop and start < newest[0].stop else None


@attrs.frozen
class EndsHeld:
    """The oldest and the newest stored candle of a span, and whether the market has nothing older."""

    first_candle: datetime | None
    last_candle: datetime | None
    reached_start: bool


async def ends_held(store: CandleStore, symbol: str, timeframe: Timeframe, span: Span) -> EndsHeld:
    """Return when the first and the last candle of ``span`` opened, and whether the first is the market's first."""
    oldest = await opens_of(store, symbol, timeframe, *span, "oldest_first", 1)
    newest = await opens_of(store, symbol, timeframe, *span, "newest_first", 1)
    edge = oldest[0] if oldest else span[1]
    covered = await store.coverage(symbol, timeframe, BEGINNING, edge, 1) if edge > BEGINNING else []
    proven = bool(covered) and covered[0].start <= BEGINNING and covered[0].stop >= edge
    older = proven and await opens_of(store, symbol, timeframe, BEGINNING, edge, "newest_first", 1)
    first, last = (to_datetime(each[0]) if each else None for each in (oldest, newest))
    return EndsHeld(first, last, proven and not older)


def check_ends(since: Time | None, to: Time | None, tz: Zone | None = None) -> None:
    """Raise :class:`RequestError` if a time is invalid or their order is wrong; None stands for the default."""
    start = BEGINNING if since is None else check_instant("since", since, tz)
    if to is not None and check_instant("to", to, tz) <= start:
        raise RequestError(f"to is {to}, which is not after since, {since}; give ends that are further apart")


async def covered_within(store: CandleStore, symbol: str, timeframe: Timeframe, span: Span) -> AsyncIterator[Covered]:
    """Iterate over the covered spans within ``span``, newest first, cut to it; one page of them is in memory."""
    start, stop = check_span("span", span)
    while True:
        page = await store.coverage(symbol, timeframe, start, stop, LEDGER_PAGE)
        if isinstance(store, SqlStore):
            check_apart(page, store.path, Series(store.exchange, symbol, timeframe.name))
        for first, last, rows in page:
            cut = Covered(max(first, start), min(last, stop), rows)
            # Before the market's first candle everything is covered and empty: then there is nothing to count again.
            if first < start and not await opens_of(store, symbol, timeframe, first, start, "newest_first", 1):
                first = start
            yield await recounted(store, symbol, timeframe, cut, (first, last))
        if len(page) < LEDGER_PAGE:
            return
        stop = page[-1].start


async def recounted(store: CandleStore, symbol: str, timeframe: Timeframe, cut: Covered, whole: Span) -> Covered:
    """Return ``cut`` with its own number of rows, if it is less than the ``whole`` that they were counted for."""
    if (cut.start, cut.stop) == whole:
        return cut
    return cut._replace(rows=await store.count(symbol, timeframe, cut.start, cut.stop))


async def claimed_within(store: CandleStore, symbol: str, timeframe: Timeframe, span: Span) -> SpanSet:
    """Return the provisional part of ``span``."""
    claims = await store.claims(symbol, timeframe, *span) if span[0] < span[1] else []
    return SpanSet(tuple(claim.span for claim in claims)).intersect(SpanSet((span,)))
