"""``rxcandles coverage``: what a database holds, as a table, as a picture, or for programs."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any, Final, TypeVar

import attrs
import click
from rich.text import Text

from rxcandles.cli import options
from rxcandles.cli.asking import check_one, which_of
from rxcandles.cli.covered import Layout
from rxcandles.cli.objects import OBJECTS, SERIES
from rxcandles.cli.provisional import impossible_text
from rxcandles.cli.running import run_async
from rxcandles.cli.showntimes import home, time_written
from rxcandles.cli.stored import check_there
from rxcandles.cli.strip import LEGEND
from rxcandles.cli.terminal import Terminal
from rxcandles.cli.text import counted, echo, printable
from rxcandles.errors import OddRowError, RequestError
from rxcandles.model.advice import where_options
from rxcandles.model.claims import Claim
from rxcandles.model.moments import Length
from rxcandles.model.spans import Span
from rxcandles.model.timeframe import BEGINNING, END, Timeframe, from_datetime, to_datetime
from rxcandles.model.which import Which
from rxcandles.ports import Impossible, Series
from rxcandles.stores import SqliteStore
from rxcandles.stores.overview import (
    TOGETHER,
    CoverageCell,
    SeriesOverview,
    check_ends,
    coverage_cells,
    covered_within,
    ends_held,
    overview,
)
from rxcandles.util.plain import plain_span

__all__ = ["coverage"]

_A = TypeVar("_A")
_T = TypeVar("_T")

WIDEST: Final = 160
"""Characters of a line where the terminal is wider."""

_EMPTY: Final = dict.fromkeys(
    [
        *SERIES, "first_candle", "last_candle", "reached_start", "no_trade", "outage", "either", "provisional", "holes",
        "missing_slots", "impossible_slots", "imported", "bytes", "bytes_from", "proven_spans", "claims", "impossible",
    ]
)  # fmt: skip


@click.command(
    help="""Show what is stored, what is missing in between, and where there is no candle to be had.

    \b
    rxcandles coverage
    rxcandles coverage 'KRW-*' 1m --complete --quiet
    rxcandles coverage KRW-BTC 1m --db candles.db --json
    """
)
@options.stored_series
@options.stretch
@options.last
@options.existing_db
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: one object per line for each series, with its proven spans."
)
@click.option("--complete", is_flag=True, help="Exit with 1 if something is missing, and say what on stderr.")
@options.quiet
@options.no_color
def coverage(**asked: Any) -> options.Work:
    """Show what is stored, what is missing in between, and where there is no candle to be had."""
    return lambda: _show_coverage(**asked)


def _show_coverage(
    words: Sequence[str],
    symbols: Sequence[str],
    timeframes: Sequence[str],
    since: datetime | None,
    to: datetime | None,
    last: Length | None,
    db: str,
    as_json: bool,
    complete: bool,
    quiet: bool,
    no_color: bool,
) -> int:
    which = which_of(words, symbols, timeframes)
    check_one({"since": since, "last": last})
    if last is not None:
        since = last.since(home(datetime.now(UTC) if to is None else to))
    check_ends(since, to)
    if as_json:
        OBJECTS.expect("coverage", _EMPTY)
    held = run_async(_found(options.existing(db), which, (since, to), _plain if as_json else _drawn))
    found, between = held.shown, " between these times" if since or to else ""
    if not found and not held.odd:
        if str(which):
            raise RequestError(f"nothing is stored of {which}{between} in {db!r}")
        if not (as_json or quiet or complete):
            echo(f"nothing is stored{between}")
    if as_json:
        OBJECTS.show_all(plain for _, plain in found)
    elif found and not quiet:
        _show(db, [drawn for _, drawn in found], no_color=no_color)
    for line in (*(lacking := _lacking(db, held, between) if complete else []), *held.odd):
        echo(f"rxcandles: {line}", err=True)
    return 1 if lacking or held.odd else 0


async def lacking_in(db: str, which: Which) -> list[str]:
    """Return a line for each of the series that are meant, of all exchanges, of which something is missing."""
    return _lacking(db, await _found(db, which, (None, None), _drawn), "")


def _lacking(db: str, held: _Found, between: str) -> list[str]:
    """Return a line for each series of which something is missing, or all of it; one where there is no series."""
    if not (held.shown or held.odd or held.absent):
        return [f"nothing is stored{between} in {db!r}"]
    lines = [_lacking_text(each, db) for each, _ in held.shown if each.missing]
    return lines + [f"nothing is stored of {each.symbol} {each.timeframe}{between} in {db!r}" for each in held.absent]


def _lacking_text(series: SeriesOverview, db: str) -> str:
    """Return what is missing of a series in one sentence, with the command that fetches it."""
    (exchange, symbol, frame), ends = series.series, (series.start, series.stop)
    since, until = map(time_written, ends)
    return (
        f"{symbol} {frame} is not complete: {counted(series.missing, 'slot')} missing in "
        f"{counted(series.holes, 'hole')}; `rxcandles collect {symbol} {frame} --since {since} --until {until}"
        f"{where_options(db, exchange)}` fetches them"
    )


def _show(db: str, found: Sequence[_Drawn], *, no_color: bool) -> None:
    # What is no terminal is as wide as one usually is, unless COLUMNS says otherwise.
    width = min(Terminal().width, WIDEST)
    terminal = Terminal(width=width, no_color=no_color)
    layout = Layout({each.series: each.span for each in found}, width)
    cells = run_async(_cells(db, layout, found))
    blocks = _can_show("".join(mark.block for mark in LEGEND))
    for line in layout.lines(cells, blocks=blocks, width=width):
        terminal.print(line, soft_wrap=True)
    for each in found:
        if each.impossible:
            text = Text(printable(f"{' '.join(each.series.series)}: {impossible_text(each.impossible)}"))
            terminal.print(text, soft_wrap=True)


@attrs.frozen
class _Found:
    """What a database has of the series that are meant."""

    shown: Sequence[tuple[SeriesOverview, Any]]
    odd: Sequence[str]
    """A line for each that has a row that can't be."""
    absent: Sequence[Series]
    """Those that have nothing between the times that are asked for."""


