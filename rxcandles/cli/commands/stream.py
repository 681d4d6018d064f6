"""``rxcandles stream``: print candles on stdout while they are being collected."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import click

from rxcandles.cli import options, outputs
from rxcandles.cli.board import Board
from rxcandles.cli.candles import Page, arguments_of, asked_series, of_one, tell
from rxcandles.cli.display import LastProgress, Output
from rxcandles.cli.place import Place
from rxcandles.cli.provisional import Doubts, Seen
from rxcandles.cli.session import run_several
from rxcandles.cli.text import echo
from rxcandles.cli.wanted import Wanted
from rxcandles.errors import ExchangeError, OddRowError, RxCandlesError
from rxcandles.model import Order, Request
from rxcandles.model.reports import CollectionProgress
from rxcandles.modes.provider import CandleDataProvider

__all__ = ["stream"]

CUT_SHORT: Final = 141
"""Exit code if the reader of stdout has closed it: 128 + SIGPIPE, as shells report it for other programs."""


@click.command(
    help="""Print candles while they are being collected. Stored candles are not fetched again.

    Needs little memory, however many candles there are. Several series are printed one after the other. If their
    timeframes differ, csv and jsonl have "timeframe" as their last field.

    \b
    Reads:    the database
    Writes:   the database (what was fetched), and candles to stdout
    Network:  asks the exchange for what is not stored yet

    \b
    rxcandles stream KRW-BTC 1m --last 30d --format jsonl | gzip > btc.jsonl.gz
    rxcandles stream 'KRW-*' 1d --last 1y --format csv > all.csv
    """
)
@options.several
@options.printed
@options.refetch
@options.imported
@options.gathered
def stream(wanted: Wanted, place: Place, output: Output, order: Order, refetch: bool) -> options.Work:
    """Print each series while it is being collected."""
    how = {"order": order, "refetch": refetch, "include_imported": wanted.include_imported}

    def work() -> int:
        titles, left_out = asked_series("stream", wanted, place)
        page, failures = Page(titles, output, marked=wanted.include_imported), dict[str, RxCandlesError]()
        doubts: dict[str, Doubts] = {}

        async def streamed(provider: CandleDataProvider, board: Board) -> int:
            for each, title in titles.items():
                try:
                    found = await _streamed(provider, each, page, partial(board.tell, title), how)
                except (ExchangeError, OddRowError) as error:
                    failures[title] = of_one(error, titles)
                    continue
                if isinstance(found, int):
                    return found
                doubts[title] = found
            return 0

        # On a terminal, the candles themselves show the progress.
        code = run_several(place, titles, output, streamed, live=not sys.stdout.isatty())
        return code or tell(doubts, failures, quiet=output.quiet) or bool(left_out)

    return work


async def _streamed(
    provider: CandleDataProvider,
    request: Request,
    page: Page,
    tell: Callable[[CollectionProgress], None],
    how: Mapping[str, Any],
) -> Doubts | int:
    """Print one series as it arrives; return what is doubtful about it, or an exit code if stdout was closed."""
    if request.start == request.stop:
        return Doubts()
    seen, progress = Seen(request), LastProgress(tell)
    async with provider.stream_candles(*arguments_of(request), progress_callback=progress, **how) as chunks:
        async for candles, meta in chunks:
            for line in page.lines(request, candles, first=meta.chunk_index == 0):
                echo(line)
            if outputs.fault() is not None:
                return CUT_SHORT if outputs.reader_left() else 1
            seen.add(candles)
    store = provider.repository
    return Doubts(await seen.provisional(store), chunks.stats().revised, await seen.impossible(store))
