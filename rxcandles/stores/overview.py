"""What a store holds: the series, their ends, and how many slots of each are stored, without a trade, or missing.

A slot is *stored* if it has a candle, *without a trade* if it is covered and has none (an *outage* if the exchange has
candles without a trade, too), and *missing* if it is not covered. A slot without a candle is *provisional* if the
answers that lacked it may have been wrong. Coverage is read a page at a time; candles are only counted.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import datetime
from functools import partial
from typing import Final

import attrs

from rxcandles.errors import OddRowError
from rxcandles.model.absent import ABSENT_WORDS, AbsentSlots, counted_as
from rxcandles.model.moments import Time, check_instant
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import BEGINNING, END, Timeframe, to_datetime
from rxcandles.model.which import Names, Which
from rxcandles.ports import Series, absent_of, impossible_in, zone_of
from rxcandles.stores import SqlStore
from rxcandles.stores.held import check_ends, claimed_within, covered_within, span_held
from rxcandles.stores.sql.odd import OddSeries
from rxcandles.util.arguments import refusal
from rxcandles.util.showing import Brief, bar_html, table_html

__all__ = ["Overview", "SeriesOverview", "overview"]


TOGETHER: Final = 100
"""Series that are examined in one visit of a store."""


@attrs.frozen(repr=False)
class SeriesOverview(Brief, AbsentSlots):
    """One series between two open times (the older included), with its slots counted by kind.

    * ``holes``: number of gaps.
    * ``size``: bytes of its candles in the file: their share, by number, of the table that all series are in.
    * ``size_source``: where the size of that table comes from: ``dbstat`` (its pages) or ``average`` (of the whole
      file).

    >>> [series] = await overview(store, "KRW-BTC", "1m")
    >>> series.candles, series.missing, series.holes
    (120, 0, 0)
    """

    series: Series
    start: datetime
    stop: datetime
    candles: int
    no_trade: int
    missing: int
    holes: int
    size: int
    size_source: str
    imported: int
    """Imported candles from ``since`` to ``to``, including those outside of the two open times; they are not covered.
    """
    provisional: int = 0
    """Covered slots that are empty by answers that may have been wrong, until one more confirms it."""
    impossible: int = 0
    """Slots of ``missing`` with an impossible candle; the next run asks again."""
    outage: int = 0
    """Covered slots without a candle, of an exchange that has one even if nobody traded: the exchange was out."""
    either: int = 0
    """Covered slots without a candle, of an exchange that does not tell which of the two it means."""
    sealed: int = 0
    """Candles of ``candles`` that have left the database for a lake (``rxcandles lake seal``)."""


class Overview(list[SeriesOverview]):
    """A list of series; a notebook shows it as a table. ``odd`` has a line for each series that is left out."""

    odd: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        head = ("exchange", "series", "from (UTC)", "to (UTC)", "candles", "no candle", "missing", "imported", "")
        return table_html(f"{len(self):,} series", [_row(each) for each in self], head)


def _row(each: SeriesOverview) -> tuple[object, ...]:
    kinds = {
        "stored": each.candles, ABSENT_WORDS[each.absent]: each.empty - each.provisional,
        "provisional": each.provisional, "missing": each.missing - each.impossible, "impossible": each.impossible,
    }  # fmt: skip
    exchange, symbol, timeframe = each.series
    # The meaning stands beside the number if it is not the usual one.
    empty = each.empty if each.absent == "no_trade" else f"{each.empty:,} ({ABSENT_WORDS[each.absent]})"
    counts = (each.candles, empty, each.missing, each.imported)
    return (exchange, f"{symbol} {timeframe}", each.start, each.stop, *counts, bar_html(kinds.items()))


async def overview(
    store: SqlStore,
    symbol: Names = None,
    timeframe: Names | Timeframe = None,
    since: Time | None = None,
    to: Time | None = None,
) -> Overview:
    """Return what ``store`` holds of each series of its exchange, by name.

    Memory does not depend on how much is stored. A series that holds nothing between the two times is left out. So is a
    series with an invalid row; the list's ``odd`` says why.

    * ``symbol``, ``timeframe``: only these series: a name, several, or a glob.
    * ``since``: by default the oldest candle.
    * ``to``: by default the end of the coverage, or of the imported candles if nothing is covered.

    Raises:

    * ``RequestError`` for an invalid argument.
    * ``StoreError`` if the store can't be read.

    >>> [(each.series.symbol, each.candles) for each in await overview(store)]
    [('KRW-BTC', 120)]
    """
    if not isinstance(store, SqlStore):
        raise refusal("store", store, "give a SqliteStore or a PostgresStore")
    which = Which.of(symbol, timeframe.name if isinstance(timeframe, Timeframe) else timeframe)
    check_ends(since, to, zone_of(store))
    size = await store.row_size()
    found = Overview()
    held, unproven, unread = await store.visit(_named)
    wanted = [
        series
        for series in sorted(held | unproven)
        if series.exchange == store.exchange and which.fits(series.symbol, series.timeframe)
    ]
    odd = [each.said(store.path) for each in unread if which.fits(each.symbol, each.timeframe)]
    for at in range(0, len(wanted), TOGETHER):
        some = wanted[at : at + TOGETHER]
        seen, left_out = await store.visit(
            partial(_overviews, some=some, unproven=unproven, since=since, to=to, size=size)
        )
        found += seen
        odd += left_out
    found.odd = tuple(odd)
    return found


async def _named(store: SqlStore) -> tuple[set[Series], set[Series], list[OddSeries]]:
    """Return the covered series, the imported series, and those that no request can name."""
    return {*await store.series()}, {*await store.imported_series()}, await store.odd_series()


async def _overviews(
    store: SqlStore,
    *,
    some: Sequence[Series],
    unproven: Set[Series],
    since: Time | None,
    to: Time | None,
    size: tuple[float, str],
) -> tuple[list[SeriesOverview], list[str]]:
    """Return an overview of each series, and a line for each with an invalid row."""
    found: list[SeriesOverview] = []
    odd: list[str] = []
    for series in some:
        try:
            found += await _overview_of(store, series, unproven=unproven, since=since, to=to, size=size)
        except OddRowError as error:
            odd.append(str(error))
    return found, odd


async def _overview_of(
    store: SqlStore,
    series: Series,
    *,
    unproven: Set[Series],
    since: Time | None,
    to: Time | None,
    size: tuple[float, str],
) -> list[SeriesOverview]:
    """Return the overview of a series between these times; an empty list if it holds nothing."""
    frame, tz = Timeframe.of(series.timeframe), zone_of(store)
    await store.check_ledger(series.symbol, frame)
    ends = (
        BEGINNING if since is None else int(frame.ceil(check_instant("since", since, tz))),
        END if to is None else int(frame.ceil(check_instant("to", to, tz))),
    )
    imported = await store.imported_count(series.symbol, frame, *ends) if series in unproven else 0
    span = await span_held(store, series.symbol, frame, since, to)
    if span is None and imported:
        [oldest] = await store.imported(series.symbol, frame, *ends, "oldest_first", 1)
        [newest] = await store.imported(series.symbol, frame, *ends, "newest_first", 1)
        span = oldest.open_time, frame.shift(newest.open_time, 1)
    return [] if span is None else [await _overview(store, series, frame, span, *size, imported)]


async def _overview(
    store: SqlStore, series: Series, frame: Timeframe, span: Span, row_bytes: float, source: str, imported: int
) -> SeriesOverview:
    candles = known = holes = 0
    edge = span[1]
    async for start, stop, rows in covered_within(store, series.symbol, frame, span):
        candles += rows
        known += frame.slots(start, stop)
        holes += frame.slots(stop, edge) > 0
        edge = start
    holes += frame.slots(span[0], edge) > 0
    missing = frame.slots(*span) - known
    doubted = sum(frame.slots(*each) for each in await claimed_within(store, series.symbol, frame, span))
    absent = counted_as(await absent_of(store, series.symbol, frame), known - candles)
    months = await store.sealed(series.symbol, frame, *span)
    sealed = sum([await store.count(series.symbol, frame, max(each.start, span[0]), min(each.stop, span[1]))
                  for each in months])  # fmt: skip
    return SeriesOverview(
        series, to_datetime(span[0]), to_datetime(span[1]), candles, absent.pop("no_trade"), missing, holes,
        round((candles - sealed) * row_bytes), source, imported, min(doubted, known - candles),
        len(await impossible_in(store, series.symbol, frame, *span)), **absent, sealed=sealed,
    )  # fmt: skip