async def _found(
    db: str, which: Which, ends: tuple[datetime | None, datetime | None], told: Callable[..., Awaitable[Any]]
) -> _Found:
    """Each series, whoever's, with what is ``told`` of it."""
    found: list[tuple[SeriesOverview, Any]] = []
    odd: dict[str, None] = {}
    left: set[Series] = set()
    async with SqliteStore(db) as store:
        held = {*await store.series(), *await store.imported_series()}
        names = await store.odd_series()
        check_there(db, which, held | {Series(*each) for each in names})
        odd |= dict.fromkeys(each.said(db) for each in names if which.fits(each.symbol, each.timeframe))
    if told is _plain:
        OBJECTS.coming({each: each._asdict() for each in sorted(held) if which.fits(*each[1:])})
    exchanges = sorted({series.exchange for series in held})
    for exchange in exchanges:
        async with SqliteStore(db, exchange=exchange) as store:
            series = await overview(store, which.symbols or None, which.timeframes or None, *ends)
            odd |= dict.fromkeys(series.odd)
            seen = await _visited(store, series, lambda inside, each: _with(each, told(inside, each, ends)))
            found += [(each, what) for each, what, fault in seen if fault is None]
            odd |= dict.fromkeys(fault for *_, fault in seen if fault is not None)
            if not series.odd:  # else it is not known which have nothing there
                ours = {each for each in held if each.exchange == exchange and which.fits(*each[1:])}
                left |= ours - {each.series for each in series}
    return _Found(found, [*odd], sorted(left))


async def _with(series: SeriesOverview, told: Awaitable[_A]) -> tuple[SeriesOverview, _A | None, str | None]:
    """Return a series with what is told of it, or with why that can't be read."""
    try:
        return series, await told, None
    except OddRowError as error:
        return series, None, str(error)


async def _visited(
    store: SqliteStore, items: Sequence[_T], work: Callable[[SqliteStore, _T], Awaitable[_A]]
) -> list[_A]:
    """Return ``work(store, item)`` of each, some in each visit of the store's thread."""
    found: list[_A] = []

    async def some_of(store: SqliteStore, *, some: Sequence[_T]) -> list[_A]:
        return [await work(store, each) for each in some]

    for at in range(0, len(items), TOGETHER):
        found += await store.visit(partial(some_of, some=items[at : at + TOGETHER]))
    return found


async def _impossible(store: SqliteStore, series: SeriesOverview) -> list[Impossible]:
    return await store.impossible(series.series.symbol, Timeframe.of(series.series.timeframe), *_span(series))


@attrs.frozen
class _Drawn:
    """A series, the span of its strip, and what is told below."""

    series: SeriesOverview
    span: Span
    impossible: Sequence[Impossible]


async def _drawn(store: SqliteStore, series: SeriesOverview, ends: tuple[datetime | None, datetime | None]) -> _Drawn:
    """Return a series with the span that it and what is imported of it have together."""
    frame, (start, stop) = Timeframe.of(series.series.timeframe), _span(series)
    if series.imported:
        since, to = (None if end is None else int(from_datetime(end)) for end in ends)
        asked = (series.series.symbol, frame, since or BEGINNING, END if to is None else to)
        [oldest] = await store.imported(*asked, "oldest_first", 1)
        [newest] = await store.imported(*asked, "newest_first", 1)
        start, stop = min(start, oldest.open_time), max(stop, frame.shift(newest.open_time, 1))
    return _Drawn(series, (start, stop), await _impossible(store, series))


async def _cells(db: str, layout: Layout, found: Sequence[_Drawn]) -> list[Sequence[CoverageCell]]:
    cells: list[Sequence[CoverageCell]] = []
    for exchange, some in groupby(found, lambda each: each.series.series.exchange):
        async with SqliteStore(db, exchange=exchange) as store:
            cells += await _visited(store, list(some), partial(_cells_of, layout=layout))
    return cells


async def _cells_of(store: SqliteStore, drawn: _Drawn, *, layout: Layout) -> Sequence[CoverageCell]:
    first, stop = layout.place(drawn.series)
    series = drawn.series.series
    return await coverage_cells(store, series.symbol, series.timeframe, drawn.span, stop - first)


async def _plain(
    store: SqliteStore, series: SeriesOverview, ends: tuple[datetime | None, datetime | None]
) -> dict[str, object]:
    frame, (since, to) = Timeframe.of(series.series.timeframe), ends
    proven = covered_within(store, series.series.symbol, frame, _span(series))
    # That nothing is older than the oldest candle is one of them, so not only those of the span.
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


def _can_show(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
