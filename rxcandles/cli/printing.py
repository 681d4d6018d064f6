"""``rxcandles get`` and ``rxcandles stream``: candles on stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeAlias

import click

from rxcandles.cli import options, outputs
from rxcandles.cli.collecting import asked_for
from rxcandles.cli.console import format_candles
from rxcandles.cli.display import Board, LastProgress, Output
from rxcandles.cli.jobs import Place, run_several, titles_of
from rxcandles.cli.provisional import Doubts, Seen, impossible_text, tell_doubts
from rxcandles.cli.showntimes import at_home
from rxcandles.cli.text import echo
from rxcandles.errors import BannedError, ExchangeError, OddRowError, RxCandlesError, UnreachableError
from rxcandles.model import CandleData, Order, Request
from rxcandles.model.reports import CollectionConfig, CollectionProgress
from rxcandles.model.timeframe import to_datetime
from rxcandles.modes.provider import CandleDataProvider

__all__ = ["get", "stream"]

CUT_SHORT: Final = 141
"""Exit code of a stream whose reader had enough, as shells report it of other programs (128 + SIGPIPE)."""


@click.command(
    help="""Collect candles, then print them. Stored candles are not fetched again.

    Several series are printed one after the other. If their timeframes differ, csv and jsonl have a last column
    "timeframe".

    \b
    rxcandles get KRW-BTC 1m --count 10
    rxcandles get KRW-BTC 1d --since 2024-01-01 --format csv > btc.csv
    rxcandles get KRW-BTC KRW-ETH 60m --last 1d
    """
)
@options.several
@options.printed
@options.refetch
@options.imported
def get(style: str, order: Order, refetch: bool, include_imported: bool, **asked: Any) -> options.Work:
    """Collect candles, then print them. Stored candles are not fetched again."""

    how = {"refetch": refetch, "include_imported": include_imported}

    def work() -> int:
        place, titles, output, left_out = _asked("get", asked)
        page, failures = _Page(titles, style, marked=include_imported), dict[str, RxCandlesError]()

        async def collected(provider: CandleDataProvider, board: Board) -> dict[Request, _Got]:
            found = {}
            for each, title in titles.items():
                try:
                    found[each] = await _got(provider, each, order, partial(board.tell, title), how)
                except (ExchangeError, OddRowError) as error:
                    failures[title] = _of_one(error, titles)
            return found

        got = run_several(place, titles, output, collected)
        # After the event loop, which would keep Ctrl-C waiting behind a slow reader; everything is held by now.
        for request, (candles, _) in got.items():
            for line in page.lines(request, candles, first=True):
                if outputs.fault() is not None:
                    return 0
                echo(line)
        told = {titles[request]: doubts for request, (_, doubts) in got.items()}
        return _tell(told, failures, quiet=output.quiet) or bool(left_out)

    return work


_Got: TypeAlias = tuple[Sequence[CandleData], Doubts]


def _asked(command: str, asked: Mapping[str, Any]) -> tuple[Place, Mapping[Request, str], Output, list[str]]:
    """Return what is asked for: where, the series by title, what is told, and which listed ones are left out."""
    wanted, place, output = asked_for(command, **asked)
    left_out: list[str] = []
    titles = titles_of(place.requests([wanted], left_out))
    for line in left_out:
        echo(line, err=True)
    return place, titles, output, left_out


def _of_one(error: RxCandlesError, titles: Mapping[Request, str]) -> RxCandlesError:
    """Return an error that stops none of the other series; raise one that is about all of them, or about the only."""
    if len(titles) == 1 or isinstance(error, BannedError | UnreachableError):
        raise error
    return error


async def _got(
    provider: CandleDataProvider,
    request: Request,
    order: Order,
    tell: Callable[[CollectionProgress], None],
    how: Mapping[str, Any],
) -> _Got:
    """Collect and return the candles of one request, and what of it is not sure."""
    progress, seen = LastProgress(tell), Seen(request)
    candles: Sequence[CandleData] = []
    if request.start != request.stop:
        candles = await provider.get_candles(
            *_arguments(request), CollectionConfig(enable_memory_warning=False), order=order,
            progress_callback=progress, **how,
        )  # fmt: skip
    seen.add(candles)
    revised = progress.progress.revised if progress.progress else 0
    store = provider.repository
    return candles, Doubts(await seen.provisional(store), revised, await seen.impossible(store))


def _arguments(request: Request) -> tuple[str, str, int | None, datetime, datetime | None]:
    end = None if request.start is None else to_datetime(request.start)
    return request.symbol, request.timeframe.name, request.count, to_datetime(request.stop), end


class _Page:
    """Lines of several series, one after the other.

    In a table each has its title and its header. Otherwise there is one header, and where timeframes differ, each line
    ends with its own.
    """

    def __init__(self, titles: Mapping[Request, str], style: str, *, marked: bool) -> None:
        self._titles, self._style, self._marked = titles, style, marked
        self._differ = style != "table" and len({each.timeframe for each in titles}) > 1
        self._begun = False

    def lines(self, request: Request, candles: Sequence[CandleData], *, first: bool) -> Iterator[str]:
        """Yield the lines of some candles of a series, of its ``first`` or of later ones."""
        header, self._begun = (first if self._style == "table" else not self._begun), True
        if header and self._style == "table" and len(self._titles) > 1:
            yield f"{self._titles[request]}:"
        for number, line in enumerate(format_candles(candles, self._style, header=header, marked=self._marked)):
            if not self._differ:
                yield line
            elif self._style == "csv":
                yield f"{line},{'timeframe' if header and number == 0 else request.timeframe}"
            else:
                yield f'{line[:-1]}, "timeframe": "{request.timeframe}"}}'


@click.command(
    help="""Print candles while they are being collected. Stored candles are not fetched again.

    Several series are printed one after the other. If their timeframes differ, csv and jsonl have a last column
    "timeframe".

    \b
    rxcandles stream KRW-BTC 1m --last 30d --format jsonl | gzip > btc.jsonl.gz
    rxcandles stream 'KRW-*' 1d --last 1y --format csv > all.csv
    """
)
@options.several
@options.printed
@options.refetch
@options.imported
def stream(style: str, order: Order, refetch: bool, include_imported: bool, **asked: Any) -> options.Work:
    """Print candles while they are being collected. Stored candles are not fetched again."""
    how = {"order": order, "refetch": refetch, "include_imported": include_imported}

    def work() -> int:
        place, titles, output, left_out = _asked("stream", asked)
        page, failures = _Page(titles, style, marked=include_imported), dict[str, RxCandlesError]()
        doubts: dict[str, Doubts] = {}

        async def streamed(provider: CandleDataProvider, board: Board) -> int:
            for each, title in titles.items():
                try:
                    found = await _streamed(provider, each, page, partial(board.tell, title), how)
                except (ExchangeError, OddRowError) as error:
                    failures[title] = _of_one(error, titles)
                    continue
                if isinstance(found, int):
                    return found
                doubts[title] = found
            return 0

        # On a terminal the candles themselves show how far it is.
        code = run_several(place, titles, output, streamed, live=not sys.stdout.isatty())
        return code or _tell(doubts, failures, quiet=output.quiet) or bool(left_out)

    return work


async def _streamed(
    provider: CandleDataProvider,
    request: Request,
    page: _Page,
    tell: Callable[[CollectionProgress], None],
    how: Mapping[str, Any],
) -> Doubts | int:
    """Print one series as it comes; return what of it is not sure, or an exit code once nobody reads on."""
    if request.start == request.stop:
        return Doubts()
    seen, progress = Seen(request), LastProgress(tell)
    async with provider.stream_candles(*_arguments(request), progress_callback=progress, **how) as chunks:
        async for candles, meta in chunks:
            for line in page.lines(request, candles, first=meta.chunk_index == 0):
                echo(line)
            if outputs.fault() is not None:
                return CUT_SHORT if outputs.reader_left() else 1
            seen.add(candles)
    store = provider.repository
    return Doubts(await seen.provisional(store), chunks.stats().revised, await seen.impossible(store))


def _tell(found: Mapping[str, Doubts], failures: Mapping[str, RxCandlesError], *, quiet: bool) -> int:
    """Say what is not sure and what failed; return 1 where something failed or a candle is left out."""
    if not quiet:
        tell_doubts(found)
    impossible = {title: doubts.impossible for title, doubts in found.items() if doubts.impossible}
    for title, candles in impossible.items():
        echo(f"rxcandles: {title}: {impossible_text(candles)}", err=True)
    for title, error in failures.items():
        echo(f"rxcandles: {title}: {at_home(' '.join(str(error).split()))}", err=True)
    return 1 if impossible or failures else 0
