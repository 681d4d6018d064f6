"""``rxcandles import``: candles from files of other tools."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.checking import WRONG
from rxcandles.cli.console import printable
from rxcandles.exchanges import UpbitExchange
from rxcandles.importing import FORMATS, ImportCheck, ImportReport, check_imported
from rxcandles.importing.importer import read_candles
from rxcandles.naming import name_of
from rxcandles.opening import connect
from rxcandles.stores import SqliteStore
from rxcandles.timeframe import Timeframe

__all__ = ["import_file"]


def _columns(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(name.strip() and other for name, _, other in pairs):
        raise click.BadParameter(f"{text!r} names no columns; write ours=theirs, such as open_time=Date,close=Last")
    return {name.strip(): other.strip() for name, _, other in pairs}


@click.command(
    "import",
    epilog="Exit codes: 0 done, 1 it could not be done, 2 the file or the request can't be, 3 imported, and --check has"
    " found differences.",
)
@click.argument("file")
@options.of_series
@click.option(
    "--format", "style", type=click.Choice(FORMATS), help="What the file is; by its name and columns if not given."
)
@click.option(
    "--columns",
    type=_columns,
    metavar="OURS=THEIRS,…",
    help="What the file calls columns, where it isn't the usual: open_time=Date,close=Last.",
)
@click.option(
    "--tz",
    metavar="ZONE",
    help="Zone of times that have none, such as Asia/Seoul; UTC, or Korea's in the shape of pyupbit, if not given.",
)
@click.option(
    "--drop-empty/--keep-empty",
    default=True,
    show_default=True,
    help="What to do with rows in which nobody traded: volume 0, all prices the same.",
)
@click.option("--replace", is_flag=True, help="Let it win over earlier imports that say something else.")
@options.db
@click.option(
    "--check",
    "pages",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="Then compare so many pages, chosen at random, with the exchange: a request each.",
)
@options.exchange
@options.as_json
def import_file(as_json: bool, **asked: Any) -> options.Work:
    """Store candles of another tool's FILE, all of them or none.

    They are marked as imported, never taken for complete: collecting still asks the exchange, whose candles then take
    their place.

    \b
    rxcandles import BTC_KRW-1m.feather --symbol KRW-BTC --timeframe 1m
    rxcandles import mine.csv --symbol KRW-BTC --timeframe 1m --columns open_time=Date,close=Last --tz Asia/Seoul
    """
    return lambda: asyncio.run(_import(as_json=as_json, **asked))


async def _import(
    file: str,
    symbol: str,
    timeframe: str,
    style: str | None,
    columns: dict[str, str] | None,
    tz: str | None,
    drop_empty: bool,
    replace: bool,
    db: str,
    pages: int | None,
    exchange: str,
    base_url: str | None,
    name: str | None,
    rate_limit: Any,
    as_json: bool,
) -> int:
    UpbitExchange().check(symbol, Timeframe.of(timeframe))
    reading = read_candles(symbol, timeframe, file, format=style, columns=columns, tz=tz, keep_empty=not drop_empty)
    opening, found = connect(":memory:", exchange, base_url, rate_limit, name=name), None
    # The database is opened, and made, when all of the file is known to be good.
    async with reading as read, SqliteStore(db, exchange=name_of(exchange, base_url, name)) as store:
        report = await read.store(store, replace=replace)
        if not as_json:
            click.echo(_text(report, f"{symbol} {timeframe}", db))
        if pages is not None:
            async with opening as provider:
                found = await check_imported(store, provider.exchange, provider.limiter, symbol, timeframe, pages)
    if as_json:
        click.echo(json.dumps(attrs.asdict(report) | {"check": None if found is None else attrs.asdict(found)}))
    elif found is not None:
        click.echo("\n".join((_found(found), *map(printable, found.examples))))
    return WRONG if found is not None and (found.differing or found.lacking) else 0


def _found(found: ImportCheck) -> str:
    return (
        f"{found.candles:,} candles in {found.pages:,} pages compared with the exchange: {found.differing:,} differ,"
        f" {found.lacking:,} lacking"
    )


def _text(report: ImportReport, title: str, db: str) -> str:
    counts = [
        (report.replaced, "took the place of earlier imports"),
        (report.same, "were imported before"),
        (report.repeated, "are repeated"),
        (report.empty, "without a trade left out"),
        (report.covered, f"left out for the exchange's own ({report.differing:,} of them differ)"),
    ]
    more = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    return (
        f"{title}: {report.new:,} candles of {printable(report.source)} ({report.format}, {report.rows:,} rows)"
        f" imported into {printable(db)}, unproven" + (f"; {more}" if more else "")
    )
