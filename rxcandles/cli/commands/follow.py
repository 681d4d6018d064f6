"""``rxcandles follow``: candles as they close, for as long as you like."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from rxcandles.cli import options, outputs
from rxcandles.cli.console import FORMATS
from rxcandles.cli.display import Output
from rxcandles.cli.follow_lines import Lines, Notes, Pen, object_of, stored_text
from rxcandles.cli.follow_source import Source
from rxcandles.cli.followed import STORED, Starts, begin_option, series_followed
from rxcandles.cli.following import Asked, Following, Key
from rxcandles.cli.logs import logged
from rxcandles.cli.place import Place
from rxcandles.cli.runner import run_async
from rxcandles.cli.signals import hangups, usual_end
from rxcandles.cli.text import echo
from rxcandles.cli.time_options import count_option, time_option
from rxcandles.cli.times import at_home
from rxcandles.cli.wanted import Wanted
from rxcandles.cli.watched import Watching
from rxcandles.errors import ExchangeError, RequestError, RxCandlesError
from rxcandles.live.stats import MarketStats
from rxcandles.model import CandleData
from rxcandles.model.timeframe import END, Timeframe
from rxcandles.model.updates import Update
from rxcandles.modes.connect import OpenedProvider

if TYPE_CHECKING:
    from rxcandles.cli.follow_board import FollowBoard

__all__ = ["follow"]

CUT_SHORT: Final = 141
"""Exit code if the reader of stdout has closed it: 128 + SIGPIPE, as shells report it for other programs."""


@click.command(
    help="""Print candles as they close, and store them: history and the newest candle without a gap.

    A candle is printed once, after it is stored, oldest first for each market. Ctrl-C or SIGTERM ends it with exit
    code 0; the next run goes on where this one was. FILE is a TOML file of jobs as for `rxcandles run`: its markets are
    followed, one limit for all, and SIGHUP reads the file again. On a terminal a line for each market is drawn in place
    of candles, unless --format, --json or an end is given.

    \b
    Reads:    the database
    Writes:   the database (what was collected), candles to stdout, changes of state to stderr
    Network:  asks the exchange at the end of each candle, and listens to its stream if it has one

    \b
    rxcandles follow KRW-BTC KRW-ETH 1m --since 3 --count 3
    rxcandles follow KRW-BTC 1m --once --quiet          # for cron: catch up, and end
    rxcandles follow KRW-BTC 1m --since 5 --count 5 --json | head -3
    rxcandles follow jobs.toml --once --format none     # only store
    """
)
@options.followed
@click.option("--jobs", metavar="FILE", help="TOML file of jobs; SIGHUP reads it again.")
@click.option(
    "--since",
    "begin",
    type=begin_option,
    metavar="TIME|N|stored|now",
    default=STORED,
    show_default=True,
    help="Where to begin: a time, N candles back, or the end of what is stored (now, if nothing is).",
)
@click.option("--count", "number", type=count_option, metavar="N", help="End after N candles of each market.")
@click.option(
    "--until",
    "finish",
    type=time_option,
    metavar="TIME",
    help="End when all candles that open before this time are printed.",
)
@click.option("--once", is_flag=True, help="Catch up to the newest closed candle, and end.")
@options.tz
@click.option("--forming", is_flag=True, help="Also print the candle that is not closed yet, as it changes.")
@click.option(
    "--provisional",
    is_flag=True,
    help="Also print a candle when the stream closes it, before it is confirmed and stored.",
)
@click.option(
    "--settle",
    type=float,
    metavar="S",
    help="Seconds after its end in which a candle may still change.  [default: the exchange's own]",
)
@click.option("--no-stream", is_flag=True, help="Do not use the exchange's stream; ask at the end of each candle.")
@click.option(
    "--from-store",
    is_flag=True,
    help="Do not ask the exchange: follow what another process collects into the database.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice([*FORMATS, "none"]),
    default="table",
    show_default=True,
    help="Format of the printed candles; none only stores them.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print every update as one JSON object a line: candles, revisions, progress, states.",
)
@click.option(
    "--health",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Answer at this port of 127.0.0.1: /health (JSON; 200 if all is well, 503 if not) and /metrics (Prometheus).",
)
@click.option(
    "--heartbeat",
    metavar="FILE",
    help="Write the answer of /health to this file at least every 10 seconds, while all is well.",
)
@click.option(
    "--log-file",
    metavar="FILE",
    help="Write the log to this file too; logrotate may move it.",
)
@click.option(
    "--serve",
    "serve",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Serve a page at this port that shows the markets in a browser while they are followed.",
)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address of the page. With another than this machine's own, everybody who can reach it can read the page.",
)
@options.db
@options.connection
@options.told
@options.takes(place=Place, wanted=Wanted, output=Output, asked=Asked, watching=Watching)
@click.pass_context
def follow(
    context: click.Context,
    wanted: Wanted,
    place: Place,
    output: Output,
    asked: Asked,
    watching: Watching,
) -> options.Work:
    """Follow until a signal ends it, or until what was asked for is printed."""

    def work() -> int:
        given = _given(context)
        source = Source.of(wanted, place, asked.jobs, given)
        watching.check(source.place.db)
        if source.path is not None and watching.serve is not None:
            raise RequestError(
                f"--serve is given with a file of jobs, {source.path!r}; a page shows one timeframe, so name its "
                "markets in place of the file"
            )
        # Whoever asks for a format, or for an end, wants candles.
        plain = bool(given & {"style", "number", "finish", "once", "provisional"})
        return _Command(source, output, asked, watching, plain=plain).run()

    return work


def _given(context: click.Context) -> set[str]:
    """Return the options that the command line has, by the names of their values."""
    return {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}


class _Command:
    """One run of the command."""

    def __init__(
        self,
        source: Source,
        output: Output,
        asked: Asked,
        watching: Watching,
        *,
        plain: bool,
    ) -> None:
        self._source = source
        self._output = output
        self._asked = asked
        self._watching = watching
        self._given = 0
        self._code = 0
        self._following: Following | None = None
        plain = plain or output.as_json or output.quiet or not _can_draw()
        self._board: FollowBoard | None = None
        if not plain:
            from rxcandles.cli.follow_board import FollowBoard

            self._board = FollowBoard(self._stats)
        self._lines = Lines(output.style or "table", kinds=asked.forming or asked.provisional)
        self._notes = Notes(troubles=asked.once)

    def run(self) -> int:
        """Follow, and return the exit code."""
        place, output = self._source.place, self._output
        opening = place.connect()

        async def go() -> int:
            async with opening as provider:
                place.is_of(provider.exchange.name)
                return await self._follow(provider)

        log = logged(output.console(), quiet=output.quiet, verbose=output.verbose, path=self._watching.log_file)
        with usual_end(), log:
            return run_async(go(), lambda: stored_text(self._given, place.db))

    async def _follow(self, provider: OpenedProvider) -> int:
        broken = asyncio.Event()
        pen = Pen(broken.set)
        exchange, board = provider.exchange.name, self._board

        async def tell(update: Update) -> None:
            self._given += update.kind == "candle"
            if self._output.as_json:
                await pen.put([object_of(exchange, update)])
                return
            if board is not None:
                board.tell(update)
                return
            if not self._output.quiet:
                self._notes.tell(update)
            await pen.put(self._lines.of(update))

        forming = board is not None or self._watching.serve is not None
        config = self._asked.config(forming=forming)
        following = self._following = Following(provider, self._asked, config, tell, self._failed)
        try:
            async with self._watching.telling(following.health, quiet=self._output.quiet):
                await self._begin(following, provider)
                async with self._shown(following, provider):
                    with hangups() as hung:
                        await self._until_over(following, provider, broken, hung)
        finally:
            refused, failed = following.refused, bool(following.failures)
            await following.close()
            self._notes.close()
            await pen.finish()
        if outputs.fault() is not None:
            return CUT_SHORT if outputs.reader_left() else 1
        return self._code or int(bool(failed or refused))

    @asynccontextmanager
    async def _shown(self, following: Following, provider: OpenedProvider) -> AsyncIterator[None]:
        """Show what is followed while the block runs: on the terminal, and in a browser."""
        async with AsyncExitStack() as stack:
            if self._watching.serve is not None:
                feed = next(iter(following.feeds.values()))
                page = self._watching.serving(feed, provider.repository, quiet=self._output.quiet)
                await stack.enter_async_context(page)
            if self._board is not None:
                await stack.enter_async_context(self._board.shown(no_color=self._output.no_color))
            yield

    def _stats(self) -> Mapping[Key, MarketStats]:
        return {} if self._following is None else self._following.stats()

    async def _begin(self, following: Following, provider: OpenedProvider) -> None:
        starts = await self._starts(provider)
        await following.follow(starts)

    async def _starts(self, provider: OpenedProvider) -> Starts:
        left_out: list[str] = []
        source, asked = self._source, self._asked
        starts = await series_followed(
            source.wanted, asked.begin, provider, source.place.exchange, left_out, from_store=asked.from_store
        )
        for line in left_out:
            echo(f"rxcandles: {line}", err=True)
        self._code = 1 if left_out and not asked.is_endless else self._code
        self._lines.expect((symbol for each in starts.values() for symbol in each), starts)
        if self._board is not None:
            keys = [(symbol, name) for name, each in starts.items() for symbol in each]
            self._board.expect(keys, [await _newest(provider, *key) for key in keys])
        return starts

    async def _until_over(
        self, following: Following, provider: OpenedProvider, broken: asyncio.Event, hung: asyncio.Event
    ) -> None:
        """Return when all is given, or stdout is broken; read the file again at each SIGHUP."""
        tasks = {name: asyncio.create_task(each) for name, each in (
            ("over", following.run()), ("broken", broken.wait()), ("hung", hung.wait()),
        )}  # fmt: skip
        try:
            while True:
                await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
                if tasks["over"].done():
                    await tasks["over"]
                    return
                if tasks["broken"].done():
                    return
                hung.clear()
                await self._read_again(following, provider)
                tasks["hung"] = asyncio.create_task(hung.wait())
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.wait(tasks.values())

    async def _read_again(self, following: Following, provider: OpenedProvider) -> None:
        """Read the file again; if it is broken, go on as before."""
        before = self._source
        if before.path is None:
            echo("SIGHUP: there is no file of jobs to read again; following goes on", err=True)
            return
        try:
            self._source = before.again()
            starts = await self._starts(provider)
        except (RxCandlesError, OSError) as error:
            self._source = before
            echo(f"rxcandles: not read again, and nothing has changed: {at_home(_line(error))}", err=True)
            return
        if self._source.place != before.place:
            echo(f"rxcandles: {before.path}: [defaults] have changed; start again to use another place", err=True)
        there = {(symbol, name) for name, feed in following.feeds.items() for symbol in feed.symbols}
        wanted = {(symbol, name) for name, each in starts.items() for symbol in each}
        await following.follow(starts)
        told = f"{len(wanted - there)} new, {len(there - wanted)} left, {len(wanted & there)} go on"
        echo(f"{before.path} was read again: {told}", err=True)

    def _failed(self, timeframe: str, error: ExchangeError) -> None:
        echo(f"rxcandles: {timeframe}: {at_home(_line(error))}", err=True)


async def _newest(provider: OpenedProvider, symbol: str, timeframe: str) -> CandleData | None:
    """Return the newest stored candle of a market."""
    rows = await provider.repository.rows(symbol, Timeframe.of(timeframe), 0, END, "newest_first", 1)
    return CandleData.of(symbol, timeframe, rows)[0] if rows else None


def _can_draw() -> bool:
    """Return whether stdout is a terminal on which lines can be drawn again in place."""
    return sys.stdout.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
