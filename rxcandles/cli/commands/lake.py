"""``rxcandles lake``: keep Parquet files in a folder or an S3 bucket equal to the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from itertools import groupby
from typing import Any, Final, TypeVar

import attrs
import click

from rxcandles.cli import options
from rxcandles.cli.display import Output, board_shown
from rxcandles.cli.groups import WholeGroup, show_help
from rxcandles.cli.objects import OBJECTS, SERIES
from rxcandles.cli.place import Place
from rxcandles.cli.runner import run_async
from rxcandles.cli.stored import check_there, existing, stored_names
from rxcandles.cli.text import counted, echo, printable
from rxcandles.cli.times import at_home, span_shown
from rxcandles.cli.wanted import Wanted
from rxcandles.errors import RequestError
from rxcandles.lake.checking import verify as verify_lake
from rxcandles.lake.manifest import SeriesError
from rxcandles.lake.reports import LakeFinding, LakeReport, Sealing, Synced, Unsealed
from rxcandles.lake.sealing import seal as seal_lake
from rxcandles.lake.sealing import unseal as unseal_lake
from rxcandles.lake.syncing import Told, sync_one
from rxcandles.lake.target import Target, target_at
from rxcandles.model.moments import read_length
from rxcandles.model.reports import CollectionProgress
from rxcandles.model.which import Which
from rxcandles.ports import CandleStore, Series
from rxcandles.stores.opening import store_at
from rxcandles.util.extras import need

__all__ = ["lake"]

_SYNCED: Final[dict[str, Any]] = {
    **dict.fromkeys([*SERIES, "files", "written", "removed", "sealed", "size"]), "candles": 0, "files": 0,
    "written": 0, "removed": 0, "sealed": 0, "size": 0,
}  # fmt: skip
_VERIFIED: Final[dict[str, Any]] = {
    "target": None, "series": 0, "files": 0, "candles": 0, "findings": [], "clean": False,
}  # fmt: skip
_SEALED: Final[dict[str, Any]] = {
    **dict.fromkeys(SERIES), "candles": 0, "months": 0, "left": [],
}  # fmt: skip
_UNSEALED: Final[dict[str, Any]] = {**dict.fromkeys(SERIES), "candles": 0, "months": 0}
"""The objects before any work is done."""

_A = TypeVar("_A")

PER_SERIES: Final = 3
"""Lines of findings about one series, without --json."""

_target: Final = click.argument("target", metavar="TARGET")
_source: Final = click.option(
    "--exchange", "--name", "source", metavar="NAME", shell_complete=stored_names,
    help="Only series of this exchange, as `rxcandles coverage` shows it.  [default: of all]",
)  # fmt: skip


@click.group(
    cls=WholeGroup,
    invoke_without_command=True,
    help="""Keep Parquet files in a folder or an S3 bucket equal to the database.

    The files are TARGET/exchange=…/symbol=…/timeframe=…/2024-01.parquet, one for each month (UTC). Days and weeks have
    a file for each year; months and years have one. TARGET is a folder, or s3://BUCKET/PREFIX with the usual
    variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL.

    \b
    Reads:    the database, and the lake
    Writes:   the lake; seal and unseal also write into the database
    Network:  only for s3://

    \b
    rxcandles lake sync my-lake
    rxcandles lake sync my-lake 'KRW-*' 1m --db candles.db
    rxcandles lake verify my-lake
    rxcandles lake seal my-lake --older-than 24M --dry-run
    """,
)
@click.pass_context
def lake(context: click.Context) -> None:
    """Print the help if no command is given."""
    show_help(context)


@lake.command(
    help="""Write into the lake what has changed in the database since the last sync.

    Only files whose candles have changed are written, each as a whole. What was interrupted is made good by the next
    sync.

    \b
    Reads:    the database, and what the lake says of itself
    Writes:   the lake
    Network:  only for s3://

    \b
    rxcandles lake sync my-lake
    rxcandles lake sync my-lake 'KRW-*' 1m --db candles.db
    rxcandles lake sync my-lake --json --quiet
    """,
    epilog="Exit codes: 0 the lake is equal to the database; 1 failed, or some series could not be written; "
    "2 an argument is invalid.",
)
@_target
@options.stored_series
@options.existing_db
@_source
@click.option("--replace", is_flag=True, help="Replace the files of a series that come from another database.")
@options.as_json
@options.quiet_if_well
@options.gathered
def sync(target: str, source: str | None, replace: bool, wanted: Wanted, place: Place, output: Output) -> options.Work:
    """Bring each series of the lake up to date."""

    def work() -> int:
        which, there = _begun(wanted, place, target)
        if output.as_json:
            OBJECTS.expect("lake-sync", _SYNCED)
        sync = _Sync(place.db, there, replace, output)
        done, failures = run_async(sync.all_of(which, source), _stopped)
        if output.as_json:
            OBJECTS.show_all(each.to_dict() for each in done)
        elif not output.quiet:
            echo(*map(_synced_line, done))
        return _ended(failures)

    return work


@lake.command(
    help="""Compare the lake with the database: each file, each candle, the coverage. Changes nothing.

    \b
    Reads:    the database, and the lake
    Writes:   nothing
    Network:  only for s3://

    \b
    rxcandles lake verify my-lake
    rxcandles lake verify my-lake KRW-BTC 1m --json
    """,
    epilog="Exit codes: 0 nothing differs; 1 something differs, or the check failed; 2 an argument is invalid.",
)
@_target
@options.stored_series
@options.existing_db
@_source
@options.as_json
@options.quiet
@options.gathered
def verify(target: str, source: str | None, wanted: Wanted, place: Place, output: Output) -> options.Work:
    """Print what differs."""

    def work() -> int:
        which, there = _begun(wanted, place, target)
        if output.as_json:
            OBJECTS.expect("lake-verify", {**_VERIFIED, "target": there.shown})
        report = run_async(_verified(place.db, target, which, source))
        if output.as_json:
            OBJECTS.show_all([{"target": there.shown, **report.to_dict()}])
        elif not (output.quiet and report.clean):
            echo(*_report_lines(report, there.shown))
        return 0 if report.clean else 1

    return work


@lake.command(
    help="""Delete from the database the candles of old months that the lake has.

    A month is sealed only if all of it is covered and final, and its file in the lake has the same candles, compared
    one by one just before. From then on that file is the only copy. The coverage stays, so nothing is fetched again,
    and counts stay right; whatever needs the candles says where they are. Only timeframes shorter than a day can be
    sealed.

    \b
    Reads:    the database, and the lake
    Writes:   the database, and what the lake says of itself; with --dry-run nothing
    Network:  only for s3://

    \b
    rxcandles lake seal my-lake --older-than 24M --dry-run
    rxcandles lake seal my-lake 'KRW-*' 1m --older-than 2y
    """,
    epilog="Exit codes: 0 all months that are old enough are sealed; 1 failed, or some of them stay (stderr says why); "
    "2 an argument is invalid.",
)
@_target
@options.stored_series
@click.option(
    "--older-than", "older_than", required=True, metavar="LENGTH",
    help="Seal months that ended this long ago: 24M (M is months), 2y, 90d.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only compare, and show what would be sealed; change nothing.")
@options.existing_db
@_source
@options.as_json
@options.quiet
@options.gathered
def seal(
    target: str, source: str | None, older_than: str, dry_run: bool, wanted: Wanted, place: Place, output: Output
) -> options.Work:
    """Seal old months, and print what was done."""

    def work() -> int:
        read_length("--older-than", older_than)
        which, _ = _begun(wanted, place, target)
        if output.as_json:
            OBJECTS.expect("lake-seal", {**_SEALED, "dry_run": dry_run})

        async def one(store: CandleStore, series: Series) -> list[Sealing]:
            return await seal_lake(store, target, *series[1:], older_than=older_than, dry_run=dry_run)

        done, failures = run_async(_each(place.db, which, source, one), _stopped)
        if output.as_json:
            OBJECTS.show_all(each.to_dict() for each in done)
        elif not output.quiet:
            echo(*map(_sealed_line, done))
        left = [_left_line(each) for each in done if each.left]
        return _ended([*left, *failures])

    return work


@lake.command(
    help="""Bring sealed months back into the database.

    Each file must be the one that was sealed, byte by byte. The files stay in the lake.

    \b
    Reads:    the lake, and the database
    Writes:   the database
    Network:  only for s3://

    \b
    rxcandles lake unseal my-lake
    rxcandles lake unseal my-lake KRW-BTC 1m --since 2021-01-01 --until 2022-01-01
    """,
    epilog="Exit codes: 0 nothing of it is sealed any more; 1 failed (earlier months are back); 2 an argument is "
    "invalid.",
)
@_target
@options.stored_series
@options.stretch
@options.existing_db
@_source
@options.as_json
@options.quiet
@options.gathered
def unseal(target: str, source: str | None, wanted: Wanted, place: Place, output: Output) -> options.Work:
    """Bring months back, and print what was done."""

    def work() -> int:
        which, _ = _begun(wanted, place, target)
        since, until = wanted.span(from_now=True)
        if output.as_json:
            OBJECTS.expect("lake-unseal", _UNSEALED)

        async def one(store: CandleStore, series: Series) -> list[Unsealed]:
            return await unseal_lake(store, target, *series[1:], since=since, until=until)

        done, failures = run_async(_each(place.db, which, source, one), _stopped)
        if output.as_json:
            OBJECTS.show_all(each.to_dict() for each in done)
        elif not output.quiet:
            echo(*(map(_unsealed_line, done) if done else ["nothing of it is sealed"] * (not failures)))
        return _ended(failures)

    return work


async def _each(
    db: str,
    which: Which,
    source: str | None,
    one: Callable[[CandleStore, Series], Awaitable[list[_A]]],
) -> tuple[list[_A], list[str]]:
    """Return what ``one`` does with each series, and why it failed with others."""
    done: list[_A] = []
    failures: list[str] = []
    for exchange, some in (await _series_of(db, which, source)).items():
        async with store_at(db, exchange=exchange) as store:
            for series in some:
                try:
                    done += await one(store, series)
                except SeriesError as error:
                    failures.append(str(error))
    return done, failures


def _ended(failures: Sequence[str]) -> int:
    """Print what was not done, and return the exit code."""
    for line in failures:
        echo(f"rxcandles: {at_home(line)}", err=True)
    return 1 if failures else 0


def _stopped() -> str:
    return "stopped; what was done stays, and the same command does the rest"


def _begun(wanted: Wanted, place: Place, target: str) -> tuple[Which, Target]:
    """Check the arguments; return the choice of series, and the lake."""
    which = wanted.which()
    existing(place.db)
    need("pyarrow", "export")
    return which, target_at(target)


async def _series_of(db: str, which: Which, source: str | None) -> dict[str, list[Series]]:
    """Return the stored series that match, by exchange; raise ``RequestError`` if a name matches none."""
    async with store_at(db) as store:
        there = [each for each in await store.series() if source in (None, each.exchange)]
    if not there:
        of = "" if source is None else f" from {source}"
        raise RequestError(f"nothing is stored{of} in {db!r}; collect candles into it first")
    check_there(db, which, there)
    fitting = sorted(each for each in there if which.fits(each.symbol, each.timeframe))
    return {exchange: list(some) for exchange, some in groupby(fitting, lambda each: each.exchange)}


@attrs.frozen
class _Sync:
    """What to sync, and where."""

    db: str
    target: Target
    replace: bool
    output: Output

    async def all_of(self, which: Which, source: str | None) -> tuple[list[Synced], list[str]]:
        """Sync each series; return what was done, and why others could not be written."""
        found = await _series_of(self.db, which, source)
        every = [each for some in found.values() for each in some]
        titles = {each: f"{each.symbol} {each.timeframe}" for each in every}
        OBJECTS.coming({each: each._asdict() for each in every})
        done: list[Synced] = []
        failures: list[str] = []
        with board_shown(dict.fromkeys(titles.values(), 0), self.output) as board:

            def told(series: Series, progress: CollectionProgress) -> None:
                board.tell(titles[series], progress)

            async with AsyncExitStack() as opened:
                for exchange, some in found.items():
                    store = await opened.enter_async_context(store_at(self.db, exchange=exchange))
                    for series in some:
                        await self._one(store, series, told, done, failures)
        return done, failures

    async def _one(
        self, store: CandleStore, series: Series, told: Told, done: list[Synced], failures: list[str]
    ) -> None:
        try:
            done.append(await sync_one(store, self.target, series, self.replace, told))
            OBJECTS.know(series, done[-1].to_dict())
        except SeriesError as error:
            failures.append(str(error))
            OBJECTS.drop(series)


async def _verified(db: str, target: str, which: Which, source: str | None) -> LakeReport:
    """Return one report for all exchanges."""
    reports = []
    for exchange in await _series_of(db, which, source):
        async with store_at(db, exchange=exchange) as store:
            reports.append(await verify_lake(store, target, which.symbols or None, which.timeframes or None))
    return LakeReport(
        sum(each.series for each in reports),
        sum(each.files for each in reports),
        sum(each.candles for each in reports),
        tuple(finding for each in reports for finding in each.findings),
    )


def _synced_line(done: Synced) -> str:
    title, files = f"{done.series.symbol} {done.series.timeframe}", counted(done.files, "file")
    changed = {"written": done.written, "removed": done.removed}
    told = ", ".join(f"{number:,} {what}" for what, number in changed.items() if number) or "nothing has changed"
    span = "" if done.start is None or done.stop is None else f", {span_shown(done.start, done.stop)}"
    return f"{title}: {counted(done.candles, 'candle')} in {files} ({done.size / 1e6:,.1f} MB){span}: {told}"


def _sealed_line(done: Sealing) -> str:
    title = f"{done.series.symbol} {done.series.timeframe}"
    if done.start is None or done.stop is None:
        return f"{title}: nothing to seal"
    what = "would leave" if done.dry_run else "have left"
    span = span_shown(done.start, done.stop)
    return f"{title}: {counted(done.candles, 'candle')} of {counted(done.months, 'month')} {what} the database, {span}"


def _left_line(done: Sealing) -> str:
    some = ", ".join(f"{month:%Y-%m} ({why})" for month, why in done.left[:PER_SERIES])
    more = ", …" if len(done.left) > PER_SERIES else ""
    return f"{done.series.symbol} {done.series.timeframe}: {counted(len(done.left), 'month')} not sealed: {some}{more}"


def _unsealed_line(done: Unsealed) -> str:
    title, span = f"{done.series.symbol} {done.series.timeframe}", span_shown(done.start, done.stop)
    return f"{title}: {counted(done.candles, 'candle')} of {counted(done.months, 'month')} are back, {span}"


def _report_lines(report: LakeReport, target: str) -> list[str]:
    numbers = f"{report.series:,} series, {counted(report.files, 'file')}, {counted(report.candles, 'candle')}"
    what = f"{printable(target)}: {numbers}"
    if report.clean:
        return [f"{what}; it is equal to the database"]
    lines = [f"{what}; {counted(len(report.findings), 'finding')}:"]
    for series, some in groupby(report.findings, lambda each: each.series):
        lines += _finding_lines(series, list(some))
    return lines


def _finding_lines(series: Series, findings: Sequence[LakeFinding]) -> list[str]:
    named = f"{series.symbol} {series.timeframe} ({series.exchange})"
    lines = [f"  {named}: {each.path.rpartition('/')[2]}: {each.detail}" for each in findings[:PER_SERIES]]
    left = len(findings) - PER_SERIES
    return [*lines, f"  {named}: {left:,} more; --json shows all"] if left > 0 else lines
