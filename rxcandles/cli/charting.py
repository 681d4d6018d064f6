"""``rxcandles chart``: stored candles as an HTML page or a picture."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from rxcandles.arguments import check_symbol
from rxcandles.cli import options
from rxcandles.cli.asking import check_one
from rxcandles.cli.console import printable
from rxcandles.cli.running import run_async
from rxcandles.cli.stored import exchange_of
from rxcandles.cli.text import echo
from rxcandles.files import check_replaceable, replacing
from rxcandles.holdings import check_ends, span_held
from rxcandles.stores import SqliteStore
from rxcandles.timeframe import BEGINNING, Timeframe, from_datetime, plain_time, to_datetime

__all__ = ["chart"]


@click.command()
@options.one_series
@options.stretch
@options.last
@click.option("-o", "--output", metavar="FILE", help="The file to write.  [default: SYMBOL-TIMEFRAME.html or .png]")
@click.option("--png", "as_png", is_flag=True, help="A picture instead of a page; so does a FILE that ends in .png.")
@click.option("--title", help="Above the chart; the series' name where not given.")
@options.whose
@click.option("--force", is_flag=True, help="Replace FILE where it exists.")
@options.existing_db
def chart(**asked: Any) -> options.Work:
    """Draw stored candles, their volume and coverage, into one file.

    The page needs no network. Nothing is collected; what is missing shows as missing.

    \b
    rxcandles chart KRW-BTC 1m --last 30d -o btc.html
    rxcandles chart KRW-BTC 1d --png
    """
    return lambda: _chart(**asked)


def _chart(
    symbol: str,
    timeframe: str,
    since: datetime | None,
    to: datetime | None,
    last: timedelta | None,
    output: str | None,
    as_png: bool,
    title: str | None,
    exchange: str | None,
    force: bool,
    db: str,
) -> int:
    from rxcandles import charts

    frame = Timeframe.of(timeframe)
    check_symbol(symbol)
    check_one({"since": since, "last": last})
    check_ends(since, to)
    if output is None:
        output = f"{symbol.replace('/', '-').replace(':', '-')}-{frame}.{'png' if as_png else 'html'}"
    as_png = as_png or output.lower().endswith(".png")
    check_replaceable(output, force=force)
    data = run_async(_read(options.existing(db), symbol, frame, (since, to, last), exchange))
    content = charts.png(data, title) if as_png else charts.html(data, title).encode()
    with replacing(output, force=force) as path:
        path.write_bytes(content)
    start, stop = (plain_time(data.open_time(slot)) for slot in (0, data.slots))
    megabytes = Path(output).stat().st_size / 1e6
    echo(f"{symbol} {frame}: {len(data):,} candles, {start} to {stop} UTC, {megabytes:,.2f} MB")
    echo(printable(output))
    return 0


async def _read(
    db: str,
    symbol: str,
    frame: Timeframe,
    ends: tuple[datetime | None, datetime | None, timedelta | None],
    exchange: str | None,
) -> Any:
    from rxcandles import charts

    exchange = await exchange_of(db, symbol, frame, exchange)
    async with SqliteStore(db, exchange=exchange) as store:
        since, to, last = ends
        if last is not None:
            held = await span_held(store, symbol, frame, None, to)
            stop = held[1] if held is not None and to is None else BEGINNING if to is None else from_datetime(to)
            since = to_datetime(max(stop - last.total_seconds(), BEGINNING))
        return await charts.read_chart(store, symbol, frame, since, to)
