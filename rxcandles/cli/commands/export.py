"""``rxcandles export``: write stored candles into files for other tools."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.display import Output
from rxcandles.cli.ends import check_length
from rxcandles.cli.objects import OBJECTS, SERIES
from rxcandles.cli.output_files import FOR_STDOUT, copied_to_stdout, files_for
from rxcandles.cli.place import Place
from rxcandles.cli.runner import run_async
from rxcandles.cli.stored import existing, series_of
from rxcandles.cli.text import counted, echo, printable
from rxcandles.cli.times import at_home, home, span_shown, time_shown, time_written, zone_name
from rxcandles.cli.wanted import Wanted
from rxcandles.cli.words import example_at
from rxcandles.errors import OddRowError, RequestError, UnprovenError
from rxcandles.interchange import BY, FORMATS, Exported, export_candles, names_files
from rxcandles.interchange.writing.earlier import are_earlier_exports
from rxcandles.interchange.writing.export import check_output
from rxcandles.model.advice import where_options
from rxcandles.model.moments import Length
from rxcandles.model.timeframe import END, Timeframe, to_datetime
from rxcandles.model.which import Which
from rxcandles.ports import Series
from rxcandles.stores.held import span_held
from rxcandles.stores.opening import store_at
from rxcandles.stores.sql.store import SqlStore
from rxcandles.util.files import temporary_folder

__all__ = ["export"]

LINES = 3
"""At most this many series get their own line on stderr."""

_EMPTY: Final[dict[str, Any]] = {
    **dict.fromkeys([*SERIES, "paths", "missing", "imported_left_out"]), "candles": 0, "paths": [],
}  # fmt: skip


@attrs.frozen
class _Done:
    series: Series
    file: Exported
    left_out: int
    """Imported candles that are not in the file."""


@click.command(
    help="""Write stored candles into files, oldest first. Nothing is fetched.

    If candles are missing in between, the file has the others, and stderr names the gaps.

    \b
    Reads:    the database
    Writes:   one file for each series; with --by month one for each month
    Network:  not used

    \b
    rxcandles export KRW-BTC 1m -o btc.parquet --last 30d
    rxcandles export 'KRW-*' 1m 60m -o '{symbol}-{timeframe}.csv'
    rxcandles export KRW-BTC 1m -o lake --by month
    rxcandles export 'KRW-*' 60m -o user_data/data/upbit --format freqtrade
    rxcandles export KRW-BTC 1m -o - --format csv | gzip > btc.csv.gz
    """
)
@options.stored_series
@options.output_path()
@click.option("--format", "style", type=click.Choice(FORMATS), help="File format.  [default: by the suffix of PATH]")
@click.option(
    "--by", type=click.Choice(BY), help="Write one file per month: PATH/symbol=…/timeframe=…/2024-01.parquet."
)
@options.stored_span
@click.option("--complete", is_flag=True, help="Refuse to write a series that has a gap.")
@click.option(
    "--force",
    is_flag=True,
    help="Replace any existing file. An earlier export of the series is replaced without this option.",
)
@options.imported
@options.existing_db
@options.source
@options.as_json
@options.quiet
@options.gathered
def export(
    wanted: Wanted, place: Place, output: Output, source: str | None, by: Literal["month"] | None, complete: bool
) -> options.Work:
    """Export each series into its own file."""

    def work() -> int:
        which = wanted.which()
        if output.path is None or which == Which():
            what = " and ".join(
                ["a series (SYMBOL TIMEFRAME)"] * (which == Which())
                + ["an output file (-o, --output)"] * (output.path is None)
            )
            named = str(which) or f"{example_at(source)} 60m"
            to = output.path or f"{named.replace(' ', '-')}.parquet"
            raise RequestError(f"missing: {what}; write, for example, `rxcandles export {named} -o {shlex.quote(to)}`")
        check_output(output.path)
        wanted.span()
        existing(place.db)
        to_stdout = output.path == "-"
        if output.as_json:
            OBJECTS.expect("export", _EMPTY, err=to_stdout)
        export = _Export(place.db, wanted, source, output.path, output.style, by, complete=complete, force=output.force)
        done, failures = run_async(export.to_stdout() if to_stdout else export.to_files())
        _tell(done, place.db, output)
        for failure in failures:
            echo(f"rxcandles: {at_home(failure)}", err=True)
        return 1 if failures else 0

    return work


def _tell(done: Sequence[_Done], db: str, output: Output) -> None:
    """Print what was written, and what is not in it."""
    incomplete = [each for each in done if each.file.missing]
    for each in incomplete[:LINES]:
        echo(_missing(each, db), err=True)
    if len(incomplete) > LINES:
        echo(f"rxcandles: {len(incomplete) - LINES:,} more series are not complete", err=True)
    if left_out := sum(each.left_out for each in done):
        what = f"{counted(left_out, 'imported candle')} not written, because they are not proven"
        echo(f"rxcandles: {what}; add --imported to write them too", err=True)
    if output.as_json:
        OBJECTS.show_all(map(_plain, done))
    elif not output.quiet:
        echo(*(_line(each, output.path or "") for each in done), err=output.path == "-")


@attrs.frozen
class _Export:
    """What to write, and into which files."""

    db: str
    wanted: Wanted
    source: str | None
    path: str
    style: str | None
    by: Literal["month"] | None
    complete: bool
    force: bool

    async def to_files(self, *, at_once: bool = True) -> tuple[list[_Done], list[str]]:
        """Export each series; return what was done, and why others could not be written.

        ``at_once``: each file is in its final place as soon as it is written.
        """
        done: list[_Done] = []
        failures: list[str] = []
        found = await series_of(self.db, self.wanted.which(), self.source, imported=self.wanted.include_imported)
        files = files_for(found, self.path, self.style, folder=self.by is not None or names_files(self.style))
        OBJECTS.coming({each: each._asdict() for each in files})
        async with AsyncExitStack() as opened:
            stores: dict[str, SqlStore] = {}
            for series, path in files.items():
                store = stores.get(series.exchange)
                if store is None:
                    store = await opened.enter_async_context(store_at(self.db, exchange=series.exchange))
                    stores[series.exchange] = store
                try:
                    done.append(await self._one(store, series, path))
                    if at_once:
                        OBJECTS.know(series, _plain(done[-1]))
                except (UnprovenError, RequestError, OddRowError) as error:
                    if len(files) == 1:
                        raise
                    failures.append(str(error))
                    OBJECTS.drop(series)
        return done, failures

    async def to_stdout(self) -> tuple[list[_Done], list[str]]:
        """Export into a temporary folder, and copy its files to stdout."""
        style = self.style or "csv"
        if self.by is not None or style not in FOR_STDOUT:
            formats = " or ".join(FOR_STDOUT)
            given = f"--format {style}" if self.by is None else "--by"
            raise RequestError(f"{given} can't be written to stdout (-o -); use --format {formats}, without --by")
        with temporary_folder() as folder:
            done, failures = await attrs.evolve(self, path=f"{folder}/", style=style).to_files(at_once=False)
            copied_to_stdout([path for each in done for path in each.file.paths], style)
        return [attrs.evolve(each, file=attrs.evolve(each.file, paths=(Path("-"),))) for each in done], failures

    async def _one(self, store: SqlStore, series: Series, path: str) -> _Done:
        frame, wanted = Timeframe.of(series.timeframe), self.wanted
        oldest, to = wanted.span()
        since = oldest if wanted.last is None else await _since(wanted.last, store, series, to)
        kind = self.style or ("parquet" if self.by else Path(path).suffix[1:].lower())
        own = kind in FORMATS and are_earlier_exports(
            Path(path), kind, self.by is not None, series.exchange, series.symbol, frame
        )
        done = await export_candles(
            store, series.symbol, series.timeframe, path, since=since, to=to, file_format=self.style, by=self.by,
            complete=self.complete, force=self.force or own, include_imported=wanted.include_imported,
        )  # fmt: skip
        ends = (0 if since is None else done.span[0], END if to is None else done.span[1])
        left_out = 0 if wanted.include_imported else await store.imported_count(series.symbol, frame, *ends)
        return _Done(series, done, left_out)


async def _since(last: Length, store: SqlStore, series: Series, to: datetime | None) -> datetime | timedelta:
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
        f"rxcandles: {title} is not complete: it has {counted(len(missing), 'gap')} ({spans} {zone_name()}); "
        f"`rxcandles collect {title} --since {start} --until {stop}"
        f"{where_options(db, done.series.exchange)}` fetches what is missing"
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
