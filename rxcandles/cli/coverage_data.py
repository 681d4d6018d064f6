"""Read the coverage of stored series, and what is missing in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

import attrs

from rxcandles.cli.objects import OBJECTS
from rxcandles.cli.stored import check_there
from rxcandles.cli.text import counted
from rxcandles.cli.times import time_written
from rxcandles.errors import OddRowError
from rxcandles.model.advice import where_options
from rxcandles.model.claims import Claim
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import BEGINNING, END, Timeframe, from_datetime, to_datetime
from rxcandles.model.which import Which
from rxcandles.ports import Impossible, Series
from rxcandles.stores.cells import CoverageCell, coverage_cells
from rxcandles.stores.held import covered_within, ends_held
from rxcandles.stores.opening import store_at
from rxcandles.stores.overview import TOGETHER, SeriesOverview, overview
from rxcandles.stores.sql.store import SqlStore
from rxcandles.util.plain import plain_span

__all__ = ["Drawn", "cells_of_all", "drawn_of", "found_in", "lacking_in", "lacking_lines", "plain_of"]

_A = TypeVar("_A")
_T = TypeVar("_T")


async def lacking_in(db: str, which: Which) -> list[str]:
    """Return a line for each named series, of all exchanges, that has a gap."""
    return lacking_lines(db, await found_in(db, which, (None, None), drawn_of), "")


def lacking_lines(db: str, held: _Found, between: str) -> list[str]:
    """Return a line for each series that has a gap or nothing at all; one line if there is no series."""
    if not (held.shown or held.odd or held.absent):
        return [f"nothing is stored{between} in {db!r}"]
    lines = [_lacking_text(each, db) for each, _ in held.shown if each.missing]
    return lines + [f"nothing is stored for {each.symbol} {each.timeframe}{between} in {db!r}" for each in held.absent]


def _lacking_text(series: SeriesOverview, db: str) -> str:
    """Return one sentence about what is missing in a series, with the command that fetches it."""
    (exchange, symbol, frame), ends = series.series, (series.start, series.stop)
    since, until = map(time_written, ends)
    return (
        f"{symbol} {frame} is not complete: {counted(series.missing, 'slot')} missing in "
        f"{counted(series.holes, 'gap')}; `rxcandles collect {symbol} {frame} --since {since} --until {until}"
        f"{where_options(db, exchange)}` fetches them"
    )


@attrs.frozen
class _Found:
    """What a database has of the named series."""

    shown: Sequence[tuple[SeriesOverview, Any]]
    odd: Sequence[str]
    """A line for each series that has an invalid row."""
    absent: Sequence[Series]
    """Series that have nothing between the two ends."""


async def found_in(
    db: str, which: Which, ends: tuple[datetime | None, datetime | None], told: Callable[..., Awaitable[Any]]
) -> _Found:
    """Return each named series of all exchanges, with what ``told`` returns for it."""
    found: list[tuple[SeriesOverview, Any]] = []
    odd: dict[str, None] = {}
    left: set[Series] = set()
    async with store_at(db) as store:
        held = {*await store.series(), *await store.imported_series()}
        names = await store.odd_series()
        check_there(db, which, held | {Series(*each) for each in names})
        odd |= dict.fromkeys(each.said(db) for each in names if which.fits(each.symbol, each.timeframe))
    if told is plain_of:
        OBJECTS.coming({each: each._asdict() for each in sorted(held) if which.fits(*each[1:])})
    exchanges = sorted({series.exchange for series in held})
    for exchange in exchanges:
        async with store_at(db, exchange=exchange) as store:
            series = await overview(store, which.symbols or None, which.timeframes or None, *ends)
            odd |= dict.fromkeys(series.odd)
            seen = await _visited(store, series, lambda inside, each: _with(each, told(inside, each, ends)))
            found += [(each, what) for each, what, fault in seen if fault is None]
            odd |= dict.fromkeys(fault for *_, fault in seen if fault is not None)
            if not series.odd:  # otherwise a series that could not be read would look empty
                ours = {each for each in held if each.exchange == exchange and which.fits(*each[1:])}
                left |= ours - {each.series for each in series}
    return _Found(found, [*odd], sorted(left))


async def _with(series: SeriesOverview, told: Awaitable[_A]) -> tuple[SeriesOverview, _A | None, str | None]:
    """Return a series with what ``told`` gives, or with why it can't be read."""
    try:
        return series, await told, None
    except OddRowError as error:
        return series, None, str(error)


