"""``rxcandles export``: stored candles into files of other tools."""

from __future__ import annotations

import json
import shlex
from datetime import datetime, timedelta
from typing import Any, Literal

import attrs
import click

from rxcandles.arguments import check_symbol
from rxcandles.cli import options
from rxcandles.cli.asking import check_one
from rxcandles.cli.console import printable
from rxcandles.cli.running import run_async
from rxcandles.cli.stored import exchange_of, source_options
from rxcandles.cli.text import echo
from rxcandles.frames import BY, FORMATS, Exported, export_candles
from rxcandles.stores import SqliteStore
from rxcandles.timeframe import Timeframe, plain_time, to_datetime

__all__ = ["export"]


@attrs.frozen
class _Asked:
    symbol: str
    timeframe: str
    output: str
    style: str | None
    by: Literal["month"] | None
    since: datetime | None
    to: datetime | None
    end: datetime | None
    last: timedelta | None
    complete: bool
    force: bool
    imported: bool
    db: str
    exchange: str | None
    as_json: bool


@click.command()
@options.one_series
@click.option("-o", "--output", required=True, metavar="PATH", help="The file, or the folder with --by and freqtrade.")
@click.option(
    "--format", "style", type=click.Choice(FORMATS), help="What PATH's suffix says where not given; parquet with --by."
)
@click.option("--by", type=click.Choice(BY), help="A file a month: PATH/symbol=…/timeframe=…/2024-01.parquet.")
@options.stored_span
@click.option("--complete", is_flag=True, help="Refuse to write where not all of it is proven.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--imported", is_flag=True, help="Imported candles too, with a column that says which are proven.")
@options.existing_db
@options.whose
@options.as_json
def export(**asked: Any) -> options.Work:
    """Write stored candles into a file, oldest first; nothing is fetched.

    What is stored but not proven is written too, and told on stderr.

    \b
    rxcandles export KRW-BTC 1m -o btc.parquet --last 30d
    rxcandles export KRW-BTC 1m -o lake --by month
    rxcandles export KRW-BTC 60m -o user_data/data/upbit --format freqtrade
    """
    return lambda: _export(_Asked(**asked))


def _export(asked: _Asked) -> int:
    check_one({"since": asked.since, "last": asked.last, "end": asked.end})
    options.existing(asked.db)
    done, exchange, left_out = run_async(_exported(asked))
    title = f"{asked.symbol} {Timeframe.of(asked.timeframe)}"
    if done.missing:
        where = _where(asked.db, exchange)
        spans = ", ".join(_text(*span) for span in done.missing[:3]) + (", …" if len(done.missing) > 3 else "")
        echo(
            f"rxcandles: {title} is not complete: {len(done.missing):,} "
            f"{'spans are' if len(done.missing) > 1 else 'span is'} not proven ({spans}); "
            f"`rxcandles collect {title} --to {_iso(done.span[1])} --end {_iso(done.span[0])}{where}` "
            "brings what is missing",
            err=True,
        )
    if left_out:
        echo(
            f"rxcandles: {left_out:,} imported candles are left out, none of them proven; --imported writes them too",
            err=True,
        )
    if asked.as_json:
        echo(_json(done))
    else:
        where = str(done.paths[0]) if len(done.paths) == 1 else f"{len(done.paths):,} files in {asked.output}"
        echo(f"{title}: {done.rows:,} candles, {_text(*done.span)} UTC, in {printable(where)}")
    return 0


async def _exported(asked: _Asked) -> tuple[Exported, str, int]:
    """Export; return what that came to, whose candles they are, and how many imported ones are left out."""
    check_symbol(asked.symbol)
    frame = Timeframe.of(asked.timeframe)
    exchange = await exchange_of(asked.db, asked.symbol, frame, asked.exchange, imported=asked.imported)
    since = next((each for each in (asked.since, asked.last, asked.end) if each is not None), None)
    async with SqliteStore(asked.db, exchange=exchange) as store:
        done = await export_candles(
            store, asked.symbol, frame, asked.output, since=since, to=asked.to, file_format=asked.style, by=asked.by,
            complete=asked.complete, force=asked.force, include_imported=asked.imported,
        )  # fmt: skip
        ends = (0 if since is None else done.span[0], 10**12 if asked.to is None else done.span[1])
        left_out = 0 if asked.imported else await store.imported_count(asked.symbol, frame, *ends)
    return done, exchange, left_out


def _where(db: str, exchange: str) -> str:
    """The options that name a database and an exchange, where these aren't the usual ones."""
    named = "" if db == options.DB else f" --db {shlex.quote(db)}"
    return named + source_options(exchange)


def _json(done: Exported) -> str:
    return json.dumps(
        {
            "paths": [str(path) for path in done.paths],
            "candles": done.rows,
            "span": [_iso(each) for each in done.span],
            "missing": [[_iso(each) for each in span] for span in done.missing],
        }
    )


def _iso(seconds: int) -> str:
    return f"{to_datetime(seconds):%Y-%m-%dT%H:%M:%S}"


def _text(start: int, stop: int) -> str:
    return f"{plain_time(start)} to {plain_time(stop)}"
