"""``rxcandles coverage``: what a database holds."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click

from rxcandles.arguments import check_symbol
from rxcandles.cli import options
from rxcandles.cli.console import coverage_table, show_table
from rxcandles.errors import RequestError
from rxcandles.stores import SqliteStore
from rxcandles.timeframe import Timeframe, to_datetime

__all__ = ["coverage"]


@click.command()
@options.series
@options.db
@options.as_json
@options.no_color
def coverage(**asked: Any) -> options.Work:
    """Show what is stored and proven, and what is missing in between.

    \b
    rxcandles coverage
    rxcandles coverage KRW-BTC 1m --db candles.db --json
    """
    return lambda: _show_coverage(**asked)


def _show_coverage(symbol: str | None, timeframe: str | None, db: str, as_json: bool, no_color: bool) -> int:
    if symbol is not None:
        check_symbol(symbol)
    if timeframe is not None:
        timeframe = Timeframe.of(timeframe).name
    if not Path(db).is_file():
        raise RequestError(f"there is no database {db!r}; name one with --db, or collect candles into it first")
    rows = asyncio.run(_coverage(db, symbol, timeframe))
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
    elif rows:
        show_table(coverage_table(rows), no_color=no_color)
    else:
        click.echo("nothing is stored" + (f" of {symbol} {timeframe or ''}".rstrip() if symbol else ""))
    return 0


async def _coverage(db: str, symbol: str | None, timeframe: str | None) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    async with SqliteStore(db) as store:
        found = await store.series()
    for series in found:
        if symbol not in (None, series.symbol) or timeframe not in (None, series.timeframe):
            continue
        frame = Timeframe.of(series.timeframe)
        async with SqliteStore(db, exchange=series.exchange) as store:
            covered = await store.coverage(series.symbol, frame, 0, 10**12)
            oldest = await store.rows(series.symbol, frame, 0, 10**12, "oldest_first", 1)
        start = oldest[0].open_time if oldest else covered[-1].start
        candles = sum(each.rows for each in covered)
        slots = sum(frame.slots(max(each.start, start), each.stop) for each in covered)
        rows.append(
            {
                **series._asdict(),
                "from": f"{to_datetime(start):%Y-%m-%d %H:%M:%S}",
                "to": f"{to_datetime(covered[0].stop):%Y-%m-%d %H:%M:%S}",
                "candles": candles,
                "no_trade": slots - candles,
                "holes": len(covered) - 1,
                "missing_slots": frame.slots(start, covered[0].stop) - slots,
            }
        )
    return rows