async def _visited(store: SqlStore, items: Sequence[_T], work: Callable[[SqlStore, _T], Awaitable[_A]]) -> list[_A]:
    """Return ``work(store, item)`` for each item; do several in one visit to the store's thread."""
    found: list[_A] = []

    async def some_of(store: SqlStore, *, some: Sequence[_T]) -> list[_A]:
        return [await work(store, each) for each in some]

    for at in range(0, len(items), TOGETHER):
        found += await store.visit(partial(some_of, some=items[at : at + TOGETHER]))
    return found


async def _impossible(store: SqlStore, series: SeriesOverview) -> list[Impossible]:
    return await store.impossible(series.series.symbol, Timeframe.of(series.series.timeframe), *_span(series))


@attrs.frozen
class Drawn:
    """A series with the span of its strip, and its impossible candles for the lines below the table."""

    series: SeriesOverview
    span: Span
    impossible: Sequence[Impossible]


async def drawn_of(store: SqlStore, series: SeriesOverview, ends: tuple[datetime | None, datetime | None]) -> Drawn:
    """Return a series with the span that covers its stored and its imported candles."""
    frame, (start, stop) = Timeframe.of(series.series.timeframe), _span(series)
    if series.imported:
        since, to = (None if end is None else int(from_datetime(end)) for end in ends)
        asked = (series.series.symbol, frame, since or BEGINNING, END if to is None else to)
        [oldest] = await store.imported(*asked, "oldest_first", 1)
        [newest] = await store.imported(*asked, "newest_first", 1)
        start, stop = min(start, oldest.open_time), max(stop, frame.shift(newest.open_time, 1))
    return Drawn(series, (start, stop), await _impossible(store, series))


async def cells_of_all(
    db: str, found: Sequence[Drawn], place: Callable[[SeriesOverview], tuple[int, int]]
) -> list[Sequence[CoverageCell]]:
    """Return the cells of each series' strip; ``place`` gives its first character and the one after its last."""

    async def cells_of(store: SqlStore, drawn: Drawn) -> Sequence[CoverageCell]:
        (first, stop), series = place(drawn.series), drawn.series.series
        return await coverage_cells(store, series.symbol, series.timeframe, drawn.span, stop - first)

    cells: list[Sequence[CoverageCell]] = []
    for exchange, some in groupby(found, lambda each: each.series.series.exchange):
        async with store_at(db, exchange=exchange) as store:
            cells += await _visited(store, list(some), cells_of)
    return cells


async def plain_of(
    store: SqlStore, series: SeriesOverview, ends: tuple[datetime | None, datetime | None]
) -> dict[str, object]:
    """Return the object of a series that ``--json`` prints."""
    frame, (since, to) = Timeframe.of(series.series.timeframe), ends
    proven = covered_within(store, series.series.symbol, frame, _span(series))
    # Read claims outside the span too: the beginning of history is one, and lies before the oldest candle.
    start = BEGINNING if since is None else int(from_datetime(since))
    stop = END - 1 if to is None else int(from_datetime(to))
    claims = await store.claims(series.series.symbol, frame, start, stop)
    spans = [{**_ends(start, stop), "candles": rows} async for start, stop, rows in proven]
    held = await ends_held(store, series.series.symbol, frame, _span(series))
    plain = {
        **series.series._asdict(),
        "start": series.start,
        "stop": series.stop,
        "candles": series.candles,
        **attrs.asdict(held),
        "no_trade": series.no_trade,
        "outage": series.outage,
        "either": series.either,
        "provisional": series.provisional,
        "holes": series.holes,
        "missing_slots": series.missing,
        "impossible_slots": series.impossible,
        "imported": series.imported,
        "sealed": series.sealed,
        "bytes": series.size,
        "bytes_from": series.size_source,
        "proven_spans": spans[::-1],
        "claims": [_claim(each) for each in claims],
        "impossible": [
            {
                **_ends(each.open_time, frame.shift(each.open_time, 1)),
                "reason": each.fault,
                "first_heard": to_datetime(each.first_heard),
                "last_heard": to_datetime(each.last_heard),
                "times": each.times,
            }
            for each in await _impossible(store, series)
        ],
    }
    OBJECTS.know(series.series, plain)
    return plain


def _claim(claim: Claim) -> dict[str, object]:
    return {
        "kind": claim.kind,
        **_ends(claim.start, claim.stop),
        "first_heard": to_datetime(claim.first_heard),
        "last_heard": to_datetime(claim.last_heard),
        "times": claim.times,
        "asks_again": to_datetime(claim.due),
    }


def _ends(start: float, stop: float) -> dict[str, str]:
    return plain_span(to_datetime(start), to_datetime(stop))


def _span(series: SeriesOverview) -> tuple[int, int]:
    return int(series.start.timestamp()), int(series.stop.timestamp())
