"""The command line: ``rxcandles collect | get | stream | coverage | simulate``."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import attrs
import click
from rich.console import Console

from rxcandles import __version__
from rxcandles.arguments import check_rate, check_symbol
from rxcandles.console import (
    FORMATS,
    LastProgress,
    coverage_table,
    format_candles,
    printable,
    progress_shown,
    summary_json,
    summary_text,
)
from rxcandles.errors import IncompleteError, RequestError, RxCandlesError
from rxcandles.model import CandleData, Order, Request
from rxcandles.opening import EXCHANGES, OwnRate, connect
from rxcandles.provider import CandleDataProvider
from rxcandles.reports import CollectionConfig
from rxcandles.stores import SqliteStore
from rxcandles.timeframe import Timeframe, to_datetime

__all__ = ["run_command_line"]

_A = TypeVar("_A")

Work: TypeAlias = Callable[[], int]
"""What a command comes to: click only reads the command line, since it would also handle Ctrl-C and closed pipes."""


@attrs.frozen
class Job:
    """What one command is about."""

    symbol: str
    timeframe: str
    count: int | None
    to: datetime | None
    end: datetime | None
    order: Order
    db: str
    exchange: str
    base_url: str | None
    rate_limit: float | OwnRate | None
    quiet: bool

    @property
    def title(self) -> str:
        """Name of the series."""
        return f"{self.symbol} {self.timeframe}"

    @property
    def asked(self) -> dict[str, Any]:
        """The arguments of all three modes."""
        return {
            "symbol": self.symbol, "timeframe": self.timeframe, "count": self.count, "to": self.to, "end": self.end
        }  # fmt: skip

    def connect(self) -> Any:
        """Open the provider; what can't be meant is refused before a file is made."""
        from rxcandles.exchanges import UpbitExchange

        request = Request(**self.asked, order=self.order)
        UpbitExchange().check(request.symbol, request.timeframe)
        return connect(self.db, self.exchange, self.base_url, self.rate_limit)


def _time(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no time; write it as 2024-01-31, 2024-01-31T09:00 or 2024-01-31T09:00+09:00"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _rate(value: str | OwnRate) -> float | OwnRate | None:
    if isinstance(value, OwnRate):
        return value
    if value == "none":
        return None
    try:
        return check_rate("rate", float(value))
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no rate; give requests a second, 0.00001 to 1000000, or none for no limit"
        ) from None


