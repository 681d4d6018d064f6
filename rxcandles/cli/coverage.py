"""``rxcandles coverage``: what a database holds, as a table, as a picture, or for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import attrs
import click
from rich.text import Text

from rxcandles.arguments import check_symbol
from rxcandles.claims import Claim
from rxcandles.cli import options
from rxcandles.cli.covered import Layout
from rxcandles.cli.provisional import impossible_text
from rxcandles.cli.running import run_async
from rxcandles.cli.strip import LEGEND
from rxcandles.cli.terminal import Terminal
from rxcandles.cli.text import echo, printable
from rxcandles.holdings import CoverageCell, SeriesOverview, check_ends, coverage_cells, covered_within, overview
from rxcandles.ports import Impossible
from rxcandles.spans import Span
from rxcandles.stores import SqliteStore
from rxcandles.timeframe import BEGINNING, END, Timeframe, from_datetime, plain_time

__all__ = ["coverage"]

WIDEST: Final = 160
"""Characters of a line where the terminal is wider."""


@click.command()
@options.series
@options.stretch
@options.existing_db
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object a series, with its proven spans and claims."
)
@options.no_color
def coverage(**asked: Any) -> options.Work:
    """Show what is stored and proven, and what is missing in between.

    \b
    rxcandles coverage
    rxcandles coverage KRW-BTC 1m --db candles.db --json
    """
    return lambda: _show_coverage(**asked)


def _show_coverage(
    symbol: str | None,
    timeframe: str | None,
    since: datetime | None,
    to: datetime | None,
    db: str,
    as_json: bool,
    no_color: bool,
) -> int:
    if symbol is not None:
        check_symbol(symbol)
    if timeframe is not None:
        timeframe = Timeframe.of(timeframe).name
    check_ends(since, to)
    asked = (symbol, timeframe, since, to)
    if as_json:
        found: list[Any] = run_async(_found(options.existing(db), asked, _plain))
        for each in found:
            echo(json.dumps(each))
    elif found := run_async(_found(options.existing(db), asked, _drawn)):
        _show(db, found, no_color=no_color)
    else:
        between = " between these times" if since or to else ""
        echo("nothing is stored" + (f" of {symbol} {timeframe or ''}".rstrip() if symbol else "") + between)
    return 0


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


async def _found(db: str, asked: tuple[Any, ...], told: Callable[..., Awaitable[Any]]) -> list[Any]:
    """Return what is told of each series, whoever's."""
    found: list[Any] = []
    async with SqliteStore(db) as store:
        held = {*await store.series(), *await store.imported_series()}
        exchanges = sorted({series.exchange for series in held})
    for exchange in exchanges:
        async with SqliteStore(db, exchange=exchange) as store:
            found += [await told(store, each, asked[2:]) for each in await overview(store, *asked)]
    return found


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
            for each in some:
                first, stop = layout.place(each.series)
                series = each.series.series
                cells.append(await coverage_cells(store, series.symbol, series.timeframe, each.span, stop - first))
    return cells


async def _impossible(store: SqliteStore, series: SeriesOverview) -> list[Impossible]:
    return await store.impossible(series.series.symbol, Timeframe.of(series.series.timeframe), *_span(series))


async def _plain(
    store: SqliteStore, series: SeriesOverview, ends: tuple[datetime | None, datetime | None]
) -> dict[str, object]:
    frame, (since, to) = Timeframe.of(series.series.timeframe), ends
    proven = covered_within(store, series.series.symbol, frame, _span(series))
    # That nothing is older than the oldest candle is one of them, so not only those of the span.
    start = BEGINNING if since is None else int(from_datetime(since))
    stop = END - 1 if to is None else int(from_datetime(to))
    claims = await store.claims(series.series.symbol, frame, start, stop)
    spans = [{"from": plain_time(start), "to": plain_time(stop), "candles": rows} async for start, stop, rows in proven]
    return {
        **series.series._asdict(),
        "from": plain_time(series.start.timestamp()),
        "to": plain_time(series.stop.timestamp()),
        "candles": series.candles,
        "no_trade": series.no_trade,
        "provisional": series.provisional,
        "holes": series.holes,
        "missing_slots": series.missing,
        "impossible_slots": series.impossible,
        "imported": series.imported,
        "bytes": series.size,
        "bytes_from": series.size_source,
        "spans": spans[::-1],
        "claims": [_claim(each) for each in claims],
        "impossible": [
            {
                "start": plain_time(each.open_time),
                "stop": plain_time(frame.shift(each.open_time, 1)),
                "reason": each.fault,
                "first_heard": plain_time(each.first_heard),
                "last_heard": plain_time(each.last_heard),
                "times": each.times,
            }
            for each in await _impossible(store, series)
        ],
    }


def _claim(claim: Claim) -> dict[str, object]:
    return {
        "kind": claim.kind,
        "start": plain_time(claim.start),
        "stop": plain_time(claim.stop),
        "first_heard": plain_time(claim.first_heard),
        "last_heard": plain_time(claim.last_heard),
        "times": claim.times,
        "asks_again": plain_time(claim.due),
    }


def _span(series: SeriesOverview) -> tuple[int, int]:
    return int(series.start.timestamp()), int(series.stop.timestamp())


def _can_show(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
