"""``rxcandles export``: stored candles into files of other tools."""

from __future__ import annotations

import shlex
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.asking import check_length, check_one, which_of
from rxcandles.cli.objects import OBJECTS, SERIES
from rxcandles.cli.outputfiles import FOR_STDOUT, copied_to_stdout, files_for
from rxcandles.cli.running import run_async
from rxcandles.cli.showntimes import at_home, home, span_shown, time_shown, time_written, zone_name
from rxcandles.cli.stored import series_of
from rxcandles.cli.text import echo, printable
from rxcandles.errors import OddRowError, RequestError, UnprovenError
from rxcandles.interchange import BY, FORMATS, Exported, export_candles
from rxcandles.interchange.writing.own import are_own
from rxcandles.model.advice import where_options
from rxcandles.model.moments import Length
from rxcandles.model.timeframe import Timeframe, to_datetime
from rxcandles.model.which import Which
from rxcandles.ports import Series
from rxcandles.stores import SqliteStore
from rxcandles.stores.overview import span_held
from rxcandles.util.files import temporary_folder

__all__ = ["export"]

LINES = 3
"""Series of several that have a line of their own on stderr."""

_EMPTY: Final[dict[str, Any]] = {
    **dict.fromkeys([*SERIES, "paths", "missing", "imported_left_out"]), "candles": 0, "paths": [],
}  # fmt: skip


@attrs.frozen
class _Asked:
    which: Which
    output: str
    style: str | None
    by: Literal["month"] | None
    since: datetime | None
    last: Length | None
    to: datetime | None
    complete: bool
    force: bool
    include_imported: bool
    db: str
    exchange: str | None


@attrs.frozen
class _Done:
    series: Series
    file: Exported
    left_out: int
    """Imported candles that are not in the file."""


@click.command(
    help="""Write stored candles into files, oldest first. Nothing is fetched.

    If candles are missing in between, stderr says where.

    \b
    rxcandles export KRW-BTC 1m -o btc.parquet --last 30d
    rxcandles export 'KRW-*' 1m 60m -o '{symbol}-{timeframe}.csv'
    rxcandles export KRW-BTC 1m -o lake --by month
    rxcandles export 'KRW-*' 60m -o user_data/data/upbit --format freqtrade
    rxcandles export KRW-BTC 1m -o - --format csv | gzip > btc.csv.gz
    """
)
@options.stored_series
@click.option(
    "-o", "--output", metavar="PATH",
    help="File, or - for stdout. For several series a folder, or a name with {symbol} and {timeframe}.",
)  # fmt: skip
@click.option("--format", "style", type=click.Choice(FORMATS), help="File format; by default the suffix of PATH.")
@click.option("--by", type=click.Choice(BY), help="One file per month: PATH/symbol=…/timeframe=…/2024-01.parquet.")
@options.stored_span
@click.option("--complete", is_flag=True, help="Do not write a series that has missing candles.")
@click.option("--force", is_flag=True, help="Replace any file; not needed for an earlier export of the series.")
@options.imported
@options.existing_db
@options.whose
@options.as_json
@options.quiet
def export(
    words: tuple[str, ...],
    symbols: tuple[str, ...],
    timeframes: tuple[str, ...],
    output: str | None,
    last: Length | None,
    end: datetime | None,
    since: datetime | None,
    as_json: bool,
    quiet: bool,
    **asked: Any,
) -> options.Work:
    """Write stored candles into files, oldest first. Nothing is fetched."""

    def work() -> int:
        which = which_of(words, symbols, timeframes)
        if output is None or which == Which():
            what = " and ".join(
                ["which series to export (SYMBOL TIMEFRAME)"] * (which == Which())
                + ["where to write it (-o, --output)"] * (output is None)
            )
            named = str(which) or "KRW-BTC 60m"
            to = output or f"{named.replace(' ', '-')}.parquet"
            raise RequestError(f"nothing says {what}; write `rxcandles export {named} -o {shlex.quote(to)}`")
        check_one({"since": since, "last": last, "end": end})
        start = end if since is None else since
        return _export(_Asked(which, output, since=start, last=last, **asked), as_json=as_json, quiet=quiet)

    return work


def _export(asked: _Asked, *, as_json: bool, quiet: bool) -> int:
    options.existing(asked.db)
    to_stdout = asked.output == "-"
    if as_json:
        OBJECTS.expect("export", _EMPTY, err=to_stdout)
    done, failures = run_async(_exported_to_stdout(asked) if to_stdout else _exported(asked))
    incomplete = [each for each in done if each.file.missing]
    for each in incomplete[:LINES]:
        echo(_missing(each, asked.db), err=True)
    if len(incomplete) > LINES:
        echo(f"rxcandles: {len(incomplete) - LINES:,} series more are not complete", err=True)
    left_out = sum(each.left_out for each in done)
    if left_out:
        echo(
            f"rxcandles: {left_out:,} imported candles are left out, none of them proven; --imported writes them too",
            err=True,
        )
    if as_json:
        OBJECTS.show_all(map(_plain, done))
    elif not quiet:
        echo(*(_line(each, asked.output) for each in done), err=to_stdout)
    for failure in failures:
        echo(f"rxcandles: {at_home(failure)}", err=True)
    return 1 if failures else 0


