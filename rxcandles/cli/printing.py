"""``rxcandles get`` and ``rxcandles stream``: candles on stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import click

from rxcandles.cli import options, outputs
from rxcandles.cli.asking import WAYS, check_all_said
from rxcandles.cli.collecting import asked_for
from rxcandles.cli.console import format_candles
from rxcandles.cli.display import Board, LastProgress
from rxcandles.cli.jobs import Job, run_job, run_several, titles_of
from rxcandles.cli.provisional import Doubts, Seen, impossible_text, tell_doubts
from rxcandles.cli.text import echo
from rxcandles.model import CandleData, Order, Request
from rxcandles.provider import CandleDataProvider
from rxcandles.reports import CollectionConfig, CollectionProgress
from rxcandles.timeframe import to_datetime

__all__ = ["get", "stream"]

CUT_SHORT: Final = 141
"""Exit code of a stream whose reader had enough, as shells report it of other programs (128 + SIGPIPE)."""


@click.command()
@options.several
@options.printed
@options.refetch
@options.imported
def get(style: str, order: Order, refetch: bool, include_imported: bool, **asked: Any) -> options.Work:
    """Collect candles, then print them. Stored candles are not fetched again.

    Several series are printed one after the other. If their timeframes differ, csv and jsonl have a last column
    "timeframe".

    \b
    rxcandles get KRW-BTC 1m --count 10
    rxcandles get KRW-BTC 1d --since 2024-01-01 --format csv > btc.csv
    rxcandles get KRW-BTC KRW-ETH 60m --last 1d
    """

    def work() -> int:
        wanted, place, output = asked_for("get", **asked)
        how = {"refetch": refetch, "include_imported": include_imported}
        left_out: list[str] = []
        titles = titles_of(place.requests([wanted], left_out))
        for line in left_out:
            echo(line, err=True)

        async def collected(provider: CandleDataProvider, board: Board) -> list[tuple[Request, _Got]]:
            return [
                (each, await _got(provider, each, order, partial(board.tell, title), how))
                for each, title in titles.items()
            ]

        got = run_several(place, titles, output, collected)
        # After the event loop, which would keep Ctrl-C waiting behind a slow reader; everything is held by now.
        several_timeframes = len({each.timeframe for each in titles}) > 1
        for number, (request, (candles, _)) in enumerate(got):
            if style == "table" and len(got) > 1:
                echo(f"{titles[request]}:")
            last = request.timeframe.name if several_timeframes and style != "table" else None
            for line in _lines(candles, style, last, header=style == "table" or number == 0, marked=include_imported):
                if outputs.fault() is not None:
                    return 0
                echo(line)
        return _tell({titles[request]: doubts for request, (_, doubts) in got}, quiet=output.quiet) or bool(left_out)

    return work


_Got: TypeAlias = tuple[Sequence[CandleData], Doubts]


async def _got(
    provider: CandleDataProvider,
    request: Request,
    order: Order,
    tell: Callable[[CollectionProgress], None],
    how: Mapping[str, bool],
) -> _Got:
    """Collect and return the candles of one request, and what of it is not sure."""
    progress, seen = LastProgress(tell), Seen(request)
    end = None if request.start is None else to_datetime(request.start)
    candles: Sequence[CandleData] = []
    if request.start != request.stop:
        candles = await provider.get_candles(
            request.symbol, request.timeframe.name, request.count, to_datetime(request.stop), end,
            CollectionConfig(enable_memory_warning=False), order=order, progress_callback=progress, **how,
        )  # fmt: skip
    seen.add(candles)
    revised = progress.progress.revised if progress.progress else 0
    store = provider.repository
    return candles, Doubts(await seen.provisional(store), revised, await seen.impossible(store))


def _lines(
    candles: Sequence[CandleData], style: str, timeframe: str | None, *, header: bool, marked: bool
) -> Iterator[str]:
    """Yield the lines of one series, with its timeframe at the end where one is given."""
    for number, line in enumerate(format_candles(candles, style, header=header, marked=marked)):
        if timeframe is None:
            yield line
        elif style == "csv":
            yield f"{line},{'timeframe' if header and number == 0 else timeframe}"
        else:
            yield f'{line[:-1]}, "timeframe": "{timeframe}"}}'


@click.command()
@options.asked
@options.printed
@options.refetch
@options.imported
def stream(style: str, refetch: bool, include_imported: bool, **asked: Any) -> options.Work:
    """Print the candles of one series while they are being collected.

    \b
    rxcandles stream KRW-BTC 1m --last 30d --format jsonl | gzip > btc.jsonl.gz
    """
    way = next(((way, asked[way]) for way in WAYS if asked[way] is not None), ("", None))
    symbols, timeframes = ([asked[name]] if asked[name] else [] for name in ("symbol", "timeframe"))
    check_all_said("stream", symbols, timeframes, way, asked["to"])
    job = Job(**asked)

    async def work(provider: CandleDataProvider, progress: LastProgress) -> Doubts | int:
        seen = Seen(job.request)
        chosen = provider.stream_candles(
            **job.asked,
            order=job.order,
            progress_callback=progress,
            refetch=refetch,
            include_imported=include_imported,
        )
        async with chosen as chunks:
            async for candles, meta in chunks:
                for line in format_candles(candles, style, header=meta.chunk_index == 0, marked=include_imported):
                    echo(line)
                if outputs.fault() is not None:
                    return CUT_SHORT if outputs.reader_left() else 1
                seen.add(candles)
        store = provider.repository
        return Doubts(await seen.provisional(store), chunks.stats().revised, await seen.impossible(store))

    def show() -> int:
        # On a terminal the candles themselves show how far it is.
        done = run_job(job, work, live=not sys.stdout.isatty())
        if isinstance(done, int):
            return done
        return _tell({job.title: done}, quiet=job.quiet)

    return show


def _tell(found: Mapping[str, Doubts], *, quiet: bool) -> int:
    """Say what is not sure; return 1 where a candle is left out."""
    if not quiet:
        tell_doubts(found)
    impossible = {title: doubts.impossible for title, doubts in found.items() if doubts.impossible}
    for title, candles in impossible.items():
        echo(f"rxcandles: {title}: {impossible_text(candles)}", err=True)
    return 1 if impossible else 0
