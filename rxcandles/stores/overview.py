"""What a store holds: the series, their ends, and how many slots of each are stored, without a trade, or missing.

A slot is *stored* if it has a candle, *without a trade* if it is covered and has none (an *outage* if the exchange has
candles without a trade, too), and *missing* if it is not covered. A slot without a candle is *provisional* if the
answers that lacked it may have been wrong. Coverage is read a page at a time; candles are only counted.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Sequence, Set
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Final

import attrs

from rxcandles.errors import OddRowError, RequestError
from rxcandles.model.absent import ABSENT_WORDS, AbsentSlots, counted_as
from rxcandles.model.moments import Time, Zone, check_instant
from rxcandles.model.spans import Span, SpanSet
from rxcandles.model.timeframe import BEGINNING, END, Timeframe, to_datetime
from rxcandles.model.which import Names, Which
from rxcandles.ports import CandleStore, Covered, Series, absent_of, impossible_in, zone_of
from rxcandles.stores import SqliteStore
from rxcandles.stores.sqlite.odd import OddSeries, check_apart
from rxcandles.util.arguments import check_count, check_kind, check_like, check_span, check_symbol
from rxcandles.util.showing import Brief, bar_html, strip_html, table_html

__all__ = [
    "CoverageCell",
    "CoverageCells",
    "EndsHeld",
    "Overview",
    "SeriesOverview",
    "check_ends",
    "coverage_cells",
    "covered_within",
    "ends_held",
    "overview",
    "span_held",
]

LEDGER_PAGE: Final = 1000
"""Covered spans in memory at once."""

TOGETHER: Final = 100
"""Series that are examined in one visit of a store."""


@attrs.frozen
class CoverageCell(AbsentSlots):
    """One piece of a series' time, ``[start, stop)`` in UTC seconds, with its slots counted by kind.

    >>> [cell] = await coverage_cells(store, "KRW-BTC", "1m", (1_704_067_200, 1_704_074_400), 1)
    >>> cell.slots, cell.stored, cell.no_trade, cell.missing
    (120, 120, 0, 0)
    """

    start: int
    stop: int
    slots: int
    stored: int
    no_trade: int
    provisional: int = 0
    """Covered slots that are empty by answers that may have been wrong, until one more confirms it."""
    imported: int = 0
    """Slots of ``missing`` that have an imported candle."""
    impossible: int = 0
    """Slots of ``missing`` with an impossible candle."""
    outage: int = 0
    """Covered slots without a candle, of an exchange that has one even if nobody traded: the exchange was out."""
    either: int = 0
    """Covered slots without a candle, of an exchange that does not tell which of the two it means."""

    @property
    def missing(self) -> int:
        """Slots that are not covered."""
        return self.slots - self.stored - self.empty


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


class CoverageCells(list[CoverageCell]):
    """Pieces of a series' time; a notebook shows them as a strip."""

    def _repr_html_(self) -> str:
        return strip_html([_kinds(each) for each in self])


def _kinds(cell: CoverageCell) -> dict[str, float]:
    return {
        "stored": cell.stored, "imported": cell.imported, ABSENT_WORDS[cell.absent]: cell.empty - cell.provisional,
        "provisional": cell.provisional, "missing": max(0, cell.missing - cell.imported - cell.impossible),
        "impossible": max(0, min(cell.impossible, cell.missing - cell.imported)),
    }  # fmt: skip


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
    store: SqliteStore,
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
    check_kind("store", store, SqliteStore)
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


async def _named(store: SqliteStore) -> tuple[set[Series], set[Series], list[OddSeries]]:
    """Return the covered series, the imported series, and those that no request can name."""
    return {*await store.series()}, {*await store.imported_series()}, await store.odd_series()