async def _exported(asked: _Asked, output: str | None = None) -> tuple[list[_Done], list[str]]:
    """Export all that is meant; return what that came to, and why some of several could not be written."""
    done: list[_Done] = []
    failures: list[str] = []
    found = await series_of(asked.db, asked.which, asked.exchange, imported=asked.include_imported)
    files = files_for(
        found, output or asked.output, asked.style, folder=asked.by is not None or asked.style == "freqtrade"
    )
    OBJECTS.coming({each: each._asdict() for each in files})
    async with AsyncExitStack() as opened:
        stores: dict[str, SqliteStore] = {}
        for series, path in files.items():
            store = stores.get(series.exchange)
            if store is None:
                store = await opened.enter_async_context(SqliteStore(asked.db, exchange=series.exchange))
                stores[series.exchange] = store
            try:
                done.append(await _one(asked, store, series, path))
                if asked.output != "-":
                    OBJECTS.know(series, _plain(done[-1]))
            except (UnprovenError, RequestError, OddRowError) as error:
                if len(files) == 1:
                    raise
                failures.append(str(error))
                OBJECTS.drop(series)
    return done, failures


async def _exported_to_stdout(asked: _Asked) -> tuple[list[_Done], list[str]]:
    if asked.by is not None or (asked.style or "csv") not in FOR_STDOUT:
        raise RequestError("-o - is stdout, for one file; leave out --by, and take --format " + " or ".join(FOR_STDOUT))
    style = asked.style or "csv"
    with temporary_folder() as folder:
        done, failures = await _exported(attrs.evolve(asked, style=style), f"{folder}/")
        copied_to_stdout([path for each in done for path in each.file.paths], style)
    return [attrs.evolve(each, file=attrs.evolve(each.file, paths=(Path("-"),))) for each in done], failures


async def _one(asked: _Asked, store: SqliteStore, series: Series, path: str) -> _Done:
    since: datetime | timedelta | None = asked.since
    if asked.last is not None:
        since = await _since(asked.last, store, series, asked.to)
    frame = Timeframe.of(series.timeframe)
    kind = asked.style or ("parquet" if asked.by else Path(path).suffix[1:].lower())
    own = kind in FORMATS and are_own(Path(path), kind, asked.by is not None, series.exchange, series.symbol, frame)
    done = await export_candles(
        store, series.symbol, series.timeframe, path, since=since, to=asked.to, file_format=asked.style,
        by=asked.by, complete=asked.complete, force=asked.force or own, include_imported=asked.include_imported,
    )  # fmt: skip
    ends = (0 if since is None else done.span[0], 10**12 if asked.to is None else done.span[1])
    left_out = 0 if asked.include_imported else await store.imported_count(series.symbol, frame, *ends)
    return _Done(series, done, left_out)


async def _since(last: Length, store: SqliteStore, series: Series, to: datetime | None) -> datetime | timedelta:
    frame = Timeframe.of(series.timeframe)
    check_length(last, frame)
    if not last.months:
        return timedelta(seconds=last.seconds)
    if to is None:
        held = await span_held(store, series.symbol, frame)
        to = datetime.now(UTC) if held is None else to_datetime(held[1])
    return last.since(home(to))


def _missing(done: _Done, db: str) -> str:
    missing, title = done.file.missing, f"{done.series.symbol} {done.series.timeframe}"
    spans = ", ".join(" to ".join(map(time_shown, span)) for span in missing[:3]) + (", …" if len(missing) > 3 else "")
    start, stop = map(time_written, done.file.span)
    return (
        f"rxcandles: {title} is not complete: {len(missing):,} {'spans are' if len(missing) > 1 else 'span is'} not "
        f"proven ({spans} {zone_name()}); `rxcandles collect {title} --since {start} --until {stop}"
        f"{where_options(db, done.series.exchange)}` brings what is missing"
    )


def _plain(done: _Done) -> dict[str, Any]:
    start, stop = map(to_datetime, done.file.span)
    return {
        **done.series._asdict(), "start": start, "stop": stop, "candles": done.file.rows, "paths": done.file.paths,
        "missing": [tuple(map(to_datetime, span)) for span in done.file.missing], "imported_left_out": done.left_out,
    }  # fmt: skip


def _line(done: _Done, output: str) -> str:
    paths = done.file.paths
    where = str(paths[0]) if len(paths) == 1 else f"{len(paths):,} files in {output}"
    where = "to stdout" if output == "-" else f"in {printable(where)}"
    title = f"{done.series.symbol} {done.series.timeframe}"
    return f"{title}: {done.file.rows:,} candles, {span_shown(*done.file.span)}, {where}"
