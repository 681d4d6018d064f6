"""``rxcandles import``: candles from files of other tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.checking import WRONG
from rxcandles.cli.console import printable
from rxcandles.cli.importfiles import Asked, Left, files_of
from rxcandles.cli.objects import OBJECTS
from rxcandles.cli.running import run_async
from rxcandles.cli.showntimes import ZONE, at_home
from rxcandles.cli.text import echo
from rxcandles.errors import RequestError
from rxcandles.exchanges import named
from rxcandles.interchange import ImportCheck, ImportReport, check_imported
from rxcandles.interchange.reading.importer import FORMATS, read_candles
from rxcandles.model.moments import default_zone
from rxcandles.model.timeframe import Timeframe
from rxcandles.modes.connect import asked_name, connect
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.stores import SqliteStore

__all__ = ["import_file"]

_EMPTY: Final = dict.fromkeys(
    ["exchange", "symbol", "timeframe", "candles", *(each.name for each in attrs.fields(ImportReport)), "check"]
)


def _columns(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(name.strip() and other for name, _, other in pairs):
        raise click.BadParameter(f"{text!r} names no columns; write ours=theirs, such as open_time=Date,close=Last")
    return {name.strip(): other.strip() for name, _, other in pairs}


@click.command(
    "import",
    help="""Import candles from files of other tools. A file is imported completely or not at all.

    Reads CSV, Parquet, feather, JSON and JSON lines, also compressed (.gz, .zip). From a folder it takes all files
    whose names say market and timeframe, such as BTC_KRW-1m.feather. Imported candles are marked as unproven:
    collecting still asks the exchange, and replaces them with its candles.

    \b
    rxcandles import BTC_KRW-1m.feather
    rxcandles import user_data/data/upbit
    rxcandles import mine.csv --symbol KRW-BTC --timeframe 1m --columns open_time=Date,close=Last --tz KST
    """,
    epilog="Exit codes: 0 done, 1 failed, 2 invalid file or arguments, 3 imported, but --check found differences.",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER...")
@options.of_series
@click.option(
    "--format", "style", type=click.Choice(FORMATS), help="File format; by default recognized by name and columns."
)
@click.option(
    "--columns",
    type=_columns,
    metavar="OURS=THEIRS,…",
    help="Column names, if they are unusual: open_time=Date,close=Last. Without a header, column numbers from 1.",
)
@click.option(
    "--tz",
    metavar="ZONE",
    help="Time zone of times without one, such as KST or America/New_York. By default what the file says, else"
    " RXCANDLES_TZ, else UTC; stderr says which.",
)
@click.option("--encoding", metavar="NAME", help="Encoding of a CSV file, such as cp949; by default detected.")
@click.option(
    "--drop-empty/--keep-empty",
    default=True,
    show_default=True,
    help="Leave out rows without a trade (volume 0, all prices equal), or keep them.",
)
@click.option("--replace", is_flag=True, help="Overwrite candles of earlier imports that differ.")
@options.db
@click.option(
    "--check",
    "pages",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="Afterwards compare N random pages with the exchange, one request each.",
)
@options.exchange
@options.as_json
@options.quiet
def import_file(
    as_json: bool,
    quiet: bool,
    files: tuple[str, ...],
    symbol: str | None,
    timeframe: str | None,
    style: str | None,
    columns: dict[str, str] | None,
    tz: str | None,
    encoding: str | None,
    drop_empty: bool,
    **place: Any,
) -> options.Work:
    """Import candles from files of other tools. A file is imported completely or not at all."""
    reading = {
        "format": style, "columns": columns, "tz": tz, "encoding": encoding, "keep_empty": not drop_empty,
    }  # fmt: skip

    def work() -> int:
        with suppress(RequestError):  # it is refused when a file is read
            ZONE.set(default_zone(tz))
        if as_json:
            OBJECTS.expect("import", _EMPTY)
        return run_async(_import(files, symbol, timeframe, reading, as_json=as_json, quiet=quiet, **place))

    return work


async def _import(
    files: Sequence[str],
    symbol: str | None,
    timeframe: str | None,
    reading: Mapping[str, Any],
    *,
    replace: bool,
    db: str,
    pages: int | None,
    exchange: str,
    base_url: str | None,
    name: str | None,
    rate_limit: Any,
    as_json: bool,
    quiet: bool,
) -> int:
    asked = files_of(files, symbol, timeframe, exchange)
    for each in asked:
        if not isinstance(each, Left):
            named(exchange)().check(each.symbol, Timeframe.of(each.timeframe))
    opening, differs, failed = connect(":memory:", exchange, base_url, rate_limit, name=name), False, False
    whose = await asked_name(exchange, base_url, name)
    OBJECTS.coming({number: _named(each, whose) for number, each in enumerate(asked) if not isinstance(each, Left)})
    async with AsyncExitStack() as opened:
        store: SqliteStore | None = None
        provider: CandleDataProvider | None = None
        for number, each in enumerate(asked):
            if isinstance(each, Left):
                _tell(f"{each.path} left out: {each.why}")
                continue
            try:
                async with read_candles(each.symbol, each.timeframe, each.path, exchange=whose, **reading) as read:
                    # The database is opened, and made, when all of a file is known to be good.
                    if store is None:
                        store = await opened.enter_async_context(SqliteStore(db, exchange=whose))
                    report = await read.store(store, replace=replace)
            except RequestError as error:
                if len(asked) == 1:
                    raise
                _tell(str(error))
                failed = True
                OBJECTS.drop(number)
                continue
            values = {**_named(each, whose), "candles": report.new, **attrs.asdict(report), "check": None}
            OBJECTS.know(number, values)
            if not as_json and not quiet:
                echo(_text(report, f"{each.symbol} {each.timeframe}", db))
                for note in report.notes:
                    _tell(f"{report.source}: {note}")
            found = None
            if pages is not None:
                if provider is None:
                    provider = await opened.enter_async_context(opening)
                found = await check_imported(
                    store, provider.exchange, provider.limiter, each.symbol, each.timeframe, pages
                )
                differs = differs or bool(found.differing or found.lacking)
            if as_json:
                OBJECTS.show(number, {**values, "check": None if found is None else attrs.asdict(found)})
            elif found is not None and not (quiet and not differs):
                echo(_found(found), *map(at_home, found.examples))
    OBJECTS.begin()
    return 2 if failed else WRONG if differs else 0


def _named(asked: Asked, whose: str) -> dict[str, Any]:
    series = {"symbol": asked.symbol, "timeframe": Timeframe.of(asked.timeframe).name}
    return {"exchange": whose, **series, "candles": 0, "source": asked.path}


def _tell(message: str) -> None:
    echo(f"rxcandles: {printable(at_home(' '.join(message.split())))}", err=True)


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