async def _overviews(
    store: SqliteStore,
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
    store: SqliteStore,
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
    store: SqliteStore, series: Series, frame: Timeframe, span: Span, row_bytes: float, source: str, imported: int
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
    doubted = sum(frame.slots(*each) for each in await _claimed(store, series.symbol, frame, span))
    absent = counted_as(await absent_of(store, series.symbol, frame), known - candles)
    return SeriesOverview(
        series, to_datetime(span[0]), to_datetime(span[1]), candles, absent.pop("no_trade"), missing, holes,
        round(candles * row_bytes), source, imported, min(doubted, known - candles),
        len(await impossible_in(store, series.symbol, frame, *span)), **absent,
    )  # fmt: skip


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
    oldest = await store.rows(symbol, timeframe, BEGINNING, END, "oldest_first", 1)
    # A span covered down to the beginning of time means that the market had no candle before.
    held = oldest[0].open_time if oldest else newest[0].start
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
    oldest = await store.rows(symbol, timeframe, *span, "oldest_first", 1)
    newest = await store.rows(symbol, timeframe, *span, "newest_first", 1)
    edge = oldest[0].open_time if oldest else span[1]
    covered = await store.coverage(symbol, timeframe, BEGINNING, edge, 1) if edge > BEGINNING else []
    proven = bool(covered) and covered[0].start <= BEGINNING and covered[0].stop >= edge
    older = proven and await store.rows(symbol, timeframe, BEGINNING, edge, "newest_first", 1)
    first, last = (to_datetime(each[0].open_time) if each else None for each in (oldest, newest))
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
        if isinstance(store, SqliteStore):
            check_apart(page, store.path, Series(store.exchange, symbol, timeframe.name))
        for first, last, rows in page:
            cut = Covered(max(first, start), min(last, stop), rows)
            # Before the market's first candle everything is covered and empty: then there is nothing to count again.
            if first < start and not await store.rows(symbol, timeframe, first, start, "newest_first", 1):
                first = start
            yield await _recounted(store, symbol, timeframe, cut, (first, last))
        if len(page) < LEDGER_PAGE:
            return
        stop = page[-1].start


async def _recounted(store: CandleStore, symbol: str, timeframe: Timeframe, cut: Covered, whole: Span) -> Covered:
    """Return ``cut`` with its own number of rows, if it is less than the ``whole`` that they were counted for."""
    if (cut.start, cut.stop) == whole:
        return cut
    return cut._replace(rows=await store.count(symbol, timeframe, cut.start, cut.stop))


async def _claimed(store: CandleStore, symbol: str, timeframe: Timeframe, span: Span) -> SpanSet:
    """Return the provisional part of ``span``."""
    claims = await store.claims(symbol, timeframe, *span) if span[0] < span[1] else []
    return SpanSet(tuple(claim.span for claim in claims)).intersect(SpanSet((span,)))


async def _imported(store: CandleStore, symbol: str, frame: Timeframe, edges: Sequence[int]) -> list[int]:
    """Return the number of imported candles between each edge and the next."""
    pairs = list(pairwise(edges))
    if not pairs or not isinstance(store, SqliteStore):
        return [0] * len(pairs)
    if not await store.imported_count(symbol, frame, edges[0], edges[-1]):
        return [0] * len(pairs)
    return [await store.imported_count(symbol, frame, *pair) for pair in pairs]


async def coverage_cells(
    store: CandleStore, symbol: str, timeframe: str | Timeframe, span: Span, number: int
) -> CoverageCells:
    """Return ``span`` in ``number`` pieces of equal size (one slot more or less), oldest first, for a strip of
    coverage.

    There are fewer pieces if there are fewer slots. Each candle is counted at most twice, none is read, and memory is
    that of the pieces.

    * ``span``: start (included) and stop (excluded), UTC seconds.

    Raises:

    * ``RequestError`` for an invalid argument.
    * ``StoreError`` if the store can't be read.

    >>> cells = await coverage_cells(store, "KRW-BTC", "1m", (1_704_067_200, 1_704_078_000), 3)
    >>> [cell.stored for cell in cells]
    [60, 60, 0]
    """
    check_like("store", store, CandleStore)
    check_symbol(symbol)
    frame = Timeframe.of(timeframe)
    start, stop = check_span("span", span)
    start, total = frame.ceil(start), frame.slots(start, stop)
    number = min(check_count("number", number), total)
    edges = [frame.shift(start, total * at // number) for at in range(number + 1)] if number else []
    stored, known, at = [0] * number, [0] * number, number - 1
    doubted = [0] * number
    for first, last in await _claimed(store, symbol, frame, (start, stop)) if number else []:
        for index in range(bisect_right(edges, first) - 1, bisect_left(edges, last)):
            doubted[index] += frame.slots(max(first, edges[index]), min(last, edges[index + 1]))
    wrong = [0] * number
    for each in await impossible_in(store, symbol, frame, start, stop) if number else []:
        wrong[bisect_right(edges, each.open_time) - 1] += 1
    async for covered in covered_within(store, symbol, frame, (start, stop)):
        while at >= 0 and edges[at] >= covered.stop:
            at -= 1
        last = at
        while last >= 0 and edges[last + 1] > covered.start:
            piece = covered._replace(start=max(covered.start, edges[last]), stop=min(covered.stop, edges[last + 1]))
            piece = await _recounted(store, symbol, frame, piece, (covered.start, covered.stop))
            stored[last] += piece.rows
            known[last] += frame.slots(piece.start, piece.stop)
            last -= 1
    imported = await _imported(store, symbol, frame, edges)
    absent = await absent_of(store, symbol, frame)
    return CoverageCells(
        CoverageCell(
            edges[at],
            edges[at + 1],
            frame.slots(edges[at], edges[at + 1]),
            stored[at],
            provisional=min(doubted[at], known[at] - stored[at]),
            imported=imported[at],
            impossible=wrong[at],
            **counted_as(absent, known[at] - stored[at]),
        )
        for at in range(number)
    )
