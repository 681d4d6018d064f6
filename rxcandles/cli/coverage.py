"""``rxcandles coverage``: what a database holds, as a table, as a picture, or for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from rxcandles.arguments import check_symbol
from rxcandles.claims import Claim
from rxcandles.cli import options
from rxcandles.cli.provisional import impossible_text
from rxcandles.cli.running import run_async
from rxcandles.cli.strip import LEGEND, axis, legend, strip
from rxcandles.cli.terminal import Terminal
from rxcandles.cli.text import echo, printable
from rxcandles.holdings import CoverageCell, SeriesOverview, check_ends, coverage_cells, covered_within, overview
from rxcandles.ports import Impossible
from rxcandles.stores import SqliteStore
from rxcandles.timeframe import BEGINNING, END, Timeframe, from_datetime, plain_time

__all__ = ["coverage"]

WIDEST: Final = 160
"""Characters of a strip where the terminal is wider; what is no terminal counts as 100."""


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
    width = min(Terminal().width, WIDEST) if sys.stdout.isatty() else 100
    # A terminal wraps a long line, where a table would cut its columns.
    terminal = Terminal(width=200, no_color=no_color)
    found = run_async(_found(options.existing(db), (symbol, timeframe, since, to), None if as_json else width))
    if as_json:
        for each in found:
            echo(json.dumps(each))
    elif found:
        blocks = _can_show("".join(mark.block for mark in LEGEND))
        terminal.print(_table([series for series, *_ in found]))
        for series, pieces, impossible in found:
            lines = (
                Text("\n" + printable(" ".join(series.series))),
                *([Text(printable(impossible_text(impossible)))] if impossible else []),
                strip(pieces, width, blocks=blocks),
                Text(axis(pieces[0].start, pieces[-1].stop, width)),
            )
            terminal.print(Text("\n").join(lines), soft_wrap=True)
        terminal.print(Text("\n") + legend(blocks=blocks), soft_wrap=True)
    else:
        between = " between these times" if since or to else ""
        echo("nothing is stored" + (f" of {symbol} {timeframe or ''}".rstrip() if symbol else "") + between)
    return 0


async def _found(db: str, asked: tuple[Any, ...], width: int | None) -> list[Any]:
    """Each series with its cells, or as what JSON says of it where there is no ``width``."""
    found: list[Any] = []
    async with SqliteStore(db) as store:
        held = {*await store.series(), *await store.imported_series()}
        exchanges = sorted({series.exchange for series in held})
    for exchange in exchanges:
        async with SqliteStore(db, exchange=exchange) as store:
            for each in await overview(store, *asked):
                if width is None:
                    found.append(await _plain(store, each, asked[2:]))
                else:
                    found.append((each, await _cells(store, each, width), await _impossible(store, each)))
    return found


async def _impossible(store: SqliteStore, series: SeriesOverview) -> list[Impossible]:
    return await store.impossible(series.series.symbol, Timeframe.of(series.series.timeframe), *_span(series))


async def _cells(store: SqliteStore, series: SeriesOverview, width: int) -> Sequence[CoverageCell]:
    return await coverage_cells(store, series.series.symbol, series.series.timeframe, _span(series), width)


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


def _table(found: Sequence[SeriesOverview]) -> Table:
    imported = any(each.imported for each in found)
    provisional = any(each.provisional for each in found)
    impossible = any(each.impossible for each in found)
    table = Table(box=None, pad_edge=False)
    for name in ("exchange", "symbol", "timeframe"):
        table.add_column(name, no_wrap=True)
    for name in (
        "from (UTC)",
        "to (UTC)",
        "candles",
        "no trade",
        *(["provisional"] if provisional else []),
        "holes",
        "missing",
        *(["impossible"] if impossible else []),
        *(["imported"] if imported else []),
        "bytes",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for each in found:
        ends = [plain_time(end.timestamp()).removesuffix(":00") for end in (each.start, each.stop)]
        counts = (
            each.candles,
            each.no_trade,
            *([each.provisional] if provisional else []),
            each.holes,
            each.missing,
            *([each.impossible] if impossible else []),
            *([each.imported] if imported else []),
            each.size,
        )
        # The whole file by its rows is no measurement.
        about = "" if each.size_source == "dbstat" else "~"
        *numbers, size = (f"{count:,}" for count in counts)
        table.add_row(*each.series, *ends, *numbers, about + size)
    return table


def _can_show(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True
