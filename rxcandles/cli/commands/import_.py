"""``rxcandles import``: store candles from files of other tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.console import printable
from rxcandles.cli.display import Output
from rxcandles.cli.findings_text import WRONG
from rxcandles.cli.import_files import Asked, Left, files_of
from rxcandles.cli.objects import OBJECTS
from rxcandles.cli.place import Place
from rxcandles.cli.runner import run_async
from rxcandles.cli.text import counted, echo
from rxcandles.cli.times import ZONE, at_home
from rxcandles.errors import RequestError
from rxcandles.interchange import ImportCheck, ImportReport, check_imported
from rxcandles.interchange.reading.importer import FORMATS, read_candles
from rxcandles.model.moments import default_zone
from rxcandles.model.timeframe import Timeframe
from rxcandles.modes.provider import CandleDataProvider
from rxcandles.stores.opening import store_at
from rxcandles.stores.sql.store import SqlStore

__all__ = ["import_file"]

_EMPTY: Final = dict.fromkeys(
    ["exchange", "symbol", "timeframe", "candles", *(each.name for each in attrs.fields(ImportReport)), "check"]
)


def _columns(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(name.strip() and other for name, _, other in pairs):
        raise click.BadParameter(
            f"{text!r} is not a list of columns; write ours=theirs, such as open_time=Date,close=Last"
        )
    return {name.strip(): other.strip() for name, _, other in pairs}


@attrs.frozen
class Reading:
    """Which series the files have, and how to read them."""

    symbol: str | None = None
    timeframe: str | None = None
    file_format: str | None = None
    columns: Mapping[str, str] | None = None
    tz: str | None = None
    encoding: str | None = None
    drop_empty: bool = True

    def how(self) -> dict[str, Any]:
        """Return the keyword arguments for ``read_candles``."""
        return {
            "format": self.file_format, "columns": self.columns, "tz": self.tz, "encoding": self.encoding,
            "keep_empty": not self.drop_empty,
        }  # fmt: skip


@click.command(
    "import",
    help="""Import candles from files of other tools. A file is imported completely or not at all.

    The files may be CSV, Parquet, feather, JSON or JSON lines, also compressed (.gz, .zip). In a folder, only files
    are imported whose names contain a market and a timeframe, such as BTC_KRW-1m.feather. Imported candles are not
    proven: `rxcandles collect` still asks the exchange, and replaces them with its candles.

    \b
    Reads:    the files
    Writes:   the database; creates it if it does not exist
    Network:  only with --check, or to ask a server of --base-url for its name

    \b
    rxcandles import BTC_KRW-1m.feather
    rxcandles import user_data/data/upbit
    rxcandles import mine.csv --symbol KRW-BTC --timeframe 1m --columns open_time=Date,close=Last --tz KST
    """,
    epilog="Exit codes: 0 done; 1 failed; 2 a file or an argument is invalid; "
    "3 imported, but --check found differences.",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER...")
@options.of_series
@click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    help="File format.  [default: by file name and columns]",
)
@click.option(
    "--columns",
    type=_columns,
    metavar="OURS=THEIRS,…",
    help="Columns with unusual names: open_time=Date,close=Last. If the file has no header, give column numbers, "
    "from 1: open_time=1,close=5.",
)
@click.option(
    "--tz",
    metavar="ZONE",
    help="Time zone of times that have none in the file: KST, America/New_York.  [default: what the file says, or"
    " RXCANDLES_TZ, or UTC; stderr says which]",
)
@click.option("--encoding", metavar="NAME", help="Encoding of a CSV file, such as cp949.  [default: detected]")
@click.option(
    "--drop-empty/--keep-empty",
    default=True,
    show_default=True,
    help="Leave out rows without a trade (volume 0 and all prices equal), or keep them. They are always kept if the "
    "exchange itself has such candles.",
)
@click.option("--replace", is_flag=True, help="Replace candles of earlier imports if they differ.")
@options.db
@click.option(
    "--check",
    "pages",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="After the import, compare N random pages with the exchange; one request each.",
)
@options.connection
@options.as_json
@options.quiet
@options.takes(reading=Reading)
@options.gathered
def import_file(
    files: tuple[str, ...], reading: Reading, place: Place, output: Output, replace: bool, pages: int | None
) -> options.Work:
    """Import each file completely or not at all."""

    def work() -> int:
        with suppress(RequestError):  # reading a file raises it
            ZONE.set(default_zone(reading.tz))
        if output.as_json:
            OBJECTS.expect("import", _EMPTY)
        asked = files_of(files, reading.symbol, reading.timeframe, place.exchange)
        for each in asked:
            if not isinstance(each, Left):
                place.kind().check(each.symbol, Timeframe.of(each.timeframe))
        place.beside().connect()  # raises for invalid options of the connection
        heads = {number: _named(each, place.whose()) for number, each in enumerate(asked) if not isinstance(each, Left)}
        OBJECTS.coming(heads)
        return run_async(_Import(reading, place, output, pages, replace=replace, several=len(asked) > 1).all_of(asked))

    return work


@attrs.define
class _Import:
    """Imports files one after the other; opens the database, and creates it, with the first valid file."""

    reading: Reading
    place: Place
    output: Output
    pages: int | None
    replace: bool
    several: bool
    failed: bool = False
    differs: bool = False
    _opened: AsyncExitStack = attrs.field(init=False, factory=AsyncExitStack)
    _store: SqlStore | None = attrs.field(init=False, default=None)
    _provider: CandleDataProvider | None = attrs.field(init=False, default=None)

    async def all_of(self, asked: Sequence[Asked | Left]) -> int:
        """Import the files; return the exit code."""
        async with self._opened:
            for number, each in enumerate(asked):
                if isinstance(each, Left):
                    _tell(f"{each.path} left out: {each.why}")
                else:
                    await self._one(number, each)
        OBJECTS.begin()
        return 2 if self.failed else WRONG if self.differs else 0

    async def _one(self, number: int, asked: Asked) -> None:
        whose, quiet, as_json = self.place.whose(), self.output.quiet, self.output.as_json
        try:
            async with read_candles(
                asked.symbol, asked.timeframe, asked.path, exchange=whose, **self.reading.how()
            ) as read:
                if self._store is None:
                    self._store = await self._opened.enter_async_context(store_at(self.place.db, exchange=whose))
                report = await read.store(self._store, replace=self.replace)
        except RequestError as error:
            if not self.several:
                raise
            _tell(str(error))
            self.failed = True
            OBJECTS.drop(number)
            return
        values = {**_named(asked, whose), "candles": report.new, **attrs.asdict(report), "check": None}
        OBJECTS.know(number, values)
        if not as_json and not quiet:
            echo(_text(report, f"{asked.symbol} {asked.timeframe}", self.place.db))
            for note in report.notes:
                _tell(f"{report.source}: {note}")
        found = None if self.pages is None else await self._checked(self._store, asked, self.pages)
        if as_json:
            OBJECTS.show(number, {**values, "check": None if found is None else attrs.asdict(found)})
        elif found is not None and not (quiet and not self.differs):
            echo(_found(found), *map(at_home, found.examples))

    async def _checked(self, store: SqlStore, asked: Asked, pages: int) -> ImportCheck:
        """Compare some pages with the exchange; the first call opens the connection."""
        if self._provider is None:
            self._provider = await self._opened.enter_async_context(self.place.beside().connect())
        there = self._provider
        found = await check_imported(store, there.exchange, there.limiter, asked.symbol, asked.timeframe, pages)
        self.differs = self.differs or bool(found.differing or found.lacking)
        return found


def _named(asked: Asked, whose: str) -> dict[str, Any]:
    series = {"symbol": asked.symbol, "timeframe": Timeframe.of(asked.timeframe).name}
    return {"exchange": whose, **series, "candles": 0, "source": asked.path}


def _tell(message: str) -> None:
    echo(f"rxcandles: {printable(at_home(' '.join(message.split())))}", err=True)


def _found(found: ImportCheck) -> str:
    return (
        f"{found.candles:,} candles in {found.pages:,} pages compared with the exchange: {found.differing:,} differ,"
        f" {found.lacking:,} are missing"
    )


def _text(report: ImportReport, title: str, db: str) -> str:
    counts = [
        (report.replaced, "replaced earlier imports"),
        (report.same, "were imported before"),
        (report.repeated, "are repeated in the file"),
        (report.empty, "without a trade left out"),
        (report.covered, f"left out because the exchange's own are stored ({report.differing:,} of them differ)"),
    ]
    more = ", ".join(f"{count:,} {what}" for count, what in counts if count)
    return (
        f"{title}: {counted(report.new, 'candle')} from {printable(report.source)} ({report.format}, "
        f"{report.rows:,} rows) imported into {printable(db)}, not proven" + (f"; {more}" if more else "")
    )