def _with(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_db = click.option("--db", default="candles.db", show_default=True, help="The database file; made where it is absent.")
_exchange = _with(
    click.option("--exchange", type=click.Choice(EXCHANGES), default="upbit", show_default=True,
                 help="simulated starts a simulated Upbit in this process."),
    click.option("--base-url", help="Another address of the same API."),
    click.option("--rate-limit", type=_rate, metavar="N|none", default=OwnRate.OWN,
                 help="Requests a second, or none; the exchange's own where not given."),
)  # fmt: skip
_asked = _with(
    click.argument("symbol"),
    click.argument("timeframe"),
    click.option("--count", type=int, help="Candles that exist, back from --to or now."),
    click.option(
        "--to", type=_time, metavar="TIME", help="One end of the span (ISO 8601, UTC without a zone); now if not given."
    ),
    click.option(
        "--end", type=_time, metavar="TIME", help="The other end. The older end is included, the newer excluded."
    ),
    _db,
    _exchange,
    click.option("--quiet", is_flag=True, help="No progress."),
)
_printed = _with(
    click.option("--order", type=click.Choice(["newest_first", "oldest_first"]), default="newest_first",
                 show_default=True),
    click.option("--format", "style", type=click.Choice(FORMATS), default="table", show_default=True),
)  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rxcandles")
def cli() -> None:
    """Collect exchange candles into a SQLite file, completely, and print them.

    \b
    rxcandles collect KRW-BTC 1m --count 20000
    rxcandles get KRW-BTC 1d --end 2024-01-01 --format csv
    rxcandles coverage
    """


@cli.command()
@_asked
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object on stdout.")
def collect(as_json: bool, **asked: Any) -> Work:
    """Store candles; what is stored already is not fetched again."""
    job = Job(order="newest_first", **asked)

    async def work(provider: CandleDataProvider, progress: LastProgress) -> int:
        try:
            summary, failure = await provider.collect_candles_only(**job.asked, progress_callback=progress), None
        except IncompleteError as error:
            summary, failure = error.summary, error
        click.echo(summary_json(summary) if as_json else summary_text(summary, job.title, job.db))
        if failure is not None:
            raise failure
        return 0

    return lambda: _run(job, work)


@cli.command()
@_asked
@_printed
def get(style: str, **asked: Any) -> Work:
    """Collect candles, then print them."""
    job = Job(**asked)

    async def work(provider: CandleDataProvider, progress: LastProgress) -> Sequence[CandleData]:
        config = CollectionConfig(enable_memory_warning=False)
        return await provider.get_candles(**job.asked, config=config, order=job.order, progress_callback=progress)

    def show() -> int:
        # After the event loop, which would keep Ctrl-C waiting behind a slow reader; everything is held by now.
        candles = _run(job, work)
        try:
            for line in format_candles(candles, style):
                click.echo(line)
        except BrokenPipeError:
            _no_reader()
        return 0

    return show


@cli.command()
@_asked
@_printed
def stream(style: str, **asked: Any) -> Work:
    """Print candles chunk by chunk while they are collected."""
    job = Job(**asked)

    async def work(provider: CandleDataProvider, progress: LastProgress) -> int:
        async with provider.stream_candles(**job.asked, order=job.order, progress_callback=progress) as chunks:
            async for candles, meta in chunks:
                for line in format_candles(candles, style, header=meta.chunk_index == 0):
                    click.echo(line)
        return 0

    return lambda: _run(job, work)


@cli.command()
@click.argument("symbol", required=False)
@click.argument("timeframe", required=False)
@_db
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a series.")
def coverage(**asked: Any) -> Work:
    """Show what is stored and proven, and what is missing in between."""
    return lambda: _show_coverage(**asked)


def _show_coverage(symbol: str | None, timeframe: str | None, db: str, as_json: bool) -> int:
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
        Console(width=None if sys.stdout.isatty() else 200).print(coverage_table(rows))
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


@cli.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8700, show_default=True)
@click.option(
    "--rate-limit", type=_rate, metavar="N|none", default="10", help="Requests a second, or none.  [default: 10]"
)
@click.option("--latency", type=click.FloatRange(0, 60), default=0.0, show_default=True, help="Seconds a round trip.")
def simulate(**asked: Any) -> Work:
    """Run a simulated Upbit on this machine, for tests and demonstrations, until Ctrl-C."""
    return lambda: _simulate(**asked)


def _simulate(port: int, rate_limit: float | None, latency: float) -> int:
    from rxcandles.simulator import Simulator

    async def serve() -> None:
        async with Simulator(rate=rate_limit, latency=latency, port=port) as simulator:
            click.echo(
                f"{simulator.base_url}  (try: rxcandles collect KRW-BTC 1m --count 1000 "
                f"--base-url {simulator.base_url}; Ctrl-C stops it)"
            )
            await asyncio.Event().wait()

    asyncio.run(serve())
    return 0


def _run(job: Job, work: Callable[[CandleDataProvider, LastProgress], Awaitable[_A]]) -> _A:
    opening = job.connect()
    with progress_shown(job.title, quiet=job.quiet) as progress:

        async def go() -> _A:
            async with opening as provider:
                return await work(provider, progress)

        try:
            return asyncio.run(go())
        except KeyboardInterrupt:
            done = progress.progress
            held = f"{done.collected_count:,} of {done.total_count:,} candles are" if done else "what was fetched is"
            raise _Interrupted(
                f"{job.title} stopped: {held} in {job.db}; the same command goes on from there"
            ) from None


class _Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what is to be said about it."""


def run_command_line(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every mistake is one line on stderr and an exit code, never a traceback."""
    try:
        work = cli.main(None if arguments is None else list(arguments), "rxcandles", standalone_mode=False)
        return work() if callable(work) else 0
    except click.ClickException as error:
        return _say(error.format_message(), 2 if isinstance(error, click.UsageError) else 1)
    except RequestError as error:
        return _say(str(error), 2)
    except RxCandlesError as error:
        return _say(str(error), 1)
    except KeyboardInterrupt as error:
        return _say(str(error) or "stopped", 130)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            return _say(str(error), 1)
        _no_reader()
        return 1  # not everything that was asked for is held


def _no_reader() -> None:
    """Whoever read our output has enough; Python would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str, code: int) -> int:
    if sys.stderr is not None:
        sys.stderr.write("rxcandles: " + printable(" ".join(message.split())) + "\n")
    return code
