"""``rxcandles get``: collect candles, then print them on stdout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

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
from rxcandles.model import CandleData, Order, Request
from rxcandles.model.reports import CollectionProgress
from rxcandles.model.settings import CollectionConfig
from rxcandles.modes.provider import CandleDataProvider

__all__ = ["get"]


@click.command(
    help="""Collect candles, then print them. Stored candles are not fetched again.

    Several series are printed one after the other. If their timeframes differ, csv and jsonl have "timeframe" as their
    last field.

    \b
    Reads:    the database
    Writes:   the database (what was fetched), and candles to stdout
    Network:  asks the exchange for what is not stored yet

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
@options.gathered
def get(wanted: Wanted, place: Place, output: Output, order: Order, refetch: bool) -> options.Work:
    """Collect each series, then print all."""
    how = {"refetch": refetch, "include_imported": wanted.include_imported}

    def work() -> int:
        titles, left_out = asked_series("get", wanted, place)
        page, failures = Page(titles, output, marked=wanted.include_imported), dict[str, RxCandlesError]()

        async def collected(provider: CandleDataProvider, board: Board) -> dict[Request, _Got]:
            found = {}
            for each, title in titles.items():
                try:
                    found[each] = await _got(provider, each, order, partial(board.tell, title), how)
                except (ExchangeError, OddRowError) as error:
                    failures[title] = of_one(error, titles)
            return found

        got = run_several(place, titles, output, collected)
        # Print after the event loop has ended: in it, a slow reader would delay Ctrl-C. Everything is stored by now.
        for request, (candles, _) in got.items():
            for line in page.lines(request, candles, first=True):
                if outputs.fault() is not None:
                    return 0
                echo(line)
        told = {titles[request]: doubts for request, (_, doubts) in got.items()}
        return tell(told, failures, quiet=output.quiet) or bool(left_out)

    return work


_Got: TypeAlias = tuple[Sequence[CandleData], Doubts]


async def _got(
    provider: CandleDataProvider,
    request: Request,
    order: Order,
    tell: Callable[[CollectionProgress], None],
    how: Mapping[str, Any],
) -> _Got:
    """Collect and return the candles of one request, and what is doubtful about them."""
    progress, seen = LastProgress(tell), Seen(request)
    candles: Sequence[CandleData] = []
    if request.start != request.stop:
        candles = await provider.get_candles(
            *arguments_of(request), CollectionConfig(enable_memory_warning=False), order=order,
            progress_callback=progress, **how,
        )  # fmt: skip
    seen.add(candles)
    revised = progress.progress.revised if progress.progress else 0
    store = provider.repository
    return candles, Doubts(await seen.provisional(store), revised, await seen.impossible(store))
